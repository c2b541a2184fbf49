"Seeded changes of training rows: pictures, texts, sounds, tables."

from .._moved import moved

__getattr__ = moved(__name__)
