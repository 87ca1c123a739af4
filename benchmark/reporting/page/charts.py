"""The page's figures as Vega-Lite specifications: what is drawn, without data. page.js fills in the rows that the filters leave.

Data sets by name, one entry a mark: ``cells`` (a row of the board with its costs), ``front`` (those of them that no cheaper one beats),
``layers`` (cell, layer), ``spectra`` (cell, field or layer), ``sigma`` (cell, matrix, singular value), ``curves`` (cell, seed, epoch).
Each carries the cell's names and colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark.singular_values import FIELDS, PLACES

Json = dict[str, Any]
COSTS = {
    "flops": "FLOPs of a forward pass, per sample",
    "dense": "dense parameters",
    "seconds": "seconds of training",
    "memory": "peak memory, MB; on a CPU of the process",
}


@dataclass(frozen=True, kw_only=True)
class Chart:
    key: str
    title: str
    caption: str
    needs: str  # what rows need to be in it: "the rows shown have no …"
    spec: Json
    height: int = 210  # of a panel, pixels
    choices: tuple[tuple[str, str], ...] = ()  # field and words of what its x axis can show


def charts() -> list[Chart]:
    return [scaling(), deepening(), pareto(), ranks(), spectra(), sigma(), joint(), curves()]


def scaling() -> Chart:
    return Chart(
        key="scaling",
        title="AUC against scale",
        caption="Width-wise scaling: mean test AUC over seeds, bars one sample standard deviation of the seeds, n on hover.",
        needs="backbone at several scales",
        spec=_auc_against("scale", "scale (width / base dimension)", "place"),
    )


def deepening() -> Chart:
    return Chart(
        key="deepening",
        title="AUC against depth",
        caption="Depth-wise scaling: mean test AUC over seeds, bars one sample standard deviation of the seeds, n on hover.",
        needs="backbone at several depths",
        spec=_auc_against("depth", "depth (interaction layers)", "wide"),
    )


def _auc_against(size: str, title: str, facet: str) -> Json:
    """A line a method over ``size``, a panel for each value of ``facet``."""
    shared = {"x": _axis(size, title, "ordinal"), "color": COLOUR, "detail": {"field": "series"}}
    return _panels(
        facet,
        "cells",
        [
            {"mark": {"type": "line"}, "encoding": {**shared, "y": AUC, "opacity": OPACITY}},
            {"mark": {"type": "rule"}, "encoding": {**shared, "y": {**AUC, "field": "low"}, "y2": {"field": "high"}, "opacity": OPACITY}},
            {"mark": POINT, "encoding": {**shared, "y": AUC, "tooltip": _told("seeds")}},
        ],
    )


def pareto() -> Chart:
    x = {
        "field": "cost",
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 14},
        "axis": {"title": None, "format": "~s", "labelSeparation": 4},
    }
    spec = {
        "layer": [
            {
                "data": {"name": "front"},
                "mark": {"type": "line", "interpolate": "step-after", "color": "var(--muted)", "strokeDash": [4, 3]},
                "encoding": {"x": x, "y": {**AUC, "field": "auc"}},
            },
            {
                "data": {"name": "cells"},
                "mark": POINT,
                "encoding": {
                    "x": x,
                    "y": AUC,
                    "color": COLOUR,
                    "shape": _shape("backbone"),
                    "opacity": OPACITY,
                    "tooltip": _told("cost"),
                },
            },
        ]
    }
    return Chart(
        key="pareto",
        title="AUC against cost",
        caption="The dashed line is the Pareto front: no cell on the left of it has a better mean test AUC. Sanity rows are left out.",
        needs="such cost in their records",
        spec=spec,
        height=340,
        choices=tuple(COSTS.items()),
    )


def ranks() -> Chart:
    y = {"field": "ratio", "type": "quantitative", "title": "effective rank / Gaussian", "scale": {"domainMin": 0}}
    shared = {"x": _axis("layer", "layer (0: embedding)", "ordinal"), "color": COLOUR, "detail": {"field": "series"}}
    spec = _panels(
        "shape",
        "layers",
        [
            {
                "data": {"values": [{}]},  # a line at 1, no collapse, which the axis so reaches to
                "mark": {"type": "rule", "color": "var(--muted)"},
                "encoding": {"y": {"datum": 1, "type": "quantitative"}},
            },
            {"mark": {"type": "line"}, "encoding": {**shared, "y": y, "opacity": OPACITY}},
            {"mark": {"type": "rule"}, "encoding": {**shared, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "opacity": OPACITY}},
            {"mark": POINT, "encoding": {**shared, "y": y, "tooltip": _told("layer", "ratio")}},
        ],
    )
    return Chart(
        key="ranks",
        title="Rank against depth",
        caption=(
            "Depth-wise collapse: effective rank of a batch of validation data after each interaction layer, over a Gaussian matrix’s "
            "of the same shape; mean over seeds, bars one sample standard deviation. 1, the grey line: no collapse."
        ),
        needs="effective ranks of layers",
        spec=spec,
    )


def spectra() -> Chart:
    spec = _panels(
        "shape",
        "spectra",
        [
            {
                "mark": {"type": "rect", "stroke": "var(--paper)", "strokeWidth": 1},
                "encoding": {
                    "x": {**_axis("where", None, "nominal"), "sort": None},
                    "y": {"field": "series", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 150}},
                    "color": {
                        "field": "ratio",
                        "type": "quantitative",
                        "scale": {"scheme": "viridis", "domain": [0, 1], "clamp": True},
                        "legend": {"title": "effective rank / Gaussian", "orient": "bottom", "gradientLength": 180},
                    },
                    "tooltip": _told("where", "ratio"),
                },
            }
        ],
    )
    spec["resolve"]["scale"]["y"] = "independent"
    return Chart(
        key="spectra",
        title="Effective ranks per field and layer",
        caption=(
            "How many directions each field’s table and each layer’s batch use: their effective rank over that of a Gaussian matrix of the "
            "same shape, mean over seeds. 1: no collapse; dark: few directions. Fields in the order of the data set, then layers."
        ),
        needs="effective ranks",
        spec=spec,
        height=0,  # as many rows as there are methods
    )


def sigma() -> Chart:
    x = {"scale": {"nice": False, "zero": False}, "axis": {"format": "d", "tickCount": 4, "tickMinStep": 1}}
    y = {
        "scale": {"type": "log", "nice": False},
        "axis": {"format": "~g", "titlePadding": 12, "values": [1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001]},
    }
    encoding: Json = {
        "x": {"field": "i", "type": "quantitative", "title": "i", **x},
        "y": {"field": "value", "type": "quantitative", "title": "σ_i / σ_1", **y},
        "color": COLOUR,
        "detail": [{"field": "series"}],
        "opacity": OPACITY,
        "tooltip": _told("matrix"),
    }
    spec = _panels("matrix", "sigma", [{"mark": {"type": "line", "strokeWidth": 1.4, "clip": True}, "encoding": encoding}])
    spec |= {"resolve": {"scale": {"x": "shared", "y": "shared"}}, "spacing": 14}
    return Chart(
        key="sigma",
        title="Singular values per field and layer",
        caption=(
            "The i-th singular value over the largest, mean over seeds: of each field’s table (learned rows), of all fields’ as one, of a "
            "batch of validation data after each layer (0: embedding; mean over the rows of its state), and of the term that a layer adds, "
            "where it does. The higher a line stays, the less collapse; it ends where a field has no more rows. Records keep "
            f"{PLACES} places of a spectrum, and the {FIELDS} fields with the most values."
        ),
        needs="singular values",
        spec=spec,
        height=92,
    )


def joint() -> Chart:
    x = {"field": "last", "type": "quantitative", "title": "effective rank / Gaussian, last layer", "scale": {"zero": False}}
    x["axis"] = {"tickCount": 5, "labelFlush": False, "format": ".3f"}
    spec = _panels(
        "place",
        "cells",
        [
            {
                "mark": POINT,
                "encoding": {
                    "x": x,
                    "y": AUC,
                    "color": COLOUR,
                    "shape": _shape("scale"),
                    "opacity": OPACITY,
                    "tooltip": _told("last"),
                },
            }
        ],
    )
    spec["resolve"]["scale"]["y"] = "independent"
    return Chart(
        key="joint",
        title="Rank against AUC",
        caption="Less collapse alone does not make a better model: mean test AUC over the effective rank of the last layer’s batch.",
        needs="effective rank of a last layer",
        spec=spec,
    )


def curves() -> Chart:
    y = {"field": "valid", "type": "quantitative", "title": "validation AUC", "scale": {"zero": False}}
    encoding: Json = {
        "x": _axis("epoch", "epoch", "quantitative"),
        "y": y,
        "color": COLOUR,
        "detail": [{"field": "series"}, {"field": "seed"}],
    }
    spec = _panels(
        "shape",
        "curves",
        [
            {
                "mark": {"type": "line", "strokeWidth": 1.1, "clip": True},
                "encoding": {**encoding, "opacity": OPACITY, "tooltip": _told("seed")},
            },
        ],
    )
    spec["resolve"] = {"scale": {"x": "shared", "y": "shared"}}
    return Chart(
        key="curves",
        title="Training curves",
        caption="Validation AUC after each epoch, a line a seed; the lowest eighth of the values is cut off. Tested is the best epoch.",
        needs="curves in their records",
        spec=spec,
    )


COLOUR: Json = {"field": "colour", "type": "nominal", "scale": None}  # the value is the colour itself
OPACITY: Json = {"field": "opacity", "type": "quantitative", "scale": None}
AUC: Json = {"field": "auc", "type": "quantitative", "title": "test AUC", "scale": {"zero": False, "padding": 8}, "axis": {"format": ".4f"}}
POINT: Json = {"type": "point", "filled": True, "size": 42, "opacity": 1}
WORDS = {
    "series": "method",
    "backbone": "backbone",
    "scale": "scale",
    "depth": "depth",
    "told": "test AUC",
    "seeds": "seeds",
    "cost": "cost",
    "layer": "layer",
    "ratio": "effective rank / Gaussian",
    "where": "field or layer",
    "matrix": "of",
    "last": "effective rank / Gaussian, last layer",
    "seed": "seed",
}


def _told(*more: str) -> list[Json]:
    """What a mark says when it is pointed at."""
    numbers = {"ratio": ".3f", "last": ".3f", "cost": ".3s"}
    kinds: dict[str, Json] = {name: {"type": "quantitative", "format": form} for name, form in numbers.items()}
    found = ("series", "backbone", "scale", "depth", "told", *more)
    return [{"field": name, "title": WORDS[name], **kinds.get(name, {"type": "nominal"})} for name in found]


def _axis(field: str, title: str | None, kind: str) -> Json:
    return {"field": field, "type": kind, "title": title, "axis": {"labelAngle": 0 if title else -45, "labelLimit": 90}}


def _shape(field: str) -> Json:
    legend = {"title": field, "orient": "bottom", "symbolFillColor": "var(--muted)", "symbolStrokeColor": "var(--muted)"}
    return {"field": field, "type": "nominal", "legend": legend}


def _panels(facet: str, data: str, layers: list[Json]) -> Json:
    """Small multiples: a panel for each value of ``facet``, with y axes of their own where they need them."""
    return {
        "data": {"name": data},
        "facet": {"field": facet, "type": "nominal", "title": None, "sort": None},
        "spec": {"layer": layers},
        "resolve": {"scale": {"x": "independent"}},
    }
