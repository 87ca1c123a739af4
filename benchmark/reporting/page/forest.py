"""The forest plot beside the rows: in each row Δ and its interval as a small SVG, all of a board on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

from markupsafe import Markup

from benchmark.reporting.leaderboard import Row

WIDTH, HEIGHT, EDGE = 204, 22, 6  # pixels; the axis runs from EDGE to WIDTH − EDGE
COVERED = 0.9  # of the intervals lie within the axis; it must not be a few wide ones' alone


def reach(rows: Sequence[Row]) -> float:
    """How far the axis goes on either side of 0: the ``COVERED`` quantile of the intervals' ends, rounded up to two digits."""
    ends = sorted(max(abs(end) for end in _interval(row)) for row in rows if row.delta_auc is not None)
    most = ends[min(len(ends) - 1, int(COVERED * len(ends)))] if ends else 0.0
    if most == 0:
        return 0.001
    unit: float = 10.0 ** (floor(log10(most)) - 1)
    return unit * (int(most / unit) + 1)


def mark(row: Row, far: float, colour: str) -> Markup:
    """A bar for the interval, a dot for the mean; an arrow head where the bar leaves the axis. Nothing for a row without Δ."""
    if row.delta_auc is None:
        return Markup("")
    low, high = _interval(row)
    middle = HEIGHT / 2
    parts = [f'<path class="zero" d="M{WIDTH // 2} 0V{HEIGHT}"/>', f'<path d="M{_x(low, far):.1f} {middle:g}H{_x(high, far):.1f}"/>']
    for end, side, at in ((low, -1, EDGE), (high, 1, WIDTH - EDGE)):
        if abs(end) > far and end * side > 0:
            parts.append(f'<path d="M{at - 4 * side} {middle - 4:g}l{4 * side} 4l{-4 * side} 4"/>')
    if abs(row.delta_auc) <= far:
        parts.append(f'<circle cx="{_x(row.delta_auc, far):.1f}" cy="{middle:g}" r="3.5"/>')
    # Numbers and our own colours alone: nothing in here is text from a record.
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" style="color:{colour}" aria-hidden="true">{"".join(parts)}</svg>')


def axis(far: float) -> Markup:
    """Ticks at −far/2, 0 and far/2 … with their numbers, for the head of the column."""
    ticks = "".join(
        f'<text x="{_x(value, far):.0f}" y="12" text-anchor="middle">{value:+.2g}</text>'
        if value
        else f'<text x="{WIDTH // 2}" y="12" text-anchor="middle">0</text>'
        for value in (-far / 2, 0, far / 2)
    )
    return Markup(f'<svg viewBox="0 0 {WIDTH} 16" aria-hidden="true">{ticks}</svg>')


def _interval(row: Row) -> tuple[float, float]:
    mean = row.delta_auc or 0.0
    return (mean if row.delta_auc_low is None else row.delta_auc_low, mean if row.delta_auc_high is None else row.delta_auc_high)


def _x(value: float, far: float) -> float:
    half = WIDTH / 2 - EDGE
    return WIDTH / 2 + max(-1.0, min(1.0, value / far)) * half
