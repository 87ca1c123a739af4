"""Rows and columns -> a table for people: markdown, or as wide as a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from benchmark.config import NO_BACKBONE
from benchmark.reporting.text import cell
from benchmark.values import plain

if TYPE_CHECKING:
    from benchmark.reporting.columns import Column

Format = Literal["table", "markdown"]
PLACE = ("backbone", "scale", "depth")
NUMBER = re.compile(r"[+-]?\d[\d.,]*|-")
GAP = 2  # between the columns of a table


class Placed(Protocol):
    """A row of a cell."""

    @property
    def backbone(self) -> str: ...

    @property
    def scale(self) -> int: ...

    @property
    def depth(self) -> int: ...


R = TypeVar("R", bound=Placed)
T = TypeVar("T")


def fitted(members: Sequence[R], columns: Sequence[Column[R]], width: int | None, grouped: bool = False, keep: bool = False) -> str:
    """The table with what fits: first as it is, as long as the columns of rank 2 have room; else in blocks of a backbone, scale and depth.

    width:   in characters: columns are left out until the table fits, names are never cut; None: however wide it gets
    grouped: in blocks whatever the width
    keep:    leave no column out
    """
    return laid_out(members, *chosen(members, columns, width, grouped, keep))


def laid_out(members: Sequence[R], columns: Sequence[Column[R]], grouped: bool) -> str:
    return _in_blocks(members, columns) if grouped else tabulated(members, columns, "table")


def chosen(
    members: Sequence[R], columns: Sequence[Column[R]], width: int | None, grouped: bool, keep: bool
) -> tuple[Sequence[Column[R]], bool]:
    """The columns of ``fitted``, and whether its table is in blocks."""
    if keep or (width is None and not grouped):
        return _without_place(columns) if grouped else columns, grouped
    width = width or 10**6
    if not grouped:
        kept = narrowed(members, columns, width, least=2)
        if _width(members, kept) <= width:
            return kept, False
    kept = narrowed(members, _without_place(columns), width, least=0)
    for column in columns:
        if column.short is not None and column not in kept:
            more = [column.short if other is column else other for other in columns if other is column or other in kept]
            kept = more if _width(members, more) <= width else kept
    return kept, True


def tabulated(members: Sequence[T], columns: Sequence[Column[T]], format: Format) -> str:
    body = [[cell(column.text(row), format) for column in columns] for row in members]
    heads = [column.name if format == "markdown" else column.heading for column in columns]
    return _table(body, heads, format, ["right" if column.numeric and column.key != "protocol" else "left" for column in columns])


def _table(body: Sequence[Sequence[str]], heads: Sequence[str], format: Format, alignment: Sequence[str] | None = None) -> str:
    from tabulate import tabulate  # for what is printed: boards as JSON do without it

    form = "github" if format == "markdown" else "simple"
    return tabulate(body, headers=heads, tablefmt=form, colalign=alignment, disable_numparse=True)


def in_parts(headers: Sequence[str], rows: Sequence[Sequence[str]], format: Format, width: int | None, lead: int = 1) -> str:
    """A table of texts, numbers to the right; where it is wider than ``width``, as several, each with the first ``lead`` columns and
    without rows that have nothing but "-" in it. The texts of a column that alone is too wide are folded between their words, which are
    never cut.
    """

    def made(columns: Sequence[int], kept: Sequence[Sequence[str]], room: int | None = None) -> str:
        body = [[*_cells(row[:lead], format), *_cells([row[column] for column in columns], format, room)] for row in kept]
        heads = [*_cells(headers[:lead], format), *_cells([headers[column] for column in columns], format, room)]
        return _table(body, heads, format, _sides(body) if format == "table" else None)

    rest = list(range(lead, len(headers)))
    whole = made(rest, rows)
    if format == "markdown" or width is None or _wide(whole) <= width:
        return whole
    parts: list[str] = []
    while rest:
        count = len(rest)
        while True:
            kept = [row for row in rows if any(row[column] != "-" for column in rest[:count])]
            part = made(rest[:count], kept)
            if _wide(part) <= width:
                break
            if count == 1:
                part = made(rest[:1], kept, max(8, width - _wide(made([], kept)) - 2 * GAP))  # tabulate makes headings wider by as much
                break
            count -= 1
        parts.append(part)
        rest = rest[count:]
    return "\n\n".join(parts)


def between(told: Sequence[str], rows: Sequence[str]) -> Iterable[str]:
    """The rows of a table, before those of which the same is told a line that tells it: where there is no room for a column."""
    for words, group in groupby(zip(told, rows, strict=True), key=lambda pair: pair[0]):
        yield plain(words)
        yield from (row for _, row in group)


def _sides(body: Sequence[Sequence[str]]) -> list[str] | None:
    """Columns of numbers to the right, so that their digits stand under each other."""
    return ["right" if all(NUMBER.fullmatch(text) for text in texts) else "left" for texts in zip(*body, strict=True)] or None


def _cells(texts: Sequence[str], format: Format, room: int | None = None) -> list[str]:
    """``room``: characters of a line, which cells are folded into; None: one line a cell."""
    shown = [cell(text, format) for text in texts]
    if room is None:
        return shown
    return ["\n".join(textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)) for text in shown]


def _wide(text: str) -> int:
    return max(map(len, text.splitlines()), default=0)


def narrowed(members: Sequence[T], columns: Sequence[Column[T]], width: int, least: int) -> list[Column[T]]:
    """Without the least important columns, as many as the width asks for, down to those of rank ``least``."""
    kept = list(columns)
    while _width(members, kept) > width and any(column.rank > least for column in kept):
        kept.remove(max(reversed(kept), key=lambda column: column.rank))
    return kept


def _width(members: Sequence[T], columns: Sequence[Column[T]]) -> int:
    from tabulate import MIN_PADDING

    heads = (max(map(len, column.heading.split("\n"))) + MIN_PADDING for column in columns)  # tabulate makes them so wide
    bodies = (max(len(column.text(row)) for row in members) for column in columns)
    return sum(map(max, heads, bodies)) + GAP * (len(columns) - 1)


def _without_place(columns: Sequence[Column[R]]) -> list[Column[R]]:
    return [column for column in columns if column.key not in PLACE]


def _in_blocks(members: Sequence[R], columns: Sequence[Column[R]]) -> str:
    """One table, so that columns stand under each other, with a line before each backbone, scale and depth; sanity rows last."""
    ordered = sorted(members, key=lambda row: (row.backbone == NO_BACKBONE, row.backbone, row.scale, row.depth))
    lines = tabulated(ordered, columns, "table").split("\n")
    head = len(lines) - len(ordered)
    found = lines[:head]
    before = None
    for row, line in zip(ordered, lines[head:], strict=True):
        place = "no backbone" if row.backbone == NO_BACKBONE else f"{plain(row.backbone)} · scale {row.scale} · depth {row.depth}"
        found += ["", place] if place != before and before is not None else [place] if place != before else []
        found.append(line)
        before = place
    return "\n".join(found)
