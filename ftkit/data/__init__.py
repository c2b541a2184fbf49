"Labelled examples with a split. Importing this gives the whole class: `Data.image`, `text`, `speech` and `tabular`."

from .._moved import moved
from ..reading.rows import DataError
from . import folds, images, speech, tables, texts
from .dataset import Data, Part, Task

__all__ = ["Data", "DataError", "Part", "Task", "folds", "images", "speech", "tables", "texts"]
__getattr__ = moved(__name__)
