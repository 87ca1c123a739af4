"""Tables of text: CSV, TSV and JSON lines, sound ones and such with odd quotes, ends of lines, bytes and widths.

The references are Python's csv in strict mode, a grammar (RFC 4180 with LF or CR LF), and decimal numbers: none of them is fast.
"""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import polars as pl
from drawn import Drawn, Kind, Wrong, cut, judged

from benchmark.data import delimited, json_lines
from benchmark.data.tables import read_table

MARK = "\ufeff"
NAMES = ("a", "b", "c", "click", "é", "1", "a b", "*", "^a$", "^.*$", "Unnamed: 0", "", " ", "A", "a,b", 'x"y', "a\nb", "'", "\u2028", MARK)
CELLS = (
    *("1", "0", "", "a", "01", "1e5", "é", " ", "a b", "NA", "null", "nan", "inf", "-0", "'", "\\", "#", ";", "|", "\t", "\x0b"),
    *("\x1c", "\x85"),
    *("\u2028", MARK, "\U0001f600", "a" * 70, "a,b", 'x"y', '"', '""', "a\nb", "\n", "\r", "a\r\nb", ",", '","', '"\n"', "\x7f", "\x1a"),
)
TOKENS = (
    *(b",", b"\n", b"a", b'"', b'""', b"\r", b"\r\n", b"\t", b" ", b"\0", b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\xed\xa0\x80"),
    *(b'"\n"', b"\n\n"),
    *(b"\r\r\n", b",,", b'","', b"\xc3\xa9", b"'", b"\\", b"\x1a", b"\xe2\x80\xa8", b"{", b"}", b"\\ud800", b"\\u0000"),
)
NUMBERS = (
    *("1", "0", "-1", "-0", "1.0", "1.5", "1e3", "1E+2", "-0.0", "0.99999999999999999999", "1e400", "1e-400", "9007199254740993", "1e16"),
    *("9007199254740992.0", "9007199254740991.0", "12345678901234567890.5", "9" * 400, "1." + "0" * 400, "NaN", "Infinity", "-Infinity"),
    *("01", "+1", "1.", ".5", "0x1", "1e", "123e-2", "100e-2", "4503599627370497.5", "-1e3", "1e-1", "true", "false", "null", "True"),
)
STRANGE = ("[]", "[1]", "{}", '{"a": 1}', '"', "[" * 2000, '"\\ud83d\\ude00"', '"\\ud800"', '"\\n"', '"\\u0000"', "", "'a'")
KEYS = ("a", "b", "c", "é", "", "*", "^a$", "a\\n", "\\u00e9", "A", "\\ud800", " ")


class Input(NamedTuple):
    name: str  # of the file
    content: bytes
    block: int  # bytes read at once; no row may be longer


class Reference(NamedTuple):
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    sound: bool  # must be taken: written as the documents have it, of one width, and of rows that fit a block


def _delimited(drawn: Drawn, separator: str) -> bytes:
    width = 1 + drawn.below(4)
    end = drawn.of(("\n", "\n", "\r\n"))
    rows = [[drawn.of(NAMES[:5]) + str(n) if drawn.below(2) == 0 else drawn.of(NAMES) for n in range(width)]]
    rows += [[drawn.of(CELLS) for _ in range(width)] for _ in range(1 + drawn.below(5))]
    lines = [separator.join(_cell(drawn, cell, separator) for cell in row) for row in rows]
    if drawn.once_in(24):
        lines[drawn.below(len(lines))] += separator + "1"
    return (end.join(lines) + drawn.of((end, end, ""))).encode()


def _cell(drawn: Drawn, cell: str, separator: str) -> str:
    needs = any(mark in cell for mark in (separator, '"', "\n", "\r"))
    how = drawn.below(32)
    quoted = how < 30 if needs else how % 4 == 3
    return '"' + cell.replace('"', '""') + '"' if quoted else cell


def _objects(drawn: Drawn) -> bytes:
    lines = []
    for _ in range(1 + drawn.below(4)):
        keys = [drawn.of(KEYS[:3] if drawn.below(4) else KEYS) for _ in range(drawn.of((1, 2, 3, 0)))]
        if drawn.below(16):
            keys = list(dict.fromkeys(keys))
        lines.append("{" + ", ".join(f'"{key}": {_json(drawn)}' for key in keys) + "}" + drawn.of(("", "", "", "\r", " ", "x")))
    return ("\n".join(lines) + drawn.of(("\n", "", "\n\n"))).encode()


def _json(drawn: Drawn) -> str:
    what = drawn.below(16)
    if what == 15:
        return drawn.of(STRANGE)
    return json.dumps(drawn.of(CELLS), ensure_ascii=drawn.below(2) == 0) if what >= 8 else drawn.of(NUMBERS if what >= 6 else NUMBERS[:20])


def make(data: bytes) -> Input:
    drawn = Drawn(data)
    name = drawn.of(("rows.csv", "rows.tsv", "rows.jsonl"))
    block = drawn.of((1 << 23, 1 << 23, 1 << 23, 64, 17))
    content = _objects(drawn) if name == "rows.jsonl" else _delimited(drawn, "\t" if name == "rows.tsv" else ",")
    for _ in range(drawn.of((0, 0, 0, 1, 1, 2, 3))):
        place = drawn.place(len(content))
        content = content[:place] + drawn.of(TOKENS) + content[place + drawn.of((0, 0, 1, 2, 9)) :]
    if drawn.once_in(12):
        content = MARK.encode() + content
    if drawn.once_in(40):
        content = content.decode(errors="replace").encode(drawn.of(("utf-16", "utf-16-le", "utf-32-be", "latin-1")), errors="replace")
    return Input(name, content, block)


def check(data: bytes, folder: Path) -> bool:
    given = make(data)
    path = folder / given.name
    path.write_bytes(given.content)

    def shown() -> str:
        return cut(f"{given.name}, read in blocks of {given.block}: {given.content!r}")

    with patch.object(delimited, "BLOCK", given.block), patch.object(json_lines, "LONGEST", given.block):
        found = judged(shown, [str(path)], lambda: _read(path))
        reference = _objects_of(given) if given.name == "rows.jsonl" else _rows_of(given)
        if found is None:
            if reference is not None and reference.sound:
                raise Wrong(f"a sound table is refused\n{shown()}")
            return False
        if reference is None:
            raise Wrong(f"taken, and it is no table of that kind: {found}\n{shown()}")
        if found != (reference.columns, reference.rows):
            raise Wrong(f"taken as {found}\nit holds {reference[:2]}\n{shown()}")
        place = data[0] // 4 % len(reference.columns)
        if data[0] % 4:
            return True
        column = judged(shown, [], lambda: read_table(path).frame.select(pl.nth(place)).fill_null("").collect().rows())
        if column != [(row[place],) for row in reference.rows]:
            raise Wrong(f"column {place} alone is taken as {column}\n{shown()}")
    return True


def _read(path: Path) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    table = read_table(path)
    return table.columns, table.frame.fill_null("").collect().rows()


def _rows_of(given: Input) -> Reference | None:
    """None of what Python's csv refuses, and of what has no header or not one width: it must be refused."""
    separator = "\t" if given.name == "rows.tsv" else ","
    try:
        text = given.content.decode().removeprefix(MARK)
        header, *rows = [row or [""] for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)]
    except (UnicodeDecodeError, csv.Error, ValueError):
        return None
    if not header[0] and len(header) > 1:  # pandas' index
        header[0] = next(name for n in range(len(header)) if (name := f"Unnamed: {n}") not in header)
    if (
        any(map(_is_pattern, header))
        or "\0" in text
        or not rows
        or not all(header)
        or len(set(header)) < len(header)
        or {len(header)} != set(map(len, rows))
    ):
        return None
    records, ends = _grammar(separator).findall(text), _grammar(separator).sub("", text) == ""
    longest = max((len(record.encode()) for record in records), default=0) + len(given.content) - len(text.encode())
    return Reference(tuple(header), list(map(tuple, rows)), ends and longest < given.block)


def _is_pattern(name: str) -> bool:
    """Which Polars takes for a pattern, so that no expression can name the column."""
    return name == "*" or (name[:1], name[-1:]) == ("^", "$")


def _grammar(separator: str) -> re.Pattern[str]:
    """A record of RFC 4180 with its end, CR LF or LF."""
    cell = rf'(?:"(?:[^"]|"")*"|[^"\r\n{separator}]*)'
    return re.compile(rf"(?:^|(?<=\n)){cell}(?:{separator}{cell})*(?:\r?\n|\Z)")


def _objects_of(given: Input) -> Reference | None:
    rows: list[dict[str, str | None]] = []
    for line in given.content.split(b"\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode().removeprefix(MARK), parse_int=str, parse_float=_number, object_pairs_hook=_unique)
        except (ValueError, RecursionError):
            return None
        if not isinstance(row, dict) or any(isinstance(value, (list, dict)) for value in row.values()):
            return None
        texts = {key: _text(value) for key, value in row.items()}
        if not "".join([*texts, *texts.values()]).isprintable() and re.search("[\ud800-\udfff]", "".join([*texts, *texts.values()])):
            return None
        rows.append({**texts})
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    if not all(columns) or not columns or any(map(_is_pattern, columns)):
        return None
    longest = max(map(len, given.content.split(b"\n")))
    return Reference(columns, [tuple(row.get(name) or "" for name in columns) for row in rows], longest < given.block)


def _number(text: str) -> str:
    """Written out where it is whole and small enough to be itself as a float."""
    value = Decimal(text)
    return str(int(value)) if abs(value) < 2**53 and value == value.to_integral_value() else text


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if isinstance(value, bool) else str(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("twice")
    return dict(pairs)


TABLES = Kind("tables", check, size=96, share=15)
