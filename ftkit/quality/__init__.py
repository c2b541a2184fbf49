"The data gate: what is wrong with data, found before training."

from .._moved import moved
from . import personal, tables
from .checks import CHECKS, register_check
from .gate import check

__all__ = ["CHECKS", "check", "personal", "register_check", "tables"]
__getattr__ = moved(__name__)
