"""What the page's script knows of the board, as JSON in the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.metrics.statistics import mean_sd
from benchmark.reporting.colours import GREY
from benchmark.reporting.columns import COLUMNS, Column
from benchmark.reporting.leaderboard import Row
from benchmark.reporting.page import content
from benchmark.reporting.page.charts import charts
from benchmark.reporting.page.content import Line

TOLD = next(column for column in COLUMNS if column.key == "auc")


def embedded(
    boards: Mapping[str, Sequence[Line]], columns: Sequence[Column[Row]], palette: Mapping[str, str], links: Mapping[str, str]
) -> str:
    """For a script element: whatever a name in it holds, it cannot end the element. ``links``: key of a cell -> its run in MLflow."""
    texts: dict[str, int] = {}  # what many rows say, once
    cells = [cell for members in boards.values() for cell in _cells(members, columns, palette, texts)]
    data = {
        "cells": [{**cell, "link": links[cell["key"]]} if cell["key"] in links else cell for cell in cells],
        "fields": {label: _field_names(members) for label, members in boards.items()},
        "charts": [{"key": c.key, "title": c.title, "spec": c.spec, "height": c.height, "choices": c.choices} for c in charts()],
        "grey": GREY,
        "texts": list(texts),
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for character in "&<>\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _field_names(members: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(name for line in members for name in line.fields))


def _cells(
    members: Sequence[Line], columns: Sequence[Column[Row]], palette: Mapping[str, str], texts: dict[str, int]
) -> list[dict[str, Any]]:
    """What the script knows of a board's rows; ``texts`` takes what they say in words.

    Numbers of figures have five or six digits; those of the board are its text.
    """
    names = _field_names(members)
    return [_cell(line, series, names, columns, palette, texts) for line, series in zip(members, content.series(members), strict=True)]


def _cell(
    line: Line, series: str, names: Sequence[str], columns: Sequence[Column[Row]], palette: Mapping[str, str], texts: dict[str, int]
) -> dict[str, Any]:
    row, fields = line.row, line.fields
    colour = palette.get(row.method, GREY)
    layers = [(layer, *mean_sd(values)) for layer, values in line.layers.items()]
    finished = row.status == "finished"
    return {
        "key": line.group.cell.key,
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
        "told": TOLD.text(row),
        "seeds": row.seeds,
        "last": _rounded(line.last),
        "costs": {
            "flops": _rounded(row.flops_per_sample),
            "dense": row.parameters_dense,
            "seconds": _rounded(line.cost("fit_seconds")),
            "memory": _rounded(row.peak_memory_mb),
        },
        "layers": [[layer, _rounded(mean), _rounded(sd) or 0] for layer, mean, sd in layers],
        "fields": [_rounded(fields.get(name)) for name in names],
        "curves": [[seed, *_packed(points)] for seed, points in line.curves.items() if points],
        "values": {column.key: _sortable(column, row) for column in columns},
        "about": [[name, texts.setdefault(text, len(texts))] for name, text in content.about(line)],
        "command": content.command(line),
    }


def _packed(points: Sequence[tuple[float, float]]) -> tuple[list[int], list[float]]:
    """Epochs and values apart, with the digits that a line shows."""
    return [int(epoch) for epoch, _ in points], [round(value, 5) for _, value in points]


def _sortable(column: Column[Row], row: Row) -> Any:
    value = column.value(row)
    return _rounded(value) if isinstance(value, float) else value


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
