"""One cell at its defaults, from names or objects: what the command ``train`` and a notebook train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import index
from typing import Any

from benchmark.config import Trial
from benchmark.contracts import Backbone
from benchmark.data.ensure import ensure_prepared
from benchmark.data.store import Prepared
from benchmark.errors import UserError
from benchmark.method import Method
from benchmark.named import Named, named
from benchmark.search.cells import cell_of, trial_of
from benchmark.training.resolved import Resolved
from benchmark.values import shown


@dataclass(frozen=True)
class Pair:
    """A method, and the backbone that it is trained with."""

    method: Named[Method]
    backbone: Named[Backbone] | None  # None: the method is a sanity row


def pair(
    method: str | Method,
    backbone: str | Backbone,
    depth: int | None,
    method_options: Mapping[str, Any],
    backbone_options: Mapping[str, Any],
) -> Pair:
    """By names or as objects; ``depth`` None is the backbone's own. Raises UserError."""
    _require_tables(method_options=method_options, backbone_options=backbone_options)
    if depth is not None and "depth" in backbone_options:
        raise UserError("depth is given twice, by itself and in backbone_options; keep one of them")
    chosen: Named[Method] = named("methods", method, method_options)
    options = dict(backbone_options) if depth is None else {**backbone_options, "depth": counted("depth", depth, 1)}
    recipe: Named[Backbone] = named("backbones", backbone, options)
    return Pair(chosen, recipe if chosen.made.uses_backbone else None)


def data_of(data: str | Prepared) -> Prepared:
    """By the name of a data set, or as it is. Raises UserError."""
    if isinstance(data, Prepared):
        return data
    if not isinstance(data, str):
        raise UserError(f"data: give the name of a data set, or what benchmark.dataset() makes of a table, not {type(data).__name__}")
    return ensure_prepared(data, {})


def single(chosen: Pair, data: Prepared, scale: int, dimension: int, seed: int, training: Mapping[str, Any]) -> tuple[Trial, Resolved]:
    """The final trial of the pair on ``data``, nothing tuned, and what its names stand for. Raises UserError."""
    _require_tables(training=training)
    method, backbone = chosen.method, chosen.backbone
    scale = counted("scale", scale, 1) if backbone is not None else 1
    cell = cell_of(method, backbone, data, scale, counted("dimension", dimension, 1), dict(training))
    found = Resolved(method.made, None if backbone is None else backbone.made, data)
    return trial_of(cell, found.method, found.backbone, data.training, "final", counted("seed", seed, 0), 1), found


def _require_tables(**given: object) -> None:
    for name, value in given.items():
        if not isinstance(value, Mapping):
            raise UserError(f'{name} = {shown(value)}; it must be settings by their names, as in {{"epochs": 3}}')


def counted(name: str, value: Any, smallest: int) -> int:
    """A whole number, NumPy's too. Raises UserError."""
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):  # True is 1 to Python, and to nobody else
        raise UserError(f"{name} = {value!r}; it must be a whole number")
    if number < smallest:
        raise UserError(f"{name} = {number}; it must be at least {smallest}")
    return number
