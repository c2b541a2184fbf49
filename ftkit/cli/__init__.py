"The command line."

from .._moved import moved

__getattr__ = moved(__name__)
