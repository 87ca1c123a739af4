"""Records -> figures: AUC against scale, spectra against depth, and both together. PNG files, no display needed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from benchmark.config import CONTROL, NO_BACKBONE
from benchmark.metrics.statistics import mean_sd, rank_correlation
from benchmark.records import Record
from benchmark.reporting.groups import Group, groups, whole_methods

Configuration = tuple[str, int]  # backbone, depth
Filling = Literal["full", "none", "left", "top", "right", "bottom"]

# Okabe and Ito's colours, told apart by colour-blind readers too; black is the control's, yellow is too light for a line.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
CONTROL_COLOUR = "#000000"
DASHES = ("-", "--", ":", "-.")  # with more methods than colours, a colour comes again with another dash, filling or both
FILLINGS: tuple[Filling, ...] = ("full", "none", "left", "top", "right", "bottom")
SCALE_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DPI = 150
PANEL = (3.6, 2.8)  # inches
COLUMNS = 3  # panels beside each other


@dataclass(frozen=True)
class Style:
    colour: str
    dash: str
    filling: Filling


def figures(records: Iterable[Record], folder: Path) -> list[Path]:
    """Draw ``<data set>-auc.png``, ``-auc-depth``, ``-width``, ``-depth``, ``-terms`` and ``-joint`` into ``folder``; return their paths.

    Drawn are finished cells with a backbone; a figure without anything to show is not made. Colours belong to methods, the same in every
    panel and figure. Error bars are the sample standard deviation over seeds, from two seeds on.
    """
    finished = [g for g in groups(records) if g.status == "finished" and g.cell.backbone != NO_BACKBONE and g.metric("test/auc")]
    styles = _styles({g.cell.method for g in finished})
    if finished:
        folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for label, board in groupby(finished, key=lambda g: g.label):
        members = list(board)
        views = (
            ("auc", auc_against_scale),
            ("auc-depth", auc_against_depth),
            ("width", abundance_against_scale),
            ("depth", rank_against_layer),
            ("terms", rank_of_terms),
            ("joint", auc_against_rank),
        )
        for name, draw in views:
            figure = draw(label, members, styles)
            if figure is not None:
                paths.append(folder / f"{re.sub(r'[^A-Za-z0-9_.@-]', '_', label)}-{name}.png")
                figure.savefig(paths[-1])  # a Figure of its own draws with Agg: no display, no global state
    return paths


def auc_against_scale(label: str, board: Sequence[Group], styles: Mapping[str, Style]) -> Figure | None:
    """Width-wise scaling: test AUC over scale, a line a method, a panel a backbone."""
    return _against_size("scale", board, styles, "test/auc", f"{label}: test AUC against scale", "test AUC")


def auc_against_depth(label: str, board: Sequence[Group], styles: Mapping[str, Style]) -> Figure | None:
    """Depth-wise scaling: test AUC over the number of interaction layers, where a board has several depths."""
    deep = [
        g for g in board if len({o.cell.depth for o in board if (o.cell.backbone, o.cell.scale) == (g.cell.backbone, g.cell.scale)}) > 1
    ]
    return _against_size("depth", deep, styles, "test/auc", f"{label}: test AUC against depth", "test AUC")


def abundance_against_scale(label: str, board: Sequence[Group], styles: Mapping[str, Style]) -> Figure | None:
    """Width-wise collapse: information abundance of the fields' tables over a Gaussian table's, over scale."""
    title = f"{label}: information abundance of the embedding table against scale"
    return _against_size("scale", board, styles, "spectral/table/information_abundance_over_gaussian", title, "IA / Gaussian")


def _against_size(
    size: Literal["scale", "depth"], board: Sequence[Group], styles: Mapping[str, Style], metric: str, title: str, name: str
) -> Figure | None:
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
    figure, axes = _panels(len(panels), title)
    for axis, panel in zip(axes, panels, strict=True):
        here = [g for g in measured if _panel(g, size) == panel]
        steps = sorted(sizes[panel])
        lines = _series(here, measured)
        for index, (series, members) in enumerate(lines):
            shift = 0.3 * ((index + 0.5) / len(lines) - 0.5)  # side by side, so that error bars do not cover each other
            points = [(steps.index(getattr(g.cell, size)) + shift, *mean_sd(list(g.metric(metric).values()))) for g in members]
            _line(axis, sorted(points, key=lambda p: p[0]), styles[members[0].cell.method], series)
        _caption(
            axis, *(_title(panel), "scale (width / base dimension)") if size == "scale" else (_scaled(panel), "interaction layers"), name
        )
        axis.set_xticks(range(len(steps)), [f"{step}×" if size == "scale" else str(step) for step in steps])
        axis.set_xlim(-0.3, len(steps) - 0.7)
    _legend(figure, axes)
    return figure


def _panel(group: Group, size: Literal["scale", "depth"]) -> Configuration:
    """What a panel shows one of, while ``size`` runs along its axis."""
    return group.cell.backbone, group.cell.depth if size == "scale" else group.cell.scale


def _scaled(panel: Configuration) -> str:
    return f"{panel[0]} · scale {panel[1]}"


def rank_against_layer(label: str, board: Sequence[Group], styles: Mapping[str, Style]) -> Figure | None:
    """Depth-wise collapse: effective rank of the batch matrices over a Gaussian's, by layer; backbones down, scales across."""
    return _against_layer(board, styles, "", f"{label}: effective rank against interaction layer")


def rank_of_terms(label: str, board: Sequence[Group], styles: Mapping[str, Style]) -> Figure | None:
    """The same of what each layer adds, for backbones whose identity path keeps the rank of their states."""
    return _against_layer(board, styles, "term/", f"{label}: effective rank of what each layer adds (identity path taken out)")


def _against_layer(board: Sequence[Group], styles: Mapping[str, Style], matrix: str, title: str) -> Figure | None:
    measured = [g for g in board if any(_over_gaussian(g, layer, matrix) for layer in g.layers)]
    if not measured:
        return None
    panels = sorted({(_configuration(g), g.cell.scale) for g in measured})
    scales = {scale for _, scale in panels}
    whole = len(panels) == len(scales) * len({configuration for configuration, _ in panels})  # then backbones go down and scales across
    figure, axes = _panels(len(panels), title, columns=len(scales) if whole else COLUMNS)
    for axis, (configuration, scale) in zip(axes, panels, strict=True):
        here = [g for g in measured if _configuration(g) == configuration and g.cell.scale == scale]
        for series, members in _series(here, measured):
            [group] = members
            found = ((layer, _over_gaussian(group, layer, matrix)) for layer in group.layers)
            _line(axis, [(layer, *mean_sd(list(values.values()))) for layer, values in found if values], styles[group.cell.method], series)
        _caption(axis, f"{_title(configuration)} · scale {scale}", "layer (0: embedding)", "effective rank / Gaussian")
        axis.set_xticks(sorted({layer for g in here for layer in g.layers if _over_gaussian(g, layer, matrix)}))
        axis.axhline(1, color="#999999", linewidth=0.8)
        axis.set_ylim(bottom=0)
    _legend(figure, axes)
    return figure


def auc_against_rank(label: str, board: Sequence[Group], styles: Mapping[str, Style]) -> Figure | None:
    """Both views at once: test AUC over the effective rank of the last layer; colour is the method, shape the scale.

    ρ is Spearman's rank correlation over the methods at one scale, as in `compare`: presets left out, and few methods.
    """
    measured = [g for g in board if g.layers and _over_gaussian(g, g.layers[-1])]
    if not measured:
        return None
    configurations, scales = _configurations(measured), sorted({g.cell.scale for g in measured})
    figure, axes = _panels(len(configurations), f"{label}: test AUC against effective rank of the last layer")
    for axis, configuration in zip(axes, configurations, strict=True):
        here = [g for g in measured if _configuration(g) == configuration]
        for group in here:
            mean, sd = mean_sd(list(group.metric("test/auc").values()))
            style = styles[group.cell.method]
            axis.errorbar(
                [_last(group)],
                [mean],
                yerr=None if sd is None else [sd],
                color=style.colour,
                fillstyle=style.filling,
                marker=_scale_marker(scales, group.cell.scale),
                markersize=6,
                capsize=2.5,
                linewidth=1,
            )
        _caption(axis, " · ".join((_title(configuration), *_correlations(here))), "effective rank / Gaussian, last layer", "test AUC")
    methods = sorted({g.cell.method for g in measured}, key=_order)
    handles = [Line2D([], [], color=styles[m].colour, fillstyle=styles[m].filling, marker="o", linestyle="", label=m) for m in methods]
    shapes = [Line2D([], [], color="#777777", marker=_scale_marker(scales, s), linestyle="", label=f"scale {s}") for s in scales]
    figure.legend(handles=shapes, loc="outside right center", fontsize=8, frameon=False)
    _legend_below(figure, handles, methods)
    return figure


def _styles(methods: Iterable[str]) -> dict[str, Style]:
    """Method -> style. The control is black; the others take the colours in the order of their names."""
    found = {CONTROL: Style(CONTROL_COLOUR, DASHES[0], FILLINGS[0])}
    for index, method in enumerate(sorted(set(methods) - {CONTROL})):
        turn = index // len(COLOURS)
        found[method] = Style(COLOURS[index % len(COLOURS)], DASHES[turn % len(DASHES)], FILLINGS[turn % len(FILLINGS)])
    return found


def _configuration(group: Group) -> Configuration:
    return group.cell.backbone, group.cell.depth


def _configurations(board: Iterable[Group]) -> list[Configuration]:
    return sorted({_configuration(g) for g in board})


def _title(configuration: Configuration) -> str:
    return f"{configuration[0]} · depth {configuration[1]}"


def _order(method: str) -> tuple[bool, str]:
    return method != CONTROL, method


def _series(here: Sequence[Group], board: Sequence[Group]) -> list[tuple[str, list[Group]]]:
    """Lines of a panel: a method, told apart by budget and protocol where the board has several of them."""
    budgets, protocols = len({g.budget for g in board}) > 1, len({g.protocol for g in board}) > 1

    def name(group: Group) -> str:
        parts = [group.cell.method]
        parts += [f"{group.budget} trials"] if budgets else []
        parts += [group.protocol] if protocols and group.protocol else []
        return " · ".join(parts)

    ordered = sorted(here, key=lambda g: (_order(g.cell.method), name(g)))
    return [(series, list(members)) for series, members in groupby(ordered, key=name)]


def _over_gaussian(group: Group, layer: int, matrix: str = "") -> dict[int, float]:
    return group.metric(f"spectral/layer{layer}/{matrix}batch/effective_rank_over_gaussian")


def _last(group: Group) -> float:
    return fmean(_over_gaussian(group, group.layers[-1]).values())


def _correlations(here: Sequence[Group]) -> list[str]:
    """One a scale, budget and protocol: between them AUC differs for other reasons."""
    found = []
    for points in whole_methods(here).values():
        rho = rank_correlation([_last(g) for g in points], [fmean(g.metric("test/auc").values()) for g in points])
        if rho is not None:
            found.append(f"ρ = {rho:+.2f} at {points[0].cell.scale}×")
    return found


def _scale_marker(scales: Sequence[int], scale: int) -> str:
    return SCALE_MARKERS[scales.index(scale) % len(SCALE_MARKERS)]


def _panels(count: int, title: str, columns: int = COLUMNS) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, at least 1,200 pixels wide at two panels or more, room below for the legend."""
    across = min(columns, count)
    down = ceil(count / across)
    figure = Figure(
        figsize=(max(8.0, PANEL[0] * across), PANEL[1] * down + 1.1), dpi=DPI, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    )
    figure.suptitle(title, fontsize=12)
    axes = [figure.add_subplot(down, across, index + 1) for index in range(count)]
    for axis in axes:
        axis.grid(True, color="#E5E5E5", linewidth=0.7)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.ticklabel_format(axis="y", useOffset=False)
        axis.tick_params(labelsize=8)
    return figure, axes


def _line(axis: Axes, points: Sequence[tuple[float, float, float | None]], style: Style, label: str) -> None:
    """A line through (x, mean, sd); bars of one sd where there are two seeds or more."""
    axis.errorbar(
        [x for x, _, _ in points],
        [mean for _, mean, _ in points],
        yerr=[sd or 0.0 for _, _, sd in points] if any(sd is not None for _, _, sd in points) else None,
        color=style.colour,
        linestyle=style.dash,
        marker="o",
        markersize=4.5,
        fillstyle=style.filling,
        capsize=2.5,
        linewidth=1.4,
        label=label,
    )


def _caption(axis: Axes, title: str, x: str, y: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(x, fontsize=9)
    axis.set_ylabel(y, fontsize=9)


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend for all panels, under them; each series once."""
    found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    _legend_below(figure, list(found.values()), list(found))


def _legend_below(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """In as many columns as the figure is wide enough for, up to five. Rows that ``_panels`` left no room for make the figure taller."""
    column = 0.6 + 0.06 * max(len(label) for label in labels)  # inches: the sign, and letters of 8 points
    columns = min(5, len(labels), max(1, int(figure.get_figwidth() / column)))
    figure.set_figheight(figure.get_figheight() + 0.19 * max(0, ceil(len(labels) / columns) - 5))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)
