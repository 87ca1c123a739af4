"""Records -> the page, as HTML."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape

from benchmark.config import CONTROL
from benchmark.errors import UserError
from benchmark.records import Record
from benchmark.reporting.board import legend, remarks, tuned
from benchmark.reporting.colours import GREY, OWN
from benchmark.reporting.columns import COLUMNS, Column
from benchmark.reporting.leaderboard import Row, render
from benchmark.reporting.page import content, forest
from benchmark.reporting.page.answer import answer, correlated
from benchmark.reporting.page.charts import charts
from benchmark.reporting.page.content import Line
from benchmark.reporting.page.embedded import embedded
from benchmark.reporting.page.library import script
from benchmark.reporting.page.template import part, template
from benchmark.reporting.text import counted
from benchmark.reporting.verdicts import in_words

CONTROL_COLOUR = "var(--ink)"  # black, and white on a dark page


def page(records: Iterable[Record], where: str, made_by: str, links: Mapping[str, str] | None = None) -> str:
    """The page of ``records``, which come from the folder ``where``, as one HTML text that needs nothing else.

    ``links``: key of a cell -> where its row leads besides, the cell's run in MLflow. ``page#KEY`` opens the row of a cell.

    Raises UserError when no cell has a final training.
    """
    found = content.lines(records)
    if not found:
        raise UserError(f"nothing to report of {where}: no cell has a final training yet")
    return page_of(found, made_by, links or {})


def page_of(found: Sequence[Line], made_by: str, links: Mapping[str, str]) -> str:
    """The same of lines that are made already; there is at least one."""
    palette = {m: CONTROL_COLOUR if c == OWN[CONTROL] else c for m, c in content.palette(found).items()}
    boards = {label: list(members) for label, members in groupby(found, key=lambda line: line.row.dataset)}
    reaches = {label: forest.reach([line.row for line in members]) for label, members in boards.items()}
    rows = [line.row for line in found]
    columns = [c for c in COLUMNS if c.when(rows)]
    judged, missing = any(column.key == "verdict" for column in columns), _missing(found)
    return template("page.html").render(
        title=f"Embedding collapse: {', '.join(boards)}",
        style=part("theme.css", "page.css"),
        script=part("page.js"),
        library=Markup(script()),
        columns=[
            {
                "key": c.key,
                "name": c.name.replace("± ", "±\u00a0").replace(" %", "\u00a0%"),
                "help": c.help,
                "numeric": c.numeric,
                "shown": c.where == "both",
            }
            for c in columns
        ],
        boards=[_board(label, members) for label, members in boards.items()],
        axes={label: forest.axis(reaches[label]) for label, members in boards.items() if any(e.row.delta_auc is not None for e in members)},
        lines=[
            {
                "place": line.place,
                "said": _verdict(line.row) if judged else "",
                "cells": [(c.key, c.numeric, _text(c, line.row)) for c in columns],
                "forest": forest.mark(line.row, reaches[line.row.dataset], palette.get(line.row.method, GREY)),
            }
            for line in found
        ],
        filters=_filters(found),
        figures=[chart for chart in charts() if chart.key not in missing],
        legend=legend(rows),
        csv=render(rows, "csv"),
        data=Markup(embedded(boards, columns, palette, links)),
        records=counted(sum(len(line.group.records) for line in found), "final training"),
        made_by=made_by,
    )


def _missing(found: Sequence[Line]) -> set[str]:
    """The charts that few boards have anything for, and this page's have not: the others say what they lack."""
    depths: dict[tuple[str, str, int], set[int]] = defaultdict(set)
    for row in (line.row for line in found if line.has_backbone and line.row.status == "finished"):
        depths[row.dataset, row.backbone, row.scale].add(row.depth)
    lacking = {"sigma"} if not any(line.spectra for line in found) else set()
    return lacking | ({"deepening"} if all(len(several) < 2 for several in depths.values()) else set())


def _text(column: Column[Row], row: Row) -> Markup:
    """As on the terminal; where it is too long for its column, a line ends before ± or after _ and : only."""
    text = escape(column.text(row).replace(" ± ", " ±\u00a0").replace(" (", "\u00a0("))
    return text.replace("_", Markup("_<wbr>")).replace(":", Markup(":<wbr>")) if column.key == "method" else text


def _verdict(row: Row) -> str:
    """What stands below a method's name where there is no room for the columns that say it."""
    if row.verdict is None:
        return "inert" if row.inert else ""
    more = f": +{counted(row.more_seeds, 'seed')}" if row.more_seeds else ""
    return f"undecided{more}" if row.verdict == "undecided" else in_words(row.verdict, None, row.equal_within)


def _filters(found: Sequence[Line]) -> list[tuple[str, str, list[Any], bool]]:
    """Name, words, values, and whether "all" is one of them: one board is seen at a time, since ranks are of one data set."""
    sized = [line for line in found if line.has_backbone]
    values: dict[str, tuple[str, set[Any]]] = {
        "backbone": ("backbone", {line.row.backbone for line in sized}),
        "scale": ("scale", {line.row.scale for line in sized}),
        "depth": ("depth", {line.row.depth for line in sized}),
        "family": ("method", {line.family for line in found}),
    }
    datasets = list(dict.fromkeys(line.row.dataset for line in found))
    return [("dataset", "data set", datasets, False), *((name, words, sorted(options), True) for name, (words, options) in values.items())]


def _board(label: str, members: Sequence[Line]) -> dict[str, Any]:
    own = [line.row for line in members]
    said = list(dict.fromkeys(remarks(own, own)))
    failed = tuple({f"{row.status}: " for row in own if row.status != "finished"})
    return {
        "label": label,
        "lines": members,
        "finished": f"{sum(line.row.status == 'finished' for line in members)} of {counted(len(members), 'cell')}",
        "trials": tuned(line.row for line in members),
        "answer": answer(members),
        "set": settings.pop() if len(settings := {line.row.overrides for line in members if line.has_backbone}) == 1 else "",
        "captions": {"joint": correlated(members)},
        "failed": [line for line in said if line.startswith(failed)],
        "notes": [line.removeprefix("note: ") for line in said if not line.startswith(failed)],
        "machines": [*content.machines(members).items(), *content.versions(members).items()],
    }
