"""Networks with random weights learn with the defaults, and folds keep rows to choose an epoch by."""

import dataclasses

import numpy as np
import pytest

from ftkit import Augment, Data, Model, Trainer
from ftkit.models.artifact import load_model
from ftkit.training.config import recipe_for


@pytest.fixture(scope="module")
def digits():
    return Data.image("sample:digits", limit=600)


@pytest.fixture(scope="module")
def trained(digits):
    model = Model("small:cnn", digits.task, size=32)
    return Trainer(model, digits, Augment.preset("light", fill=0)).fit()


def test_a_small_network_learns_with_the_defaults(digits, trained, capsys):
    hits = trained.model.predict(digits.test).argmax(1) == digits.test.labels
    assert hits.mean() >= 0.9
    assert {h["stage"] for h in trained.history} == {"tune"}
    assert trained.config.batch_norm == "trained"


def test_the_line_names_what_was_chosen_and_what_is_given_stays(digits, capsys):
    Trainer(Model("small:cnn", digits.task), digits, epochs=2, learning_rate=None)
    said = capsys.readouterr().out
    assert "starts from random weights" in said and "epochs 2, learning_rate 0.003" in said
    Trainer(Model("efficientnet_lite0", digits.task), digits, epochs=None, batch_norm=None)
    assert "random weights" not in capsys.readouterr().out


def test_what_was_trained_goes_on_with_the_usual_defaults(digits, trained, tmp_path):
    again = load_model(trained.model.save(tmp_path / "model"))
    assert np.allclose(again.predict(digits.test), trained.model.predict(digits.test), atol=1e-5)
    for model in (trained.model, again, Model(str(tmp_path / "model"), digits.task)):
        assert recipe_for(model, {}).batch_norm == "frozen"


def test_folds_partition_the_rows_and_keep_some_for_validation(digits):
    groups = np.array([f"writer {i % 37}" for i in range(len(digits))])
    for data in (digits, dataclasses.replace(digits, groups=groups)):
        folds = data.folds(4)
        tested = np.concatenate([f.test.ids for f in folds])
        assert sorted(tested.tolist()) == list(range(len(data)))
        for fold in folds:
            parts = [set(p.ids.tolist()) for p in (fold.train, fold.valid, fold.test)]
            assert sum(map(len, parts)) == len(data) == len(set().union(*parts))
            assert 0.05 <= len(fold.valid) / len(data) <= 0.16
            assert set(fold.train.labels) == set(data.labels)
            if data.groups is not None:
                assert all(len(set(fold.parts[groups == g])) == 1 for g in set(groups))
