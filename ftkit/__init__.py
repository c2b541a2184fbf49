"""ftkit: fine-tune a pretrained model on your own pictures, texts, recordings or tables."""

from ._moved import RENAMED, install, renamed

__version__ = "0.1.0"

# name -> its home; imported on first use, so that `import ftkit` costs no torch
_LAZY = {
    "settings": "core",
    "Data": "data",
    "Augment": "augment.images",
    "TextAugment": "augment.texts",
    "SoundAugment": "augment.sounds",
    "TableAugment": "augment.tables",
    "Model": "models",
    "load_backbone": "models",
    "list_backbones": "models",
    "table_backbone": "models",
    "Classical": "models",
    "Predictor": "models",
    "Trainer": "training.trainer",
    "TrainConfig": "training.config",
    "estimate": "training.estimation",
    "evaluate": "evaluation.report",
    "Report": "evaluation.report",
    "compare_models": "evaluation.comparison",
    "fit_model": "evaluation.comparison",
    "rank_backbones": "evaluation.ranking",
    "run_template": "runs.launch",
    "list_runs": "runs.listing",
    "dry_run": "runs.dry_run",
    "run_batch": "batch.driver",
    "Batch": "batch.batch",
}
__all__ = list(_LAZY)

install()


def __getattr__(name):
    if name in RENAMED:
        return renamed(__name__, 3)(name)
    if name not in _LAZY:
        raise AttributeError(f"module 'ftkit' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"ftkit.{_LAZY[name]}"), name)
    return value


def __dir__():
    return sorted([*globals(), *_LAZY])


def _jupyter_server_extension_points():
    "Told to Jupyter servers: where the routes are added."
    return [{"module": "ftkit"}]


def _load_jupyter_server_extension(server):
    from ftkit.lab.server import load

    load(server)
