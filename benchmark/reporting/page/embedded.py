"""What the page's script knows of the board, as JSON in the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log10
from typing import Any

from benchmark.metrics.statistics import mean_sd
from benchmark.reporting.colours import GREY
from benchmark.reporting.columns import COLUMNS, Column
from benchmark.reporting.leaderboard import Row
from benchmark.reporting.page import content
from benchmark.reporting.page.charts import charts
from benchmark.reporting.page.content import Line
from benchmark.singular_values import positions

TOLD = next(column for column in COLUMNS if column.key == "auc")


def embedded(
    boards: Mapping[str, Sequence[Line]], columns: Sequence[Column[Row]], palette: Mapping[str, str], links: Mapping[str, str]
) -> str:
    """For a script element: whatever a name in it holds, it cannot end the element. ``links``: key of a cell -> its run in MLflow."""
    texts: dict[str, int] = {}  # what many rows say, once
    spectra_of = Spectra()
    cells = [cell for members in boards.values() for cell in _cells(members, columns, palette, texts, spectra_of)]
    data = {
        "cells": [{**cell, "link": links[cell["key"]]} if cell["key"] in links else cell for cell in cells],
        "fields": {label: _field_names(members) for label, members in boards.items()},
        "matrices": {label: [*content.matrices(members).values()] for label, members in boards.items()},
        "spectra": spectra_of.told(),
        "charts": [
            {"key": c.key, "title": c.title, "spec": c.spec, "height": c.height, "choices": c.choices, "needs": c.needs} for c in charts()
        ],
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
    members: Sequence[Line], columns: Sequence[Column[Row]], palette: Mapping[str, str], texts: dict[str, int], spectra: Spectra
) -> list[dict[str, Any]]:
    """What the script knows of a board's rows; ``texts`` takes what they say in words.

    Numbers of figures have four to six digits; those of the board are its text.
    """
    names, matrices = _field_names(members), [*content.matrices(members)]
    return [
        {**_cell(line, series, names, columns, palette, texts), **spectra.of(line, matrices)}
        for line, series in zip(members, content.series(members), strict=True)
    ]


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
        "wide": f"{row.backbone} · {row.scale}×",
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
        "layers": [[layer, round(mean, 4), round(sd or 0, 4) or 0] for layer, mean, sd in layers],
        "fields": [None if name not in fields else round(fields[name], 4) for name in names],  # a page has tens of thousands of them
        "curves": [[seed, *_packed(points)] for seed, points in line.curves.items() if points],
        "values": {column.key: _sortable(column, row) for column in columns},
        "about": [[name, texts.setdefault(text, len(texts))] for name, text in content.about(line)],
        "command": content.command(line),
    }


SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
STEP = 0.01  # decades of σ_i/σ_1 that a sign stands for: a fifth of a pixel
FLOOR = -7  # decades: what is less is rounding, and below every panel


class Spectra:
    """Singular values in few bytes, for the script: of each value, a matrix after the other, by how many steps it falls below the one
    before it, one sign up to 62; the last sign stands for 63 steps that more follow. The first value of each matrix, 1, is not there.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[int, ...], int] = {}  # how many singular values each matrix has, which many rows have in common

    def of(self, line: Line, matrices: Sequence[str]) -> dict[str, Any]:
        """Of a row: ``sigma`` is the place in ``told``'s counts, and the signs. Nothing where its records have no singular values."""
        if not line.spectra:
            return {}
        found = [line.spectra.get(matrix) for matrix in matrices]
        counts = tuple(0 if spectrum is None else spectrum.size for spectrum in found)
        signs = "".join(_signs(spectrum.values) for spectrum in found if spectrum is not None)
        return {"sigma": [self._counts.setdefault(counts, len(self._counts)), signs]}

    def told(self) -> dict[str, Any]:
        """What the script reads them with; asked for behind all rows."""
        places = {count: positions(count) for counts in self._counts for count in counts if count}
        return {"signs": SIGNS, "step": STEP, "counts": list(self._counts), "positions": places}


def _signs(values: Sequence[float]) -> str:
    levels = [round(max(FLOOR, log10(value) if value > 0 else FLOOR) / -STEP) for value in values]
    falls = [divmod(low - high, len(SIGNS) - 1) for high, low in pairwise(levels)]
    return "".join(SIGNS[-1] * whole + SIGNS[rest] for whole, rest in falls)


def _packed(points: Sequence[tuple[float, float]]) -> tuple[list[int], list[float]]:
    """Epochs and values apart, with the digits that a line shows."""
    return [int(epoch) for epoch, _ in points], [round(value, 5) for _, value in points]


def _sortable(column: Column[Row], row: Row) -> Any:
    value = column.value(row)
    return _rounded(value) if isinstance(value, float) else value


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
