"""What boards say of the claims, as one figure: each finding's difference with its interval, and whether it is shown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark.config import CONTROL
from benchmark.errors import UserError
from benchmark.reporting.claims import Finding
from benchmark.reporting.colours import colours
from benchmark.reporting.drawing import MARKERS, Look, Width, order, save_asked

TITLES = {
    "gain": f"gain: test AUC less {CONTROL}'s, at the greatest width of a board",
    "scale": "growth with width: the widest cell's gain less the narrowest's",
    "depth": "growth with depth: the deepest cell's gain less the shallowest's",
}
STEP = 0.75  # lines of text that a mark takes, where a cell has several
MANY = 6  # methods that can be told apart in one cell


def claims_figure(found: Sequence[Finding], width: Width = "page") -> Figure:
    """A panel a claim, a line a board's cell, a mark a method: hollow where its verdict is undecided, else filled. Bars are 95 % intervals,
    not corrected for how many there are. A shape is a method's, too: not all have a colour of their own.

    found: not empty. Raises UserError for more than six methods, which nobody could tell apart.
    """
    names = sorted({finding.name for finding in found}, key=order)
    if len(names) > MANY:
        raise UserError(f"claims: a figure shows {MANY} methods at most, here are {len(names)}; name some with --methods")
    look, shape = Look(colours=colours(finding.name for finding in found), width=width), dict(zip(names, MARKERS, strict=False))
    panels: dict[str, dict[tuple[str, str], list[Finding]]] = {}
    for claim in TITLES:
        for finding in found:
            if finding.claim == claim:
                panels.setdefault(claim, {}).setdefault((finding.board, finding.where), []).append(finding)
    room = {place: max(1.2, STEP * len(here) + 0.5) for cells in panels.values() for place, here in cells.items()}
    rows = [sum(room[place] for place in cells) for cells in panels.values()]
    bars = "bars: 95 % interval, uncorrected; hollow: undecided"
    figure, axes = look.stacked(rows, "What the records say of each claim", bars, "difference in test AUC")
    size = 2.5 if look.narrow else 4.5
    for axis, (claim, cells) in zip(axes, panels.items(), strict=True):
        y, places = 0.0, []
        before = ""
        for board, where in sorted(cells, key=lambda place: place[0]):  # sizes stay in their order
            if y:
                axis.axhline(y, color="#EEEEEE" if board == before else "#AAAAAA", linewidth=0.6)
            before = board
            here = sorted(cells[board, where], key=lambda finding: order(finding.name))
            places.append((y + room[board, where] / 2, f"{board} · {where}"))
            at = y + room[board, where] / 2 - STEP * (len(here) - 1) / 2
            for finding in here:
                colour = look.colour(finding.name)
                if finding.low is not None and finding.high is not None:
                    axis.plot([finding.low, finding.high], [at, at], color=colour, linewidth=0.8 if look.narrow else 1.3)
                face = "white" if finding.verdict == "undecided" else colour
                axis.plot([finding.difference], [at], shape[finding.name], color=colour, markerfacecolor=face, markersize=size)
                at += STEP
            y += room[board, where]
        axis.set_ylim(y, 0)
        axis.axvline(0, color="#777777", linewidth=0.8)
        axis.set_yticks([at for at, _ in places], [place for _, place in places])
        axis.tick_params(axis="y", length=0)
        axis.grid(False, axis="y")
        title = textwrap.fill(TITLES[claim], 34 if look.narrow else 100)
        axis.set_title(title, fontsize=look.font + (0 if look.narrow else 1), loc="left")
    look.legend(figure, {}, {name: Line2D([], [], color=look.colour(name), marker=shape[name], markersize=size) for name in names})
    return figure


def write(found: Sequence[Finding], path: Path) -> None:
    """``claims_figure`` as a file, whose ending says its format: .svg, .png or .pdf. Raises UserError also where it cannot be written."""
    save_asked(lambda: claims_figure(found), path, "claims")
