"""Tables as users have them, and worse: one line that says what is wrong and where, or the right cells; nothing half-made is left."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl
import pytest
import torch

from benchmark.__main__ import main
from benchmark.config import Suite
from benchmark.data import delimited
from benchmark.data import encode as encoding
from benchmark.data.batches import Rows
from benchmark.data.encode import encode
from benchmark.data.ensure import ensure_prepared
from benchmark.data.files import packed
from benchmark.data.prepare import prepare
from benchmark.data.store import PARTS, Prepared, open_prepared, prepared_names
from benchmark.data.tables import read_table
from benchmark.errors import UserError
from benchmark.search.cells import default_trial, expand
from benchmark.sources import Column, Source
from benchmark.training.trial import run_trial

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
HEADER = b"click,a,b\n"
Refuse = Callable[..., str]


def rows(count: int = 100, instead: Mapping[int, str] = {}, end: str = "\n", separator: str = ",") -> bytes:
    """A sound table; ``instead`` of some data rows (numbers from 1) others."""
    lines = ["click,a,b", *(instead.get(n, f"{n % 2},v{n % 7},{n % 11}") for n in range(1, count + 1))]
    return "".join(line.replace(",", separator) + end for line in lines).encode()


def left(cache: Path) -> list[str]:
    """What is in the cache beside locks."""
    return sorted(path.name for path in (cache / "datasets").glob("*") if not path.name.endswith(".lock"))


@pytest.fixture
def refuse(cache: Path, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """The one line that ``prepare`` prints as it refuses a file; a look at the columns may have come before."""

    def refused(origin: Path, *flags: str) -> str:
        before = left(cache)
        code = main(["prepare", str(origin), *(() if "--label" in flags else ("--label", "click")), "--name", "mine", *flags])
        out, err = capsys.readouterr()
        assert code == 2 and (not out or re.search(r"\nseen in the first \d+ rows?\n$", out))
        [line] = err.split("\n")[:-1]
        assert line.startswith("error: ") and line.isprintable()
        assert left(cache) == before
        return line.removeprefix("error: ")

    return refused


@pytest.fixture(params=[1 << 23, 64], ids=["one block", "many blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", request.param)
    if request.param == 64:
        monkeypatch.setattr(encoding, "BLOCK", 16)


def cells(path: Path, separator: str = "") -> list[tuple[str, ...]]:
    """The rows, missing cells as empty texts."""
    return read_table(path, separator).frame.fill_null("").collect().rows()


def complaint(path: Path, separator: str = "") -> str:
    with pytest.raises(UserError) as caught:
        cells(path, separator)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


def write(path: Path, content: bytes | bytearray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def archive(path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as opened:
        for name, content in members.items():
            opened.writestr(zipfile.ZipInfo(name), content, compression)
    return path


def mine(origin: Path, name: str = "mine", **options: Any) -> Prepared:
    return prepare("csv", {"label": "click", **options}, origin, alias=name)


# Cells


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2,v,1", "row 71, column 'click': '2' is no label; a label is 0 or 1"),
        ("yes,v,1", "row 71, column 'click': 'yes' is no label"),
        ("-1,v,1", "row 71, column 'click': '-1' is no label"),
        (",v,1", "row 71, column 'click': an empty cell is no label"),
        (f"{'x' * 50},v,1", f"row 71, column 'click': '{'x' * 40}…' is no label"),
        *((f"1,v,{cell}", f"row 71, column 'b': {cell!r} is not a number") for cell in ("zz", "inf", "nan", "NA", " 5", "1_000", "1e999")),
        ('1,v,"1,5"', "row 71, column 'b': '1,5' is not a number"),
        ('1,v,"1\n2"', "row 71, column 'b': '1\\n2' is not a number"),
    ],
)
@pytest.mark.usefixtures("blocks")
def test_a_bad_cell_is_named_by_its_row(refuse: Refuse, tmp_path: Path, row: str, said: str) -> None:
    path = write(tmp_path / "x.csv", rows(300, {71: row, 200: row, 201: row}))
    assert refuse(path, "--numeric", "b").startswith(f"{path}: {said}")


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet", "zip"])
@pytest.mark.parametrize("part", PARTS)
def test_a_column_that_one_part_lacks(refuse: Refuse, tmp_path: Path, part: str, suffix: str) -> None:
    contents = {p: rows().replace(b"b\n", b"other\n", p == part) for p in PARTS}
    place = tmp_path / "folder"
    if suffix == "zip":
        place = archive(tmp_path / "x.zip", {f"{p}.csv": content for p, content in contents.items()})
    for p, content in contents.items() if suffix != "zip" else ():
        if suffix == "parquet":
            place.mkdir(exist_ok=True)
            pl.read_csv(content, infer_schema=False).write_parquet(place / f"{p}.parquet")
        else:
            write(place / f"{p}.{suffix}", gzip.compress(content) if suffix == "csv.gz" else content)
    named = f"{place}:{part}.csv" if suffix == "zip" else str(place / f"{part}.{suffix}")
    message = refuse(place, "--numeric", "b")
    first = f"{place}:train.csv" if suffix == "zip" else str(place / f"train.{suffix}")
    assert message.startswith(f"{named if part != 'train' else first}: unknown column 'b'")


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize(
    ("bad", "said"), [("1,x", "2 cells"), ("1,x,2,", "4 cells"), ("", "1 cells (the line is blank)"), (" ", "1 cells (the line is blank)")]
)
def test_a_ragged_row_is_named_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str, said: str, quoted: bool
) -> None:
    """Also in the first and in the last row of a block: one has four or five."""
    monkeypatch.setattr(delimited, "BLOCK", 40)
    path = tmp_path / "x.csv"
    for place, last in [*((place, "\n") for place in (0, 1, 2, 3, 4, 5, 6, 18, 19)), (19, "")]:
        texts = ['"x, y"' if quoted and n % 3 == 0 else "xx" for n in range(20)]
        lines = [f"{n % 2},{texts[n]},{n}" for n in range(20)]
        lines[place] = bad
        content = "click,a,b\n" + "\n".join(lines) + last
        if place == 19 and bad + last == "":
            continue  # that is a file without the last row, and sound
        write(path, content.encode())
        assert complaint(path) == f": line {place + 2}: {said}, but the header has 3 columns"


def test_a_long_row_does_not_make_up_for_a_short_one(tmp_path: Path) -> None:
    for one, two in (("1,x", "0,y,1,2"), ("0,y,1,2", "1,x")):
        path = write(tmp_path / "x.csv", rows(50, {20: one, 21: two}))
        assert complaint(path).startswith(f": line 21: {len(one.split(','))} cells")
        path = write(tmp_path / "x.csv", rows(50, {20: one, 21: two, 30: '1,"x,y",2'}))
        assert complaint(path).startswith(f": line 21: {len(one.split(','))} cells")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (rows(300).replace(b"v3,", "vé,".encode("latin-1")), "line 4: not UTF-8 (byte 0xe9); convert the file first"),
        (rows(300, {250: "1,vX,2"}).replace(b"vX", b"v\xe9"), "line 251: not UTF-8 (byte 0xe9)"),
        (rows(300, {250: '1,"v,X",2'}).replace(b"X", b"\xe9"), "line 251: not UTF-8 (byte 0xe9)"),
        (rows(300) + "1,é".encode()[:-1] + b",2", "line 302: not UTF-8 (byte 0xc3)"),
        (rows(300).replace(b"click", b"cl\xefck"), "line 1: not UTF-8 (byte 0xef)"),
        (rows(300).decode().encode("utf-16"), "line 1: a NUL byte; is the file damaged, or UTF-16? Convert it to UTF-8"),
        (rows(300).decode().encode("utf-16-le"), "line 1: a NUL byte"),
        (rows(300).decode().encode("utf-32-be"), "line 1: a NUL byte"),
        (rows(300, {250: "1,v\0,2"}), "line 251: a NUL byte"),
        (rows(300, {250: '1,"v\0",2'}), "line 251: a NUL byte"),
        (rows(300, {250: "\0" * 40}), "line 251: a NUL byte"),
        (rows(300, {250: '1,v,"2\r'}), "line 251: a quotation mark is opened and never closed"),
        (rows(300, {250: '1,v"w,2'}), "line 251: a quotation mark is opened and never closed"),
        (rows(300, {250: '1,v"w,2', 251: '1,v"w,2'}), "line 251: a quotation mark stands inside a cell"),
        (rows(300, {250: '1,"v"w,2'}), "line 251: a quotation mark stands inside a cell"),
        (rows(300, {250: '1,"v"\r,2'}), "line 251: a carriage return stands alone"),
        (rows(300, {250: '1,v,"w"\r'}, end="\r\n"), "line 251: a carriage return stands alone"),
        (rows(300, end="\r\r\n"), "line 1: a carriage return stands alone"),
        (rows(300, end="\r"), "line 1: a carriage return stands alone; end lines with LF or CR LF"),
        (gzip.compress(rows(300), mtime=0), "line 1: a NUL byte"),
    ],
)
@pytest.mark.usefixtures("blocks")
def test_what_is_no_csv(refuse: Refuse, tmp_path: Path, content: bytes, said: str) -> None:
    path = write(tmp_path / "x.csv", content)
    if delimited.BLOCK == 64 and ("never closed" in said or b"\n" not in content[:64]):
        said = said.partition(":")[0]  # a row that does not end within a block is too long
    assert refuse(path).startswith(f"{path}: {said}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty; the first line must name the columns"),
        (b"\xef\xbb\xbf", "line 1 is blank"),
        (b"\n", "line 1 is blank"),
        (b"\r\n\r\n", "line 1 is blank"),
        (HEADER, "there are no data rows"),
        (HEADER.strip(), "there are no data rows"),
        (HEADER + b"\n", "line 2: 1 cells (the line is blank)"),
        (HEADER + b"1,2,3\n", "1 rows, split 8:1:1: valid would be empty"),
        (HEADER + b"1,2,3\n" * 20, "train: every label is 1; training and AUC need rows of both classes"),
        (b"click\n" + b"0\n1\n" * 20, "there is no column besides the label"),
        (b"click,a,click\n0,1,2\n", "line 1: the column 'click' is named twice"),
        (b"click,a,,b\n0,1,2,3\n", "line 1: column 3 has no name"),
        (b"Click,a\n0,1\n", "unknown column 'click'; did you mean 'Click'?"),
        (b'"click,a\n0,1\n', "line 1: a quotation mark is opened and never closed"),
        (b'click,"a"b\n0,1\n', "line 1: a quotation mark stands inside a cell"),
    ],
)
def test_headers_and_files_without_rows(refuse: Refuse, tmp_path: Path, content: bytes, said: str) -> None:
    for path in (write(tmp_path / "x.csv", content), write(tmp_path / "x.csv.gz", gzip.compress(content))):
        assert refuse(path).startswith(f"{path}: {said}")
    path = archive(tmp_path / "x.zip", {"x.csv": content})
    assert refuse(path).startswith(f"{path}:x.csv: {said}")


# Sizes


ROW = b"0,x,1\n"
LONG = b"y" * (10 * MIB)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: HEADER + ROW * 5 + b"0," + LONG + b",1\n" + ROW, "line 7, column 'a': a row of more than 8 MiB"),
        (lambda: HEADER + ROW * 5 + b"0,x," + LONG, "line 7, column 'b': a row of more than 8 MiB"),
        (lambda: HEADER + ROW * 5 + b'0,"' + LONG + b'",1\n' + ROW, "line 7, column 'a': a row of more than 8 MiB"),
        (lambda: HEADER + ROW * 5 + b'0,x,"' + b"y,\n" * (10 * MIB // 3) + b'"\n' + ROW, "line 7, column 'b': a row of more than 8 MiB"),
        (
            lambda: HEADER + ROW * (9 * MIB // 6) + b'0,"' + LONG + b'",1\n',
            f"line {9 * MIB // 6 + 2}, column 'a': a row of more than 8 MiB",
        ),
        (lambda: b"click," + LONG, "line 1: a row of more than 8 MiB"),
        (lambda: b"a," * (5 * MIB), "line 1: a row of more than 8 MiB"),
        (lambda: b'"click,a,b\n' + ROW * (20 * MIB // 6), "line 1: a row of more than 8 MiB; is a quotation mark never closed, or"),
        (
            lambda: HEADER + b'0,"x,1\n' + ROW * (20 * MIB // 6),
            "line 2, column 'a': a row of more than 8 MiB; is a quotation mark never closed",
        ),
        (
            lambda: HEADER + b'0,x,"1\n' + b'0,"x",1\n' * (20 * MIB // 8),
            "line 2, column 'b': a row of more than 8 MiB; is a quotation mark",
        ),
        (lambda: HEADER + b'0,"x,1\n' + ROW * MIB, "line 2: a quotation mark is opened and never closed"),
        (lambda: HEADER + b'"' * (20 * MIB), "line 2, column 'click': a row of more than 8 MiB"),
    ],
    ids=range(12),
)
def test_rows_that_never_end_are_found_out_quickly(tmp_path: Path, content: Callable[[], bytes], said: str) -> None:
    path = write(tmp_path / "x.csv", content())
    start = time.process_time()
    assert complaint(path).startswith(f": {said}")
    assert time.process_time() - start < 6  # 0.05 to 0.5 as this is written; what is quadratic takes minutes


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_cell_of_five_megabytes_is_read(tmp_path: Path, quote: str) -> None:
    long = "y" * (5 * MIB)
    path = write(tmp_path / "x.csv", rows(20, {7: f"0,{quote}{long}{quote},5", 9: '1,"a,b",5', 11: '1,x"y"z,5'}))
    assert [len(row[1]) for row in cells(path)][5:11] == [2, 5 * MIB, 2, 3, 2, 5]


def test_sound_quotation_marks_are_not_gone_through_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*arguments: Any) -> None:
        raise AssertionError("line by line")

    monkeypatch.setattr(delimited, "_check_rows", slow)
    lines = ['"0","x, y",""', '"1","","a ""word"""', '0,"",""""', '1,"two\r\nlines","""a"",""b"""']
    for end in ("\n", "\r\n"):
        path = write(tmp_path / "x.csv", end.join(["click,a,b", *lines]).encode())
        assert cells(path)[1:] == [("1", "", 'a "word"'), ("0", "", '"'), ("1", "two\r\nlines", '"a","b"')]
    for odd in ('0,x"y"z,1', '0,"x"y,1', '0,"x"\ry,1', '0, "x",1', '0,x"",1'):
        with pytest.raises(AssertionError, match="line by line"):
            cells(write(tmp_path / "x.csv", "\n".join(["click,a,b", *lines, odd]).encode()))


def test_a_hundred_thousand_columns_are_named_quickly(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(100_000)]
    start = time.process_time()
    assert read_table(write(tmp_path / "x.csv", ",".join(names).encode() + b"\n")).columns == tuple(names)
    assert complaint(write(tmp_path / "x.csv", ",".join([*names, "c5"]).encode() + b"\n")) == ": line 1: the column 'c5' is named twice"
    assert time.process_time() - start < 20  # each name compared with all others takes minutes


@pytest.mark.long
def test_two_thousand_columns(cache: Path, tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(2000)]
    lines = [",".join([str(row % 2), *(str(row * n % 5) for n in range(2000))]) for row in range(60)]
    path = write(tmp_path / "x.csv", "\n".join([",".join(["click", *names]), *lines]).encode())
    prepared = mine(path, numeric=tuple(names[::2]), split="2:1:1")
    assert [field.name for field in prepared.schema.fields] == names
    ids, _ = prepared.arrays("train")
    assert ids.shape == (30, 2000) and (ids >= 2).all() and set(np.unique(ids[:, 1])) <= {2, 3, 4, 5, 6}


# Archives


@pytest.mark.parametrize("name", ["../x.csv", "a/../../x.csv", "..\\x.csv", "/etc/x.csv", "C:\\x.csv", "C:x.csv"])
def test_names_that_point_outside_an_archive(refuse: Refuse, tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "x.zip", {"y.csv": rows(), name: rows()})
    assert refuse(path).startswith(f"{path}: holds {name!r}, a path outside the archive; do not trust it")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "there is no table in it; looked for files that end in .csv,"),
        ({"x.md": b"", "x.parquet": b"", "__MACOSX/._x.csv": b"", ".x.csv": b"", "y.csv/": b""}, "there is no table in it"),
        ({"x.csv": rows(), "y.csv": rows()}, "there is no train file among its tables (x.csv, y.csv); pack one table, or"),
        ({"x.csv": rows(), "README.txt": b"hello"}, "there is no train file among its tables (x.csv, README.txt)"),
        ({"train.csv": rows(), "valid.csv": rows()}, "there is no test file among its tables (train.csv, valid.csv)"),
        ({f"{d}/{p}.csv": rows() for d in "st" for p in PARTS}, "s/train.csv and t/train.csv are both there; keep one of them"),
    ],
)
def test_archives_without_one_table_or_three(refuse: Refuse, tmp_path: Path, members: dict[str, bytes], said: str) -> None:
    path = archive(tmp_path / "x.zip", members)
    assert refuse(path).startswith(f"{path}: {said}")


def test_an_encrypted_archive_and_one_of_an_unknown_method(refuse: Refuse, tmp_path: Path) -> None:
    whole = archive(tmp_path / "x.zip", {"x.csv": rows()}).read_bytes()
    directory = whole.index(b"PK\1\2")
    locked, unknown = bytearray(whole), bytearray(whole)
    locked[6] |= 1
    locked[directory + 8] |= 1
    unknown[8] = unknown[directory + 10] = 99
    path = write(tmp_path / "x.zip", locked)
    assert refuse(path).startswith(f"{path}:x.csv: cannot be unpacked (File 'x.csv' is encrypted, password required for extraction)")
    path = write(tmp_path / "x.zip", unknown)
    assert refuse(path).startswith(f"{path}:x.csv: cannot be unpacked (That compression method is not supported); unpack it yourself")


def test_truncated_files_are_refused_wherever_they_end(refuse: Refuse, tmp_path: Path) -> None:
    for name, whole in {"x.csv.gz": gzip.compress(rows()), "x.zip": archive(tmp_path / "x.zip", {"x.csv": rows()}).read_bytes()}.items():
        for size in (1, 9, len(whole) // 2, len(whole) - 9, len(whole) - 1):
            path = write(tmp_path / name, whole[:size])
            assert refuse(path).startswith(f"{path}: damaged or truncated: ")
    path = archive(tmp_path / "x.zip", {"x.csv.gz": gzip.compress(rows())[:-9]})
    assert refuse(path).startswith(f"{path}:x.csv.gz: damaged or truncated: ")


@pytest.mark.parametrize("kind", ["gz", "deflated", "stored", "lzma", "bzip2"])
def test_no_damaged_byte_gives_other_rows(tmp_path: Path, kind: str) -> None:
    """Each byte in turn. The file is refused in one line that names it, or nobody needs that byte."""
    content = rows(40)
    expected = [tuple(line.split(",")) for line in content.decode().split()[1:]]
    path = tmp_path / ("x.csv.gz" if kind == "gz" else "x.zip")
    whole = (
        gzip.compress(content) if kind == "gz" else archive(path, {"x.csv": content}, getattr(zipfile, f"ZIP_{kind.upper()}")).read_bytes()
    )
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x15
        write(path, damaged)
        try:
            found = [path] if kind == "gz" else [file for file in packed(path) if file.name == "x.csv"]
            for file in found:
                assert read_table(file).frame.collect().rows() == expected
        except UserError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
    assert refused > len(whole) // 2


def test_junk_behind_a_gzip_stream(refuse: Refuse, tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv.gz", gzip.compress(rows()) + b"junk")
    assert refuse(path).startswith(f"{path}: damaged or truncated: Not a gzipped file")
    path = write(tmp_path / "x.csv.gz", rows())
    assert refuse(path).startswith(f"{path}: damaged or truncated: Not a gzipped file (b'cl')")


def test_the_same_rows_however_they_come(cache: Path, tmp_path: Path) -> None:
    """Line ends, separators, a mark before the text, compression, archives with folders and a Mac's litter."""
    plain = mine(write(tmp_path / "x.csv", rows()))
    others = [
        mine(write(tmp_path / "crlf.csv", rows(end="\r\n"))),
        mine(write(tmp_path / "marked.csv", b"\xef\xbb\xbf" + rows())),
        mine(write(tmp_path / "open.csv", rows()[:-1])),
        mine(write(tmp_path / "tab.tsv", rows(separator="\t"))),
        mine(write(tmp_path / "tab.tsv.gz", gzip.compress(rows(separator="\t", end="\r\n")))),
        *(mine(write(tmp_path / "x.txt", rows(separator=mark)), separator=mark) for mark in ";|\t :#,"),
        mine(write(tmp_path / "two.csv.gz", gzip.compress(rows()[:500]) + gzip.compress(rows()[500:]) + b"\0" * 20)),
        mine(archive(tmp_path / "x.zip", {"in/x.csv": rows(), "__MACOSX/in/._x.csv": b"\0", "in/._x.csv": b"\0", "in/.DS_Store": b"\0"})),
        mine(archive(tmp_path / "folders.zip", {"in/": b"", "in/x.csv": rows(), "LICENSE": b"", "x.csv/": b""}, zipfile.ZIP_STORED)),
        mine(archive(tmp_path / "gz.zip", {"x.csv.gz": gzip.compress(rows())}, zipfile.ZIP_BZIP2)),
    ]
    assert {prepared.fingerprint for prepared in others} == {plain.fingerprint} and len(others) == 16
    three = {"train": rows(80), "valid": rows(20), "test": rows(30)}
    for part, content in three.items():
        write(tmp_path / "folder" / f"{part}.csv", content)
        (tmp_path / "zips").mkdir(exist_ok=True)
        archive(tmp_path / "zips" / f"{part}.zip", {f"{part}.csv": content})
    litter = {f"__MACOSX/data/._{part}.csv": b"\0" for part in three}
    folder = mine(tmp_path / "folder")
    packed_up = mine(archive(tmp_path / "three.zip", {**litter, **{f"data/{part}.csv": content for part, content in three.items()}}))
    assert folder.rows == packed_up.rows == {"train": 80, "valid": 20, "test": 30}
    assert folder.fingerprint == packed_up.fingerprint == mine(tmp_path / "zips").fingerprint != plain.fingerprint


def test_a_wrong_separator(refuse: Refuse, tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", rows(separator=";"))
    assert refuse(path) == f"{path}: it has one column, 'click;a;b'; name what separates its columns by --separator"
    assert refuse(write(tmp_path / "x.tsv", rows())).endswith(
        "x.tsv: it has one column, 'click,a,b'; name what separates its columns by --separator"
    )
    assert "unknown column 'click'" in refuse(write(tmp_path / "y.csv", rows(separator=";")), "--separator", "i")
    for separator in ("\\n", ";;", "é", '"', "\n"):
        assert refuse(path, "--separator", separator).startswith(f"separator {separator!r}: it must be one ASCII character (a tab: '\\t')")


# Parquet


def parquet(path: Path, groups: int = 6) -> tuple[bytes, int]:
    pl.DataFrame({"click": [0, 1] * 1000 * groups, "a": [f"v{n % 97}" for n in range(2000 * groups)]}).write_parquet(
        path, row_group_size=2000, compression="uncompressed"
    )
    return path.read_bytes(), 2000 * groups


def test_a_damaged_parquet_file_never_gives_fewer_rows(tmp_path: Path) -> None:
    """Polars' threads may panic on one; its batches then just end."""
    path = tmp_path / "x.parquet"
    whole, count = parquet(path)
    places = [place for place in range(len(whole)) if whole.startswith(b"\x15", place)]  # where headers of pages may begin
    draw = random.Random(0)
    refused = 0
    for _ in range(120):
        damaged = bytearray(whole)
        damaged[(draw.choice(places) + draw.randrange(30)) % len(whole)] = draw.randrange(256)
        write(path, damaged)
        try:
            assert sum(len(batch) for batch in read_table(path).frame.collect_batches(maintain_order=True)) == count
        except UserError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
    assert refused > 20


def test_batches_that_just_end_are_noticed(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.parquet"
    _, count = parquet(path)
    table = read_table(path)
    assert len(table.frame.collect()) == count and table.frame.head(3000).select("a").collect().shape == (3000, 1)
    assert table.frame.filter(pl.col("a") == "v1").collect()["click"].to_list() == ["1", "0"] * 62
    real = pl.LazyFrame.collect_batches

    def ending(frame: pl.LazyFrame, **options: Any) -> Iterator[pl.DataFrame]:
        for batch in real(frame, **options):
            yield batch.head(1500)
            return

    monkeypatch.setattr(pl.LazyFrame, "collect_batches", ending)
    with pytest.raises(UserError, match=rf"x\.parquet: damaged: 1500 of its {count} rows can be read"):
        table.frame.collect()


# Places


def test_what_is_no_regular_file(refuse: Refuse, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.csv")
    assert refuse(tmp_path / "fifo.csv") == f"{tmp_path / 'fifo.csv'}: neither a file nor a folder"
    assert refuse(Path("/dev/null")) == "/dev/null: neither a file nor a folder"
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "absent.csv")
    assert refuse(tmp_path / "dangling.csv").endswith("dangling.csv: no such file or folder")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    assert "loop.csv: " in refuse(tmp_path / "loop.csv")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert refuse(folder).startswith(f"{folder}: there is no train file; looked for train.csv, ")
    os.mkfifo(folder / "train.csv")
    assert refuse(folder) == f"{folder / 'train.csv'}: neither a file nor a folder; take it away"
    (folder / "train.csv").unlink()
    (folder / "train.tsv").mkdir()
    assert refuse(folder).startswith(f"{folder / 'train.tsv'}: there is no table in it")
    (folder / "train.tsv" / "loop").symlink_to(folder)
    assert refuse(folder).startswith(f"{folder / 'train.tsv' / 'loop'}: the folder {folder} is here twice, by a link")
    assert refuse(write(tmp_path / "x.xlsx", b"PK")).startswith(f"{tmp_path / 'x.xlsx'}: this type of file is not read; it must end in")


@pytest.mark.parametrize("failing", ["exists", "open"])
def test_a_file_that_may_not_be_read(refuse: Refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    path = write(tmp_path / "x.csv", rows())
    real = getattr(Path, failing)

    def forbidden(self: Path, *arguments: Any, **more: Any) -> Any:
        if self == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(self, *arguments, **more)

    if os.geteuid() == 0:  # who may read everything
        monkeypatch.setattr(Path, failing, forbidden)
    elif failing == "open":
        path.chmod(0)
    else:
        pytest.skip("only a folder can be closed to its owner")
    origin = prepare_error(path)
    assert origin == refuse(path) == f"{path}: cannot be read (Permission denied)"


def prepare_error(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        mine(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--buckets", "1"], "buckets = 1; it must lie in [2, 1048576]"),
        (["--buckets", "9" * 20], f"buckets = {'9' * 20}; it must lie in [2, 1048576]"),
        (["--seed", "-1"], "seed = -1"),
        (["--split", "1e308:1e308:1e308"], "train would be empty"),
        (["--categorical", "a,click"], "'click' is named 2 times"),
        (["--label", ""], "unknown column ''"),
    ],
)
def test_settings_that_cannot_be(refuse: Refuse, tmp_path: Path, flags: list[str], said: str) -> None:
    assert said in refuse(write(tmp_path / "x.csv", rows()), "--numeric", "b", *flags)


def test_the_command_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", rows(300, {250: "1,v"}))
    environment = {**os.environ, "BENCHMARK_CACHE": str(tmp_path / "cache"), "LC_ALL": "C"}
    command = [sys.executable, "-W", "error", "-m", "benchmark", "prepare", str(path), "--label", "click"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"error: {path}: line 251: 2 cells, but the header has 3 columns\n"
    assert left(tmp_path / "cache") == []


# What is legal trains


def two_steps(name: str) -> tuple[str, Any]:
    suite = Suite(
        name="test",
        datasets=(name,),
        methods=("multi_embedding",),
        backbones=("dcnv2",),
        scales=(2,),
        dimension=4,
        training={"epochs": 1, "batch_size": 100},
    )
    [cell] = expand(suite)
    record = run_trial(default_trial(cell, "final", 0, 1), lambda metrics: None, "cpu", 1)
    return record.status, record.reason or json.loads(record.to_json())["metrics"]


@pytest.mark.long
def test_one_value_only_and_as_many_values_as_rows(cache: Path, tmp_path: Path) -> None:
    lines = [f"{n % 2},same,v{n},7,{n},,é 日本 {n % 3}" for n in range(250)]
    header = 'click,one,"all, each",number,numbers,nothing,größe 日本 😀/x'
    path = write(tmp_path / "x.csv", "\n".join([header, *lines]).encode())
    prepared = mine(path, numeric=("number", "numbers"))
    sizes = {field.name: field.cardinality for field in prepared.schema.fields}
    assert sizes == {"one": 3, "all, each": 202, "number": 3, "numbers": 34, "nothing": 2, "größe 日本 😀/x": 5}
    train = ensure_prepared("mine", {}).fold(torch.device("cpu")).train
    assert isinstance(train, Rows)
    batches = list(train.batches(100))
    assert [len(ids) for ids, _ in batches] == [100, 100]
    assert sorted(ids for batch, _ in batches for ids in (batch[:, 1] - 3).tolist()) == list(range(2, 202))
    assert all((batch[:, 0] == 2).all() and (batch[:, 4] - 3 - 202 - 3 - 34 == 0).all() for batch, _ in batches)
    status, metrics = two_steps("mine")
    assert status == "finished", metrics
    assert 0 <= metrics["test/auc"] <= 1


# Interruptions


class Full:
    """A file on a full disk."""

    def __init__(self, file: IO[Any]) -> None:
        self.file = file

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", ["0.rows", "train.ids.npy", "test.labels.npy", "schema.json", "", "_sync"])
def test_a_full_disk_leaves_nothing_but_what_was_there(refuse: Refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = write(tmp_path / "x.csv", rows())
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    opened: list[str] = []
    real = Path.open

    def short(self: Path, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        file = real(self, mode, *arguments, **more)
        if self.name != name or "w" not in mode:
            return file
        opened.append(self.name)
        return Full(file)

    def fails(*arguments: Any) -> None:
        opened.append(name)
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", short)
        if name in ("", "_sync"):
            patch.setattr(*((np, "save", fails) if not name else (encoding, name, fails)))
        assert "cannot be prepared in" in (message := refuse(path, "--numeric", "b")) and "No space left on device" in message
    assert opened == [name] * (6 if name == "_sync" else 1)  # ids and labels of three parts are synced side by side
    before = mine(path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", short)
        if name in ("", "_sync"):
            patch.setattr(*((np, "save", fails) if not name else (encoding, name, fails)))
        refuse(path, "--numeric", "b")
    assert ensure_prepared("mine", {}) == before


def test_a_kill_while_rows_are_staged_leaves_nothing_that_resolves(cache: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", rows())
    code = f"""
        import time
        from pathlib import Path
        from benchmark.data import encode, prepare
        encode._Encoder._check_parts = lambda *a: (print("there", flush=True), time.sleep(60))
        prepare.prepare("csv", {{"label": "click"}}, Path({str(path)!r}), alias="mine")
        """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert said == "there\n"
    assert left(cache) == [".mine.building"]
    assert (cache / "datasets" / ".mine.building" / "rows" / "rows" / "0.rows").stat().st_size == 100 * 2 * 4
    assert prepared_names() == []
    with pytest.raises(UserError, match="unknown data set 'mine'"):
        ensure_prepared("mine", {})
    assert sum(mine(path).rows.values()) == 100
    assert left(cache) == ["mine"]


# Against plain Python


ALPHABET = [
    "a",
    "b",
    "é",
    "😀",
    "日本",
    "1",
    " ",
    "\t",
    ";",
    ",",
    "\n",
    "\r\n",
    "\r",
    '"',
    '""',
    "'",
    "\\",
    "#",
    "\x0b",
    "\u2028",
    "\ufeff",
    "null",
]


def random_rows(draw: random.Random, width: int, count: int) -> list[tuple[str, ...]]:
    return [tuple("".join(draw.choices(ALPHABET, k=draw.choice([0, 0, 1, 1, 2, 4]))) for _ in range(width)) for _ in range(count)]


def as_csv(draw: random.Random, content: list[tuple[str, ...]], separator: str, line_end: str) -> bytes:
    """As Python's csv writes it, but for cells with a carriage return, which it does not always quote, and superfluous quotes."""
    lines = []
    for row in content:
        texts = []
        for cell in row:
            needs = any(mark in cell for mark in (separator, "\n", "\r", '"'))
            texts.append('"' + cell.replace('"', '""') + '"' if needs or draw.random() < 0.1 else cell)
        lines.append(separator.join(texts))
    return (line_end.join(lines) + (line_end if draw.random() < 0.5 else "")).encode()


@pytest.mark.parametrize("seed", range(40))
def test_cells_are_those_of_pythons_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    draw = random.Random(seed)
    separator, line_end = draw.choice(",;\t| "), draw.choice(["\n", "\r\n"])
    width = draw.randint(2, 4)
    header = tuple(f"c{n}" for n in range(width))
    content = as_csv(draw, [header, *random_rows(draw, width, draw.randint(1, 40))], separator, line_end)
    path = write(tmp_path / "x.csv", content)
    expected = [tuple(row) for row in csv.reader(io.StringIO(content.decode(), newline=""), delimiter=separator, strict=True)]
    whole = cells(path, separator)
    assert whole == expected[1:]
    for block in (64, 100, 300):
        monkeypatch.setattr(delimited, "BLOCK", block)
        try:
            assert cells(path, separator) == whole
        except UserError as error:
            longest = max(len(as_csv(random.Random(0), [row], separator, line_end)) for row in expected)
            assert "a row of more than" in str(error) and longest + 2 * width + 2 > block


def test_row_like_cells_in_blocks_that_polars_cuts_up(tmp_path: Path) -> None:
    """Quoted cells of many lines, each of which looks like a row, in a file of several megabytes."""
    draw = random.Random(1)
    content = [("click", "a", "b")]
    while sum(len(row[1]) for row in content[-400:]) < 8 * MIB and len(content) < 400:
        content.append((str(draw.randint(0, 9)), draw.choice(["1,2,3\n", '"', ",,\n", '1,"2",3\r\n', "\n"]) * draw.randint(0, 12_000), "z"))
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows(content)
    assert len(written.getvalue()) > 4 * MIB
    assert cells(write(tmp_path / "x.csv", written.getvalue().encode())) == content[1:]


@pytest.mark.parametrize("seed", range(150))
def test_malformed_text_is_refused_or_read_as_python_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    draw = random.Random(seed)
    width = draw.randint(2, 3)
    pieces = ["a", "é", ",", "\n", '"', "\r\n", " ", "1", '""', '","', '"\n"', "\n\n", "\ufeff"]
    text = ",".join("abc"[:width]) + "\n" + "".join(draw.choices(pieces, k=draw.randint(1, 14)))
    path = write(tmp_path / "x.csv", text.encode())
    for block in (1 << 23, 24):
        monkeypatch.setattr(delimited, "BLOCK", block)
        try:
            found = cells(path)
        except UserError as error:
            assert ": line " in str(error) or "no data rows" in str(error)
            continue
        assert found == [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)][1:]
        assert {len(row) for row in found} == {width}


def test_the_same_bytes_whatever_the_blocks_and_threads(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(5)
    content = [
        ("click", "a", "b", "x"),
        *((str(draw.randint(0, 1)), *row, str(draw.randint(-5, 5) / 2)) for row in random_rows(draw, 2, 700)),
    ]
    path = write(tmp_path / "x.csv", as_csv(draw, content, ",", "\n"))
    made = mine(path, "whole", numeric=("x",), min_count=2)
    names = sorted(file.name for file in made.folder.glob("[!.]*"))
    assert len(names) == 8 and min(field.cardinality for field in made.schema.fields) > 8
    for number, (block, batch, turned, processors) in enumerate([(100, 13, 5, 1), (4096, 1 << 17, 1 << 13, 5), (100, 64, 64, 3)]):
        monkeypatch.setattr(delimited, "BLOCK", block)
        monkeypatch.setattr(encoding, "BLOCK", batch)
        monkeypatch.setattr(encoding, "TURNED", turned)
        monkeypatch.setattr(os, "sched_getaffinity", lambda process, count=processors: set(range(count)))
        other = mine(path, f"other{number}", numeric=("x",), min_count=2)
        assert other.fingerprint == made.fingerprint
        for name in names:
            if name != "schema.json":
                assert (other.folder / name).read_bytes() == (made.folder / name).read_bytes(), name


@pytest.mark.parametrize("seed", range(8))
def test_ids_are_those_of_plain_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Categories, Buckets and Scaled, from the rules in their words. Eight buckets: their shares have no rounding errors."""
    monkeypatch.setattr(delimited, "BLOCK", 256)
    draw = random.Random(seed)
    columns = (Column("text"), Column("bucket", "numeric"), Column("factor", "scaled"))
    parts: dict[str, list[tuple[str, ...]]] = {}
    for part, count in zip(PARTS, (draw.randint(30, 200), 40, 40), strict=True):
        numbers = [["", "0", "-0", "1", "1.0", "+1", "1e1", ".5", "-2.25", "7"], [str(draw.gauss(0, 3)) for _ in range(200)]][seed % 2]
        texts = random_rows(draw, 1, count)
        parts[part] = [(str(n % 2), texts[n][0], draw.choice(numbers), draw.choice([*numbers, ""])) for n in range(count)]
        names = ("click", *(column.name for column in columns))
        write(tmp_path / f"{part}.csv", as_csv(draw, [names, *parts[part]], ",", "\n"))
    frames = {part: read_table(tmp_path / f"{part}.csv").frame for part in PARTS}
    identity = {"name": "toy", "dataset": "csv", "options": {"label": "click"}}
    encode(Source(parts=frames, label="click", columns=columns, min_count=2, buckets=8), tmp_path / "toy", identity)
    prepared = open_prepared(tmp_path / "toy")

    train = parts["train"]
    counted = [row[1] for row in train]
    kept = sorted({text for text in counted if text and counted.count(text) >= 2}, key=str.encode)
    known = sorted(float(row[2]) for row in train if row[2])
    edges = set()
    for share in range(1, 8):
        edge = next(number for number in known if 8 * sum(other <= number for other in known) >= share * len(known))
        edges |= {edge} if edge < known[-1] else set()
    factors = sorted({float(np.float32(row[3])) for part in PARTS for row in parts[part] if row[3]})

    def expected(row: tuple[str, ...]) -> list[int]:
        text = 0 if not row[1] else 2 + kept.index(row[1]) if row[1] in kept else 1
        bucket = 2 + sum(edge < float(row[2]) for edge in edges) if row[2] else 0
        return [text, bucket, 1 + factors.index(float(np.float32(row[3]))) if row[3] else 0]

    for part in PARTS:
        ids, labels = prepared.arrays(part)
        assert ids.tolist() == [expected(row) for row in parts[part]]
        assert labels.tolist() == [int(row[0]) for row in parts[part]]
    learned = [expected(row) for row in train]
    counts = prepared.value_counts()
    assert [len(c) for c in counts] == [2 + len(kept), 3 + len(edges), 1]
    for place in (0, 1):
        assert counts[place].tolist() == [sum(row[place] == value for row in learned) for value in range(len(counts[place]))]
    assert counts[2].tolist() == [sum(row[3] != "" for row in train)]
    assert prepared.schema.factors is not None and prepared.schema.factors.tolist() == [0, *factors]


def test_numbers_are_those_of_python() -> None:
    """What is taken for a number is the one that Python reads; some that Python reads are refused."""
    draw = random.Random(0)
    texts = sorted({"".join(draw.choices("0123456789..--++eE_xnaif", k=draw.randint(1, 6))) for _ in range(20_000)})
    texts += [repr(draw.uniform(-1, 1) * 10.0 ** draw.randint(-300, 300)) for _ in range(2000)]
    found = pl.Series(texts).cast(pl.Float64, strict=False)
    taken = 0
    for text, number in zip(texts, found.to_list(), strict=True):
        if number is not None and np.isfinite(number):
            assert number == float(text)
            taken += 1
    assert taken > 3000
