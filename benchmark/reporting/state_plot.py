"""A figure of what models say of their own state after each epoch, such as the entropy of RoBlock's gates."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.metrics.statistics import mean_sd
from benchmark.reporting.comparison import apart, method_name
from benchmark.reporting.curves import STATE, by_epoch, names
from benchmark.reporting.drawing import Look, of_seeds, series
from benchmark.reporting.group import Group

SHIFTED = "_moved"  # ends the name of a curve that is another less its start: the same line, shifted


def state_by_epoch(label: str, board: Sequence[Group], look: Look) -> Figure | None:
    """A line a method, budget and protocol; a panel for each backbone, scale and depth, layer and quantity: quantities across, the others
    down.
    """
    measured = {id(group): _curves(group) for group in board}
    told = [group for group in board if measured[id(group)]]
    panels = sorted({(g.cell.backbone, g.cell.scale, g.cell.depth, *_parts(name)) for g in told for name in measured[id(g)]})
    if not panels:
        return None
    across, deep = len({quantity for *_, quantity in panels}), len({depth for _, _, depth, *_ in panels}) > 1
    counts = [len(values) for group in told for points in measured[id(group)].values() for _, values in points]
    title, bars = f"{label}: the state of models, by epoch", of_seeds("± 1 sample sd", counts)
    figure, axes = look.panels(len(panels), title, bars, ("epoch", ""), across)
    methods: dict[str, str] = {}
    for axis, (backbone, scale, depth, layer, quantity) in zip(axes, panels, strict=True):
        for group in (g for g in told if (g.cell.backbone, g.cell.scale, g.cell.depth) == (backbone, scale, depth)):
            name = STATE + "/".join(filter(None, (layer, quantity)))
            if name in measured[id(group)]:
                points = [(epoch, *mean_sd(values)) for epoch, values in measured[id(group)][name]]
                named = _named(group, board)
                methods[named] = group.cell.method
                look.line(axis, points, group.cell.method, named)
        look.name(axis, f"{backbone} {scale}×" + (f" depth {depth}" if deep else ""), _spoken(layer, quantity))
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    look.legend(figure, series(axes, methods))
    return figure


def _curves(group: Group) -> dict[str, list[tuple[int, list[float]]]]:
    """Those of its state that have an epoch which all seeds reached; a seed of an older record may have none."""
    told = sorted(name for name in names(group) if name.startswith(STATE) and not name.endswith(SHIFTED))
    return {name: found for name in told if (found := by_epoch(group, name))}


def _named(group: Group, board: Sequence[Group]) -> str:
    """Its method, and what else tells its line from others; settings as the board's six digits, for which a legend has room."""
    return " · ".join([method_name(group), *(group.protocol if part == group.settings else part for part in apart(group, board))])


def _parts(name: str) -> tuple[str, str]:
    """Layer, empty where there is none, and quantity."""
    layer, _, quantity = name.removeprefix(STATE).rpartition("/")
    return layer, quantity


def _spoken(layer: str, quantity: str) -> str:
    return f"{layer.replace('layer', 'layer ')} {quantity.replace('_', ' ')}".strip()
