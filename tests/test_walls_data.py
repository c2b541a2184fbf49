"""Data files made to exhaust a machine, or to reach beyond themselves: each refused, or read,
within 10 seconds and 1 GB."""

import gzip
import json
import os
import socket
import sqlite3
import struct
import subprocess
import sys
import wave
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

SECONDS, MB = 10, 1000
BEGIN = "import resource, sys, time, warnings; warnings.simplefilter('ignore')\n"
CHILD = """
from pathlib import Path
from ftkit import Data
from ftkit.core import UsageError
import ftkit.models.artifact, PIL.Image, pandas, soundfile, pyarrow.parquet, python_calamine
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
at = Path(sys.argv[1])
open("/proc/self/clear_refs", "w").write("5")
began = time.monotonic()
try:
    {call}
    said = "read"
except UsageError as e:
    said = "refused: " + str(e)
peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) // 1024
print()
print(f"{{time.monotonic() - began:.2f}} {{peak}} {{said}}")
"""


def attack(tmp_path: Path, call: str) -> tuple[float, int, str]:
    "Seconds, megabytes at the peak, and what was answered, in a process of its own."
    env = os.environ | {
        "FTKIT_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": "1",
        "FTKIT_OFFLINE": "true",
    }
    code = BEGIN + CHILD.format(call=call)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            env=env,
            cwd=tmp_path,
        )
    except subprocess.TimeoutExpired:
        return 60.0, 0, "hung"
    if done.returncode:
        return 0.0, 0, f"died of {done.returncode}: {done.stderr[-400:]}"
    seconds, peak, said = done.stdout.splitlines()[-1].split(" ", 2)
    return float(seconds), int(peak), said


def xlsx(
    path: Path,
    sheet: bytes | None = None,
    strings: bytes = b"",
    repeat: bytes = b"",
    times: int = 0,
) -> None:
    """A workbook of one sheet; `repeat` stands `times` times where the sheet or the strings have a
    @."""
    ns = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    files = {
        "[Content_Types].xml": (
            f'<Types xmlns="{package}/content-types"><Default Extension="xml"'
            ' ContentType="application/xml"/><Default Extension="rels"'
            ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>'.encode()
        ),
        "_rels/.rels": (
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1"'
            f' Type="{kind}/officeDocument" Target="xl/workbook.xml"/></Relationships>'.encode()
        ),
        "xl/workbook.xml": (
            b"<workbook "
            + ns
            + f' xmlns:r="{kind}"><sheets><sheet name="a" sheetId="1"'
            ' r:id="r1"/></sheets></workbook>'.encode()
        ),
        "xl/_rels/workbook.xml.rels": (
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1"'
            f' Type="{kind}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2"'
            f' Type="{kind}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'.encode()
        ),
        "xl/worksheets/sheet1.xml": (
            b"<worksheet " + ns + b"><sheetData>" + (sheet or b"") + b"</sheetData></worksheet>"
        ),
        "xl/sharedStrings.xml": (
            b"<sst " + ns + b">" + (strings or b"<si><t>x</t></si>") + b"</sst>"
        ),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in files.items():
            with z.open(name, "w", force_zip64=True) as f:
                head, _, tail = data.partition(b"@")
                f.write(head)
                if b"@" in data:
                    for _ in range(times // 10_000):
                        f.write(repeat * 10_000)
                f.write(tail)


def cell(at: str, value: str = "1") -> bytes:
    row = at.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return f'<row r="{row}"><c r="{at}"><v>{value}</v></c></row>'.encode()


def png_of_zeros(path: Path, width: int, height: int) -> None:
    "A few hundred kB that unpack to width times height bytes."

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer, row = zlib.compressobj(9), bytes(width + 1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def tiff_of_zeros(path: Path, side: int) -> None:
    "One strip of deflated zeros."
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(side)) for _ in range(side)) + packer.flush()
    tags = [
        (256, 4, side),
        (257, 4, side),
        (258, 3, 8),
        (259, 3, 8),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, side),
        (279, 4, len(data)),
    ]
    entries = b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags)
    path.write_bytes(
        struct.pack("<4sI", b"II*\0", 8 + len(data))
        + data
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


def gif_of_frames(path: Path, n: int) -> None:
    "n frames of one pixel."
    frame = b"\x21\xf9\x04\0\0\0\0\0\x2c\0\0\0\0\1\0\1\0\0\x02\x02\x44\x01\0"
    path.write_bytes(b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + frame * n + b"\x3b")


def with_pictures(folder: Path) -> Path:
    "Two class folders of good pictures."
    from PIL import Image

    r = np.random.default_rng(0)
    for name in "ab":
        (folder / name).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(r.integers(0, 255, (8, 8), np.uint8)).save(folder / name / f"{i}.png")
    return folder


def npy_head(shape, kind: str = "<f8") -> bytes:
    head = str({"descr": kind, "fortran_order": False, "shape": tuple(shape)}).encode()
    head = head.ljust((len(head) + 11) // 64 * 64 + 53) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head


def npz(path: Path, *parts: tuple[str, bytes, int]) -> None:
    "Members of a head and so many zeros."
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, head, zeros in parts:
            with z.open(name, "w", force_zip64=True) as f:
                f.write(head)
                for _ in range(zeros >> 20):
                    f.write(bytes(1 << 20))


def parquet(path: Path, rows: int, text: str = "a") -> None:
    "The same text in every row, which is kept once and counted."
    import pyarrow as pa
    import pyarrow.parquet as pq

    one = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000_000, np.int8)), pa.array([text]))
    schema = pa.schema([("text", one.type), ("label", one.type)])
    with pq.ParquetWriter(path, schema, compression="gzip") as w:
        for _ in range(rows // 1_000_000):
            w.write_table(pa.table({"text": one, "label": one}), row_group_size=1_000_000)


def database(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute("create table t (a real, label text)")
        db.executemany("insert into t values (?, ?)", [(i, "xy"[i % 2]) for i in range(40)])
        for s in statements:
            db.execute(s)


ENDLESS = (
    "with recursive n(a) as (select 1 union all select a + 1 from n) select a, 'x' as label from n"
)
WAV = "Data.speech(at / 's')"


def sounds(folder: Path, name: str = "", content: bytes = b"") -> None:
    "Two class folders of good recordings, and one of another kind."
    r = np.random.default_rng(0)
    for kind in "ab":
        (folder / "s" / kind).mkdir(parents=True)
        for i in range(4):
            with wave.open(str(folder / "s" / kind / f"{i}.wav"), "wb") as f:
                f.setparams((1, 2, 8000, 0, "NONE", ""))
                f.writeframes(r.integers(-9000, 9000, 4000, np.int16).tobytes())
    if name:
        (folder / "s" / "a" / name).write_bytes(content)


def big(path: Path, head: bytes, piece: bytes, times: int, tail: bytes = b"") -> None:
    with open(path, "wb") as f:
        f.write(head)
        for _ in range(times):
            f.write(piece)
        f.write(tail)


def packed(path: Path, head: bytes, piece: bytes, times: int) -> None:
    with gzip.open(path, "wb", compresslevel=1) as f:
        f.write(head)
        for _ in range(times):
            f.write(piece)


TABLE = "Data.tabular(at / {!r})"
TEXT = "Data.text(at / {!r})"
IMAGE = "Data.image(at / 'p')"
SHEET = cell("A1") + b"@" + cell("B9")
# name: (how the file is made, what is called, what must be answered)
BOMBS = {
    "xlsx, a stray cell": (
        lambda at: xlsx(at / "b.xlsx", cell("A1") + cell("XFD1048576")),
        TABLE.format("b.xlsx"),
        "refused",
    ),
    "xlsx, a stray cell, for texts": (
        lambda at: xlsx(at / "b.xlsx", cell("A1") + cell("XFD1048576")),
        TEXT.format("b.xlsx"),
        "refused",
    ),
    "xlsx, two stray cells": (
        lambda at: xlsx(at / "b.xlsx", cell("A1") + cell("BZZ900000")),
        TABLE.format("b.xlsx"),
        "refused",
    ),
    "xlsx, 2 GB of blanks": (
        lambda at: xlsx(at / "b.xlsx", SHEET, repeat=b" " * 100, times=20_000_000),
        TABLE.format("b.xlsx"),
        "refused",
    ),
    "xlsx, 2 GB of strings": (
        lambda at: xlsx(
            at / "b.xlsx", cell("A1"), b"@", b"<si><t>" + b"a" * 93 + b"</t></si>", 20_000_000
        ),
        TABLE.format("b.xlsx"),
        "refused",
    ),
    "sqlite, an endless view": (
        lambda at: database(at / "b.db", f"create view v as {ENDLESS}", "drop table t"),
        TABLE.format("b.db"),
        "refused",
    ),
    "sqlite, a view that thinks for ever": (
        lambda at: database(
            at / "b.db",
            f"create view v as select count(*) as a, 'x' as label from ({ENDLESS})",
            "drop table t",
        ),
        TABLE.format("b.db"),
        "refused",
    ),
    "sqlite, a view of one huge value": (
        lambda at: database(
            at / "b.db",
            "create view v as select hex(printf('%.*c', 450000000, 'x')) as a, 'x' as label from t",
        ),
        "Data.tabular(at / 'b.db', query='select * from v')",
        "refused",
    ),
    "sqlite, an endless query": (
        lambda at: database(at / "b.db"),
        f"Data.tabular(at / 'b.db', query={ENDLESS!r})",
        "refused",
    ),
    "parquet, a million times smaller": (
        lambda at: parquet(at / "b.parquet", 300_000_000),
        TABLE.format("b.parquet"),
        "refused",
    ),
    "parquet, for texts": (
        lambda at: parquet(at / "b.parquet", 30_000_000, "a" * 1000),
        TEXT.format("b.parquet"),
        "refused",
    ),
    "parquet, in pieces": (
        lambda at: parquet(at / "b.parquet", 10_000_000, "a" * 100_000),
        "Data.tabular(at / 'b.parquet', limit=100)",
        "refused",
    ),
    "parquet, one long text": (
        lambda at: parquet(at / "b.parquet", 1_000_000, "a" * 100_000),
        TEXT.format("b.parquet"),
        "refused",
    ),
    "gz, 5 GB of blanks": (
        lambda at: packed(at / "b.csv.gz", b"a,label\n1,x\n", b" " * (1 << 20), 5000),
        TABLE.format("b.csv.gz"),
        "refused",
    ),
    "csv, one line of 1 GB": (
        lambda at: big(at / "b.csv", b"a,label\n1,", b"x" * (1 << 20), 1000),
        TABLE.format("b.csv"),
        "refused",
    ),
    "csv, one line of 1 GB, for texts": (
        lambda at: big(at / "b.csv", b"text,label\n", b"x" * (1 << 20), 1000),
        TEXT.format("b.csv"),
        "refused",
    ),
    "csv, a million columns": (
        lambda at: big(
            at / "b.csv",
            b"label",
            b",%d" % 0 + b"",
            0,
            b"".join(b",c%d" % i for i in range(10**6))
            + b"\n"
            + (b"x" + b",1" * 10**6 + b"\n") * 4,
        ),
        TABLE.format("b.csv"),
        "refused",
    ),
    "csv, a million names for two columns": (
        lambda at: (at / "b.csv").write_bytes(
            b",".join(b"c%d" % i for i in range(10**6)) + b"\n" + b"1,2\n" * 30
        ),
        TABLE.format("b.csv"),
        "refused",
    ),
    "json, nested": (
        lambda at: (at / "b.json").write_text("[" * 100_000),
        TABLE.format("b.json"),
        "refused",
    ),
    "jsonl, nested": (
        lambda at: (at / "b.jsonl").write_text(
            '{"text": "a", "label": "x"}\n{"text": ' + "[" * 100_000 + "]" * 100_000 + "}\n"
        ),
        TEXT.format("b.jsonl"),
        "refused",
    ),
    "jsonl, a row of a million fields": (
        lambda at: (at / "b.jsonl").write_text(
            '{"text": "a", "label": "x"}\n' + json.dumps({f"c{i}": i for i in range(10**6)}) + "\n"
        ),
        TABLE.format("b.jsonl"),
        "refused",
    ),
    "npz, a shape of 8 TB": (
        lambda at: npz(
            at / "b.npz", ("x.npy", npy_head((10**6, 10**6)), 0), ("y.npy", npy_head((10**6,)), 0)
        ),
        "Data.image(at / 'b.npz')",
        "refused",
    ),
    "npz, 4 GB of zeros": (
        lambda at: npz(
            at / "b.npz",
            ("x.npy", npy_head((4000, 1024, 1024), "|u1"), 4000 << 20),
            ("y.npy", npy_head((4096,), "<i8"), 0),
        ),
        "Data.image(at / 'b.npz')",
        "refused",
    ),
    "npz, objects": (
        lambda at: np.savez(at / "b.npz", x=np.array([{}, 1], object), y=np.zeros(2)),
        "Data.image(at / 'b.npz')",
        "refused",
    ),
    "idx.gz, 5 GB": (
        lambda at: (
            packed(
                at / "t-images-idx3-ubyte.gz",
                b"\0\0\x08\x03" + struct.pack(">III", 5000, 1024, 1024),
                bytes(1 << 20),
                5000,
            ),
            packed(
                at / "t-labels-idx1-ubyte.gz",
                b"\0\0\x08\x01" + struct.pack(">I", 5000),
                bytes(5000),
                1,
            ),
        ),
        "Data.image(at / 't-images-idx3-ubyte.gz')",
        "refused",
    ),
    "png, 390 megapixels": (
        lambda at: png_of_zeros(with_pictures(at / "p") / "a" / "z.png", 20_000, 19_500),
        IMAGE,
        "refused",
    ),
    "png, 24 of 39 megapixels": (
        lambda at: [
            png_of_zeros(at / "p" / "a" / f"z{i}.png", 6500, 6000)
            for _ in [with_pictures(at / "p")]
            for i in range(24)
        ],
        IMAGE,
        "",
    ),
    "png, 150 megapixels": (
        lambda at: png_of_zeros(with_pictures(at / "p") / "a" / "z.png", 15_000, 10_000),
        IMAGE,
        "refused",
    ),
    "tiff, 390 megapixels": (
        lambda at: tiff_of_zeros(with_pictures(at / "p") / "a" / "z.tif", 19_700),
        IMAGE,
        "refused",
    ),
    "gif, 100,000 frames": (
        lambda at: gif_of_frames(with_pictures(at / "p") / "a" / "z.gif", 100_000),
        IMAGE,
        "",
    ),
    "svg": (
        lambda at: (with_pictures(at / "p") / "a" / "z.svg").write_text(
            "<svg xmlns='http://www.w3.org/2000/svg'/>"
        ),
        IMAGE,
        "read",
    ),
    "a class folder linked to /": (
        lambda at: (with_pictures(at / "p") / "c").symlink_to("/"),
        IMAGE,
        "",
    ),
    "a class folder linked to its parent": (
        lambda at: (with_pictures(at / "p") / "c").symlink_to(at / "p"),
        IMAGE,
        "",
    ),
    "a folder linked to /, to predict": (
        lambda at: (with_pictures(at / "p") / "c").symlink_to("/"),
        "from ftkit.models.artifact import _files_of, PICTURES; _files_of(at / 'p', PICTURES, [])",
        "",
    ),
    "a pipe among pictures": (
        lambda at: os.mkfifo(with_pictures(at / "p") / "a" / "z.png"),
        IMAGE,
        "",
    ),
    "a link to /dev/zero among pictures": (
        lambda at: (with_pictures(at / "p") / "a" / "z.png").symlink_to("/dev/zero"),
        IMAGE,
        "",
    ),
    "a link to /dev/zero as a picture": (
        lambda at: (at / "z.png").symlink_to("/dev/zero"),
        "from ftkit.reading.pictures import open_picture; open_picture(at / 'z.png')",
        "refused",
    ),
    "a pipe as a picture": (
        lambda at: os.mkfifo(at / "z.png"),
        "from ftkit.reading.pictures import open_picture; open_picture(at / 'z.png')",
        "refused",
    ),
    "a table of pictures names a pipe": (
        lambda at: (
            with_pictures(at / "p"),
            os.mkfifo(at / "z.png"),
            (at / "b.csv").write_text(
                "path,label\nz.png,x\n" + "".join(f"p/a/{i}.png,{'xy'[i % 2]}\n" for i in range(6))
            ),
        ),
        "Data.image(at / 'b.csv')",
        "refused",
    ),
    "a table of pictures names /dev/zero": (
        lambda at: (
            with_pictures(at / "p"),
            (at / "b.csv").write_text(
                "path,label\n/dev/zero,x\n"
                + "".join(f"p/a/{i}.png,{'xy'[i % 2]}\n" for i in range(6))
            ),
        ),
        "Data.image(at / 'b.csv')",
        "refused",
    ),
    "a pipe as a table": (lambda at: os.mkfifo(at / "b.csv"), TABLE.format("b.csv"), "refused"),
    "a pipe as a table with a limit": (
        lambda at: os.mkfifo(at / "b.csv"),
        "Data.tabular(at / 'b.csv', limit=10)",
        "refused",
    ),
    "a link to /dev/zero as a table": (
        lambda at: (at / "b.csv").symlink_to("/dev/zero"),
        TEXT.format("b.csv"),
        "refused",
    ),
    "a link to /dev/zero as a database": (
        lambda at: (at / "b.db").symlink_to("/dev/zero"),
        TABLE.format("b.db"),
        "refused",
    ),
    "a pipe as npz": (lambda at: os.mkfifo(at / "b.npz"), "Data.image(at / 'b.npz')", "refused"),
    "a pipe among texts": (
        lambda at: (
            [
                (
                    (at / "t" / k).mkdir(parents=True),
                    [(at / "t" / k / f"{i}.txt").write_text(f"text {k} {i}") for i in range(6)],
                )
                for k in "ab"
            ]
            + [os.mkfifo(at / "t" / "a" / "z.txt")]
        ),
        "Data.text(at / 't')",
        "",
    ),
    "a text of 1 GB among texts": (
        lambda at: (
            [
                (
                    (at / "t" / k).mkdir(parents=True),
                    [(at / "t" / k / f"{i}.txt").write_text(f"text {k} {i}") for i in range(6)],
                )
                for k in "ab"
            ]
            + [big(at / "t" / "a" / "z.txt", b"", b"x" * (1 << 20), 1000)]
        ),
        "Data.text(at / 't')",
        "refused",
    ),
    "ffconcat, as wav": (
        lambda at: sounds(at, "z.wav", b"ffconcat version 1.0\nfile /etc/hostname\n"),
        WAV,
        "refused",
    ),
    "m3u8, as mp4": (
        lambda at: sounds(
            at,
            "z.mp4",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        ),
        WAV,
        "refused",
    ),
    "wav, a header of 4 GB": (
        lambda at: sounds(
            at,
            "z.wav",
            b"RIFF\xff\xff\xff\xffWAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
            + b"data\xf0\xff\xff\xff"
            + bytes(1000),
        ),
        WAV,
        "refused",
    ),
    "wav, 65,535 channels": (
        lambda at: sounds(
            at,
            "z.wav",
            b"RIFF"
            + struct.pack("<I", 36 + 131070 * 4)
            + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, 65535, 8000, 16000, 65534, 16)
            + b"data"
            + struct.pack("<I", 131070 * 4)
            + b"\1" * 131070 * 4,
        ),
        WAV,
        "refused",
    ),
    "flac, an hour of silence in kB": (
        lambda at: (
            sounds(at),
            __import__("soundfile").write(
                at / "s" / "a" / "z.flac", np.zeros(8000 * 3600, np.int16), 8000
            ),
        ),
        WAV,
        "refused",
    ),
    "a pipe among recordings": (
        lambda at: (sounds(at), os.mkfifo(at / "s" / "a" / "z.wav")),
        WAV,
        "",
    ),
    "a link to /dev/zero among recordings": (
        lambda at: (sounds(at), (at / "s" / "a" / "z.wav").symlink_to("/dev/zero")),
        WAV,
        "",
    ),
    "a file beside recordings": (
        lambda at: (
            sounds(at),
            (
                socket.socket(socket.AF_UNIX).bind(str(at / "s" / "a" / "z.wav"))
                if len(str(at)) < 80
                else None
            ),
        ),
        WAV,
        "",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path, name):
    make, call, answer = BOMBS[name]
    make(tmp_path)
    seconds, peak, said = attack(tmp_path, call)
    print(f"\nBOMB {name} | {seconds:.1f} s | {peak} MB | {said[:230]}")
    assert said.startswith(answer or ("read", "refused")), said
    assert seconds < SECONDS and peak < MB


STATEMENTS = [
    "ATTACH DATABASE '{at}/made.db' AS x",
    "VACUUM INTO '{at}/made.db'",
    "PRAGMA journal_mode = WAL",
    "PRAGMA writable_schema = 1",
    "SELECT load_extension('{at}/evil.so')",
    "SELECT a, label FROM t; DROP TABLE t",
    "DELETE FROM t",
    "UPDATE t SET label = 'z' RETURNING a, label",
    "INSERT INTO t VALUES (1, 'x') RETURNING a, label",
    "CREATE TABLE made (a)",
    "CREATE TEMP TABLE made AS SELECT * FROM t",
    "REINDEX",
    "BEGIN",
    "SELECT a, label FROM pragma_table_info('t')",
    "SELECT randomblob(90000000) AS a, label FROM t",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_query_reads_and_does_nothing_else(tmp_path, statement):
    from ftkit.data.tables import read_rows
    from ftkit.reading.rows import DataError

    database(tmp_path / "t.db")
    before = (tmp_path / "t.db").read_bytes()
    with pytest.raises(
        DataError, match="only reading is allowed|only one is allowed|cannot be read|gives no rows"
    ):
        read_rows(tmp_path / "t.db", query=statement.format(at=tmp_path))
    assert (tmp_path / "t.db").read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [
        "t.db"
    ]


def test_ordinary_queries_go_on(tmp_path):
    from ftkit.data.tables import read_rows

    database(
        tmp_path / "t.db",
        "create table u (label text, more real)",
        "insert into u values ('x', 5)",
        "create view v as select t.a, u.more, upper(t.label) as l from t left join u using (label)",
    )
    query = (
        "WITH s AS (SELECT a, avg(more) OVER () AS m, l FROM v) SELECT a, round(m, 1) AS m,"
        " replace(l, 'X', 'q') AS label FROM s WHERE a > 3 ORDER BY a DESC LIMIT 20"
    )
    assert len(read_rows(tmp_path / "t.db", query=query)) == 20
    assert (
        len(
            read_rows(
                tmp_path / "t.db", query="select * from t union all select a, l from v", limit=50
            )
        )
        == 50
    )
    assert len(read_rows(tmp_path / "t.db", query=ENDLESS + " limit 1000")) == 1000


@pytest.mark.parametrize("suffix", [".wav", ".mp4", ".mkv", ".m4a", ".webm", ".aac"])
def test_a_recording_that_is_a_list_of_others_is_not_followed(tmp_path, suffix):
    "Not to a good file beside it, and not to an address."
    from ftkit.reading.sounds import SoundError, open_sound

    pytest.importorskip("av")
    sounds(tmp_path)
    good = tmp_path / "good.wav"
    good.write_bytes((tmp_path / "s" / "a" / "0.wav").read_bytes())
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0.1)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        lists = [
            "ffconcat version 1.0\nfile {}\n",
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
            "[playlist]\nFile1={}\n",
            "<MPD><Period><AdaptationSet><Representation><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>",
            "v=0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 127.0.0.1\na={}\n",
        ]
        for text in lists:
            for target in ("good.wav", str(good), f"file:{good}", address, address + ".ts"):
                path = tmp_path / f"z{suffix}"
                path.write_text(text.format(target))
                with pytest.raises(SoundError):
                    open_sound(str(path))
                with pytest.raises(SoundError):
                    open_sound(path.read_bytes())
        with pytest.raises(TimeoutError):
            server.accept()
