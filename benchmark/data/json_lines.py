"""JSON lines, one object a line, as frames of text. A number is the text that the file has, but a whole one is
written out: 12.0 is 12, 1e3 is 1000.

Polars would have to guess types, and an id that is a number in one line and a text in another would be lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NoReturn

import polars as pl

from benchmark.data import forms
from benchmark.data.files import EXACT, MARK, UNREAD, File, Opened, not_utf8
from benchmark.data.nested import several
from benchmark.data.prefetch import prefetched
from benchmark.errors import UserError
from benchmark.sources import BETWEEN, INSIDE

LINES = 1 << 15  # made a frame at once
LOOKED_AT = 1000  # lines, whose keys are the columns
LONGEST = 1 << 23  # bytes of a line
SHAPES = 1 << 12  # lines' keys and kinds of values, of which is remembered that they were looked at


_KINDS = {bytes: forms.NUMBERS, str: forms.TEXTS, bool: forms.BOOLEANS}  # a number is read as bytes: "1" beside it is a text


class _Kinds:
    """Of each key's values, and where they come first."""

    def __init__(self) -> None:
        self._shapes: set[tuple[object, ...]] = set()
        self._first: dict[str, dict[str, str]] = {}  # key -> kind -> where
        self.remarks: dict[str, str] = {}  # of keys with values of several kinds

    def see(self, number: int, row: Mapping[str, Any]) -> None:
        shape = (*row, *map(type, row.values()))
        if shape in self._shapes:
            return
        if len(self._shapes) < SHAPES:
            self._shapes.add(shape)
        for key, value in row.items():
            kind = _KINDS.get(type(value))
            of_key = self._first.setdefault(key, {})
            if kind is not None and kind not in of_key:
                of_key[kind] = f"line {number}: {value.decode() if kind == forms.NUMBERS else json.dumps(value)[:40]}"
                if len(of_key) > 1:
                    said = ", ".join(f"{kind} ({where})" for kind, where in of_key.items())
                    self.remarks[key] = f'holds {said}: 1, "1" and true become one value, "true" another'

    def types(self) -> Mapping[str, str]:
        return {key: next(iter(of_key)) for key, of_key in self._first.items() if len(of_key) == 1}


def json_lines(file: File, multi: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> Opened:
    """The columns are the keys of the first LOOKED_AT lines; a key that is missing in a line is a missing cell, a new one is refused.

    ``multi``: keys that may hold lists; their values come as one text, with BETWEEN between them. ``exclude``: keys that
    may hold anything. Raises UserError at the first bad line.
    """
    columns: dict[str, None] = {}
    kinds = _Kinds()
    for number, line in _lines(file):
        columns.update(dict.fromkeys(_row(file, number, line, multi, exclude, kinds)))
        if number >= LOOKED_AT:
            break
    if not columns:
        raise UserError(f'{file}: the file is empty; every line must be an object like {{"click": 1, "ad": "a7"}}')
    names = tuple(columns)

    def frames() -> Iterator[pl.DataFrame]:
        rows: list[tuple[str | None, ...]] = []
        for number, line in _lines(file):
            row = _row(file, number, line, multi, exclude, kinds)
            if not row.keys() <= columns.keys():
                new = next(key for key in row if key not in columns)
                raise UserError(f"{file}: line {number}: key {new!r} is in none of the first {LOOKED_AT} lines; give every line all keys")
            rows.append(tuple(map(row.get, names)))
            if len(rows) == LINES:
                yield _frame(names, rows)
                rows = []
        if rows:
            yield _frame(names, rows)

    def batches(chosen: list[str] | None) -> Iterator[pl.DataFrame]:
        for frame in prefetched(frames()):
            yield frame if chosen is None else frame.select(chosen)

    return Opened(names, batches, types=kinds.types(), remarks=kinds.remarks)


def _frame(names: tuple[str, ...], rows: list[tuple[str | None, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row")


def _lines(file: File) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line) of every line that is not blank."""
    with file.opened(bar=True) as stream:
        number, rest = 0, b""
        while block := stream.read(LONGEST):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                number += 1
                if line.strip():
                    yield number, line
            if len(rest) > LONGEST:
                raise UserError(f"{file}: line {number + 1}: more than {LONGEST >> 20} MiB; is it one JSON array? Write an object a line")
        if rest.strip():
            yield number + 1, rest


def _row(file: File, number: int, line: bytes, multi: tuple[str, ...], exclude: tuple[str, ...], kinds: _Kinds) -> dict[str, str | None]:
    try:
        text = line.removeprefix(MARK).decode()  # of bytes, json would take UTF-16 and halves of characters as well
    except UnicodeDecodeError as error:
        raise not_utf8(file, number, line.removeprefix(MARK), error) from None
    try:
        row = _decoded(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: line {number}: not JSON ({error}); every line must be an object of its own") from None
    if not isinstance(row, dict):
        raise UserError(f'{file}: line {number}: no object; every line must be one like {{"click": 1, "ad": "a7"}}')
    kinds.see(number, row)
    for key in exclude:
        if isinstance(row.get(key), list | dict):
            row[key] = UNREAD
    try:
        texts = {key: _text(file, number, key, value, multi) for key, value in row.items()}
    except UserError:
        lists, others = _nested(row, multi)
        if len(lists) + len(others) > 1:
            raise UserError(f"{file}: line {number}: {several(lists, others)}") from None
        raise
    if b"\\u" in line and re.search("[\ud800-\udfff]", "".join(filter(None, (*texts, *texts.values())))):
        raise UserError(f"{file}: line {number}: holds half a character, \\ud800 to \\udfff without its other half; write the file anew")
    return texts


def _nested(row: dict[str, Any], multi: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The keys of lists of single values that ``multi`` does not name, and those of what is none."""
    flat = {k: not any(isinstance(one, list | dict) for one in v) for k, v in row.items() if isinstance(v, list)}
    lists = [key for key, single in flat.items() if single and key not in multi]
    return lists, [key for key, value in row.items() if isinstance(value, dict) or not flat.get(key, True)]


def _text(file: File, number: int, key: str, value: Any, multi: tuple[str, ...]) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list) and key in multi and not any(isinstance(one, list | dict) for one in value):
        values = (_text(file, number, key, one, ()) or "" for one in value if one is not None)
        return BETWEEN.join(one.replace(BETWEEN, INSIDE) for one in values)
    hint = "name it in --multi to take all its values" if isinstance(value, list) else "make it keys of the line first"
    hint += ", or name it in --exclude"
    raise UserError(f"{file}: line {number}, key {key!r}: holds {'a list' if isinstance(value, list) else 'an object'}; {hint}")


def _number(text: str) -> bytes | None:
    if text in ("NaN", "Infinity", "-Infinity"):
        return None if text == "NaN" else text.encode()
    value = float(text)
    whole = value.is_integer() and abs(value) < EXACT and Decimal(text) == value  # 0.99999999999999999999 is no whole number, its float is
    return (str(int(value)) if whole else text).encode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        _twice(pairs)
    return row


def _twice(pairs: list[tuple[str, Any]]) -> NoReturn:
    keys = [key for key, _ in pairs]
    raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")


# Made once: json.loads makes one for each line, which takes as long as reading the line.
_decoded = json.JSONDecoder(parse_int=str.encode, parse_float=_number, parse_constant=_number, object_pairs_hook=_once).decode
