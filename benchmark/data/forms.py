"""What the cells of each column are in each file of a table, to tell where two files disagree: 7 and "007", 2024-01-31 and 1706659200.

By the file's own types where it has some, otherwise by its first rows. Nothing is refused for it: it is said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import NamedTuple

import polars as pl

from benchmark.data.files import File
from benchmark.data.times import UNITS

ROWS, LEAST = 100, 10  # looked at in each file; of fewer cells nothing is said
WHOLE, FLOATS, TEXTS, BOOLEANS, DATES, TIMES = "whole numbers", "floats", "texts", "true and false", "dates", "times"  # of typed files
NUMBERS, ISO = "numbers", "ISO dates or times"
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}($|[ Tt])")


class _Form(NamedTuple):
    typed: bool  # whether the file says it
    kind: str
    unit: str  # of UNITS, or ""

    def differs(self, other: _Form) -> str:
        """What is the one's and what the other's, in words with a | between them; "" where they may well be alike."""
        if self.unit and other.unit:
            return f"{self.unit} since 1970|{other.unit} since 1970" if self.unit != other.unit else ""
        if self.typed != other.typed or self.kind == other.kind or {self.kind, other.kind} in ({NUMBERS, WHOLE}, {NUMBERS, FLOATS}):
            return ""
        return f"{self.kind}|{other.kind}"


class Forms:
    """Of a table's columns, file by file, as they are read."""

    def __init__(self, missing: Collection[str] = ()) -> None:
        """``missing``: texts that stand for a missing cell."""
        self._missing = {"", *missing}
        self._seen: set[tuple[File, str]] = set()
        self._of: dict[str, dict[_Form, File]] = {}  # column -> form -> the first file that has it so

    def see(self, file: File, types: Mapping[str, str], frame: pl.DataFrame) -> None:
        """``types``: column -> its kind, of a file that has types; ``frame``: its first rows, as text."""
        for name in frame.columns:
            if (file, name) in self._seen:
                continue
            self._seen.add((file, name))
            cells = [text for text in frame[name].head(ROWS).to_list() if text is not None and text not in self._missing]
            kind = types.get(name) if types else _kind(cells)
            if kind is not None:
                self._of.setdefault(name, {}).setdefault(_Form(bool(types), kind, _unit(cells)), file)

    def of(self, column: str) -> Mapping[_Form, File]:
        return self._of.get(column, {})


def disagreements(tables: Iterable[Forms], columns: Iterable[str]) -> Iterator[str]:
    """One line for all columns in which two files differ in the same way, of one table or of two."""
    tables = tuple(tables)
    found: dict[tuple[str, File, File], list[str]] = {}
    for column in columns:
        forms = [pair for table in tables for pair in table.of(column).items()]
        differing = ((words, forms[0][1], file) for form, file in forms[1:] if (words := forms[0][0].differs(form)))
        if first := next(differing, None):
            found.setdefault(first, []).append(column)
    for (words, one, other), names in found.items():
        mine, theirs = words.split("|")
        if {mine, theirs} == {WHOLE, FLOATS}:
            said = "7 and 7.0 are one value, but a float does not tell whole numbers of 2^53 and more apart (float32: 2^24)"
        elif mine.removesuffix(" since 1970") in UNITS:
            said = "write one of them"
        else:
            said = "what is one value may be written in two ways; give the column one type"
        where, elsewhere = _told_apart(one, other)
        yield f"{', '.join(names)}: {mine} in {where}, {theirs} in {elsewhere}: {said}"


def _told_apart(one: File, other: File) -> tuple[str, str]:
    """The ends of their paths, of so many folders as tell them apart: Hive's have many files of one name."""
    paths, least = ([PurePath(file.member or file.path).parts for file in (one, other)], 1 if one.member else 2)
    count = next((n for n in range(least, max(map(len, paths))) if paths[0][-n:] != paths[1][-n:]), max(map(len, paths)))
    mine, theirs = (str(PurePath(*parts[-count:])) for parts in paths)
    return mine, theirs


def _kind(cells: list[str]) -> str | None:
    """Of all cells; None where they are of several kinds, or too few."""
    if len(cells) < LEAST:
        return None
    numbers = sum(_number(text) is not None for text in cells)
    if numbers:
        return NUMBERS if numbers == len(cells) else None
    dates = sum(_ISO.match(text) is not None for text in cells)
    return ISO if dates == len(cells) else None if dates else TEXTS


def _unit(cells: list[str]) -> str:
    if len(cells) < LEAST:
        return ""
    numbers = [_number(text) for text in cells]
    return next((unit for unit, (low, high) in UNITS.items() if all(n is not None and low <= n <= high for n in numbers)), "")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
