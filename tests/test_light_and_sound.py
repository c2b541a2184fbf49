"Pictures deeper than 8 bits, several pages, and recordings whose headers or channels mislead."

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from ftkit.core import read_json
from ftkit.data.dataset import Data
from ftkit.data.dataset import Data as Speech
from ftkit.inputs.images import Prep
from ftkit.inputs.sounds import SpeechPrep
from ftkit.models.artifact import Predictor
from ftkit.models.backbone import load_backbone
from ftkit.models.model import Model
from ftkit.reading.pictures import PictureError, look_at_files, open_picture, pixels
from ftkit.reading.sounds import SoundError, look_at_sounds, open_sound

REFERENCE = np.clip(np.add.outer(np.linspace(40, 180, 48), np.linspace(0, 60, 64)), 0, 255).astype(
    np.uint8
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FTKIT_CACHE", str(tmp_path / "cache"))


# ---------------------------------------------------------------- files with known values


def write_png(path, values, significant=None):
    "A PNG of 16 bits a channel, which Pillow cannot write in colour."
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]

    def chunk(name, held):
        return (
            struct.pack(">I", len(held)) + name + held + struct.pack(">I", zlib.crc32(name + held))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    out = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    )
    if significant:
        out += chunk(b"sBIT", bytes([significant] * channels))
    Path(path).write_bytes(out + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_tiff(path, values, order="<", extra=(), bits=None, held=None):
    "An uncompressed TIFF of any type and byte order; `extra` are tags (number, type, value)."
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]
    held = values.astype(values.dtype.newbyteorder(order)).tobytes() if held is None else held
    form = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits or values.itemsize * 8] * channels),
        259: (3, [1]),
        262: (3, [2 if channels > 1 else 1]),
        273: (4, [0]),
        277: (3, [channels]),
        278: (4, [height]),
        279: (4, [len(held)]),
        339: (3, [form] * channels),
    }
    if channels == 4:
        tags[338] = (3, [2])
    tags |= {number: (kind, [value]) for number, kind, value in extra}
    letters = {3: "H", 4: "I", 8: "h", 11: "f"}
    at = 8 + 2 + 12 * len(tags) + 4
    far = {k: struct.pack(order + letters[t] * len(v), *v) for k, (t, v) in tags.items()}
    tags[273] = (4, [at + sum(len(b) for b in far.values() if len(b) > 4)])
    far[273] = struct.pack(order + "I", *tags[273][1])
    entries, behind = b"", b""
    for number in sorted(tags):
        kind, value = tags[number]
        packed = far[number]
        if len(packed) > 4:
            where = struct.pack(order + "I", at + len(behind))
            behind += packed
        else:
            where = packed.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", number, kind, len(value)) + where
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(tags))
    Path(path).write_bytes(head + entries + struct.pack(order + "I", 0) + behind + held)


def in_bits(bits, reference=REFERENCE):
    return reference.astype(np.uint16) * (257 if bits == 16 else 1 << (bits - 8))


def write_deep(path, bits, container, reference=REFERENCE):
    "The reference in `bits` bits of a container."
    values = in_bits(bits, reference)
    clear = np.full_like(values, 65535)
    form, _, more = container.partition(" ")
    if form == "pgm":
        Path(path).write_bytes(b"P5 64 48 65535\n" + values.astype(">u2").tobytes())
    elif form == "jp2":
        Image.fromarray(values).save(path)
    elif form == "png":
        layers = {"": [values], "rgb": [values] * 3, "rgba": [values] * 3 + [clear]}
        layers["la"] = [values, clear]
        write_png(path, np.dstack(layers[more]).squeeze())
    elif more in ("int32", "uint32", "float"):
        write_tiff(path, values.astype({"float": "float32"}.get(more, more)))
    else:
        colours = np.dstack([values] * 3) if "rgb" in more else values
        write_tiff(path, colours, *([">"] if "big" in more else []))


SUFFIX = {"png": ".png", "tiff": ".tif", "pgm": ".pgm", "jp2": ".jp2"}
CONTAINERS = (
    "png",
    "png rgb",
    "png rgba",
    "png la",
    "tiff",
    "tiff big",
    "tiff rgb",
    "tiff rgb big",
    "tiff int32",
    "tiff uint32",
    "tiff float",
    "pgm",
    "jp2",
)


def a_set(folder, write, n=6):
    "A folder of two classes; `write` (path without suffix, row) makes one picture."
    for i in range(n):
        (folder / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        write(folder / "ab"[i % 2] / f"{i}", i)
    return folder


# ---------------------------------------------------------------- light


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_deep_light_is_as_bright_as_it_was(bits, container, tmp_path):
    path = tmp_path / f"a{SUFFIX[container.split()[0]]}"
    write_deep(path, bits, container)
    assert np.abs(np.asarray(open_picture(path))[..., 0].astype(int) - REFERENCE).max() <= 1
    look = look_at_files([str(path)])[0]
    assert (
        not look.wrong
        and look.high <= 2**bits - 1
        and look.kind == ("float" if "float" in container else "whole")
    )


@pytest.mark.parametrize(
    "values, mean",
    [
        (REFERENCE / 255, 139.5),
        (REFERENCE / 240, 148),
        (REFERENCE / 255 * 1.02, 142),
        (REFERENCE / 127.5 - 1, 139.5),
        (REFERENCE * 1.0, 139.5),
        (REFERENCE * 257.0, 139.5),
        (np.where(np.eye(48, 64), np.nan, REFERENCE / 255), 137.4),
        (np.where(np.eye(48, 64), np.inf, REFERENCE / 255), 141.4),
    ],
)
@pytest.mark.parametrize("given", ["file", "array", "float64"])
def test_float_light(values, mean, given, tmp_path):
    write_tiff(tmp_path / "a.tif", values.astype(np.float32))
    source = {"file": tmp_path / "a.tif", "array": values.astype(np.float32), "float64": values}[
        given
    ]
    assert abs(np.asarray(open_picture(source)).mean() - mean) < 3


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_numbers_of_computed_tomography(dtype, tmp_path):
    def write(path, i):
        values = (REFERENCE.astype(np.int16) * 14 - 1024 + 100 * i).astype(dtype)
        values[0, :2] = -1024, 3071
        write_tiff(f"{path}.tif", values)

    data = Data.image(a_set(tmp_path / "ct", write))
    assert list(data.light.values()) == [[-1024, 3071]]
    assert (
        "6 of 6 pictures are stored in more than 8 bits, with values from -1024 to 3071"
        in "\n".join(data.notes)
    )
    means = [np.asarray(open_picture(p)).mean() for p in data.items]
    assert 5 < np.diff(sorted(means)).min() < 7  # 100 of 4,095: differences between pictures stay


@pytest.mark.parametrize("given", [np.uint16, np.int16, np.int32, np.int64, np.float32, np.float64])
def test_one_scale_for_arrays_of_a_set(given):
    x = np.stack([in_bits(12, REFERENCE // (1 + i % 3)) for i in range(12)]).astype(given)
    data = Data.image((x, [0, 1] * 6))
    whole = np.dtype(given).kind in "iu"
    assert data.light == {"whole" if whole else "float": [0, 4095]} and "4095 white" in "\n".join(
        data.notes
    )
    means = data.pixels(64, "squash").mean((1, 2, 3))
    assert (
        abs(means[0] / means[1] - 2) < 0.1
        and abs(means[0] / means[2] - 3) < 0.1
        and abs(means[0] - 139) < 3
    )


@pytest.mark.parametrize(
    "x",
    [
        np.arange(192, dtype=np.uint8).reshape(12, 4, 4),
        np.arange(192).reshape(12, 4, 4),
        np.arange(192).reshape(12, 4, 4) / 191,
        np.arange(192).reshape(12, 4, 4) % 2 == 0,
    ],
    ids=["uint8", "int64", "float", "bool"],
)
def test_ordinary_arrays_have_no_note(x):
    data = Data.image((x, [0, 1] * 6))
    assert not any("bits" in note for note in data.notes)


def test_a_set_keeps_its_differences_and_the_model_takes_the_scale_along(tmp_path):
    data = Data.image(
        a_set(
            tmp_path / "set",
            lambda path, i: write_deep(f"{path}.tif", 12, "tiff", REFERENCE // (1 + i % 3)),
        ),
        test=0,
    )
    assert data.light == {"whole": [0, 4095]}
    assert any(
        "6 of 6 pictures are stored in more than 8 bits" in n and "0 is black and 4095 white" in n
        for n in data.notes
    )
    x = data.pixels(64, "squash")
    assert abs(x[data.items.index(str(tmp_path / "set/a/0.tif"))].mean() - 139) < 2
    model = Model(load_backbone("small:cnn", pretrained=False), data.task).bind(data)
    assert model.prep.light == data.light
    model.save(tmp_path / "model")
    assert read_json(tmp_path / "model" / "preprocess.json")["light"] == {"whole": [0, 4095]}
    predictor = Predictor(tmp_path / "model")
    assert predictor.model.prep.light == data.light
    alone = predictor.model.read([data.items[1].__str__()]).x[0]  # a bare path
    np.testing.assert_array_equal(
        alone,
        data.pixels(
            model.prep.size, model.prep.fit, model.prep.interpolation, model.prep.background
        )[1],
    )
    write_deep(tmp_path / "bright.tif", 16, "tiff")
    (dark, bright) = predictor([Path(data.items[0]), tmp_path / "bright.tif"])
    assert (
        dark.note == ""
        and "what lies outside of the training pictures' scale, 0 to 4095, is cut" in bright.note
    )


def test_a_model_of_plain_pictures_tells_of_deep_ones(tmp_path):
    write_deep(tmp_path / "a.tif", 12, "tiff")
    read = Prep(size=64).read([tmp_path / "a.tif", REFERENCE])
    assert read.messages == [
        "its values were read on their own scale, 0 is black and 4095 white",
        "",
    ]


@pytest.mark.parametrize("write", ["sBIT", "SMaxSampleValue", "packed"])
def test_declared_bits(write, tmp_path):
    "A dark set of 12 bits that stays below 512: by its values alone it would be 9 bits."

    def one(path, i):
        values = REFERENCE.astype(np.uint16) * 2
        if write == "sBIT":
            write_png(f"{path}.png", values, 12)
        elif write == "packed":
            a, b = values.reshape(-1, 2).T
            packed = np.stack([a >> 4, (a & 15) << 4 | b >> 8, b & 255], 1).astype(np.uint8)
            write_tiff(f"{path}.tif", values, bits=12, held=packed.tobytes())
        else:
            write_tiff(f"{path}.tif", values, extra=[(341, 3, 4095)])

    data = Data.image(a_set(tmp_path / "set", one))
    assert (
        data.light == {"whole": [0, 4095]}
        and abs(np.asarray(open_picture(data.items[0])).mean() - 139.5 / 8) < 1
    )


def test_the_full_range_of_the_type_declares_nothing(tmp_path):
    write_tiff(tmp_path / "a.tif", in_bits(12), extra=[(341, 3, 65535)])
    assert abs(np.asarray(open_picture(tmp_path / "a.tif")).mean() - 139) < 1


def test_sixteen_bits_in_full_use_need_no_word_and_a_set_that_is_mostly_dark_does(tmp_path):
    full = Data.image(
        a_set(tmp_path / "full", lambda path, i: write_deep(f"{path}.png", 16, "png rgb"))
    )
    assert full.light == {"whole": [0, 65535]} and not any("bits" in n for n in full.notes)
    mixed = Data.image(
        a_set(tmp_path / "mixed", lambda path, i: write_deep(f"{path}.png", 12 if i else 16, "png"))
    )
    assert any("half of them below 3840" in n and "65535 white" in n for n in mixed.notes)


def test_numbers_that_are_none_are_told(tmp_path):
    def write(path, i):
        values = np.where((np.eye(48, 64) > 0) & (i == 3), np.nan, REFERENCE / 255)
        write_tiff(f"{path}.tif", values.astype(np.float32))

    data = Data.image(a_set(tmp_path / "nan", write))
    assert any("1 of 6 pictures hold pixels that are NaN or infinite" in n for n in data.notes)
    write_tiff(tmp_path / "none.tif", np.full((4, 4), np.nan, np.float32))
    with pytest.raises(PictureError, match="none.tif.*none of its values is a number"):
        open_picture(tmp_path / "none.tif")


@pytest.mark.parametrize("form", ["L", "RGB", "RGBA", "P", "1", "CMYK", "LA"])
def test_eight_bits_are_not_touched(form, tmp_path):
    picture = Image.fromarray(
        np.dstack([REFERENCE, REFERENCE[::-1], REFERENCE.T[:48, :48].repeat(2, 1)[:, :64]])
    ).convert(form)
    name = tmp_path / ("a.tif" if form == "CMYK" else "a.png")
    picture.save(name)
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture.convert("RGBA")) if form in ("RGBA", "LA") else None
    expected = ground.convert("RGB") if form in ("RGBA", "LA") else Image.open(name).convert("RGB")
    np.testing.assert_array_equal(np.asarray(open_picture(name)), np.asarray(expected))
    assert look_at_files([str(name)])[0].depth.kind == ""


def test_the_cache_of_eight_bits_has_its_old_key(tmp_path):
    Image.fromarray(REFERENCE).save(tmp_path / "a.png")
    pixels([str(tmp_path / "a.png")], ["0" * 64], 32)
    assert [
        p.name
        for p in (tmp_path / "cache" / "pixels").iterdir()
        if not p.name.startswith(".") and p.is_dir()
    ] == ["88af963a0def04ba-32"]


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "12 bits"])
def test_orientation(turn, deep, tmp_path):
    picture = Image.fromarray(in_bits(12) if deep else REFERENCE)
    exif = Image.Exif()
    exif[0x0112] = turn
    upright = np.rot90(REFERENCE, {1: 0, 3: 2, 6: 3, 8: 1}[turn])
    for suffix, how in ((".png", {}), (".tif", {}), (".tif", {"compression": "tiff_lzw"})):
        picture.save(tmp_path / f"a{suffix}", exif=exif, **how)
        read = np.asarray(open_picture(tmp_path / f"a{suffix}"))[..., 0]
        assert read.shape == upright.shape and np.abs(read.astype(int) - upright).max() <= 1


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize("suffix", [".tif", ".gif", ".png", ".webp", ".avif"])
def test_several_pages_are_told(suffix, tmp_path):
    def write(path, i):
        frames = [Image.fromarray(np.full((32, 32, 3), 40 * k + i, np.uint8)) for k in range(5)]
        frames[0].save(
            f"{path}{suffix}", save_all=True, append_images=frames[1:] if i % 3 == 0 else []
        )

    try:
        data = Data.image(a_set(tmp_path / "set", write))
    except KeyError:
        pytest.skip(f"this Pillow does not write {suffix}")
    assert any(
        "2 of 6 pictures have several pages or frames, up to 5" in n and "only the first" in n
        for n in data.notes
    )
    read = Prep(size=32).read([tmp_path / f"set/a/0{suffix}", tmp_path / f"set/b/1{suffix}"])
    assert read.messages == ["only the first of its pages or frames was read", ""]


def test_a_preview_in_front_is_passed_over_and_is_no_page(tmp_path):
    def page(values, at, preview, following):
        "One page of a TIFF whose directory begins at `at`, with its pixels behind it."
        height, width = values.shape
        tags = [
            (254, preview),
            (256, width),
            (257, height),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, at + 2 + 12 * 9 + 4),
            (278, height),
            (279, values.size),
        ]
        behind = at + 2 + 12 * len(tags) + 4 + values.size
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        return (
            struct.pack("<H", len(tags))
            + entries
            + struct.pack("<I", behind if following else 0)
            + values.tobytes()
        )

    first = page(REFERENCE[::4, ::4], 8, 1, True)
    (tmp_path / "a.tif").write_bytes(
        b"II*\0" + struct.pack("<I", 8) + first + page(REFERENCE, 8 + len(first), 0, False)
    )
    picture, look = open_picture(tmp_path / "a.tif"), look_at_files([str(tmp_path / "a.tif")])[0]
    np.testing.assert_array_equal(np.asarray(picture)[..., 0], REFERENCE)
    assert (look.width, look.height, look.pages) == (64, 48, 1) and picture.info["ftkit"] == ""


def test_heic_by_another_name_says_what_to_install(tmp_path):
    if "HEIF" in Image.OPEN:
        pytest.skip("the plug-in for HEIC is installed")
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    with pytest.raises(PictureError, match=r'a.jpg.*pip install "pi-heif'):
        open_picture(tmp_path / "a.jpg")
    assert 'pip install "pi-heif' in look_at_files([str(tmp_path / "a.jpg")])[0].wrong


# ---------------------------------------------------------------- sound


def sound(seconds, rate=16000, channels=1, seed=0):
    "A rising tone with pauses, which a variable bit rate follows."
    t = np.arange(round(seconds * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * (300 + 100 * t) * t) * (np.abs(np.sin(2 * t)) > 0.3)
    wave += 0.01 * np.random.default_rng(seed).normal(size=len(t))
    return wave if channels == 1 else np.stack([wave, 0.5 * wave], 1)


def encoded(seconds, rate=16000, channels=1, **how):
    file = io.BytesIO()
    soundfile.write(file, sound(seconds, rate, channels), rate, **how)
    return file.getvalue()


def without_length(mp3):
    "An MP3 without the frame that says how long it is."
    head = int.from_bytes(mp3[:4], "big")
    kbits = (
        (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
        if head >> 19 & 3 == 3
        else (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    )
    rate = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000)}[head >> 19 & 3][head >> 10 & 3]
    length = (144 if head >> 19 & 3 == 3 else 72) * kbits[head >> 12 & 15] * 1000 // rate + (
        head >> 9 & 1
    )
    assert b"Xing" in mp3[:length] or b"Info" in mp3[:length]
    return mp3[length:]


def seconds_of(path, held):
    path.write_bytes(held)
    look = look_at_sounds([str(path)])[0]
    assert not look.wrong, look.wrong
    wave = open_sound(path)
    assert abs(len(wave) / 16000 - look.seconds) < 0.01
    np.testing.assert_array_equal(wave, open_sound(held))  # bytes as a file
    return look.seconds, look.odd


@pytest.mark.parametrize("rate, channels", [(16000, 1), (22050, 2), (44100, 1), (48000, 2)])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize(
    "damage", ["none", "no length", "joined", "joined without length", "with tags", "junk behind"]
)
def test_mp3_is_read_to_its_end(rate, channels, mode, damage, tmp_path):
    one = encoded(4, rate, channels, format="MP3", bitrate_mode=mode, compression_level=0.5)
    tag = b"ID3\3\0\0\0\0\4\0" + bytes(512)
    held, wanted = {
        "none": (one, 4),
        "no length": (without_length(one), 4),
        "joined": (3 * one, 12),
        "joined without length": (2 * without_length(one), 8),
        "with tags": (2 * (tag + one + b"TAG" + bytes(125)), 8),
        "junk behind": (one + bytes(40000), 4),
    }[damage]
    seconds, odd = seconds_of(tmp_path / "a.mp3", held)
    # each has its encoder's pause of up to .1 s
    assert abs(seconds - wanted) < (0.25 if damage == "joined without length" else 0.15)
    assert (odd == "length") == (
        damage in ("joined", "with tags")
        or "no length" in damage
        and mode == "VARIABLE"
        or damage == "joined without length"
        and mode == "VARIABLE"
    )


@pytest.mark.parametrize(
    "form",
    [
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "OGG", "subtype": "OPUS"},
        {"format": "FLAC"},
        {"format": "WAV"},
        {"format": "WAV", "subtype": "FLOAT"},
        {"format": "AIFF"},
    ],
    ids=["vorbis", "opus", "flac", "wav", "wav float", "aiff"],
)
def test_chains_are_read_to_their_end(form, tmp_path):
    one, other = encoded(2, 48000, **form), encoded(1, 48000, **form)
    assert seconds_of(tmp_path / "one.x", one) == (2, "")
    assert seconds_of(tmp_path / "same.x", one + one) == (4, "length")
    assert seconds_of(tmp_path / "more.x", one + other + one) == (5, "length")
    middle = open_sound(tmp_path / "more.x", start=1.5, end=3.5)  # from the first into the third
    np.testing.assert_allclose(middle, open_sound(tmp_path / "more.x")[24000:56000], atol=0.02)
    other_rate = encoded(1, 24000, **form)
    (tmp_path / "rates.x").write_bytes(one + other_rate)
    with pytest.raises(SoundError, match="48000 and 24000 samples a second"):
        open_sound(tmp_path / "rates.x")


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW", "PCM_U8"])
@pytest.mark.parametrize(
    "size, riff, tail, odd",
    [
        (1.0, None, b"", ""),
        (0, None, b"", "length"),
        (0, 0, b"", "length"),
        (0, 36, b"", "length"),
        (0.5, None, b"", "length"),
        (0.5, 2**32 - 1, b"", "length"),
        (2**32 - 1, 2**32 - 1, b"", ""),
        (2**31 - 1, None, b"", ""),
        (1.0, 0, b"", ""),
        (
            1.0,
            "whole",
            b"LIST" + struct.pack("<I", 16) + b"INFOISFT" + struct.pack("<I", 4) + b"abc\0",
            "",
        ),
        (1.0, None, bytes(3000), ""),
        (1.0, None, b"TAG" + bytes(125), ""),
    ],
)
def test_wav_with_any_size_in_its_header(subtype, size, riff, tail, odd, tmp_path):
    held = bytearray(encoded(2, 16000, 2, format="WAV", subtype=subtype) + tail)
    at = held.index(b"data") + 4
    (full,) = struct.unpack_from("<I", held, at)
    struct.pack_into("<I", held, at, round(size * full) if isinstance(size, float) else size)
    if riff is not None:
        struct.pack_into("<I", held, 4, len(held) - 8 if riff == "whole" else riff)
    assert seconds_of(tmp_path / "a.wav", bytes(held)) == (2, odd)


@pytest.mark.parametrize(
    "form",
    [
        {"format": "OGG"},
        {"format": "OGG", "subtype": "OPUS"},
        {"format": "FLAC"},
        {"format": "WAV"},
        {"format": "MP3"},
        {"format": "AIFF"},
    ],
    ids=str,
)
def test_what_is_cut_is_told(form, tmp_path):
    held = encoded(4, 48000, **form)
    for share in (0.3, 0.5, 0.9):
        (tmp_path / f"{share}.x").write_bytes(held[: int(share * len(held))])
        assert "cut off" in look_at_sounds([str(tmp_path / f"{share}.x")])[0].wrong


@pytest.mark.parametrize(
    "name, codec, options",
    [
        ("a.webm", "libopus", {}),
        ("a.mkv", "aac", {}),
        ("a.mp4", "aac", {"movflags": "faststart"}),
        ("a.mov", "pcm_s16le", {"movflags": "faststart"}),
    ],
)
@pytest.mark.parametrize("film", [0, 2, 6])
def test_cut_films_are_told(name, codec, options, film, tmp_path):
    av = pytest.importorskip("av", reason="PyAV is not installed; pip install ftkit[media]")
    with av.open(str(tmp_path / name), "w", options=options) as file:
        if film:
            picture = file.add_stream("libvpx" if name == "a.webm" else "mpeg4", rate=5)
            picture.width = picture.height = 32
            picture.pix_fmt = "yuv420p"
        stream = file.add_stream(codec, rate=48000, layout="mono")
        wave = (sound(4, 48000) * 32767).astype(np.int16)
        for i in range(5 * film):
            file.mux(picture.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), i, np.uint8))))
        if film:
            file.mux(picture.encode(None))
        for i in range(0, len(wave), 960):
            frame = av.AudioFrame.from_ndarray(wave[None, i : i + 960], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48000, i
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    (tmp_path / f"cut-{name}").write_bytes(
        (tmp_path / name).read_bytes()[: (tmp_path / name).stat().st_size * 6 // 10]
    )
    whole, cut = look_at_sounds([str(tmp_path / name), str(tmp_path / f"cut-{name}")])
    assert not whole.wrong and abs(whole.seconds - 4) < 0.06
    assert "cut off" in cut.wrong


def test_a_streamed_flac(tmp_path):
    pytest.importorskip("av", reason="PyAV is not installed; pip install ftkit[media]")
    held = bytearray(encoded(2, format="FLAC"))
    held[21] &= 0xF0
    held[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(held)
    look = look_at_sounds([str(tmp_path / "a.flac")])[0]
    assert (look.seconds, look.wrong, look.odd) == (2, "", "length")


# ---------------------------------------------------------------- channels

ONE = sound(1)
NOISE = np.random.default_rng(1).normal(0, 0.2, 16000)


@pytest.mark.parametrize(
    "channels, odd, level",
    [
        ([ONE, -ONE], "cancel", ONE),
        ([ONE, -0.9 * ONE], "cancel", ONE),
        ([-0.5 * ONE, 0.6 * ONE], "cancel", 0.6 * ONE),
        ([ONE, 0 * ONE], "empty", ONE),
        ([0 * ONE, ONE], "empty", ONE),
        ([0 * ONE, 0 * ONE, ONE, 0 * ONE, 0 * ONE, 0 * ONE], "empty", ONE),
        ([ONE, -ONE, 0 * ONE], "cancel", ONE),
        ([ONE], "", ONE),
        ([ONE, ONE], "", ONE),
        ([ONE, NOISE], "", (ONE + NOISE) / 2),
        ([ONE, 0.01 * ONE], "", 0.505 * ONE),
        ([ONE, NOISE - 0.5 * ONE], "", (0.5 * ONE + NOISE) / 2),
    ],
)
@pytest.mark.parametrize("form", ["array", "wav", "flac"])
def test_channels(channels, odd, level, form, tmp_path):
    wave = np.stack(channels, 1).astype(np.float32)
    source = (wave, 16000)
    if form != "array":
        source = str(tmp_path / f"a.{form}")
        soundfile.write(source, wave, 16000, subtype="PCM_16")
    look = look_at_sounds([source])[0]
    assert (look.wrong, look.odd) == ("", odd)
    read = open_sound(source)
    assert np.abs(np.abs(read) - np.abs(level)).max() < 1e-4
    prep = SpeechPrep()
    np.testing.assert_array_equal(
        prep.read([source]).flat, np.clip(np.rint(read * 32768), -32768, 32767).astype(np.int16)
    )


@pytest.mark.parametrize("factor, odd", [(1, ""), (2.4, ""), (4, "loud"), (10, "loud")])
def test_floats_beyond_full_scale_are_told(factor, odd, tmp_path):
    soundfile.write(tmp_path / "a.wav", factor * ONE, 16000, subtype="FLOAT")
    assert look_at_sounds([str(tmp_path / "a.wav")])[0].odd == odd


def test_silence_is_still_silence(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((16000, 2)), 16000)
    assert "silent" in look_at_sounds([str(tmp_path / "a.wav")])[0].wrong


def test_the_data_set_tells_in_a_line_each(tmp_path):
    for i in range(12):
        folder = tmp_path / "set" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        wave = sound(1, seed=i)
        pair = {0: [wave, -wave], 1: [wave, 0 * wave], 2: [wave, -0.95 * wave]}.get(
            i, [wave, 0.8 * wave]
        )
        soundfile.write(
            folder / f"{i:02}.mp3" if i > 9 else folder / f"{i:02}.wav", np.stack(pair, 1), 16000
        )
    joined = tmp_path / "set" / "a" / "10.mp3"
    joined.write_bytes(2 * joined.read_bytes())
    data = Speech.speech(tmp_path / "set")
    told = "\n".join(data.notes)
    assert "2 of 12 recordings have channels that cancel each other" in told and "a/00.wav)" in told
    assert (
        "1 of 12 recordings have an empty channel beside a full one" in told
        and "1 of 12 recordings are longer or shorter than their header says" in told
    )
    flat, ends = data.waves()
    assert (
        len(flat) == 16000 * 13
        and min(np.abs(part).max() for part in np.split(flat, ends[:-1])) > 8000
    )
