"""Tables and figures of a document that are what commands print and draw: between markers that name the command, made again from records.

    <!-- benchmark: compare --results results/reference/collapse | Test AUC less -->
    <!-- end -->

Between them stands the heading, and each table whose title begins with what stands after a |; all of them where nothing does.
Of ``leaderboard`` there is "| table" for the bare table, of ``figures`` "| forest" and the other views, of ``claims`` and ``power``
"| figure": an SVG file in the folder ``images`` beside the document, and where it stands. All else in the document is left alone.
"""

from __future__ import annotations

import argparse
import re
import shlex
import textwrap
from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmark import commandline
from benchmark.config import CONTROL
from benchmark.errors import UserError
from benchmark.records import Record, Store
from benchmark.reporting.board import View, board, wanted
from benchmark.reporting.claims import Found, claims, found_in
from benchmark.reporting.comparison import AUC, sections
from benchmark.reporting.curves import curves
from benchmark.reporting.decidable import Decidable, decidable_in, table
from benchmark.reporting.groups import boards_named
from benchmark.reporting.leaderboard import Row, Selection, rows
from benchmark.reporting.tables import fitted

WIDTH = 100  # characters of a table
MARKED = re.compile(r"^<!-- benchmark: (.*?) -->\n.*?^<!-- end -->$", re.DOTALL | re.MULTILINE)
MARKER = "<!-- benchmark:"


def written(text: str, where: str, root: Path) -> str:
    """The document with its tables as they are now; results folders are relative to ``root``.

    Raises UserError: no marker, or one without its end, a command that has no tables, a folder without records.
    """
    boards: Callable[[Path, float], list[Row]] = cache(lambda folder, delta: rows(Store(root / folder), delta))
    records: Callable[[Path], list[Record]] = cache(lambda folder: list(Store(root / folder)))
    if MARKER not in text:
        raise UserError(f"{where}: there is no marker {MARKER} … -->, so there is nothing to write (`boards --help` shows one)")
    found = MARKED.findall(text)
    if len(found) != text.count(MARKER) or any(MARKER in block.group()[1:] for block in MARKED.finditer(text)):
        raise UserError(f"{where}: a marker {MARKER} … --> has no <!-- end --> before the next one; add it")

    def block(match: re.Match[str]) -> str:
        drawing = _drawing(match[1], where, root)
        if drawing is not None:
            return f"<!-- benchmark: {match[1]} -->\n![{drawing.words}]({drawing.path})\n<!-- end -->"
        command, *only = match[1].split(" | ")
        try:
            printed = _printed(command, only, where, root, boards, records)
        except UserError as error:  # what a command says of itself does not know which document it is in
            raise UserError(str(error) if where in str(error) else f"{where}: {command}: {error}") from None
        shell = textwrap.wrap(f"$ python -m benchmark {command}", WIDTH - 2, subsequent_indent="    ", break_on_hyphens=False)
        return "\n".join([f"<!-- benchmark: {match[1]} -->", "```text", " \\\n".join(shell), "", printed, "```", "<!-- end -->"])

    return MARKED.sub(block, text)


def drawn(text: str, where: str, root: Path) -> dict[str, bytes]:
    """The figures of the document, by their paths from its folder. Raises UserError as ``written`` does."""
    found: dict[str, bytes] = {}
    for match in MARKED.finditer(text):
        drawing = _drawing(match[1], where, root)
        if drawing is None:
            continue
        with TemporaryDirectory() as made:
            try:
                paths = drawing.draw(Path(made))
            except UserError as error:
                raise UserError(f"{where}: {match[1]}: {error}") from None
            if len(paths) != 1:
                raise UserError(f"{where}: {match[1]}: {len(paths)} data sets have that figure; a document takes one")
            content = paths[0].read_bytes()
        if found.setdefault(drawing.path, content) != content:
            raise UserError(f"{where}: {match[1]}: another figure of the document is {drawing.path}, too; take one of them out")
    return found


class Drawing(NamedTuple):
    path: str  # from the document's folder
    words: str  # in its place, where no figures are shown
    draw: Callable[[Path], list[Path]]  # into a folder, the files


def _drawing(marker: str, where: str, root: Path) -> Drawing | None:
    """The figure that a marker asks for; None: it asks for tables. Raises UserError."""
    command, *only = marker.split(" | ")
    name = command.split()[:1]
    if name == ["figures"]:
        folder, view = _figure(marker, where)
        return Drawing(f"images/{folder.name}-{view}.svg", f"{view} of {folder.name}", lambda made: _of_records(root / folder, view, made))
    if name == ["claims"] and only == ["figure"]:
        parsed = _parsed(command, where)
        return Drawing("images/claims.svg", "the claims, by boards and cells", lambda made: _of_claims(parsed, root, made))
    if name == ["power"] and only == ["figure"]:
        parsed = _parsed(command, where)
        return Drawing("images/power.svg", "what seeds of each cell show and cost", lambda made: _of_power(parsed, root, made))
    return None


def _of_records(results: Path, view: str, made: Path) -> list[Path]:
    from benchmark.reporting.plots import figures  # matplotlib: a second

    return figures(list(Store(results)), made, ("svg",), only=[view])


def _of_claims(parsed: argparse.Namespace, root: Path, made: Path) -> list[Path]:
    from benchmark.reporting.claims_plot import write  # matplotlib, too

    write(_found(parsed, root).findings, made / "claims.svg")
    return [made / "claims.svg"]


def _found(parsed: argparse.Namespace, root: Path) -> Found:
    return found_in([root / folder for folder in parsed.folders], parsed.methods, parsed.delta)


def _of_power(parsed: argparse.Namespace, root: Path, made: Path) -> list[Path]:
    from benchmark.reporting.decidable_plot import write  # matplotlib, too

    write(_decidable(parsed, root), made / "power.svg")
    return [made / "power.svg"]


def _decidable(parsed: argparse.Namespace, root: Path) -> list[Decidable]:
    return decidable_in([root / folder for folder in parsed.folders], parsed.difference)


def _figure(marker: str, where: str) -> tuple[Path, str]:
    """The results folder, and the view."""
    command, *only = marker.split(" | ")
    if len(only) != 1:
        raise UserError(f"{where}: {marker}: name one view after a |, as in | forest")
    return _parsed(command, where).results, only[0]


def _parsed(command: str, where: str) -> argparse.Namespace:
    try:
        words = shlex.split(command)
        if {"-h", "--help", "--version"} & set(words):
            raise ValueError("that prints no table")
        return commandline.parse(words)[0]
    except (UserError, ValueError) as error:  # ValueError: a quotation mark that is not closed
        raise UserError(f"{where}: {command}: {error}") from None


def _printed(
    command: str,
    only: Sequence[str],
    where: str,
    root: Path,
    boards: Callable[[Path, float], list[Row]],
    records: Callable[[Path], list[Record]],
) -> str:
    parsed = _parsed(command, where)
    if getattr(parsed, "format", "table") != "table":
        raise UserError(f"{where}: {command}: a document has tables as text; leave --format out")
    if parsed.command == "leaderboard":
        view = View(width=WIDTH, columns=tuple(parsed.columns), grouped=parsed.group, details=parsed.details)
        known = boards(parsed.results, parsed.delta)
        if not known:
            raise UserError(f"{where}: {command}: no final training is recorded in {parsed.results}")
        labels = boards_named(parsed.dataset, (row.dataset for row in known), f"{where}: {command}")
        found = [row for row in known if row.dataset in labels]
        chosen = Selection(backbones=tuple(parsed.backbone), scales=tuple(parsed.scale), top=parsed.top).of(found)
        parts = []
        for label, members in groupby(chosen, key=lambda row: row.dataset):
            shown, whole = list(members), [row for row in found if row.dataset == label]
            bare = fitted(shown, wanted(shown, view), WIDTH, view.grouped, keep=bool(view.columns))
            parts.append(bare if only == ["table"] else board(label, shown, "table", view, whole))
        return "\n\n".join(parts)
    if parsed.command == "compare" and not parsed.folders:
        texts = sections(records(parsed.results), parsed.to or CONTROL, parsed.dataset, "table", parsed.metric or AUC, WIDTH)
    elif parsed.command == "claims":
        texts = claims(_found(parsed, root), parsed.delta, "table", WIDTH)
    elif parsed.command == "curves":
        texts = curves(records(parsed.results), parsed.metric, parsed.dataset, "table", WIDTH)
    elif parsed.command == "power" and parsed.folders:
        return table(_decidable(parsed, root), parsed.difference, WIDTH)
    else:
        raise UserError(f"{where}: {command}: only leaderboard, compare, claims, curves and power DIR have tables for a document")
    kept = [text for text in texts if "\n" not in text or text.startswith(tuple(only or ("",)))]
    if not any("\n" in text for text in kept):
        raise UserError(f"{where}: {command}: no table has a title that begins with {' or '.join(only)}")
    return "\n\n".join(kept)
