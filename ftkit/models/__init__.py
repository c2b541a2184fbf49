"Backbones of all sources, heads, models and what is saved of them."

from .._moved import renamed
from . import decoder, small, speech, tables
from .artifact import Predictor, load_model
from .backbone import Backbone, BackboneError, list_backbones, load_backbone
from .classical import Classical
from .model import Model
from .table_backbones import table_backbone

__all__ = [
    "Backbone",
    "BackboneError",
    "Classical",
    "Model",
    "Predictor",
    "decoder",
    "list_backbones",
    "load_backbone",
]
__all__ += ["load_model", "small", "speech", "table_backbone", "tables"]
__getattr__ = renamed(__name__)
