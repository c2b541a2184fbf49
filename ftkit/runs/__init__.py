"One run: started, watched, resumed, compared and reported."
