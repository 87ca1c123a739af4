"""The figures that MLflow's runs carry: a small page of every cell, and of every experiment the whole board. Imports no mlflow.

Made when they are written, and that only where the digest of what they are made of is another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmark.commandline import DISTRIBUTION, version
from benchmark.reporting.page import cell, report
from benchmark.reporting.page.content import Line
from benchmark.tracking.place import VERSION
from benchmark.values import digest

CELL, BOARD = "cell.html", "board.html"


def of_cell(line: Line, digests: Mapping[str, str]) -> str:
    """Digest of what the page of a row is made of. ``digests``: trial id -> digest of its record."""
    return digest([VERSION, cell.head(line), [digests[record.trial_id] for record in line.group.records]])


def of_board(members: Iterable[Line], digests: Sequence[str]) -> str:
    """Digest of what the page of an experiment is made of: every record of it, also those of tuning, and what the rows say."""
    return digest([VERSION, made_by(), sorted(digests), [cell.head(line) for line in members]])


def board(members: Sequence[Line]) -> str:
    return report.page_of(members, made_by(), {})


def made_by() -> str:
    return f"{DISTRIBUTION} {version()}"
