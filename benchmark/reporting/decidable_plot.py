"""What recorded cells can decide, as one figure: the difference that some seeds show there against their hours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark.config import CONTROL
from benchmark.errors import UserError
from benchmark.metrics.power import difference_to_tell
from benchmark.reporting.colours import COLOURS, GREY, OWN
from benchmark.reporting.decidable import Decidable
from benchmark.reporting.drawing import MARKERS, Look, save_asked, shapes

SEEDS = 5
# Multi-embedding less single embedding, six backbones at 10 times the width, Criteo and Avazu: the least and the most (Guo et al., 2024).
PUBLISHED = 0.00028, 0.00236


def decidable_figure(found: Sequence[Decidable]) -> Figure:
    """A mark a cell whose hours are known: right what costs more, up what shows less. A colour a data set, a shape a backbone.

    Raises UserError where no cell's hours are known.
    """
    timed = [cell for cell in found if cell.seconds is not None]
    if not timed:
        raise UserError("power: no record says how long it took, so there is nothing to draw")
    look = Look(colours={})
    figure, [axis] = look.panels(
        1,
        f"What {SEEDS} seeds of a method and of {CONTROL} show, and what they cost",
        "with power .8, alone, at level .05\nband: what multi-embedding was published to gain at ten times the width",
        (f"hours of {2 * SEEDS} trainings, as recorded", f"difference in test AUC that {SEEDS} seeds show"),
    )
    figure.set_size_inches(8.0, 5.0)
    palette = (*COLOURS, *OWN.values())
    colours = {
        name: palette[place] if place < len(palette) else GREY for place, name in enumerate(sorted({cell.dataset for cell in timed}))
    }
    markers = dict(zip(sorted({cell.backbone for cell in timed}), MARKERS * len(timed), strict=False))
    axis.axhspan(*PUBLISHED, color="#DDDDDD", zorder=1)
    for cell in timed:
        assert cell.seconds is not None
        hours, seen = 2 * SEEDS * cell.seconds / 3600, difference_to_tell(cell.sd, SEEDS)
        axis.plot([hours], [seen], markers[cell.backbone], color=colours[cell.dataset], markersize=6, alpha=0.85, markeredgewidth=0)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_major_formatter("{x:g}")
    named: dict[str, Artist] = {name: Line2D([], [], color=colour, marker="o", linestyle="") for name, colour in colours.items()}
    look.legend(figure, {}, named | shapes(markers))
    return figure


def write(found: Sequence[Decidable], path: Path) -> None:
    """``decidable_figure`` as a file, whose ending is .svg, .png or .pdf. Raises UserError also where it cannot be written."""
    save_asked(lambda: decidable_figure(found), path, "power")
