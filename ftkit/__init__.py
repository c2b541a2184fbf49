"""ftkit: fine-tune a pretrained model on your own pictures, texts, recordings or tables."""
__version__ = "0.1.0"

# name -> the module that defines it; imported on first use, so that `import ftkit` costs no torch
_LAZY = {
    "Data": "table_data", "Augment": "augment", "TextAugment": "words", "SoundAugment": "noises", "TableAugment": "table_augment", "table_body": "table_bodies", "Classical": "classical",
    "compare_models": "comparison", "fit_model": "comparison", "Model": "artifact", "load_backbone": "speech_bodies", "list_backbones": "backbone",
    "Trainer": "trainer", "TrainConfig": "recipe", "estimate": "estimation", "rank_backbones": "ranking", "evaluate": "evaluation", "Report": "evaluation", "Predictor": "artifact",
    "run_template": "run", "dry_run": "rehearsal", "list_runs": "run", "run_batch": "pool", "Batch": "batch", "settings": "core",
}
__all__ = list(_LAZY)


def __getattr__(name):
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
    from ftkit.server import load
    load(server)
