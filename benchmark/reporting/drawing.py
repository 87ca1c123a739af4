"""What all matplotlib figures share: their sheet and panels, lines and bars, and the legend."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from benchmark.config import CONTROL
from benchmark.errors import UserError
from benchmark.reporting.colours import GREY

Width = Literal["page", "column"]
# Text stays text: a reader can search a PDF, and an editor can change an SVG.
FONTS: dict[Any, Any] = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "benchmark"}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
ENDINGS = (".svg", ".png", ".pdf")
DPI = 150  # of a page; twice that of a column


@dataclass(frozen=True, kw_only=True)
class Look:
    """How figures are drawn: the colour of each method, and for which width: a page's, or one of a paper's two columns (3.35 in)."""

    colours: Mapping[str, str]
    width: Width = "page"

    @property
    def narrow(self) -> bool:
        return self.width == "column"

    @property
    def inches(self) -> float:
        return 3.35 if self.narrow else 10.8

    @property
    def across(self) -> int:
        """Panels beside each other."""
        return 2 if self.narrow else 3

    @property
    def font(self) -> float:
        """Points of what is read most; nothing is below 6 as printed."""
        return 6.5 if self.narrow else 8

    def colour(self, method: str) -> str:
        return self.colours.get(method, GREY)

    def is_grey(self, method: str) -> bool:
        return self.colour(method) == GREY

    def panels(self, count: int, title: str, bars: str, size: tuple[str, str], across: int | None = None) -> tuple[Figure, list[Axes]]:
        """A figure of ``count`` panels with one name of the x and of the y axes, and ``bars``: what they are, of how many seeds."""
        beside = min(across or self.across, count)
        if self.narrow:
            beside = min(beside, self.across)
        down = ceil(count / beside)
        width = self.inches if self.narrow else max(8.0, 3.6 * beside)
        height = (1.35 if self.narrow else 2.6) * down + (0.6 if self.narrow else 1.1)
        return self._sheet(width, height, title, bars, size, down, beside, count)

    def _sheet(
        self, width: float, height: float, title: str, bars: str, names: tuple[str, str], down: int, beside: int, count: int
    ) -> tuple[Figure, list[Axes]]:
        pad = 0.03 if self.narrow else 0.08
        figure = Figure(figsize=(width, height), dpi=2 * DPI if self.narrow else DPI, layout=ConstrainedLayoutEngine(w_pad=pad, h_pad=pad))
        heading = textwrap.wrap(title, int(width * 16 if self.narrow else 200)) + ([bars] if bars else [])
        figure.suptitle("\n".join(heading), fontsize=self.font + (0.5 if self.narrow else 3))
        axes = [figure.add_subplot(down, beside, index + 1) for index in range(count)]
        for index, axis in enumerate(axes):
            below = textwrap.fill(names[0], 22) if self.narrow and beside > 1 else names[0]
            axis.set_xlabel(below if index + beside >= count else "", fontsize=self.font)
            axis.set_ylabel(names[1] if index % beside == 0 else "", fontsize=self.font)
            axis.grid(True, color="#E5E5E5", linewidth=0.6)
            axis.set_axisbelow(True)
            axis.spines[["top", "right"]].set_visible(False)
            axis.ticklabel_format(axis="y", useOffset=False)
            axis.tick_params(labelsize=self.font - 0.5, length=2, pad=2)
        return figure, axes

    def tall(self, rows: int, title: str, bars: str, names: tuple[str, str]) -> tuple[Figure, Axes]:
        """A figure of one panel with ``rows`` lines of text beside it."""
        height = (0.115 if self.narrow else 0.19) * rows + (0.7 if self.narrow else 1.2)
        figure, [axis] = self._sheet(self.inches if self.narrow else 8.0, height, title, bars, names, 1, 1, 1)
        return figure, axis

    def stacked(self, rows: Sequence[float], title: str, bars: str, name: str) -> tuple[Figure, list[Axes]]:
        """A figure of panels below each other, with ``rows`` lines of text beside each, and one x axis for all."""
        height = (0.115 if self.narrow else 0.19) * sum(rows) + (0.25 if self.narrow else 0.4) * len(rows) + (0.5 if self.narrow else 0.8)
        width = self.inches if self.narrow else 8.0
        figure, axes = self._sheet(width, height, title, bars, (name, ""), len(rows), 1, len(rows))
        grid = axes[0].get_gridspec()
        assert grid is not None  # of an axis that is part of a grid
        grid.set_height_ratios(list(rows))
        for axis in axes[1:]:
            axis.sharex(axes[0])
        return figure, axes

    def small(self, count: int, title: str, lines: str, names: tuple[str, str]) -> tuple[Figure, list[Axes]]:
        """As ``panels``, up to twice as many beside each other. ``lines``: what the lines are."""
        down = ceil(count / (3 if self.narrow else 6))
        beside = ceil(count / down)  # rows as long as each other
        height = (0.85 if self.narrow else 1.5) * down + (0.6 if self.narrow else 1.1)
        width = self.inches if self.narrow else max(6.0, self.inches * beside / 6)
        return self._sheet(width, height, title, lines, names, down, beside, count)

    def name(self, axis: Axes, *parts: str) -> None:
        """The panel's heading; at a column's width a part a line."""
        axis.set_title(("\n" if self.narrow else " · ").join(parts), fontsize=self.font + (0 if self.narrow else 2))

    def line(self, axis: Axes, points: Sequence[tuple[float, float, float | None]], method: str, label: str, marker: str = "o") -> None:
        """A line through (x, mean, sd); bars of one sd where there are two seeds or more. Grey ones lie below."""
        grey = self.is_grey(method)
        axis.errorbar(
            [x for x, _, _ in points],
            [mean for _, mean, _ in points],
            yerr=[sd or 0.0 for _, _, sd in points] if any(sd is not None for _, _, sd in points) else None,
            color=self.colour(method),
            alpha=0.6 if grey else 1,
            zorder=2 if grey else 3,
            marker=marker,
            markersize=2.5 if self.narrow else 4,
            capsize=1.5 if self.narrow else 2.5,
            linewidth=0.8 if self.narrow else 1.3,
            label=label,
        )

    def legend(self, figure: Figure, found: Mapping[str, tuple[str, Artist]], more: Mapping[str, Artist] | None = None) -> None:
        """One for all panels, under them: series -> its method and a mark of it. Several grey ones are counted, not named.

        It has as many columns as the figure is wide enough for, up to five; the figure grows by its height.
        """
        named = {series: artist for series, (method, artist) in found.items() if not self.is_grey(method)}
        grey = {series: artist for series, (method, artist) in found.items() if self.is_grey(method)}
        if grey:
            named[f"{len(grey)} others" if len(grey) > 1 else next(iter(grey))] = next(iter(grey.values()))
        named |= more or {}
        column = 0.45 + self.font * 0.0085 * max(map(len, named))  # inches: the sign, and letters
        columns = min(5, len(named), max(1, int(figure.get_figwidth() / column)))
        figure.set_figheight(figure.get_figheight() + self.font * 0.021 * ceil(len(named) / columns))
        handles, names = list(named.values()), list(named)
        figure.legend(handles, names, loc="outside lower center", ncols=columns, fontsize=self.font, frameon=False, columnspacing=1.2)


def save(figure: Figure, path: Path) -> None:
    """In the format that the path ends with; the same bytes each time. Raises OSError."""
    metadata = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}[path.suffix]
    with matplotlib.rc_context(FONTS):  # a Figure of its own draws without a display
        figure.savefig(path, metadata=metadata)


def save_asked(make: Callable[[], Figure], path: Path, command: str) -> None:
    """The figure that a command's --figure asks for, in the format that the path ends with. Raises UserError."""
    if path.suffix not in ENDINGS:
        raise UserError(f"{command}: --figure {path}: name a file that ends in {', '.join(ENDINGS)}")
    figure = make()
    try:
        save(figure, path)
    except OSError as error:
        raise UserError(f"{command}: --figure {path}: cannot be written ({error.strerror})") from None


def series(axes: Iterable[Axes], methods: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """Of all panels: the name of each series -> its method and one mark of it; the control first."""
    found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    return {label: (methods[label], found[label]) for label in sorted(found, key=lambda label: order(methods[label]))}


def shapes(markers: Mapping[str, str]) -> dict[str, Artist]:
    """For a legend: a name -> its marker as an outline, which is no method's colour. One that all marks have tells nothing."""
    named = markers if len(markers) > 1 else {}
    return {name: Line2D([], [], color="#555555", marker=marker, markerfacecolor="none", linestyle="") for name, marker in named.items()}


def order(method: str) -> tuple[bool, str]:
    return method != CONTROL, method


def of_seeds(what: str, counts: Iterable[int]) -> str:
    """What bars are, and over how many seeds: "± 1 sample sd, n = 5 seeds"; nothing where no mark is of two.

    counts: of each mark, the seeds that have what is drawn.
    """
    found = set(counts)
    if not found or max(found) < 2:
        return ""
    few, many = min(found), max(found)
    return f"bars: {what}, n = {many if few == many else f'{few} to {many}'} seeds"
