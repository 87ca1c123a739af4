"""Figures of rows: the forest plot, AUC against cost with its Pareto front, spectra per field and layer as a map and as lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from statistics import fmean

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator, StrMethodFormatter

from benchmark.reporting.drawing import MARKERS, Look, order, shapes
from benchmark.reporting.page.content import Line, matrices, series
from benchmark.reporting.text import counted
from benchmark.singular_values import OF_FIELD, positions

OUTLYING = 3.0  # times the axis that nine tenths of the bars need


def forest(label: str, board: Sequence[Line], look: Look) -> Figure | None:
    """Δ of every row that has one with its 95 % interval, best mean first, in blocks of one backbone, scale and depth. An arrow head where
    a bar leaves the axis, as on the page.
    """
    found = [line for line in board if line.row.delta_auc is not None]
    if not found:
        return None
    found.sort(key=lambda line: (line.row.backbone, line.row.scale, line.row.depth, -(line.row.delta_auc or 0.0)))
    named = dict(zip(map(id, found), series(found), strict=True))
    pairs = {line.row.delta_seeds for line in found}
    single = pairs == {1}  # of which there is no interval
    many = f", n = {counted(pairs.pop(), 'pair')} of seeds" if len(pairs) == 1 else "; (n): pairs of seeds"
    bars = "n = 1 pair of seeds: there is no interval" if single else f"bars: 95 % interval, uncorrected{many}"
    places = list(dict.fromkeys(line.place for line in found))
    figure, axis = look.tall(len(found) + 2 * len(places), f"{label}: test AUC less single_embedding's", bars, ("Δ test AUC", ""))
    names: list[tuple[float, str]] = []
    at_y: list[tuple[float, Line]] = []
    y = 0.0
    for place in places:
        names.append((y, place))
        y += 1
        for line in (line for line in found if line.place == place):
            row = line.row
            mean, low, high = row.delta_auc or 0.0, row.delta_auc_low, row.delta_auc_high
            colour = look.colour(row.method)
            if low is not None and high is not None:
                axis.plot([low, high], [y, y], color=colour, linewidth=1 if look.narrow else 1.5)
            axis.plot([mean], [y], "o", color=colour, markersize=2.5 if look.narrow else 4.5)
            names.append((y, named[id(line)] if pairs == set() else f"{named[id(line)]} ({row.delta_seeds})"))
            at_y.append((y, line))
            y += 1
        y += 0.6
    axis.axvline(0, color="#777777", linewidth=0.8)
    axis.set_yticks([at for at, _ in names], [name for _, name in names])
    for text, (_, name) in zip(axis.get_yticklabels(), names, strict=True):
        text.set_fontweight("bold" if name in places else "normal")
    axis.set_ylim(y, -1)
    axis.tick_params(axis="y", length=0, pad=5)  # room for an arrow head
    axis.grid(False, axis="y")
    ends = sorted(max(abs(line.row.delta_auc_low or 0), abs(line.row.delta_auc_high or 0), abs(line.row.delta_auc or 0)) for line in found)
    most = 1.1 * ends[int(0.9 * (len(ends) - 1))] or 1e-3  # those of the widest tenth leave the panel,
    means = [abs(line.row.delta_auc or 0) for line in found]
    far = max(most, *(1.1 * mean for mean in means if mean < OUTLYING * most))  # a mean only if it would press all others together
    axis.set_xlim(-far, far)
    for y, line in at_y:
        row = line.row
        for end, edge, head in ((row.delta_auc_low, -far, "<"), (row.delta_auc_high, far, ">")):
            if end is not None and abs(end) > far and end * edge > 0:
                axis.plot([edge], [y], head, color=look.colour(row.method), markersize=2.5 if look.narrow else 4.5, clip_on=False)
    axis.locator_params(axis="x", nbins=5)
    return figure


def pareto(label: str, board: Sequence[Line], look: Look) -> Figure | None:
    """Mean test AUC over FLOPs of a forward pass; the step line is the front: no cheaper cell is better."""
    found = [line for line in board if line.has_backbone and line.row.flops_per_sample and line.row.rank is not None]
    if len(found) < 2:
        return None
    names = "FLOPs of a forward pass, per sample", "test AUC"
    backbones = sorted({line.row.backbone for line in found})
    of_one = f" of {backbones[0]}" if len(backbones) == 1 else ""
    front = front_of([(line.row.flops_per_sample or 0.0, line.row.test_auc_mean or 0.0) for line in found])
    dashed = "dashed: Pareto front" if len(front) > 1 else "the cheapest is the best: the Pareto front is one point"
    figure, [axis] = look.panels(1, f"{label}: test AUC{of_one} against cost", dashed, names)
    size = 3 if look.narrow else 5
    for line in sorted(found, key=lambda line: not look.is_grey(line.row.method)):
        marker = MARKERS[backbones.index(line.row.backbone) % len(MARKERS)]
        grey = look.is_grey(line.row.method)
        colour = look.colour(line.row.method)
        x, y = line.row.flops_per_sample or 0.0, line.row.test_auc_mean or 0.0
        axis.plot([x], [y], marker, color=colour, markersize=size, alpha=0.6 if grey else 1)
    axis.step([x for x, _ in front], [y for _, y in front], where="post", color="#555555", linestyle="--", linewidth=0.8, zorder=1)
    axis.set_xscale("log")
    if len({line.row.flops_per_sample for line in found}) == 1:  # else an axis of a whole decade
        axis.set_xlim((found[0].row.flops_per_sample or 1) / 2, (found[0].row.flops_per_sample or 1) * 2)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_minor_formatter(NullFormatter())
    methods = sorted({line.row.method for line in found}, key=order)
    marks = {m: (m, Line2D([], [], color=look.colour(m), marker="o", linestyle="", markersize=size)) for m in methods}
    look.legend(figure, marks, shapes({backbone: MARKERS[i % len(MARKERS)] for i, backbone in enumerate(backbones)}))
    return figure


def front_of(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (cost, score) those that no cheaper or equally dear one reaches, by rising cost."""
    front: list[tuple[float, float]] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or score > front[-1][1]:
            front.append((cost, score))
    return front


def _places(found: Iterable[Line]) -> list[str]:
    """Backbones by name, their scales and depths by size."""
    ordered = sorted(found, key=lambda line: (line.row.backbone, line.row.scale, line.row.depth))
    return list(dict.fromkeys(line.place for line in ordered))


def spectra(label: str, board: Sequence[Line], look: Look) -> Figure | None:
    """How many directions each field's table and each layer's batch use, over a Gaussian's: a panel a backbone, scale and depth."""
    found = [(line, line.fields, line.layers) for line in board if line.has_backbone and line.row.rank is not None]
    found = [(line, fields, layers) for line, fields, layers in found if fields or layers]
    if not found:
        return None
    named = dict(zip((id(line) for line, _, _ in found), series([line for line, _, _ in found]), strict=True))
    by_place = Counter(line.place for line, _, _ in found)
    places = sorted(_places(line for line, _, _ in found), key=by_place.__getitem__)
    columns = list(dict.fromkeys(name for _, fields, _ in found for name in fields))
    depth = max((layer for _, _, layers in found for layer in layers), default=-1)
    columns += [f"layer {layer}" for layer in range(depth + 1)]
    names = f"{label}: effective rank / Gaussian", "mean over seeds; 1: no collapse"
    figure, axis = look.tall(len(found) + 2 * len(places) + ceil(max(map(len, columns)) / 2), *names, ("", ""))
    grid: list[list[float]] = []
    labels: list[str] = []
    for place in places:
        grid.append([float("nan")] * len(columns))
        labels.append(place)
        for line, fields, layers in (entry for entry in found if entry[0].place == place):
            values = {**fields, **{f"layer {layer}": sum(seeds) / len(seeds) for layer, seeds in layers.items()}}
            grid.append([values.get(name, float("nan")) for name in columns])
            labels.append(named[id(line)])
    image = axis.imshow(grid, aspect="auto", cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    axis.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(labels)), labels)
    for text in axis.get_yticklabels():
        text.set_fontweight("bold" if text.get_text() in places else "normal")
    axis.grid(False)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, location="right", shrink=0.6, aspect=30, pad=0.02)
    bar.ax.tick_params(labelsize=look.font - 0.5)
    return figure


FIELDS = 12  # with a panel of their own at most
NO_BREAK = "\u00a0"
LOWEST = 1e-3  # of σ_i/σ_1 in a panel; what is less leaves it


def singular_values(label: str, board: Sequence[Line], look: Look) -> Iterator[tuple[str, Figure]]:
    """σ_i/σ_1 over i, a panel a field, table and layer, a line a method: for each backbone, scale and depth its name in a file, and figure.

    Of many fields those whose values fall fastest, mean over the lines, are shown, in the order of the data set.
    """
    names = dict(zip(map(id, board), series(board), strict=True))
    ranked = [line for line in board if line.has_backbone and line.row.rank is not None]
    for place in _places(line for line in ranked if line.spectra):
        here = [line for line in ranked if line.place == place]
        drawn = [line for line in here if line.spectra]
        told = matrices(drawn)
        fields = [matrix for matrix in told if matrix.startswith(OF_FIELD)]
        lasting = {m: fmean(fmean(line.spectra[m].values) for line in drawn if m in line.spectra) for m in fields}
        shown = set(sorted(fields, key=lambda m: lasting[m])[:FIELDS])
        panels = {matrix: name for matrix, name in told.items() if matrix not in lasting or matrix in shown}
        title = f"{label}: singular values, {place.replace(' ', NO_BREAK)}"
        title += f"; {FIELDS} of {len(fields)} fields, where they fall fastest" if len(shown) < len(fields) else ""
        without = sorted({names[id(line)] for line in here if not line.spectra})
        title += f"; not in the records of {', '.join(without)}" if without else ""
        seeds = sorted({line.filed.spectra_seeds for line in drawn})
        many = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
        lines = f"lines: σ_i/σ_1, mean over n = {many} seeds" if seeds[-1] > 1 else "lines: σ_i/σ_1 of one seed"
        figure, axes = look.small(len(panels), title, lines, ("i", "σ_i / σ_1"))
        far = max(spectrum.size for line in drawn for matrix, spectrum in line.spectra.items() if matrix in panels)
        low = min(value for line in drawn for matrix, spectrum in line.spectra.items() if matrix in panels for value in spectrum.values)
        for axis, (matrix, name) in zip(axes, panels.items(), strict=True):
            for line in (line for line in drawn if matrix in line.spectra):
                size, values = line.spectra[matrix]
                grey = look.is_grey(line.row.method)
                width, above = (0.8 if look.narrow else 1.3), (2 if grey else 3)
                heights = [max(value, LOWEST / 1e3) for value in values]
                axis.plot(
                    positions(size), heights, color=look.colour(line.row.method), linewidth=width, alpha=0.6 if grey else 1, zorder=above
                )
            axis.set_yscale("log")
            axis.set(xlim=(1, max(2, far)), ylim=(min(0.5, max(LOWEST, low)), 1))
            axis.xaxis.set_major_locator(MaxNLocator(3, integer=True))
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.tick_params(labelleft=bool(axis.get_ylabel()), labelbottom=bool(axis.get_xlabel()))  # the same for all
            look.name(axis, name)
        look.legend(
            figure, {names[id(line)]: (line.row.method, _stroke(look, line)) for line in sorted(drawn, key=lambda n: order(n.row.method))}
        )
        yield f"{line.row.backbone}-{line.row.scale}x-depth{line.row.depth}", figure


def _stroke(look: Look, line: Line) -> Line2D:
    return Line2D([], [], color=look.colour(line.row.method))
