"Rows as a backbone reads them: pixels, tokens, samples of sound."

from .._moved import moved

__getattr__ = moved(__name__)
