"""Records -> the page, as HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from benchmark.errors import UserError
from benchmark.metrics.statistics import mean_sd
from benchmark.records import Record
from benchmark.reporting.colours import GREY
from benchmark.reporting.columns import COLUMNS, Column, auc
from benchmark.reporting.leaderboard import Row, _legend, _remarks, render
from benchmark.reporting.page import content, forest
from benchmark.reporting.page.answer import answer, correlated
from benchmark.reporting.page.charts import charts
from benchmark.reporting.page.content import Line
from benchmark.reporting.page.library import script

REMARKED = ("note: ", "protocol ", "Bayes optimum")
HERE = Path(__file__).parent
FOREST = Column(
    key="forest", heading="Δ with its 95 % interval", help="", text=lambda row: "", value=lambda row: row.delta_auc, numeric=False
)
CONTROL_COLOUR = "var(--ink)"  # black, and white on a dark page


def page(records: Sequence[Record], where: str, made_by: str) -> str:
    """The page of ``records``, which come from the folder ``where``, as one HTML text that needs nothing else.

    Raises UserError when no cell has a final training.
    """
    found = content.lines(records)
    if not found:
        raise UserError(f"nothing to report of {where}: no cell has a final training yet")
    palette = {m: CONTROL_COLOUR if c == "#000000" else c for m, c in content.palette(found).items()}
    boards = [(label, list(members)) for label, members in groupby(found, key=lambda line: line.row.dataset)]
    reaches = {label: forest.reach([line.row for line in members]) for label, members in boards}
    index = COLUMNS.index(next(c for c in COLUMNS if c.key == "delta")) + 1
    columns = [*COLUMNS[:index], FOREST, *COLUMNS[index:]]
    columns = [c for c in columns if c.key not in ("verdict", "acts") or any(c.value(line.row) is not None for line in found)]
    rows = [line.row for line in found]
    template = Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template("page.html")
    data = {
        "cells": [cell for _, members in boards for cell in _cells(members, columns, palette)],
        "fields": {label: _field_names(members) for label, members in boards},
        "charts": [{"key": c.key, "title": c.title, "spec": c.spec, "height": c.height, "choices": c.choices} for c in charts()],
        "grey": GREY,
    }
    return template.render(
        title=f"Embedding collapse: {', '.join(label for label, _ in boards)}",
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
        library=Markup(script()),
        columns=[
            {"key": c.key, "name": c.heading.replace("-\n", "").replace("\n", " "), "help": c.help, "numeric": c.numeric, "shown": c.shown}
            for c in columns
        ],
        boards=[_board(label, members) for label, members in boards],
        axes=Markup("").join(Markup('<span data-dataset="{}">{}</span>').format(label, forest.axis(far)) for label, far in reaches.items()),
        lines=[
            {
                "place": line.place,
                "cells": [
                    {
                        "key": c.key,
                        "numeric": c.numeric,
                        "text": forest.mark(line.row, reaches[line.row.dataset], palette.get(line.row.method, GREY))
                        if c is FOREST
                        else c.text(line.row).replace(" ± ", " ±\u00a0").replace(" (", "\u00a0("),  # a line ends before ± only
                    }
                    for c in columns
                ],
            }
            for line in found
        ],
        filters=_filters(found),
        figures=charts(),
        legend=_legend(rows, "table").splitlines(),
        csv=render(rows, "csv"),
        data=Markup(_json(data)),
        records=len(records),
        made_by=made_by,
    )


def _json(data: Mapping[str, Any]) -> str:
    """For a script element: whatever a name holds, it cannot end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return (
        text.replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


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
    said = list(dict.fromkeys(_remarks([line.row for line in members])))
    return {
        "label": label,
        "lines": members,
        "finished": sum(line.row.status == "finished" for line in members),
        "trials": ", ".join(map(str, sorted({line.row.tuning_trials for line in members}))),
        "answer": answer(members),
        "captions": {"joint": correlated(members)},
        "failed": [line for line in said if not line.startswith(REMARKED)],
        "notes": [line.removeprefix("note: ") for line in said if line.startswith(REMARKED)],
        "machines": [*content.machines(members).items(), *content.versions(members).items()],
    }


def _field_names(members: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(name for line in members for name in line.fields()))


def _cells(members: Sequence[Line], columns: Sequence[Column], palette: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the script knows of a board's rows. Numbers of figures have six digits; those of the board are its text."""
    names = _field_names(members)
    return [_cell(line, series, names, columns, palette) for line, series in zip(members, content.series(members), strict=True)]


def _cell(line: Line, series: str, names: Sequence[str], columns: Sequence[Column], palette: Mapping[str, str]) -> dict[str, Any]:
    row, fields = line.row, line.fields()
    colour = palette.get(row.method, GREY)
    layers = [(layer, *mean_sd(values)) for layer, values in line.layers().items()]
    finished = row.status == "finished"
    return {
        "dataset": row.dataset,
        "method": row.method,
        "family": line.family,
        "backbone": row.backbone,
        "scale": row.scale,
        "depth": row.depth,
        "sized": line.has_backbone,
        "series": series,
        "place": f"{row.backbone} · depth {row.depth}",
        "shape": line.place,
        "colour": colour,
        "plain": colour == GREY,
        "auc": _rounded(row.test_auc_mean) if finished else None,
        "sd": _rounded(row.test_auc_sd) or 0,
        "told": auc(row),
        "seeds": row.seeds,
        "last": _rounded(layers[-1][1]) if layers else None,
        "costs": {
            "flops": _rounded(row.flops_per_sample),
            "dense": row.parameters_dense,
            "seconds": _rounded(line.cost("fit_seconds")),
            "memory": _rounded(row.peak_memory_mb),
        },
        "layers": [[layer, _rounded(mean), _rounded(sd) or 0] for layer, mean, sd in layers],
        "fields": [_rounded(fields.get(name)) for name in names],
        "curves": [[seed, [[epoch, _rounded(value)] for epoch, value in points]] for seed, points in line.curves().items()],
        "values": [_sortable(column, row) for column in columns],
        "about": content.about(line),
        "command": content.command(line),
    }


def _sortable(column: Column, row: Row) -> Any:
    value = column.value(row)
    return _rounded(value) if isinstance(value, float) else value


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
