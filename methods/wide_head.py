"""Wide head: single embedding whose hidden layers are scaled until it has as many dense parameters as multi-embedding.

    hidden widths of the backbone times one factor f, so that |P(f)/P_ME − 1| ≤ 2 %, P: parameters outside the table

A control of ours: at one width of the table single and multi-embedding differ in size (FinalMLP at scale 4 with ten fields: 806k dense
parameters against 1,780k), and what multi-embedding gains may be what any larger head gains. Interaction, table and depth stay as they are.
f is below 1 where single embedding is the larger model (RankMixer, DCNv2 at scale 2).

What is a hidden width says the backbone (``Backbone.hidden_widths``), and what it has to be a multiple of (``width_step``): units that are
handed on as rows of D, of D. Such a width takes the multiple nearest to f times it, or the next ones where the 2 % need it; widths that may
be any number take up what is left.

No factor fits where multi-embedding has fewer parameters than the other layers of a single set: DCNv2 at scale 4, whose cross layers are
S times those of multi-embedding. Such a cell is Incompatible. At scale 1 multi-embedding is single embedding, and so is this.

Cost: the products of the wider layers. The widths are found on torch's meta device, without memory, in some tenths of a second.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import torch

from benchmark.method import Backbone, CTRModel, Incompatible, Layout, Method, Parts
from benchmark.nn.model import Interaction

TOLERANCE = 0.02
MOVES = (0, -1, 1, -2, 2)  # steps by which a width that goes in steps may leave the nearest multiple, in the order they are tried


@dataclass(frozen=True, kw_only=True)
class WideHead(Method):
    """Raises Incompatible where the backbone has no hidden width, or none that gives multi-embedding's size."""

    summary = "control: single embedding with hidden layers scaled to multi-embedding's number of dense parameters"
    source = "a control of this suite"

    def build(self, parts: Parts) -> CTRModel:
        try:
            return dataclasses.replace(parts, recipe=wide(parts)).model()
        except Incompatible as error:
            raise Incompatible(f"wide_head: {error}") from error


def wide(parts: Parts) -> Backbone:
    """The cell's backbone with the hidden widths that give it multi-embedding's size. Raises Incompatible."""
    recipe, name, layout = parts.backbone, parts.backbone_name, parts.layout()
    if parts.layout(None) == layout:
        return recipe
    widths = [width for width in recipe.hidden_widths if getattr(recipe, width)]  # an MLP without layers has none
    if not widths:
        raise Incompatible(f"{name} as configured has no hidden layer to scale")
    target = size(recipe, parts.layout(None))
    if (least := size(scaled(recipe, widths, layout, 0), layout)) > (1 + TOLERANCE) * target:
        raise Incompatible(f"{name} with the narrowest hidden layers has {least} dense parameters, multi_embedding {target}")
    stepped = [width for width in widths if recipe.width_step(width, layout) > 1]
    free = [width for width in widths if width not in stepped]
    sizes = []
    for near in moved(fitted(recipe, widths, layout, target), stepped, layout):
        found = fitted(near, free, layout, target) if free and stepped else near
        sizes.append(size(found, layout))
        if abs(sizes[-1] - target) <= TOLERANCE * target:
            return found
    nearest = min(sizes, key=lambda count: abs(count - target))
    raise Incompatible(f"{name}: no width gives multi_embedding's {target} dense parameters within 2 %; the nearest is {nearest}")


@lru_cache(maxsize=1024)  # a cell's model is built several times in a process: to see whether it can be, and for each trial
def size(recipe: Backbone, layout: Layout) -> int:
    """Dense parameters: all that a model of the backbone has outside the table."""
    with torch.device("meta"):
        return sum(p.numel() for p in Interaction(recipe, layout).parameters())


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
