"""Recordings as a person has them: broken, silent, long, odd formats, manifests with mistakes;
splits without leaks."""

import dataclasses
import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from ftkit import Data
from ftkit.augment.sounds import SoundAugment
from ftkit.data.speech import same_sentence
from ftkit.reading.rows import DataError
from ftkit.reading.sounds import Clip, SoundError, look_at_sounds, open_sound

pytestmark = pytest.mark.usefixtures("session_cache")
WORDS = "one two three four five six seven eight nine ten eleven twelve".split()


def tone(hertz=440.0, seconds=0.3, rate=16000, loud=0.3):
    "With a little noise, so that no codec finds it trivial."
    t = np.arange(int(seconds * rate)) / rate
    return loud * np.sin(2 * np.pi * hertz * t) + np.random.default_rng(int(hertz)).normal(
        0, 0.01, len(t)
    )


def pitch(wave, rate=16000):
    return float(np.argmax(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))))) * rate / len(wave)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "48 clips of 4 voices that say 12 numbers, and a manifest."
    folder = tmp_path_factory.mktemp("a person's recordings")
    rows = []
    for i in range(48):
        soundfile.write(folder / f"{i}.wav", tone(200 + 7 * i, 0.2 + i / 200), 16000)
        rows.append(
            {
                "path": f"{i}.wav",
                "text": WORDS[i % 12] + (". " if i % 2 else "!"),
                "who": f"voice {i // 12}",
                "mood": ["glad", "sad"][i % 2],
            }
        )
    pd.DataFrame(rows).to_csv(folder / "all.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    "Folders of two classes, which are the moods of the table."
    folder = tmp_path_factory.mktemp("moods")
    for mood in ("glad", "sad"):
        (folder / mood).mkdir()
        for i in range(3):
            soundfile.write(folder / mood / f"{i}.wav", tone(2000 + 100 * i + len(mood)), 16000)
    return folder


@pytest.fixture
def table(home):
    return pd.read_csv(home / "all.csv")


def changed(table, row=4, **values):
    table = table.copy()
    for k, v in values.items():
        if k not in table:
            table[k] = None
        table[k] = table[k].astype(object)
        table.loc[row, k] = v
    return table


def refused(*parts, **given) -> str:
    "The one-line message of the refusal, which must hold all of `parts`."
    with pytest.raises(DataError) as e:
        Data.speech(**given)
    said = str(e.value)
    assert "\n" not in said and all(p in said for p in parts), said
    return said


def skips(reason, n=47, **given):
    "With skip_bad the rest is used, and the reason stands in the notes."
    data = Data.speech(**given, skip_bad=True)
    assert (
        len(data) == n
        and reason in data.notes[0]
        and "left out" in data.notes[0]
        and reason in data.skipped[0][1]
    ), (len(data), data.notes)
    return data


# ---------------------------------------------------------------- recordings that cannot be used

BROKEN = {
    "empty.wav": lambda p: p.touch(),
    "text.wav": lambda p: p.write_text("this is a letter\n" * 40),
    "cut.flac": lambda p: p.write_bytes(_flac()[: len(_flac()) // 2]),
    "picture.mp3": lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500)),
    "silent.wav": lambda p: soundfile.write(p, np.zeros(8000), 8000),
    "faint.wav": lambda p: soundfile.write(p, tone(loud=0) * 0.01, 16000),
    "nan.wav": lambda p: soundfile.write(p, np.full(900, np.nan), 8000, subtype="FLOAT"),
    "header.wav": lambda p: p.write_bytes(_wav()[:44]),
    "cut.wav": lambda p: p.write_bytes(_wav()[:5000]),
}
REASONS = {
    "empty.wav": "it is empty (0 bytes)",
    "text.wav": "no recording of a kind that can be read",
    "cut.flac": "cut off",
    "picture.mp3": "no recording of a kind that can be read",
    "silent.wav": "it is silent (every sample is 0)",
    "faint.wav": "it is silent (peak -",
    "nan.wav": "no numbers (NaN or infinite)",
    "header.wav": "it is cut off (0 of",
    "cut.wav": "it is cut off (4,956 of",
}


def _bytes(kind):
    file = io.BytesIO()
    soundfile.write(file, tone(seconds=2), 16000, format=kind)
    return file.getvalue()


def _flac():
    return _bytes("FLAC")


def _wav():
    return _bytes("WAV")


@pytest.mark.parametrize("name", BROKEN)
def test_broken_recordings_are_named_with_their_reason(name, home, table, tmp_path):
    BROKEN[name](tmp_path / name)
    given = {
        "source": changed(table, path=str(tmp_path / name)),
        "folder": home,
        "task": "transcribe",
    }
    refused("1 of 48 recordings cannot be used", name, REASONS[name], "-p skip_bad true", **given)
    skips(REASONS[name], **given)
    if "silent" in REASONS[name]:
        # silence is nothing to learn from, but it can be opened
        assert np.abs(open_sound(tmp_path / name)).max() < 0.001
    else:
        with pytest.raises(SoundError, match=name):
            open_sound(tmp_path / name)


def test_all_broken_ones_are_listed_at_once(home, table, tmp_path):
    for name, make in BROKEN.items():
        make(tmp_path / name)
    for i, name in enumerate(BROKEN):
        table.loc[i, "path"] = str(tmp_path / name)
    refused(
        f"{len(BROKEN)} of 48 recordings cannot be used",
        *REASONS.values(),
        source=table,
        folder=home,
        task="transcribe",
    )


def test_missing_paths(home, table):
    refused(
        "1 of 48 rows name no file (first: ",
        "gone.wav",
        "folder=",
        source=changed(table, path="gone.wav"),
        folder=home,
        task="transcribe",
    )
    refused(
        "48 of 48 rows name no file",
        "0.wav",
        "1.wav",
        "2.wav",
        source=table,
        folder=home / "elsewhere",
        task="transcribe",
        skip_bad=True,
    )
    skips("no such file", source=changed(table, path="gone.wav"), folder=home, task="transcribe")


@pytest.mark.parametrize(
    "change, says",
    [
        (
            {"start": 0.2, "end": 0.1},
            "its span goes from 0.2 to 0.1 s; start must be at least 0 and less than end",
        ),
        ({"start": -1}, "start must be at least 0"),
        ({"end": 60}, "it ends at 0.22 s and the span 0–60 s goes beyond"),
        ({"start": 60}, "it ends before 60 s"),
        ({"start": 60, "end": 61}, "it ends before 60 s"),
    ],
)
def test_spans_that_are_not_there(change, says, home, table):
    refused(
        "1 of 48 recordings cannot be used",
        "4.wav [",
        says,
        source=changed(table, **change),
        folder=home,
        task="transcribe",
    )
    skips(says, source=changed(table, **change), folder=home, task="transcribe")


def test_a_span_that_is_no_number(home, table):
    refused(
        "the column 'start' holds '0:12' in row 5; give seconds",
        source=changed(table, start="0:12"),
        folder=home,
        task="transcribe",
    )


def test_empty_transcripts(home, table):
    refused(
        "1 of 48 recordings have no text in 'text' (first: row 5)",
        "-p skip_bad true",
        source=changed(table, text=" "),
        folder=home,
        task="transcribe",
    )
    skips("no text", source=changed(table, text=None), folder=home, task="transcribe")
    refused(
        "48 of 48 recordings have no text",
        source=table.assign(text=""),
        folder=home,
        task="transcribe",
        skip_bad=True,
    )


def test_too_short_and_too_long(home, table, tmp_path):
    soundfile.write(
        tmp_path / "lecture.wav", np.random.default_rng(0).normal(0, 0.1, 8000 * 301), 8000
    )
    lecture = changed(table, path=str(tmp_path / "lecture.wav"), start=None, end=None)
    refused(
        "it lasts 301.0 s, more than the 300 that are learned in one piece; cut it in parts (start,"
        " end), or leave it out",
        source=lecture,
        folder=home,
        task="transcribe",
    )
    assert (
        len(
            Data.speech(
                lecture, task="transcribe", folder=str(home), max_seconds=300, skip_long=True
            )
        )
        == 47
    )
    refused(
        "it lasts 0.2 s, less than min_seconds, 0.204",
        source=table,
        folder=home,
        task="transcribe",
        min_seconds=0.204,
    )
    skips("more than 0.43", source=table, folder=home, task="transcribe", max_seconds=0.43)


def test_one_class_and_no_class(home, table, tmp_path):
    refused(
        "all 48 rows have the same label 'x'; there must be at least two classes",
        source=table.assign(label="x"),
        folder=home,
    )
    refused("has no column called label, labels, class, target", source=table, folder=home)
    refused("has no class folders with recordings (it is empty)", source=tmp_path)
    refused("no such file or folder; give a folder of class folders", source="nowhere")
    refused("a table with a path and a text in each row", source=home, task="transcribe")


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize(
    "name, kw",
    [
        ("24.wav", {"subtype": "PCM_24"}),
        ("32.wav", {"subtype": "PCM_32"}),
        ("float.wav", {"subtype": "FLOAT"}),
        ("8.wav", {"subtype": "PCM_U8"}),
        ("a.mp3", {}),
        ("a.ogg", {}),
        ("a.flac", {}),
        ("a.aiff", {}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
        ("UPPER.WAV", {"format": "WAV"}),
    ],
)
@pytest.mark.parametrize("rate", [8000, 48000])
def test_formats(name, kw, rate, tmp_path):
    soundfile.write(tmp_path / name, np.stack([tone(440, 1, rate), np.zeros(rate)], 1), rate, **kw)
    (sha, seconds, own, channels, wrong, odd), wave = (
        look_at_sounds([tmp_path / name])[0],
        open_sound(tmp_path / name),
    )
    assert (
        (own, channels, wrong, odd) == (rate, 2, "", "empty")
        and abs(seconds - 1) < 0.08
        and len(sha) == 64
    )
    assert (
        wave.dtype == np.float32 and abs(len(wave) - 16000) < 1300 and abs(pitch(wave) - 440) < 1.5
    )
    # the empty channel is left out
    assert abs(np.sqrt((wave[3000:-3000] ** 2).mean()) - 0.3 / np.sqrt(2)) < 0.01


def test_m4a_and_the_sound_of_a_film(tmp_path):
    av = pytest.importorskip("av", reason="PyAV is not installed; pip install ftkit[media]")
    for name in ("a.m4a", "a.mp4", "a.3gp"):
        with av.open(str(tmp_path / name), "w") as file:
            stream = file.add_stream("aac", rate=44100, layout="stereo")
            for i, part in enumerate(np.split(tone(440, 2, 44100)[: 43 * 2048], 43)):
                frame = av.AudioFrame.from_ndarray(
                    np.repeat(part * 32767, 2).astype(np.int16)[None], format="s16", layout="stereo"
                )
                frame.sample_rate, frame.pts = 44100, i * 2048
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        assert (
            abs(pitch(open_sound(tmp_path / name)) - 440) < 1
            and abs(len(open_sound(tmp_path / name)) / 16000 - 43 * 2048 / 44100) < 0.1
        )
        assert abs(len(open_sound(tmp_path / name, start=0.5, end=1.5)) - 16000) < 3
        assert look_at_sounds([tmp_path / name])[0][2:] == (44100, 2, "", "")
    (tmp_path / "cut.m4a").write_bytes((tmp_path / "a.m4a").read_bytes()[:6000])
    assert "damaged or cut off" in look_at_sounds([tmp_path / "cut.m4a"])[0][4]


def test_without_pyav_the_message_says_how_to_get_it(tmp_path):
    (tmp_path / "a.m4a").write_bytes(b"anything")
    code = (
        "import sys; sys.modules['av'] = None\nfrom ftkit.reading.sounds import open_sound\ntry:"
        f" open_sound({str(tmp_path / 'a.m4a')!r})\nexcept ValueError as e: print(e)"
    )
    assert (
        'pip install "av'
        in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    )


# ---------------------------------------------------------------- long recordings


def test_two_seconds_of_a_three_hour_recording_take_two_seconds_of_memory(tmp_path):
    path = tmp_path / "lecture.wav"
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_U8") as f:
        for i in range(180):
            f.write(tone(300 + i, 60, 8000))
    assert 86e6 < path.stat().st_size < 87e6
    open_sound(path, start=0, end=1)  # imports
    tracemalloc.start()
    wave = open_sound(path, start=2 * 3600 + 30, end=2 * 3600 + 32)
    assert (
        tracemalloc.get_traced_memory()[1] < 2e6
        and len(wave) == 32000
        and abs(pitch(wave) - 420) < 1
    )
    spans = [Clip(str(path), 60 * i + 1, 60 * i + 3) for i in range(0, 180, 9)]
    looked = look_at_sounds([str(path), *spans])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (
        peak < 30e6
        and looked[0][1:] == (10800.0, 8000, 1, "", "")
        and all(look.seconds == 2 and not look.wrong for look in looked[1:])
        and len({look.sha for look in looked}) == 21
    )
    data = Data.speech((spans, ["early"] * 10 + ["late"] * 10))
    assert data.seconds.sum() == 40 and len(data.waves()[0]) == 40 * 16000


# ---------------------------------------------------------------- splits


def sentences(data, part):
    return {same_sentence(t) for t in data.part(part).labels}


def voices(data, part):
    return set(data.groups[data.part(part).ids])


@pytest.mark.parametrize("seed", range(3))
def test_no_voice_and_no_sentence_is_in_two_parts(seed, home, table):
    data = Data.speech(
        table, "transcribe", folder=home, speaker="who", seed=seed, valid=0.25, test=0.25
    )
    assert not voices(data, "train") & (voices(data, "test") | voices(data, "valid")) and any(
        "by speaker" in n for n in data.notes
    )
    assert (
        f"{len(data.test)} of {len(data.test)} test recordings say a sentence that a training"
        " recording says too" in data.notes
    )
    data = Data.speech(table, "transcribe", folder=home, seed=seed)
    assert (
        not sentences(data, "train") & (sentences(data, "test") | sentences(data, "valid"))
        and len(data.test)
        and any("by sentence" in n for n in data.notes)
    )
    data = Data.speech(table, folder=home, label="mood", seed=seed)
    assert (
        data.task.kind == "single_label"
        and not voices(data, "train") & voices(data, "test")
        and any("by sentence" in n for n in data.notes)
    )
    assert any(
        "at random" in n
        for n in Data.speech(table, "transcribe", folder=home, split_by="random", seed=seed).notes
    )


def test_choices_that_contradict(home, table):
    refused(
        "split_by is 'speaker' and no column says who speaks",
        source=table,
        folder=home,
        task="transcribe",
        split_by="speaker",
    )
    refused(
        "split_by is 'sentence' and a group column was given",
        source=table,
        folder=home,
        task="transcribe",
        split_by="sentence",
        group="who",
    )
    refused(
        "split_by is 'voice'; it must be one of auto, speaker, sentence, random",
        source=table,
        folder=home,
        task="transcribe",
        split_by="voice",
    )
    refused(
        "1 of 48 rows have no speaker",
        source=changed(table, who=None),
        folder=home,
        task="transcribe",
        speaker="who",
    )
    refused(
        "split_by is 'speaker' and there are only 2 speakers, so train, valid and test cannot have"
        " one each",
        "-p split_by random, or -p split_by sentence",
        source=table[:24],
        folder=home,
        task="transcribe",
        speaker="who",
        split_by="speaker",
    )
    refused(
        "limit is 1; it must be at least 2", source=table, folder=home, task="transcribe", limit=1
    )


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_few_voices_leave_no_part_empty(people, seed, home, table):
    given = dict(task="transcribe", folder=home, seed=seed)
    few = table[: 12 * people].rename(columns={"who": "Speaker"})
    data = Data.speech(few, **given)
    assert min(len(data.part(p)) for p in ("train", "valid", "test")) > 0 and not any(
        "no rows" in n for n in data.notes
    )
    assert any(
        n.startswith("split by sentence")
        and (
            f"not by speaker, of which there {'are' if people > 1 else 'is'} only {people}, too few"
            " for train, valid and test"
        )
        in n
        for n in data.notes
    ), data.notes
    assert any("test recordings are of a voice that is in training too" in n for n in data.notes)
    same = Data.speech(few.assign(text=[f"take {i % 2}" for i in range(len(few))]), **given)
    assert any(
        n.startswith("split at random; not by speaker or sentence") for n in same.notes
    ) and not any("name the speaker column" in n for n in same.notes)
    alone = Data.speech(few, **given, test=0)
    assert not len(alone.test) and len(alone.valid) and not any("no rows" in n for n in alone.notes)
    assert any(
        n.startswith("split by speaker" if people == 2 else "split by sentence")
        for n in alone.notes
    )


@pytest.mark.parametrize("seed", range(5))
def test_three_voices_are_enough_for_three_parts(seed, home, table):
    data = Data.speech(table[:26], "transcribe", folder=home, speaker="who", seed=seed)
    assert [len(voices(data, p)) for p in ("train", "valid", "test")] == [1, 1, 1]


def test_names_of_columns_in_any_letters(home, table):
    named = (
        table[:12]
        .rename(columns={"path": "Path", "text": "Transcript"})
        .assign(Start_Time="0,05", END="0,15", Client_ID=[f"v{i % 6}" for i in range(12)])
    )
    data = Data.speech(named, "transcribe", folder=home)
    assert (
        all(c.start == 0.05 and c.end == 0.15 for c in data.items)
        and set(data.seconds) == {np.float32(0.1)}
        and len(set(data.speakers)) == 6
    )
    refused(
        "1 files have rows with different texts",
        "'one!', 'two.'",
        "start and end",
        source=table[:2].assign(path="0.wav"),
        folder=home,
        task="transcribe",
    )


def test_columns_without_a_table(tones, home, table):
    refused(
        "speaker='who' (-p speaker_column)",
        "names a column of a table",
        "is a folder; leave it out",
        source=tones,
        speaker="who",
    )
    refused(
        "label='mood' (-p label_column), group='who' (-p group_column) was given",
        source=tones,
        label="mood",
        group="who",
    )
    refused("there is a list of recordings", source=([str(home / "0.wav")], ["a"]), text="what")
    assert (
        len(Data.speech(table, folder=home, label="mood", test_source=tones, text="text").test) == 6
    )


def test_what_an_own_split_shares(home, table):
    parts = table.assign(part=["train"] * 42 + ["test"] * 6)
    data = Data.speech(
        parts, "transcribe", folder=home, speaker="who", split="part", split_by="sentence"
    )
    assert any(n == "valid was taken from the training rows by sentence" for n in data.notes), (
        data.notes
    )
    assert (
        "6 of 6 test recordings are of a voice that is in training too; the figures are too good"
        " for new voices" in data.notes
    )
    second = Data.speech(
        parts[:42], "transcribe", folder=home, speaker="who", test_source=parts[::4]
    )
    assert any(
        n == "valid was taken from the training rows by speaker" for n in second.notes
    ) and any("9 of 12 test recordings are of a voice" in n for n in second.notes), second.notes
    assert any(
        "1 classes have no training row (new)" in n
        for n in Data.speech(
            parts[:42], folder=home, label="mood", test_source=parts[42:].assign(mood="new")
        ).notes
    )
    refused(
        "split_by is 'speaker', and a split column, folders called train and test, or a second"
        " source already says",
        source=parts,
        folder=home,
        task="transcribe",
        speaker="who",
        split="part",
        split_by="speaker",
        valid=0,
    )
    refused(
        "all 48 rows of the split column are test, and none is train",
        source=parts.assign(part="test"),
        folder=home,
        task="transcribe",
        split="part",
    )


def test_parts_that_overlap_in_two_parts_of_the_split(home, table):
    spans = table[:12].assign(
        path="47.wav", start=[i * 0.03 for i in range(12)], end=[i * 0.03 + 0.1 for i in range(12)]
    )
    said = Data.speech(spans, "transcribe", folder=home).notes
    assert any(
        "recordings overlap in time with another of the same file that is in another part of the"
        " split (first: "
        in n
        and "47.wav [" in n
        for n in said
    ), said
    assert any("split by sentence" in n and "name the speaker column" in n for n in said)
    apart = spans.assign(end=[i * 0.03 + 0.03 for i in range(12)])
    assert not any(
        "overlap" in n
        for n in Data.speech(apart, "transcribe", folder=home, min_seconds=0.01).notes
    )


def test_missing_speakers_do_not_matter_where_the_split_is_given(home, table):
    parts = changed(table.assign(part=["train"] * 36 + ["valid"] * 6 + ["test"] * 6), who=None)
    assert len(Data.speech(parts, "transcribe", folder=home, speaker="who", split="part")) == 48


def test_the_names_of_changes_stand_where_people_read():
    root = Path(__file__).resolve().parents[1]
    for place in ("README.md", "templates/speech.ipynb"):
        text = (root / place).read_text(encoding="utf-8")
        assert not [
            f.name for f in dataclasses.fields(SoundAugment) if f"`{f.name}`" not in text
        ], f"{place} must name every field of SoundAugment"


def test_empty_classes(home, table):
    refused(
        "1 of 48 recordings have no label in 'mood' (first: row 5)",
        "-p skip_bad true",
        source=changed(table, mood=None),
        folder=home,
        label="mood",
    )
    skips("no label", source=changed(table, mood=" "), folder=home, label="mood")
    assert (
        len(
            Data.speech(
                changed(table.assign(mood="a|b"), mood=""), folder=home, label="mood", separator="|"
            )
        )
        == 48
    )


def test_what_is_no_data_of_recordings(home):
    refused(
        "sample:movie holds texts, not recordings",
        "ftkit run text -p data sample:movie",
        source="sample:movie",
        task="transcribe",
    )
    refused(
        "0.wav is one recording; data must be a table",
        "ftkit predict last 0.wav",
        source=home / "0.wav",
        task="transcribe",
    )


@pytest.mark.parametrize(
    "encoding, suffix", [("utf-16", ".tsv"), ("cp1252", ".csv"), ("utf-8-sig", ".csv")]
)
def test_manifests_as_spreadsheets_write_them(encoding, suffix, home, table, tmp_path):
    table = table.assign(
        path=[f" {home / p} " for p in table.path],
        text=[f"Grüße, schöne Straße {t}" for t in table.text],
        start="0,05",
        end="0,15",
    )
    table.to_csv(
        tmp_path / f"t{suffix}",
        index=False,
        sep="\t" if suffix == ".tsv" else ";",
        encoding=encoding,
    )
    data = Data.speech(tmp_path / f"t{suffix}", "transcribe")
    assert (
        len(data) == 48
        and data.labels[0] == "Grüße, schöne Straße one!"
        and data.items[0].start == 0.05
    )
    assert any("was read as" in n for n in data.notes) == (encoding != "utf-8-sig")


def test_characters_are_those_of_training(home, table):
    data = Data.speech(table, "transcribe", folder=home)
    assert (
        set(data.task.classes) == set("".join(data.train.labels))
        and data.task.n_outputs == len(data.task.classes) + 1
    )
    parts = table.assign(part=["train"] * 36 + ["valid"] * 6 + ["test"] * 6)
    data = Data.speech(
        changed(parts, row=47, text="en\u0303e"), "transcribe", folder=home, split="part"
    )
    assert (
        data.labels[47] == "eñe"
        and "ñ" not in data.task.classes
        and any(
            "1 characters of the held-out texts are in no training text (ñ)" in n
            for n in data.notes
        )
    )
    assert (
        data.fingerprint != Data.speech(parts, "transcribe", folder=home, split="part").fingerprint
    )


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_manifests_of_every_kind_give_the_same_data(suffix, home, table, tmp_path):
    table = table.assign(
        path=[str(home / p) for p in table.path], start=[None if i % 2 else 0.01 for i in range(48)]
    )
    write = {
        ".csv": lambda p: table.to_csv(p, index=False),
        ".tsv": lambda p: table.to_csv(p, index=False, sep="\t"),
        ".parquet": table.to_parquet,
        ".jsonl": lambda p: table.to_json(p, orient="records", lines=True),
    }[suffix]
    write(tmp_path / f"t{suffix}")
    data = Data.speech(tmp_path / f"t{suffix}", "transcribe")
    assert isinstance(data.items[0], Clip) and isinstance(data.items[1], str)
    assert data.fingerprints() == Data.speech(table, "transcribe").fingerprints()


def test_two_processes_decode_one_set_at_once(home, tmp_path):
    code = (
        f"from ftkit import Data; d = Data.speech({str(home / 'all.csv')!r}, 'transcribe'); w, e ="
        " d.waves(8000); print(len(w), int(e[-1]), int(w.astype('i8').__abs__().sum()))"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"FTKIT_CACHE": str(tmp_path)},
        )
        for _ in range(2)
    ]
    said = [p.communicate(timeout=120) for p in both]
    assert said[0][0] == said[1][0] and said[0][0], said
    assert len([p for p in Path(tmp_path, "sounds").iterdir() if not p.name.startswith(".")]) == 1
