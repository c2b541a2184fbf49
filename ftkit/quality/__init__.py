"The data gate: what is wrong with data, found before training."

from .._moved import moved
from . import personal, tables
from .gate import CHECKS, check, register_check

__all__ = ["CHECKS", "check", "personal", "register_check", "tables"]
__getattr__ = moved(__name__)
