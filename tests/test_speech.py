"""Recordings to a model: the template for both tasks, predictions to the last bit, messages for
wrong use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from ftkit import Data, Model, Predictor, Trainer
from ftkit.core import UsageError
from ftkit.samples.catalogue import SampleError

RATE = 16000
WORDS = ("low", "high", "lolo", "hihi")


def ftkit(*args, cwd, **env):
    return subprocess.run(
        [sys.executable, "-m", "ftkit", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {k: str(v) for k, v in env.items()},
        timeout=900,
    )


def tone(rng, hertz, n):
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(n) / RATE) + rng.normal(0, 0.01, n)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """48 recordings of one or two tones, some at 8 kHz, one longer than 30 s; a table with a class
    and a text for each."""
    folder, rng, rows = tmp_path_factory.mktemp("tones"), np.random.default_rng(0), []
    for i in range(48):
        word, n = WORDS[i % 4], 4000 + 150 * i
        parts = [tone(rng, 300 if "lo" in word else 900, n)] * (
            1 + (len(word) == 4 and word != "high")
        )
        wave = np.concatenate([w for p in parts for w in (p, np.zeros(1500))])
        if i == 47:
            wave = np.tile(wave, 1 + 31 * RATE // len(wave))
        soundfile.write(folder / f"{i}.wav", wave, RATE // (1 + i % 2))
        rows.append((f"{i}.wav", ("low", "high")[word[0] == "h"], word))
    pd.DataFrame(rows, columns=["path", "label", "text"]).to_csv(folder / "t.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


def whisper_and_prompts():
    "Fetched, or the reason why not."
    from ftkit.models.backbone import load_backbone
    from ftkit.samples.catalogue import fetch_sample

    try:
        fetch_sample("prompts-en")
        load_backbone("whisper-base")
    except (SampleError, UsageError) as e:
        pytest.skip(str(e))


def ran(done) -> Path:
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout[done.stdout.index("{") :])["model"]).parent


# ---------------------------------------------------------------- the template


@pytest.mark.parametrize("task", ["classify", "transcribe"])
def test_template_on_tones(task, home, runs):
    folder = ran(
        ftkit(
            "run",
            "speech",
            "-p",
            "data",
            home / "t.csv",
            "-p",
            "task",
            task,
            "-p",
            "backbone",
            "log_mel",
            "-p",
            "epochs",
            "1",
            "-p",
            "head_epochs",
            "12",
            "-p",
            "split_by",
            "random",
            "-p",
            "width",
            "64",
            "-p",
            "augment",
            "light",
            "--json",
            cwd=runs,
            FTKIT_RUNS=runs,
        )
    )
    m = json.loads((folder / "metrics.json").read_text())
    page = (folder / "report.html").read_text()
    assert m["headline"] == {"classify": "accuracy", "transcribe": "character_error"}[task]
    if task == "classify":
        assert (
            m["figures"]["test"]["accuracy"]["value"] > 0.8
            and "log-mel statistics + linear" in m["baselines"]
        )
    else:
        assert (
            {"character_error", "word_error"} <= set(m["figures"]["test"])
            and m["examples"]
            and "Some transcripts" in page
        )
    assert (
        page.count("<audio") == len(m["heard"])
        and "data:audio/mpeg" in page
        and "media-src data:" in page
    )
    assert not [
        f
        for f in (folder / "model").iterdir()
        if f.suffix in (".pkl", ".pt", ".pth", ".bin", ".joblib")
    ]
    rows = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    said = ftkit("predict", folder.name, *rows.item, "--json", cwd=runs, FTKIT_RUNS=runs)
    assert said.returncode == 0, said.stderr
    told = [s["label"] for s in json.loads(said.stdout)]
    if task == "transcribe":
        assert told == [str(v) for v in rows.predicted]
    else:
        assert [s["probabilities"]["high"] for s in json.loads(said.stdout)] == pytest.approx(
            rows["p(high)"].tolist(), abs=0, rel=1e-15
        )
    line = (
        ftkit("predict", folder.name, rows.item[0], cwd=runs, FTKIT_RUNS=runs)
        .stdout.rstrip("\n")
        .split("\t")
    )
    assert line[:2] == [rows.item[0], told[0]]
    timed = ftkit("predict", folder.name, rows.item[0], "--times", cwd=runs, FTKIT_RUNS=runs)
    if task == "classify":
        assert (timed.returncode, "only what is said has its time" in timed.stderr) == (2, True)
    else:
        words = [w.split("\t") for w in timed.stdout.splitlines()]
        assert " ".join(w[3] for w in words) == told[0] and all(
            0 <= float(w[1]) < float(w[2]) <= soundfile.info(rows.item[0]).duration + 0.01
            for w in words
        )


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classify", "transcribe"])
def test_template_on_prompts(task, runs):
    whisper_and_prompts()
    folder = ran(
        ftkit(
            "run",
            "speech",
            "-p",
            "task",
            task,
            "-p",
            "limit",
            "60",
            "-p",
            "longest",
            "4",
            "-p",
            "epochs",
            "1",
            "-p",
            "head_epochs",
            "8",
            "-p",
            "precision",
            "float32",
            "-p",
            "baselines",
            "false",
            "--json",
            cwd=runs,
            FTKIT_RUNS=runs,
        )
    )
    run = json.loads((folder / "run.json").read_text())
    assert run["status"] == "completed" and (folder / "model" / "manifest.json").exists()
    from transformers import AutoModel

    assert AutoModel.from_pretrained(folder / "model").encoder.layers[5].fc1.weight.shape == (
        2048,
        512,
    )


# ---------------------------------------------------------------- the same bits


@pytest.mark.parametrize("task", ["classify", "transcribe"])
def test_alone_and_among_others_and_after_loading(task, home, tmp_path):
    data = Data.speech(home / "t.csv", task=task, split_by="random")
    model = (
        Trainer(
            Model("log_mel", data.task), data, epochs=0, head_epochs=8, head_rate=1e-2, batch_size=8
        )
        .fit()
        .model
    )
    everything = model.predict(data.rows(np.arange(48)))
    for i in (0, 17, 47):
        assert np.array_equal(model.predict(data.rows([i]))[0], everything[i])
    predictor = Predictor(model.save(tmp_path / "model"))
    paths = [str(p) for p in data.items]
    for some in (paths, paths[::-1], paths[5:6]):
        for s in predictor(some):
            p = everything[paths.index(s.input)]
            assert (
                s.label == p
                if task == "transcribe"
                else list(s.probabilities.values()) == p.tolist()
            )
    again = Model(str(tmp_path / "model"), data.task)
    assert (
        again.backbone.weights_hash() == model.backbone.weights_hash() and again.prep == model.prep
    )


def test_a_whisper_trains_from_what_lies_below(home, tmp_path, monkeypatch):
    from transformers import WhisperConfig, WhisperModel

    WhisperModel(
        WhisperConfig(
            d_model=32,
            encoder_layers=4,
            decoder_layers=1,
            encoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=32,
            decoder_attention_heads=2,
            vocab_size=32,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=1,
        )
    ).save_pretrained(tmp_path / "tiny")
    data = Data.speech(home / "t.csv", task="transcribe", split_by="random")
    whole = {}
    for known in (True, False):
        model = Model(str(tmp_path / "tiny"), data.task, seed=0)
        trainer = Trainer(model, data, epochs=2, head_epochs=1, batch_size=8, precision="float32")
        with monkeypatch.context() as m:
            if not known:  # the frozen layers are computed in each step
                m.setattr(
                    "ftkit.training.setup.lower_layers",
                    lambda backbone, data, layers, device: backbone.inputs(data),
                )
            trainer.fit()
            assert (trainer.setup.rows.below is not None) == known
        whole[known] = model.outputs(data.test)
    assert np.allclose(whole[True], whole[False], atol=1e-3)
    frozen = {n for n, k in model.backbone.layers().items() if k < 3}
    fresh = Model(str(tmp_path / "tiny"), data.task).backbone.body.state_dict()
    assert all(np.array_equal(model.backbone.body.state_dict()[n], fresh[n]) for n in frozen)
    saved = model.save(tmp_path / "saved")
    assert np.array_equal(Predictor(saved).model.predict(data.test), model.predict(data.test))


# ---------------------------------------------------------------- texts out of outputs


def test_decodings_are_kept_with_the_model(home, tmp_path):
    data = Data.speech(home / "t.csv", task="transcribe", split_by="random")
    model = (
        Trainer(
            Model("log_mel", data.task, decoding="beam"),
            data,
            epochs=0,
            head_epochs=2,
            head_rate=1e-2,
            batch_size=8,
        )
        .fit()
        .model
    )
    assert (
        Predictor(model.save(tmp_path / "beam")).model.predict(data.test).tolist()
        == model.predict(data.test).tolist()
    )
    refused(
        "have no spaces to part words; -p decoding greedy",
        lambda: Model("log_mel", data.task, decoding="words").bind(data),
    )
    two = Data.speech(
        (data.items, [f"{w} {w}" for w in data.labels]), task="transcribe", split_by="random"
    )
    model = (
        Trainer(
            Model("log_mel", two.task, decoding="words"),
            two,
            epochs=0,
            head_epochs=2,
            head_rate=1e-2,
            batch_size=8,
        )
        .fit()
        .model
    )
    wrote = model.predict(two.test)
    assert set(" ".join(wrote).split()) <= set(WORDS) and set(model.words.words) == set(WORDS)
    assert (
        Predictor(model.save(tmp_path / "words")).model.predict(two.test).tolist() == wrote.tolist()
    )


def tiny_whisper(folder: Path) -> Path:
    "A Whisper of 32 units that knows the letters of WORDS; its weights are random."
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        GenerationConfig,
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperForConditionalGeneration,
    )

    signs = ["<end>", "<start>", "<|en|>", "<|fr|>", "<transcribe>", *" higlow", "<plain>"]
    t = Tokenizer(models.WordLevel({s: i for i, s in enumerate(signs)}, "<end>"))
    t.pre_tokenizer, t.decoder = pre_tokenizers.Split("", "isolated"), decoders.Fuse()
    PreTrainedTokenizerFast(
        tokenizer_object=t,
        eos_token="<end>",
        pad_token="<end>",
        unk_token="<end>",
        additional_special_tokens=[*signs[:5], signs[-1]],
    ).save_pretrained(folder)
    torch.manual_seed(0)
    net = WhisperForConditionalGeneration(
        WhisperConfig(
            d_model=32,
            encoder_layers=3,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            vocab_size=len(signs),
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=0,
            decoder_start_token_id=1,
            max_target_positions=64,
        )
    )
    net.model.decoder.embed_tokens.weight.data *= 30  # as far apart as those that were trained
    net.save_pretrained(folder)
    GenerationConfig(
        decoder_start_token_id=1,
        eos_token_id=0,
        pad_token_id=0,
        lang_to_id={"<|en|>": 2, "<|fr|>": 3},
        task_to_id={"transcribe": 4},
        no_timestamps_token_id=len(signs) - 1,
        suppress_tokens=[1, 2, 3, 4],
    ).save_pretrained(folder)
    return folder


def test_a_decoder_learns_and_is_saved(home, tmp_path):
    data = Data.speech(
        home / "t.csv", task="transcribe", split_by="random", max_seconds=20, skip_bad=True
    )
    name = str(tiny_whisper(tmp_path / "tiny"))
    model = Model(name, data.task, head="decoder")
    trainer = Trainer(
        model,
        data,
        head_epochs=60,
        head_rate=1e-2,
        label_smoothing=0.0,
        epochs=2,
        learning_rate=1e-3,
        batch_size=8,
        precision="float32",
    ).fit()
    assert model.head.language in (
        "en",
        "fr",
    ) and f"text in {model.head.language}, 13 tokens" in repr(model)
    wrote = model.predict(data.test)
    assert set(wrote) <= set(WORDS) and len(set(wrote)) > 1, wrote
    first, last = trainer.history[0], trainer.history[-1]
    assert last["train_loss"] < 0.5 * first["train_loss"] and "valid_character_error" in last
    saved = model.save(tmp_path / "model")
    assert Predictor(saved).model.predict(data.test).tolist() == wrote.tolist()
    alone = [Predictor(saved)(str(data.items[i]))[0].label for i in data.test.ids[:3]]
    assert alone == wrote[:3].tolist()
    # goes on from what was learned
    assert Model(str(saved), data.task, head="decoder", language="fr").head.prompt[1] == 3
    from transformers import WhisperForConditionalGeneration

    # another program loads the whole
    assert np.array_equal(
        WhisperForConditionalGeneration.from_pretrained(saved)
        .model.decoder.layers[1]
        .fc1.weight.detach(),
        model.head.net.layers[1].fc1.weight.detach(),
    )
    long = Data.speech(home / "t.csv", task="transcribe", split_by="random")
    refused(
        "recordings to train on are longer than 30 s (first: row 47)",
        lambda: Model(name, long.task, head="decoder").bind(long),
    )
    refused(
        "decoder writes texts, and these data have classes",
        lambda: Model(name, Data.speech(home / "t.csv").task, head="decoder"),
    )
    refused(
        "log_mel has none; choose whisper-base", lambda: Model("log_mel", data.task, head="decoder")
    )
    refused(
        "decoding is 'beam' and the head a decoder",
        lambda: Model(name, data.task, head="decoder", decoding="beam"),
    )
    refused(
        "language is 'en' and only the head decoder takes one",
        lambda: Model("log_mel", data.task, language="en"),
    )
    refused(
        "decoding is 'best'; it must be one of greedy, beam, words, bigram",
        lambda: Model("log_mel", data.task, decoding="best"),
    )


# ---------------------------------------------------------------- wrong use


def refused(says, what):
    with pytest.raises(UsageError) as e:
        what()
    assert says in str(e.value) and "\n" not in str(e.value), str(e.value)


def test_messages(home, tmp_path):
    data = Data.speech(home / "t.csv")
    refused(
        "efficientnet_lite0 reads pictures and the data are recordings; choose whisper-base",
        lambda: Model("efficientnet_lite0", data.task),
    )
    refused(
        "log_mel reads recordings and the data are texts; choose all-MiniLM-L6-v2",
        lambda: Model("log_mel", Data.text((["a", "b"] * 9, ["x", "y"] * 9)).task),
    )
    refused(
        "recordings, which are not prepared by 'size'", lambda: Model("log_mel", data.task, size=3)
    )
    refused(
        "max_seconds is 0.2; it must be at least 1",
        lambda: Model("log_mel", data.task, max_seconds=0.2),
    )
    refused(
        "max_seconds is 60 and log_mel reads at most 30 s at once",
        lambda: Model("log_mel", data.task, max_seconds=60).bind(data),
    )
    model = Model("log_mel", data.task).bind(data)
    from ftkit import Augment

    refused(
        "augment is Augment and the data are recordings; give SoundAugment",
        lambda: Trainer(model, data, Augment(rotate=10)),
    )
    refused(
        "mixup is 0.2 and the data are recordings; only pictures and rows of tables can be laid"
        " over each other",
        lambda: Trainer(model, data, mixup=0.2),
    )
    from ftkit.augment.sounds import SoundAugment

    refused(
        "augment changes the inputs of the backbone, and only the head is trained",
        lambda: Trainer(model, data, SoundAugment.preset("light"), freeze="backbone"),
    )
    refused(
        "loss is 'ctc' and this head is trained by cross_entropy; leave loss at auto",
        lambda: Trainer(model, data, loss="ctc"),
    )
    refused(
        "decoding is 'beam', and these data have classes",
        lambda: Model("log_mel", data.task, decoding="beam"),
    )
    assert len(Data.speech(home / "t.csv", max_seconds=20, skip_long=True)) == 47
    refused(
        "1 of 48 rows name no file",
        lambda: Data.speech(
            pd.read_csv(home / "t.csv").assign(path=lambda d: ["gone.wav", *d.path[1:]]),
            folder=str(home),
            max_seconds=20,
            skip_long=True,
        ),
    )
    predictor = Predictor(model.save(tmp_path / "model"))
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    refused(
        "an array was given without its rate; give (array, samples a second)",
        lambda: predictor(np.zeros(16000, np.float32)),
    )
    assert len(predictor((np.random.default_rng(0).normal(0, 0.1, 16000), np.int64(16000)))) == 1
    refused(
        "text.wav: it is no recording of a kind that can be read",
        lambda: predictor(tmp_path / "text.wav"),
    )
    refused(
        "empty.wav: it is empty (0 bytes)",
        lambda: predictor([str(home / "0.wav"), tmp_path / "empty.wav"]),
    )
    (tmp_path / "nothing").mkdir()
    refused(
        "has no recordings in it; files that count end in .wav",
        lambda: predictor(tmp_path / "nothing"),
    )
    assert predictor([]) == []


def test_the_command_line_refuses_before_it_starts(tmp_path):
    done = ftkit("run", "speech", "-p", "task", "listen", cwd=tmp_path, FTKIT_RUNS=tmp_path)
    assert (
        done.returncode == 2
        and "task was given 'listen'" in done.stderr
        and "transcribe, classify" in done.stderr
    )
