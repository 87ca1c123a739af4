"""A backbone's hidden widths, scaled until a model of it has a wanted number of dense parameters: what controls of size are made of."""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import torch

from benchmark.contracts import Backbone, Layout
from benchmark.errors import Incompatible
from benchmark.nn.model import Interaction

TOLERANCE = 0.02
MOVES = (0, -1, 1, -2, 2)  # steps by which a width that goes in steps may leave the nearest multiple, in the order they are tried


def widened(recipe: Backbone, name: str, layout: Layout, target: int, whose: str) -> Backbone:
    """The backbone, called ``name``, with hidden widths that give a model of the layout ``target`` dense parameters, within 2 %.

    The widths take one factor. One that goes in steps (``Backbone.width_step``) takes the multiple nearest to it, or the next ones where
    the 2 % need it; widths that may be any number take up what is left. Raises Incompatible where the backbone has no hidden width, or
    none that gives the number, which is ``whose``.
    """
    widths = [width for width in recipe.hidden_widths if getattr(recipe, width)]  # an MLP without layers has none
    if not widths:
        raise Incompatible(f"{name} as configured has no hidden layer to scale")
    if (least := size(scaled(recipe, widths, layout, 0), layout)) > (1 + TOLERANCE) * target:
        raise Incompatible(f"{name} with the narrowest hidden layers has {least} dense parameters, {whose} {target}")
    stepped = [width for width in widths if recipe.width_step(width, layout) > 1]
    free = [width for width in widths if width not in stepped]
    sizes = []
    for near in moved(fitted(recipe, widths, layout, target), stepped, layout):
        found = fitted(near, free, layout, target) if free and stepped else near
        sizes.append(size(found, layout))
        if abs(sizes[-1] - target) <= TOLERANCE * target:
            return found
    nearest = min(sizes, key=lambda count: abs(count - target))
    raise Incompatible(f"{name}: no width gives {whose}'s {target} dense parameters within 2 %; the nearest is {nearest}")


@lru_cache(maxsize=1024)  # a cell's model is built several times in a process: to see whether it can be, and for each trial
def size(recipe: Backbone, layout: Layout) -> int:
    """Dense parameters: all that a model of the backbone has outside the table."""
    with torch.device("meta"):
        return sum(p.numel() for p in Interaction(recipe, layout).parameters())


@lru_cache(maxsize=1024)
def head_size(recipe: Backbone, layout: Layout) -> int:
    """Parameters of the head that a model of the backbone has behind its readout."""
    with torch.device("meta"):
        return sum(p.numel() for p in recipe.head(layout).parameters())


def fitted(recipe: Backbone, widths: Sequence[str], layout: Layout, target: int) -> Backbone:
    """The recipe with these widths times the factor that brings its size nearest to the target: bisection, for size grows with width."""
    low, high = 0.0, 1.0
    while size(scaled(recipe, widths, layout, high), layout) < target:
        low, high = high, 2 * high
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if size(scaled(recipe, widths, layout, middle), layout) < target else (low, middle)
    ends = [scaled(recipe, widths, layout, factor) for factor in (low, high)]
    return min(ends, key=lambda end: abs(size(end, layout) - target))


def scaled(recipe: Backbone, widths: Sequence[str], layout: Layout, factor: float) -> Backbone:
    """The recipe with these widths times the factor, each at the nearest multiple of its step."""
    for width in widths:
        recipe = changed(recipe, width, layout, factor, 0)
    return recipe


def moved(recipe: Backbone, widths: Sequence[str], layout: Layout) -> Iterator[Backbone]:
    """The recipe as it is, then with these widths moved by some of their steps, the smallest moves first."""
    for moves in sorted(product(MOVES, repeat=len(widths)), key=lambda moves: sum(map(abs, moves))):
        near = recipe
        for width, move in zip(widths, moves, strict=True):
            near = changed(near, width, layout, 1, move)
        yield near


def changed(recipe: Backbone, width: str, layout: Layout, factor: float, move: int) -> Backbone:
    """The recipe with a width times the factor, rounded to steps, plus some of them. A width is one number, or one for each layer."""
    step = recipe.width_step(width, layout)

    def one(units: int) -> int:
        return step * max(1, round(units * factor / step) + move)

    value: Any = getattr(recipe, width)
    new: dict[str, Any] = {width: tuple(map(one, value)) if isinstance(value, tuple) else one(value)}
    return dataclasses.replace(recipe, **new)
