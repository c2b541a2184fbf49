"Scores with their intervals, of classes, numbers and transcriptions."

from .._moved import moved
from . import scores, transcripts, worst
from .scores import SCORES

__all__ = ["SCORES", "scores", "transcripts", "worst"]
__getattr__ = moved(__name__)
