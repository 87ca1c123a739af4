"""What a table looks like before it is encoded, as a person reads it: a row for each column."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tabulate import tabulate

from benchmark.reporting.text import counted
from benchmark.values import plain

if TYPE_CHECKING:
    from benchmark.data.look import ColumnLook, Look

FEW = 40  # columns, of which a table is read at a glance
ROOM = 12  # characters, below which examples are left out


def table(look: Look, most: int = 10**9) -> str:
    """A row for each column; of more than ``most`` only those of which something is to be said, and the first of the others."""
    chosen = look.columns
    if len(chosen) > most:
        chosen = tuple(column for place, column in enumerate(chosen) if column.remarks or place < most)[: 2 * most]
    width = shutil.get_terminal_size((120, 24)).columns
    names = max((len(column.name) for column in chosen), default=0)
    room = width - min(names, 40) - 36
    headers = ["column", "becomes", "values", "missing", *(["for example"] if room > ROOM else [])]
    rows = [[*_row(column), *([_cut(", ".join(column.examples), room)] if room > ROOM else [])] for column in chosen]
    lines = [tabulate(rows, headers, disable_numparse=True, colalign=("left", "left", "right", "right", "left")[: len(headers)])]
    if len(chosen) < len(look.columns):
        lines.append(f"… and {counted(len(look.columns) - len(chosen), 'column')} more; --dry-run shows all")
    lines.append(f"seen in the first {counted(look.rows, 'row')}")
    return "\n".join([*lines, *(f"note: {plain(note)}" for note in look.notes)])


def _row(column: ColumnLook) -> list[str]:
    return [_cut(column.name, 40), column.use, f"{column.distinct:,}", f"{column.missing:.1%}" if column.missing else ""]


def _cut(text: str, room: int) -> str:
    shown = plain(" ".join(text.split()))
    return shown if len(shown) <= room else f"{shown[: room - 1]}…"
