"""A training that is killed at any step goes on to the same bits, whatever is switched on: the
matrix of options."""

import random

import numpy as np
import pytest
import torch

from ftkit import Augment, Data, Model, TableAugment, Trainer
from ftkit.models.table_backbones import table_backbone
from ftkit.training.checkpoints import FITS, Checkpoints
from ftkit.training.config import OPTIMISERS
from ftkit.training.losses import register_loss

OPTIONS = {  # fields of TrainConfig, or what else is on
    "plain": {},
    "dropout": {"backbone_dropout": 0.3},
    "augmentation": {"augment": True},
    "mixup": {"mixup": 0.4},
    "accumulation": {"accumulate": 3},
    "early stopping": {"patience": 2},
    "no best": {"keep": "last", "patience": None},
    "blend": {"blend": 0.7},
    "bfloat16": {"precision": "bfloat16"},
    "bfloat16 weights": {"precision": "bfloat16", "half_body": "on"},
    "class weights, focal": {"class_weights": "auto", "loss": "focal"},
    "head first": {"head_epochs": 3},
    "average of steps": {"ema": 0.8},
    "average of epochs": {"swa": 0.6},
    "LoRA": {"lora": 4, "blend": 0.8},
    "DoRA": {"lora": 4, "dora": True, "ema": 0.8},
    "L1, linear": {"l1": 1e-3, "schedule": "linear"},
    "balanced": {"sampler": "balanced"},
    "plateau": {"schedule": "plateau", "plateau_epochs": 1},
    "contrast": {"contrast_epochs": 3, "head_epochs": 2},
    "teacher": {"teacher": True},
    "rollback": {"learning_rate": 1.0, "clip": 0.0, "loss": "overflowing", "on_nan": "rollback"},
    "smoothing, decay": {"label_smoothing": 0.1, "weight_decay": 0.1},
    "one cycle": {"schedule": "one_cycle"},
    "gradual": {"freeze": "gradual"},
    "all at once": {
        "augment": True,
        "mixup": 0.4,
        "backbone_dropout": 0.3,
        "accumulate": 2,
        "precision": "bfloat16",
        "head_epochs": 2,
    },
} | {f"optimizer {o}": {"optimizer": o} for o in OPTIMISERS}


OF_PICTURES = {
    "clipped norms": {"body": "timm:mobilenetv2_100", "augment": True},
    "cutmix": {"cutmix": 1.0},
    "cutmix or mixup": {"cutmix": 1.0, "mixup": 0.4, "augment": True},
    "stochastic depth": {"stochastic_depth": 0.3},
    "growing pictures": {"progressive": 0.5},
    "computed again": {"gradient_checkpointing": True, "backbone_dropout": 0.2},
    "views": {"augment": True, "views": 2, "head_epochs": 4},
}


class Killed(Exception):
    pass


@register_loss("overflowing")
def overflowing(out, y, smoothing):
    "Cross-entropy that is no number once an output is large."
    loss = torch.nn.functional.cross_entropy(out, y, reduction="none")
    return torch.where(out.abs().amax(1) > 60, torch.inf, loss)


@pytest.fixture(scope="module")
def people():
    return Data.tabular("sample:titanic", limit=320)


@pytest.fixture(scope="module")
def digits():
    return Data.image("sample:digits", limit=96)


def of_tables(data, **options):
    augment = (
        TableAugment(noise=0.1, swap=0.1, blank=0.05) if options.pop("augment", False) else None
    )
    if options.pop("teacher", False):
        options["teacher"] = (
            Trainer(
                Model(table_backbone("mlp", data, width=32), data.task),
                data,
                epochs=2,
                record=False,
            )
            .fit()
            .model
        )
    return Trainer(
        Model(
            table_backbone("mlp", data, width=32, layers=2),
            data.task,
            head="mlp",
            width=16,
            dropout=0.1,
        ),
        data,
        augment,
        **(dict(epochs=4, batch_size=48, checkpoint_seconds=0) | options),
    )


def of_pictures(data, **options):
    augment = Augment.preset("light", fill=0) if options.pop("augment", False) else None
    return Trainer(
        Model(
            options.pop("body", "timm:resnet10t"), data.task, pretrained=False, size=64, dropout=0.1
        ),
        data,
        augment,
        **(dict(epochs=3, head_epochs=0, batch_size=16, checkpoint_seconds=0) | options),
    )


def killed_at(make, step, folder, monkeypatch):
    "The weights' hash of a training that is killed after a checkpoint, and gone on with."
    folder.mkdir()
    monkeypatch.setenv("FTKIT_RUN_DIR", str(folder))
    written, save = [], Checkpoints.save

    def once(self, *args):
        out = save(self, *args)
        written.append(1)
        if len(written) == step:
            raise Killed
        return out

    with monkeypatch.context() as m:
        m.setattr(Checkpoints, "save", once)
        try:
            make().fit()
        except Killed:
            pass
    FITS.clear()  # as in a new process
    found = make().fit().model.weights_hash()
    monkeypatch.delenv("FTKIT_RUN_DIR")
    return found, len(written)


def matrix(make, data, options, times, tmp_path, monkeypatch):
    whole = make(data, **options).fit().model.weights_hash()
    assert make(data, **options).fit().model.weights_hash() == whole
    steps = sorted(random.sample(range(1, 12), times))  # other ones each time: any of them must do
    for step in steps:
        found, written = killed_at(
            lambda: make(data, **options), step, tmp_path / str(step), monkeypatch
        )
        assert found == whole, (
            f"killed after checkpoint {step} of those written: another model ({steps})"
        )
        assert written == step


@pytest.mark.parametrize("name", ["all at once", "DoRA", "contrast", "rollback"])
def test_tables_resume_to_the_same_bits(name, people, tmp_path, monkeypatch):
    matrix(of_tables, people, OPTIONS[name], 2, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_resumes_to_the_same_bits(name, people, tmp_path, monkeypatch):
    matrix(of_tables, people, OPTIONS[name], 3, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        n
        for n in OPTIONS | OF_PICTURES
        if n
        not in (
            "bfloat16 weights",
            "head first",
            "class weights, focal",
            "teacher",
            "rollback",
        )
        and not n.startswith("optimizer")
        or n in ("optimizer sgd", "optimizer Adam")
    ],
)
def test_pictures_resume_to_the_same_bits(name, digits, tmp_path, monkeypatch):
    matrix(of_pictures, digits, (OPTIONS | OF_PICTURES)[name], 3, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["cutmix or mixup", "views"])
def test_some_pictures_resume_to_the_same_bits(name, digits, tmp_path, monkeypatch):
    matrix(of_pictures, digits, OF_PICTURES[name], 1, tmp_path, monkeypatch)


def test_a_number_with_its_losses_and_the_optimisers_learn():
    data = Data.tabular("sample:diabetes")
    mean = float(np.sqrt(((data.test.labels - data.train.labels.mean()) ** 2).mean()))
    for how in (
        {"loss": "huber"},
        *(
            {"optimizer": o, "learning_rate": r}
            for o, r in (("Adam", 1e-3), ("RMSprop", 1e-3), ("Adagrad", 1e-2))
        ),
    ):
        model = (
            Trainer(Model(table_backbone("mlp", data, width=64), data.task), data, epochs=15, **how)
            .fit()
            .model
        )
        assert (
            float(np.sqrt(((model.predict(data.test) - data.test.labels) ** 2).mean())) < 0.9 * mean
        ), how
