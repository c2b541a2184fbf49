"""What a GPU changes; on a machine with torch, transformers, timm and CUDA, without Jupyter: pytest
--noconftest -m gpu tests/test_gpu.py"""

import numpy as np
import pytest
import torch

from ftkit import Augment, Data, Model, TextAugment, Trainer
from ftkit.core import UsageError
from ftkit.training.checkpoints import FITS

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def digits():
    return Data.image("sample:digits")


@pytest.fixture(scope="module")
def films():
    return Data.text("sample:movie", limit=600)


def pictures(digits, body="efficientnet_lite0", augment=True, **fields):
    model = Model(body, digits.task, pretrained=body == "efficientnet_lite0", size=64, dropout=0.2)
    return Trainer(
        model,
        digits,
        Augment.preset("light", fill=0) if augment else None,
        **(dict(epochs=2, head_epochs=5, deterministic=True) | fields),
    )


def texts(films, augment=False, **fields):
    return Trainer(
        Model("all-MiniLM-L6-v2", films.task),
        films,
        TextAugment(swap=0.1) if augment else None,
        **(dict(epochs=2, head_epochs=5, deterministic=True) | fields),
    )


class Interrupt(Exception):
    pass


def interrupt(stage, epoch):
    def watch(record):
        if (record["stage"], record["epoch"]) == (stage, epoch):
            raise Interrupt

    return watch


def test_learns_on_the_gpu(digits):
    t = pictures(digits, epochs=4, deterministic=False).fit()
    assert (t.model.predict(digits.test).argmax(1) == digits.test.labels).mean() > 0.95
    assert next(t.model.parameters()).is_cuda and t.device_reason == torch.cuda.get_device_name()


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("kind", ["pictures", "texts"])
def test_same_bits_twice_and_resumed(kind, augment, digits, films, tmp_path, monkeypatch):
    make = (
        (lambda **k: pictures(digits, augment=augment, **k))
        if kind == "pictures"
        else (lambda **k: texts(films, augment, **k))
    )
    whole = make(checkpoint_seconds=0).fit().model.weights_hash()
    assert make(checkpoint_seconds=0).fit().model.weights_hash() == whole
    for moment in (("head", 3), ("tune", 1)):
        monkeypatch.setenv("FTKIT_RUN_DIR", str(tmp_path / moment[0]))
        (tmp_path / moment[0]).mkdir()
        with pytest.raises(Interrupt):
            make(checkpoint_seconds=0, watch=[interrupt(*moment)]).fit()
        FITS.clear()  # as in a new process
        assert make(checkpoint_seconds=0).fit().model.weights_hash() == whole
        monkeypatch.delenv("FTKIT_RUN_DIR")


def test_one_row_alone_is_predicted_as_among_all(digits, films):
    for t, data in ((pictures(digits, epochs=0), digits), (texts(films, epochs=0), films)):
        model = t.fit().model
        every = model.predict(data.test)
        for i in (0, 1, len(data.test) - 1):
            assert np.array_equal(
                model.predict(data.rows(data.test.ids[i : i + 1])), every[i : i + 1]
            )


def test_gpu_and_cpu_agree(digits, films):
    for t, data in ((pictures(digits, epochs=0), digits), (texts(films, epochs=0), films)):
        model = t.fit().model
        there = model.predict(data.test)
        here = model.to("cpu").predict(data.test)
        assert np.abs(here - there).max() < 5e-3, np.abs(here - there).max()


def test_a_body_without_such_kernels_is_named(digits):
    model = Model("timm:resnet10t", digits.task, pretrained=False, size=64)
    model.backbone.body.global_pool = torch.nn.Sequential(
        torch.nn.AdaptiveMaxPool2d(2), torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten()
    )
    with pytest.raises(UsageError, match="set deterministic to false"):
        Trainer(model, digits, epochs=1, head_epochs=0, deterministic=True).fit()
    Trainer(model, digits, epochs=1, head_epochs=0).fit()


def test_precision_is_measured_on_the_gpu(digits):
    t = pictures(digits, head_epochs=0, epochs=1).fit()
    assert torch.cuda.get_device_name() in t.precision.reason


def test_recordings(tmp_path):
    rng = np.random.default_rng(0)
    t = np.arange(16000) / 16000
    sounds = [
        (np.sin(2 * np.pi * f * t) * 0.3 + rng.normal(0, 0.05, len(t))).astype(np.float32)
        for f in (220, 880)
        for _ in range(20)
    ]
    data = Data.speech(([(s, 16000) for s in sounds], ["low"] * 20 + ["high"] * 20))
    model = Model("log_mel", data.task)
    found = (
        Trainer(model, data, epochs=0, head_epochs=40, deterministic=True)
        .fit()
        .model.predict(data.test)
    )
    assert (found.argmax(1) == data.test.labels).mean() == 1


@pytest.mark.parametrize("kind", ["pictures", "texts"])
def test_compiled_and_resumed(kind, digits, films, tmp_path, monkeypatch):
    how = dict(
        compile="on", checkpoint_seconds=0, epochs=3, head_epochs=0, precision="bfloat16"
    ) | (dict(frozen_layers=0) if kind == "texts" else {})

    def make(**k):
        return pictures(digits, **how | k) if kind == "pictures" else texts(films, **how | k)

    whole = make()
    whole.fit()
    assert whole.precision.compiled, whole.precision.reason
    monkeypatch.setenv("FTKIT_RUN_DIR", str(tmp_path))
    with pytest.raises(Interrupt):
        make(watch=[interrupt("tune", 2)]).fit()
    FITS.clear()  # as in a new process
    assert make().fit().model.weights_hash() == whole.model.weights_hash()


@pytest.mark.parametrize("compile", ["off", "on"])
def test_weights_in_bfloat16_learn_as_well_and_resume(compile, films, tmp_path, monkeypatch):
    def make(half="on", **k):
        return texts(
            films,
            half_backbone=half,
            precision="bfloat16",
            checkpoint_seconds=0,
            head_epochs=0,
            epochs=3,
            frozen_layers=0,
            backbone_dropout=0.1,
            **{"compile": compile} | k,
        )

    whole, usual = make().fit(), make("off", compile="off").fit()
    assert (
        whole.precision.copied
        and not usual.precision.copied
        and next(whole.model.parameters()).dtype == torch.float32
    )
    assert abs(whole.best["valid_loss"] - usual.best["valid_loss"]) < 0.1
    monkeypatch.setenv("FTKIT_RUN_DIR", str(tmp_path))
    with pytest.raises(Interrupt):
        make(watch=[interrupt("tune", 2)]).fit()
    FITS.clear()  # as in a new process
    assert make().fit().model.weights_hash() == whole.model.weights_hash()
