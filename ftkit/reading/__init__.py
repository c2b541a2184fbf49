"Files as rows, pictures, sounds and columns of tables."
