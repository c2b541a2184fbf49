"How good a model is, what it gets wrong, and how it compares with others."

from .._moved import moved

__getattr__ = moved(__name__)
