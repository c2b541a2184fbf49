"""Sets without copies that are merely plain, to count what the gate calls copies.

`python tests/plain.py` makes each set without copies, and once more with a tenth of near-duplicates
planted in it, and prints findings a row, what keep_one would drop, recall and precision."""

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from PIL import Image, ImageDraw, ImageFont
from planted import near_picture, near_sound, near_text

WHITE = (255, 255, 255)
COLOURS = {
    "red": (214, 39, 40),
    "green": (44, 160, 44),
    "blue": (31, 119, 180),
    "orange": (255, 127, 14),
    "purple": (148, 103, 189),
    "black": (20, 20, 20),
}


def _corners(n: int, x: float, y: float, r: float, turn: float, inner: float = 1.0) -> list:
    "Corners of a regular polygon, or with a smaller inner radius of a star."
    angles = turn + 2 * np.pi * np.arange(n) / n
    radii = np.where(np.arange(n) % 2, r * inner, r)
    return [(x + q * np.cos(a), y + q * np.sin(a)) for a, q in zip(angles, radii)]


def _shape(draw: ImageDraw.ImageDraw, shape: str, x: float, y: float, r: float, colour) -> None:
    "One shape of that radius around that place."
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "square":
        draw.rectangle((x - 0.88 * r, y - 0.88 * r, x + 0.88 * r, y + 0.88 * r), fill=colour)
    elif shape == "triangle":
        draw.polygon(_corners(3, x, y, r, -np.pi / 2), fill=colour)
    elif shape == "star":
        draw.polygon(_corners(10, x, y, r, -np.pi / 2, 0.45), fill=colour)
    else:
        draw.polygon(_corners(6, x, y, r, 0), fill=colour)


def shapes(rng, n: int = 150, side: int = 64):
    "One shape on white, in one of six colours, of any size, anywhere."
    seen = []
    while len(seen) < n:
        shape = str(rng.choice(["circle", "square", "triangle", "star", "hexagon"]))
        colour = str(rng.choice(list(COLOURS)))
        r = float(rng.uniform(0.15, 0.36) * side)
        x, y = rng.uniform(r + 1, side - r - 1, 2)
        twin = any(
            (shape, colour) == old[:2]
            and max(abs(x - old[2]), abs(y - old[3]), 1.5 * abs(r - old[4])) < 0.05 * side
            for old in seen
        )
        if twin:
            continue
        seen.append((shape, colour, x, y, r))
        image = Image.new("RGB", (4 * side, 4 * side), WHITE)
        _shape(ImageDraw.Draw(image), shape, 4 * x, 4 * y, 4 * r, COLOURS[colour])
        yield image.resize((side, side), Image.LANCZOS), shape


def centred(rng, n: int = 120, side: int = 64):
    "Shapes in the middle, of one size: only the shape and the colour of figure and ground differ."
    names = ["circle", "square", "triangle", "star", "hexagon"]
    grounds = [WHITE, (250, 243, 221), (224, 236, 250), (45, 45, 60)]
    every = [(s, c, g) for s in names for c in COLOURS for g in grounds]
    for k in rng.permutation(len(every))[:n]:
        shape, colour, ground = every[k]
        image = Image.new("RGB", (4 * side, 4 * side), ground)
        _shape(ImageDraw.Draw(image), shape, 2 * side, 2 * side, 1.3 * side, COLOURS[colour])
        yield image.resize((side, side), Image.LANCZOS), shape


def _fonts() -> list[Path]:
    "Fonts that come with matplotlib: letters are there wherever ftkit is."
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    names = ["DejaVuSans", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Bold"]
    names += ["DejaVuSansMono", "STIXGeneral", "STIXGeneralItalic", "cmr10"]
    return [folder / f"{n}.ttf" for n in names]


def _glyph(font, sign: str, side: int) -> Image.Image:
    image = Image.new("RGB", (side, side), WHITE)
    where = (side / 2, side / 2)
    ImageDraw.Draw(image).text(where, sign, font=font, fill=(0, 0, 0), anchor="mm")
    return image


def _different(made):
    "Without those that are the same to the last pixel: l and I of some fonts."
    seen = set()
    for image, label in made:
        if (key := image.tobytes()) not in seen:
            seen.add(key)
            yield image, label


def letters(rng, n: int = 240, side: int = 48):
    "Letters and digits in eight fonts, black on white."
    signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    every = [(s, f) for s in signs for f in _fonts()]
    fonts = {f: ImageFont.truetype(str(f), int(0.7 * side)) for f in _fonts()}
    some = [every[k] for k in rng.permutation(len(every))[:n]]
    yield from _different((_glyph(fonts[f], s, side), s.upper()) for s, f in some)


_ICONS = {
    "arrow": range(0x2190, 0x21FF),
    "symbol": range(0x2600, 0x26B8),
    "dingbat": range(0x2701, 0x27BE),
    "figure": range(0x25A0, 0x25FF),
    "formula": range(0x2200, 0x22FF),
}


def icons(rng, n: int = 240, side: int = 64):
    "Signs by category in one of six colours: arrows, symbols, dingbats, figures, formulas."
    path = next(f for f in _fonts() if f.stem == "DejaVuSans")
    font = ImageFont.truetype(str(path), int(0.75 * side))
    none = _glyph(font, "\uffff", side).tobytes()
    every = [(chr(c), kind) for kind, codes in _ICONS.items() for c in codes]
    made = ((_glyph(font, *(every[k][0], side)), every[k][1]) for k in rng.permutation(len(every)))
    kept = 0
    for image, label in _different(made):
        if image.tobytes() != none and kept < n:
            kept += 1
            yield image, label


def _bars(draw, rng, w: int, h: int, colours) -> None:
    values = rng.uniform(0.1, 1, int(rng.integers(3, 9)))
    width = (w - 40) / len(values)
    for k, v in enumerate(values):
        left = 30 + k * width
        box = (left, h - 20 - v * (h - 40), left + 0.75 * width, h - 20)
        draw.rectangle(box, fill=colours[0])


def _lines(draw, rng, w: int, h: int, colours) -> None:
    for colour in colours[: int(rng.integers(1, 4))]:
        values = np.cumsum(rng.normal(0, 1, 24))
        values = (values - values.min()) / max(1e-9, np.ptp(values))
        across = np.linspace(30, w - 10, len(values))
        draw.line([(x, h - 20 - v * (h - 40)) for x, v in zip(across, values)], colour, 2)


def _pie(draw, rng, w: int, h: int, colours) -> None:
    shares = rng.dirichlet(np.full(int(rng.integers(3, 7)), 2.0)) * 360
    box = ((w - h) / 2 + 12, 12, (w + h) / 2 - 12, h - 12)
    start = -90.0
    for k, share in enumerate(shares):
        draw.pieslice(box, start, start + share, fill=colours[k], outline=WHITE)
        start += share


def charts(rng, n: int = 150, w: int = 200, h: int = 150):
    "Bars, lines and pies of random data, in one style, as one program draws them."
    kinds = {"bars": _bars, "lines": _lines, "pie": _pie}
    for k in range(n):
        kind = list(kinds)[k % 3]
        image = Image.new("RGB", (w, h), WHITE)
        draw = ImageDraw.Draw(image)
        kinds[kind](draw, rng, w, h, list(COLOURS.values()))
        if kind != "pie":
            draw.line([(30, 10), (30, h - 20), (w - 10, h - 20)], (0, 0, 0))
        yield image, kind


def _formants(word: str, rng, rate: int = 16000) -> np.ndarray:
    "A vowel-like sound for each letter, at a speed and pitch of its own: where espeak-ng is not."
    pitch, speed = rng.uniform(90, 260), rng.uniform(0.7, 1.4)
    parts = []
    for letter in word:
        own = np.random.default_rng(ord(letter))
        first, second = own.uniform(250, 900), own.uniform(900, 2600)
        t = np.arange(int(0.11 * rate / speed)) / rate
        voice = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 25))
        tuned = voice * 0.1
        for formant in (first, second):
            tuned = tuned + np.sin(2 * np.pi * formant * t) * np.abs(voice) * 0.3
        parts.append(tuned * np.hanning(len(t)))
    wave = np.concatenate(parts)
    return (0.5 * wave / np.abs(wave).max()).astype(np.float32)


def _spoken(word: str, rng) -> tuple[np.ndarray, int]:
    "A word said at a speed and pitch of its own."
    if shutil.which("espeak-ng") is None:
        return _formants(word, rng), 16000
    speed, pitch = int(rng.integers(110, 240)), int(rng.integers(15, 90))
    said = ["espeak-ng", "--stdout", "-s", str(speed), "-p", str(pitch), word]
    wave, rate = soundfile.read(io.BytesIO(subprocess.run(said, capture_output=True).stdout))
    return wave.astype(np.float32), rate


_SHORT = "yes no stop go left right up down on off".split()
_LONG = "turn on the light;turn off the light;play some music;call me back".split(";")


def takes(rng, n: int = 60):
    "Ten short words, each said six times, always at another speed and pitch."
    for k in range(n):
        word = _SHORT[k % len(_SHORT)]
        yield _spoken(word, rng), word


def commands(rng, n: int = 60):
    "Four short sentences, each said many times, always at another speed and pitch."
    for k in range(n):
        text = _LONG[k % len(_LONG)]
        yield _spoken(text, rng), text


def tones(rng, n: int = 100, rate: int = 16000):
    "Pure, rich and sliding tones of different pitch and length."
    seen = []
    while len(seen) < n:
        kind = ["pure", "rich", "slide"][len(seen) % 3]
        pitch = float(220 * 2 ** rng.uniform(0, 3))
        length = float(rng.uniform(0.3, 1.5))
        twin = any(
            kind == old[0]
            and abs(np.log2(pitch / old[1])) < 1 / 24
            and abs(np.log(length / old[2])) < 0.06
            for old in seen
        )
        if twin:
            continue
        seen.append((kind, pitch, length))
        t = np.arange(int(length * rate)) / rate
        phase = 2 * np.pi * pitch * (t + (0.3 * t * t / length if kind == "slide" else 0))
        wave = np.sin(phase)
        if kind == "rich":
            wave = sum(np.sin(k * phase) / k for k in range(1, 6)) / 2
        fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.02)
        yield ((0.4 * wave * fade).astype(np.float32), rate), kind


_SYLLABLES = "ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu".split()


def words(rng, n: int = 300):
    "Single made-up words of two to four syllables."
    found = set()
    while len(found) < n:
        found.add("".join(rng.choice(_SYLLABLES, int(rng.integers(2, 5)))))
    for word in sorted(found):
        yield word, "short" if len(word) < 6 else "long"


def sentences(rng, n: int = 300):
    "Short sentences of one pattern, as assistants are told things; no two mean the same."
    places = "kitchen bedroom hall garage bathroom garden cellar office attic porch".split()
    things = "light heating radio fan lamp oven blind camera alarm television".split()
    every = [
        f"{act} the {t} in the {p}"
        for act in ("turn on", "turn off", "check", "set")
        for t in things
        for p in places
    ]
    for k in rng.permutation(len(every))[:n]:
        yield every[k], every[k].partition(" the ")[0]


def rows(rng, n: int = 300):
    "Rows of a small table: few columns with few values each."
    for _ in range(n):
        yield (
            {
                "age": int(rng.integers(18, 70)),
                "size": str(rng.choice(["S", "M", "L"])),
                "visits": int(rng.integers(0, 9)),
                "city": str(rng.choice(["Bern", "Genf", "Basel", "Chur"])),
            },
            str(rng.choice(["yes", "no"])),
        )


SETS = {
    "shapes": ("image", shapes),
    "centred": ("image", centred),
    "letters": ("image", letters),
    "icons": ("image", icons),
    "charts": ("image", charts),
    "takes": ("speech", takes),
    "commands": ("speech", commands),
    "tones": ("speech", tones),
    "words": ("text", words),
    "sentences": ("text", sentences),
    "rows": ("tabular", rows),
}


def _copy(kind: str, item, folder: Path, rng, vocabulary: list[str]):
    "A near-copy of an item."
    if kind == "image":
        return near_picture(item.convert("RGB"), rng)
    if kind == "text":
        return near_text(item, vocabulary, rng)
    soundfile.write(folder / "one.wav", *item)
    wave, rate, _ = near_sound(str(folder / "one.wav"), rng)
    (folder / "one.wav").unlink()
    return wave, rate


def make(name: str, folder: Path, seed: int = 0, share: float = 0.0) -> tuple[Path, set]:
    "A set as a table in the folder, and the pairs of rows that were planted as near-duplicates."
    kind, generator = SETS[name]
    rng = np.random.default_rng([seed, 25])
    made, pairs = list(generator(rng)), set()
    n = len(made)
    vocabulary = [w for item, _ in made for w in item.split()] if kind == "text" else []
    if kind != "tabular":
        for i in rng.permutation(n)[: int(share * n)]:
            item, label = made[i]
            new = _copy(kind, item, folder, rng, vocabulary)
            while kind == "text" and new in [old for old, _ in made]:  # it became another row
                new = _copy(kind, item, folder, rng, vocabulary)
            pairs.add((int(i), len(made)))
            made.append((new, label))
    table = []
    for k, (item, label) in enumerate(made):
        where = f"{k:04}.png" if kind == "image" else f"{k:04}.wav"
        if kind == "image":
            item.save(folder / where)
        if kind == "speech":
            soundfile.write(folder / where, *item)
        own = {"text": item} if kind == "text" else {"path": where}
        table.append((item if kind == "tabular" else own) | {"label": label})
    path = folder / ("texts.csv" if kind == "text" else "labels.csv")
    pd.DataFrame(table).to_csv(path, index=False)
    return path, pairs


def measured(name: str, seed: int = 0, share: float = 0.0) -> dict:
    "What the gate finds in such a set: pairs, findings a row, rows that keep_one drops."
    from ftkit.data.dataset import Data
    from ftkit.quality.gate import check

    with tempfile.TemporaryDirectory() as d:
        table, planted = make(name, Path(d), seed, share)
        more = {} if SETS[name][0] == "tabular" else {"near": "as_is"}
        started = time.process_time()
        data = getattr(Data, SETS[name][0])(table, skip_bad=True, **more)
        found = check(data, deep=False, only=("copies",))
        seconds = time.process_time() - started
    names = ("exact copies", "near-duplicates", "copies that disagree")
    groups = [f for f in found.findings if f.what in names]
    told = {p for f in groups for p in combinations(sorted(f.rows), 2)}
    taken = {p for f in groups if f.fix == "keep_one" for p in combinations(sorted(f.rows), 2)}
    dropped = len(found.decisions(("keep_one",)))
    out = {"rows": len(data), "findings": len(groups), "a row": round(len(groups) / len(data), 3)}
    out |= {"told rows": len({i for f in groups for i in f.rows}), "dropped": dropped}
    if planted:
        out["recall"] = round(len(told & planted) / len(planted), 3)
        out["precision"] = round(len(told & planted) / max(1, len(told)), 3)
        out["precision of keep_one"] = round(len(taken & planted) / max(1, len(taken)), 3)
    return out | {"seconds": round(seconds, 2)}


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("sets", nargs="*", default=list(SETS))
    ask.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    ask.add_argument("--share", type=float, nargs="*", default=[0.0, 0.1])
    args = ask.parse_args()
    for name in args.sets:
        for share in args.share:
            for seed in args.seeds:
                line = json.dumps(measured(name, seed, share))
                print(name, seed, share, line, file=sys.stdout, flush=True)
