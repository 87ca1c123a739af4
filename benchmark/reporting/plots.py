"""Records -> figures: AUC against scale, spectra against depth, and what else a paper shows. Files, no display needed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Literal

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmark.config import NO_BACKBONE
from benchmark.errors import UserError
from benchmark.metrics.statistics import mean_sd, rank_correlation
from benchmark.records import Record
from benchmark.reporting import views
from benchmark.reporting.colours import colours
from benchmark.reporting.drawing import MARKERS, Look, Width, of_seeds, order, save, series, shapes
from benchmark.reporting.group import Group
from benchmark.reporting.groups import PLAIN, batch_ratio, groups, whole_methods
from benchmark.reporting.page.content import Line, lines
from benchmark.reporting.state_plot import state_by_epoch
from benchmark.reporting.text import counted

Configuration = tuple[str, int]  # backbone, depth
Format = Literal["png", "pdf", "svg"]
SD = "± 1 sample sd"
SIGMA = "singular-values"  # a file for each backbone, scale and depth


def figures(
    records: Sequence[Record], folder: Path, formats: Sequence[Format] = ("png",), width: Width = "page", only: Sequence[str] = ()
) -> list[Path]:
    """Draw ``<data set>-<view>.<format>`` into ``folder``; return the paths.

    Views: auc, auc-depth, width, depth, terms, joint, state, forest, pareto, spectra, and singular-values, a file for each backbone, scale
    and depth, which are the end of its name; ``only`` some of them. Drawn are finished cells with a backbone; a figure without anything to
    show is not made. A method has one colour in all of them, the page's; the less important of many methods are grey. Error bars are the
    sample standard deviation over seeds, from two seeds on; the figure says so, with their number.
    """
    finished = [g for g in groups(records) if g.status == "finished" and g.cell.backbone != NO_BACKBONE and g.metric("test/auc")]
    look = Look(colours=colours(g.cell.method for g in finished), width=width)

    def wanted(name: str) -> bool:
        return name in (only or (name,))

    try:
        if finished:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: no figures can be put there ({error.strerror}); name another folder with --out") from None
    rows: dict[str, list[Line]] = defaultdict(list)
    for line in lines(records) if finished else []:
        rows[line.row.dataset].append(line)
    paths: list[Path] = []
    for label, board in groupby(finished, key=lambda g: g.label):
        members = list(board)
        drawn: list[tuple[str, Figure | None]] = [(name, draw(label, members, look)) for name, draw in OF_GROUPS.items() if wanted(name)]
        drawn += [(name, draw(label, rows[label], look)) for name, draw in OF_ROWS.items() if wanted(name)]
        if wanted(SIGMA):
            drawn += [(f"{SIGMA}-{place}", figure) for place, figure in views.singular_values(label, rows[label], look)]
        for name, figure in drawn:
            for format in dict.fromkeys(formats) if figure is not None else ():
                assert figure is not None
                paths.append(folder / f"{re.sub(r'[^A-Za-z0-9_.@-]', '_', label)}-{name}.{format}")
                save(figure, paths[-1])
    return paths


def auc_against_scale(label: str, board: Sequence[Group], look: Look) -> Figure | None:
    """Width-wise scaling: test AUC over scale, a line a method, a panel a backbone."""
    return _against_size("scale", board, look, "test/auc", f"{label}: test AUC against scale", "test AUC")


def auc_against_depth(label: str, board: Sequence[Group], look: Look) -> Figure | None:
    """Depth-wise scaling: test AUC over the number of interaction layers, where a board has several depths."""
    deep = [
        g for g in board if len({o.cell.depth for o in board if (o.cell.backbone, o.cell.scale) == (g.cell.backbone, g.cell.scale)}) > 1
    ]
    return _against_size("depth", deep, look, "test/auc", f"{label}: test AUC against depth", "test AUC")


def abundance_against_scale(label: str, board: Sequence[Group], look: Look) -> Figure | None:
    """Width-wise collapse: information abundance of the fields' tables over a Gaussian table's, over scale."""
    title = f"{label}: information abundance of the embedding table against scale"
    return _against_size("scale", board, look, "spectral/table/information_abundance_over_gaussian", title, "IA / Gaussian")


def _against_size(size: Literal["scale", "depth"], board: Sequence[Group], look: Look, metric: str, title: str, name: str) -> Figure | None:
    """A metric over scale with a panel for each backbone and depth, or over depth with one for each backbone and scale.

    Panels with one size only are left out where others have several.
    """
    measured = [g for g in board if g.metric(metric)]
    sizes: dict[Configuration, set[int]] = defaultdict(set)
    for group in measured:
        sizes[_panel(group, size)].add(getattr(group.cell, size))
    most = max((len(found) for found in sizes.values()), default=0)
    panels = sorted(panel for panel, found in sizes.items() if len(found) > 1 or most == 1)
    if not panels:
        return None
    x = "scale (width / base dimension)" if size == "scale" else "interaction layers"
    figure, axes = look.panels(len(panels), title, of_seeds(SD, (len(g.metric(metric)) for g in measured)), (x, name))
    methods: dict[str, str] = {}
    for axis, panel in zip(axes, panels, strict=True):
        here = [g for g in measured if _panel(g, size) == panel]
        steps = sorted(sizes[panel])
        lines_here = _series(here, measured)
        for index, (label, members) in enumerate(lines_here):
            shift = 0.3 * ((index + 0.5) / len(lines_here) - 0.5)  # side by side, so that error bars do not cover each other
            points = [(steps.index(getattr(g.cell, size)) + shift, *mean_sd(list(g.metric(metric).values()))) for g in members]
            methods[label] = members[0].cell.method
            look.line(axis, sorted(points, key=lambda p: p[0]), methods[label], label)
        look.name(axis, _title(panel) if size == "scale" else _scaled(panel))
        axis.set_xticks(range(len(steps)), [f"{step}×" if size == "scale" else str(step) for step in steps])
        axis.set_xlim(-0.3, len(steps) - 0.7)
    look.legend(figure, series(axes, methods))
    return figure


def _panel(group: Group, size: Literal["scale", "depth"]) -> Configuration:
    """What a panel shows one of, while ``size`` runs along its axis."""
    return group.cell.backbone, group.cell.depth if size == "scale" else group.cell.scale


def _scaled(panel: Configuration) -> str:
    return f"{panel[0]} · scale {panel[1]}"


def rank_against_layer(label: str, board: Sequence[Group], look: Look) -> Figure | None:
    """Depth-wise collapse: effective rank of the batch matrices over a Gaussian's, by layer; backbones down, scales or depths across."""
    return _against_layer(board, look, "", f"{label}: effective rank against interaction layer")


def rank_of_terms(label: str, board: Sequence[Group], look: Look) -> Figure | None:
    """The same of what each layer adds, for backbones whose identity path keeps the rank of their states."""
    return _against_layer(board, look, "term/", f"{label}: effective rank of what each layer adds (identity path taken out)")


def _against_layer(board: Sequence[Group], look: Look, matrix: str, title: str) -> Figure | None:
    measured = [g for g in board if any(_ratio(g, layer, PLAIN, matrix) for layer in g.layers)]
    if not measured:
        return None
    panels = sorted({(_configuration(g), g.cell.scale) for g in measured})
    names = "layer (0: embedding)", "effective rank / Gaussian"
    counts = [len(values) for g in measured for layer in g.layers if (values := _ratio(g, layer, PLAIN, matrix))]
    figure, axes = look.panels(len(panels), title, of_seeds(SD, counts), names, _across(panels))
    methods: dict[str, str] = {}
    for axis, (configuration, scale) in zip(axes, panels, strict=True):
        here = [g for g in measured if _configuration(g) == configuration and g.cell.scale == scale]
        for label, group in ((label, group) for label, members in _series(here, measured) for group in members):
            methods[label] = group.cell.method
            found = ((layer, _ratio(group, layer, PLAIN, matrix)) for layer in group.layers)
            look.line(axis, [(layer, *mean_sd(list(values.values()))) for layer, values in found if values], group.cell.method, label)
        look.name(axis, _title(configuration), f"scale {scale}")
        axis.set_xticks(sorted({layer for g in here for layer in g.layers if _ratio(g, layer, PLAIN, matrix)}))
        axis.axhline(1, color="#999999", linewidth=0.8)
    top = max(axis.get_ylim()[1] for axis in axes)  # one for all: panels are compared
    for axis in axes:
        axis.set_ylim(0, top)
    look.legend(figure, series(axes, methods))
    return figure


def _across(panels: Sequence[tuple[Configuration, int]]) -> int | None:
    """How many panels, by configuration and scale, stand beside each other: with several scales these, otherwise the depths of a backbone.
    None: as many as there is room for, where not all rows would have as many.
    """
    places = list(panels)
    if len({scale for _, scale in panels}) == 1:
        places = [((backbone, 0), depth) for (backbone, depth), _ in panels]
    down, across = (len(set(names)) for names in zip(*places, strict=True))
    return across if across > 1 and down * across == len(panels) else None


def auc_against_rank(label: str, board: Sequence[Group], look: Look) -> Figure | None:
    """Both views at once: test AUC over the effective rank of the last layer; colour is the method, shape the scale.

    ρ is Spearman's rank correlation over the methods at one scale, as in `compare`: presets left out, and few methods.
    """
    ending = batch_ratio(board)
    measured = [g for g in board if _ratio(g, g.last_layer, ending)]
    if not measured:
        return None
    configurations, scales = sorted({_configuration(g) for g in measured}), sorted({g.cell.scale for g in measured})
    title = f"{label}: test AUC against effective rank of the last layer"
    names = "effective rank / Gaussian, last layer", "test AUC"
    figure, axes = look.panels(len(configurations), title, of_seeds(SD, (len(g.metric("test/auc")) for g in measured)), names)
    for axis, configuration in zip(axes, configurations, strict=True):
        here = [g for g in measured if _configuration(g) == configuration]
        for group in here:
            mean, sd = mean_sd(list(group.metric("test/auc").values()))
            look.line(
                axis, [(_last(group, ending), mean, sd)], group.cell.method, group.cell.method, _scale_marker(scales, group.cell.scale)
            )
        look.name(axis, _title(configuration), *([] if len(scales) > 1 else [f"scale {scales[0]}"]), *_correlations(here, ending))
        axis.xaxis.set_major_locator(MaxNLocator(5))  # else numbers of four digits touch
    methods = sorted({g.cell.method for g in measured}, key=order)
    marks = {m: (m, Line2D([], [], color=look.colour(m), marker="o", linestyle="")) for m in methods}
    look.legend(figure, marks, shapes({f"scale {s}": _scale_marker(scales, s) for s in scales}))
    return figure


def _configuration(group: Group) -> Configuration:
    return group.cell.backbone, group.cell.depth


def _title(configuration: Configuration) -> str:
    return f"{configuration[0]} · depth {configuration[1]}"


def _series(here: Sequence[Group], board: Sequence[Group]) -> list[tuple[str, list[Group]]]:
    """Lines of a panel: a method, told apart by budget and protocol where the board has several of them, and from what it was before it
    got or lost a setting.
    """
    budgets, protocols = len({g.budget for g in board}) > 1, len({g.protocol for g in board}) > 1

    def name(group: Group) -> str:
        parts = [group.cell.method]
        parts += [counted(group.budget, "trial")] if budgets else []
        parts += [group.protocol] if protocols and group.protocol else []
        parts += [group.earlier] if group.earlier else []
        return " · ".join(parts)

    ordered = sorted(here, key=lambda g: (order(g.cell.method), name(g)))
    return [(series, list(members)) for series, members in groupby(ordered, key=name)]


def _ratio(group: Group, layer: int | None, ending: str, matrix: str = "") -> dict[int, float]:
    """Seed -> effective rank of the batch there over a Gaussian one's; ``ending``: see ``batch_ratio``."""
    return group.metric(f"spectral/layer{layer}/{matrix}batch/effective_rank{ending}")


def _last(group: Group, ending: str) -> float:
    return fmean(_ratio(group, group.last_layer, ending).values())


def _correlations(here: Sequence[Group], ending: str) -> list[str]:
    """One a scale, budget and protocol: between them AUC differs for other reasons."""
    found = []
    for points in whole_methods(here).values():
        rho = rank_correlation([_last(g, ending) for g in points], [fmean(g.metric("test/auc").values()) for g in points])
        if rho is not None:
            found.append(f"ρ = {rho:+z.2f} at {points[0].cell.scale}×")
    return found


def _scale_marker(scales: Sequence[int], scale: int) -> str:
    return MARKERS[scales.index(scale) % len(MARKERS)]


OF_GROUPS: dict[str, Callable[[str, Sequence[Group], Look], Figure | None]] = {
    "auc": auc_against_scale,
    "auc-depth": auc_against_depth,
    "width": abundance_against_scale,
    "depth": rank_against_layer,
    "terms": rank_of_terms,
    "joint": auc_against_rank,
    "state": state_by_epoch,
}
OF_ROWS: dict[str, Callable[[str, Sequence[Line], Look], Figure | None]] = {
    "forest": views.forest,
    "pareto": views.pareto,
    "spectra": views.spectra,
}
