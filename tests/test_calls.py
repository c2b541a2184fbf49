"""Wrong calls in Python are answered with what was wanted, in one line, like those of the command
line."""

import pytest

CALLS = {
    "evaluate(model, data)": "part was given as Data; it must be Part, such as data.test",
    "evaluate(data.test, model)": "model was given as Part",
    "evaluate(model, data.test, basline=True)": "no argument 'basline' of evaluate",
    "Model('efficientnet_lite0', 'single_label')": "it must be Task, such as data.task",
    "Model('efficientnet_lite0', data)": "task was given as Data",
    "Model('efficientnet_lite0', data.task, head='liner')": "did you mean 'linear'?",
    "Model('efficientnet_lite0', data.task, layer=2)": "did you mean 'layers'?",
    "Model(3, data.task)": 'it must be str or Backbone, such as "efficientnet_lite0"',
    "load_backbone('efficientnet_lit0')": "did you mean 'efficientnet_lite0'?",
    "load_backbone(3)": "name was given as int 3",
    "model.predict(['a.png'])": "such as data.test",
    "model.predict(data)": "what is predicted was given as Data",
    "model.save(None)": "folder was given as None",
    "Data.text(3)": "give (texts, labels), a table, a folder",
    "Data.image('no-such-folder')": "no such file or folder",
    "Data.image('sample:digits', vaild=0.2)": "did you mean 'valid'?",
    "Data.image('sample:digits', valid=15)": "together less than 1",
    "data.part('tests')": "did you mean 'test'?",
    "data.rows('test')": "a part by name is data.part('test')",
    "Augment(rotat=3)": "did you mean 'rotate'?",
    "Augment(rotate=300)": "allowed is a number in [0..180]",
    "Augment.preset('lite')": "did you mean 'light'?",
    "TrainConfig(epoch=3)": "did you mean 'epochs'?",
    "Trainer(data, model)": "it must be a Data",
    "Trainer(model, data.train)": "it must be a Data",
    "Trainer(model, data, 'light')": "augment is str and the data are pictures",
    "Trainer(model, data, epoch=3)": "did you mean 'epochs'?",
    "Trainer(model, data, epochs='3')": "it must be a whole number",
    "estimate(model, data)": "it must be Trainer, such as Trainer(model, data)",
    "Predictor(model)": "folder was given as Model",
    "Predictor('nowhere')": "is no model folder",
    "check(data.test)": "data was given as Part",
    "compare_models(data.test)": "data was given as Part",
    "compare_models(data, models='randomforest')": "did you mean 'random_forest'?",
    "rank_backbones(data.test)": "data was given as Part",
    "table_backbone('mlp', data)": "give Data.tabular(TABLE)",
    "same_split(data, 3)": "earlier was given as int 3",
    "run_template('imag')": "did you mean 'image'?",
    "run_template('image', epoch=3)": "perhaps epochs was meant",
    "run_batch('image', grid=3)": "grid was given as int 3; it must be dict",
    "Batch(3)": "name was given as int 3",
}


@pytest.fixture(scope="module")
def names():
    import ftkit
    from ftkit.models.earlier import same_split
    from ftkit.quality import check

    data = ftkit.Data.image("sample:digits", limit=100)
    model = ftkit.Model("efficientnet_lite0", data.task)
    given = {name: getattr(ftkit, name) for name in ftkit.__all__}
    return given | {"data": data, "model": model, "check": check, "same_split": same_split}


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_says_what_was_wanted(call, names, tmp_path, monkeypatch):
    from ftkit.core import UsageError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTKIT_RUNS", str(tmp_path / "runs"))
    with pytest.raises(UsageError) as refused:
        eval(call, dict(names))  # noqa: S307 the calls above, which stand in this file
    message = str(refused.value)
    assert CALLS[call] in message and "\n" not in message, message


def test_arguments_of_an_earlier_version_are_taken():
    from ftkit import Data, Model, TrainConfig, Trainer

    data = Data.image("sample:digits", limit=60)
    model = Model("small:cnn", data.task)
    with pytest.warns(DeprecationWarning, match="body_rate of TrainConfig is called backbone_rate"):
        assert Trainer(model, data, body_rate=0.2).config.backbone_rate == 0.2
    with pytest.warns(DeprecationWarning, match="backbone_dropout"):
        assert TrainConfig(body_dropout=0.1).backbone_dropout == 0.1
