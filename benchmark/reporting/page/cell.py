"""One row of the board as a small page of its own, with its figures as SVG: no script, done in milliseconds, as there are thousands.

Bounded in bytes whatever the record holds: so many fields, seeds, points and characters, and a line that says what is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

from markupsafe import Markup

from benchmark.metrics.statistics import mean_sd
from benchmark.reporting import acting
from benchmark.reporting.columns import COLUMNS
from benchmark.reporting.page import forest
from benchmark.reporting.page.content import Line
from benchmark.reporting.page.template import part, template
from benchmark.reporting.text import text

KEYS = ("auc", "delta", "verdict", "acts", "won", "logloss", "unseen", "rank_table", "rank_last", "dense", "trials")
HEAD = sorted((column for column in COLUMNS if column.key in KEYS), key=lambda column: KEYS.index(column.key))
DELTA = next(column for column in COLUMNS if column.key == "delta")
ALWAYS = ("auc", "delta", "verdict")  # also where there is nothing to say
FIELDS, LAYERS, SEEDS, PARTS, NOTES, POINTS = 40, 12, 20, 16, 2, 180  # shown at most
NAME, WORDS = 28, 200  # characters of a name, of a line
WIDTH, HEIGHT = 300, 140  # of the curves' axes; around them LEFT, TOP and room for the numbers of the epochs
LEFT, TOP, RIGHT, BELOW = 50, 6, 8, 30


def head(line: Line) -> list[tuple[str, str, str]]:
    """Name, help and text of the board's columns, and what else it says. With the records of ``line`` all that the page is made of."""
    row = line.row
    found = [(column, column.text(row)) for column in HEAD]
    told = [(column.name, column.help, words) for column, words in found if column.key in ALWAYS or words != "-"]
    more = [("status", row.reason and f"{row.status}: {row.reason}"), ("settings", row.overrides), *(("note", note) for note in row.notes)]
    return told + [(name, "", _cut(words, WORDS)) for name, words in more[: 2 + NOTES] if words]


def page(line: Line) -> str:
    """The page of a row as one HTML text that needs nothing else."""
    row = line.row
    far = forest.reach([row])
    interval = forest.mark(row, far, "var(--accent)") + forest.axis(far) if row.delta_auc is not None else ""
    curves = {seed: points for seed, points in [*line.curves.items()][:SEEDS] if points}
    values = sorted(value for points in curves.values() for _, value in points)
    return template("cell.html").render(
        style=part("theme.css", "cell.css"),
        method=_cut(row.method, WORDS),
        place=line.place,
        dataset=_cut(row.dataset, WORDS),
        head=[(*entry, interval if entry[0] == DELTA.name else "") for entry in head(line)],
        spectra=_spectra(line),
        curves=_curves(curves, values),
        cut=" The lowest eighth of the values is cut off." if len(values) >= 8 else "",
        tables=[table for table in (_seeds(line, curves), _doses(line), _knock_outs(line)) if table["rows"]],
    )


def _spectra(line: Line) -> list[dict[str, Any]]:
    fields = list(line.fields.items())
    kept = sorted(fields, key=lambda entry: entry[1])[:FIELDS]
    layers = [(f"layer {layer}", mean_sd(values)) for layer, values in line.layers.items()]
    told = [
        _bars(
            "Spectra per field",
            "Effective rank of a field’s table over a Gaussian matrix’s of its shape, mean over seeds. 1, the thin line: no collapse.",
            [(_cut(name, NAME), value, f"{value:.3f}") for name, value in fields if (name, value) in kept],
            len(fields) > FIELDS and f"The {FIELDS} lowest of {len(fields)} fields; record.json has all of them.",
        ),
        _bars(
            "Spectra per layer",
            "The same of a batch of validation data after each layer; layer 0 is the embedding. Mean over seeds ± sd.",
            [(name, mean, f"{mean:.3f}" + ("" if sd is None else f" ± {sd:.3f}")) for name, (mean, sd) in layers[:LAYERS]],
            len(layers) > LAYERS and f"The first {LAYERS} of {len(layers)} layers.",
        ),
    ]
    return [bars for bars in told if bars["rows"]]


def _bars(title: str, caption: str, rows: Sequence[tuple[str, float, str]], more: str | bool) -> dict[str, Any]:
    far = max([1.0, *(value for _, value, _ in rows)])
    shape = '<svg><rect width="{:.1f}%" height="7"/></svg>'
    drawn = [(name, Markup(shape.format(100 * max(0.0, value) / far)), told) for name, value, told in rows]
    return {"title": title, "caption": caption, "one": f"{100 / far:.1f}", "rows": drawn, "more": more}


def _curves(curves: Mapping[int, Sequence[tuple[float, float]]], values: Sequence[float]) -> Markup:
    """A line a seed over the epochs; ``values``: all of them, from the lowest on. Where training starts says little, and takes the room."""
    if not values:
        return Markup("")
    low, high = values[len(values) // 8], values[-1]
    low, high = low - max(0.05 * (high - low), 1e-5), high + max(0.05 * (high - low), 1e-5)
    epochs = [epoch for points in curves.values() for epoch, _ in points]
    first, last = min(epochs), max(max(epochs), min(epochs) + 1)

    def x(epoch: float) -> float:
        return WIDTH * (epoch - first) / (last - first)

    def y(value: float) -> float:
        return min(HEIGHT + 9.0, HEIGHT * (high - value) / (high - low))  # what is cut off leaves the axes downward

    step, digits = _step(high - low, 4)
    grid, numbers = [], []
    for count in range(ceil(low / step), floor(high / step) + 1):
        at = y(count * step)
        grid.append(f'<path class="grid" d="M0 {at:.1f}H{WIDTH}"/>')
        numbers.append(f'<text x="{LEFT - 5}" y="{TOP + at + 4:.1f}" text-anchor="end">{count * step:.{digits}f}</text>')
    stride = max(1, round(_step(last - first, 6)[0]))
    for epoch in range(ceil(first / stride) * stride, floor(last) + 1, stride):
        numbers.append(f'<text x="{LEFT + x(epoch):.1f}" y="{TOP + HEIGHT + 14}" text-anchor="middle">{epoch}</text>')
    numbers.append(f'<text x="{LEFT + WIDTH / 2:g}" y="{TOP + HEIGHT + 28}" text-anchor="middle">epoch</text>')
    lines, dots = [], []
    every = max(1, ceil(len(values) / POINTS))
    for seed, points in curves.items():
        top, best = max((value, -epoch) for epoch, value in points)
        kept = [(e, v) for place, (e, v) in enumerate(points) if place % every == 0 or (v, -e) == (top, best) or place == len(points) - 1]
        way = "L".join(f"{x(epoch):.0f} {y(value):.1f}" for epoch, value in kept)
        lines.append(f'<path d="M{way}"><title>seed {seed}</title></path>')
        dots.append(f'<circle cx="{LEFT + x(-best):.1f}" cy="{TOP + y(top):.1f}" r="3"/>')
    # Numbers alone: nothing in here is text from a record.
    return Markup(
        f'<svg class="curves" viewBox="0 0 {LEFT + WIDTH + RIGHT} {TOP + HEIGHT + BELOW}" role="img" aria-label="validation AUC per epoch">'
        f'<svg x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}">{"".join(grid)}{"".join(lines)}</svg>'
        f"{''.join(dots)}{''.join(numbers)}</svg>"
    )


def _step(span: float, most: int) -> tuple[float, int]:
    """Between ticks, 1, 2 or 5 tenths to some power, so that there are about ``most``; and the digits that tell them apart."""
    power = floor(log10(span / most))
    step = next(tick for tick in (1, 2, 5, 10) if tick * 10.0**power * most >= span) * 10.0**power
    return step, max(0, -power)


def _seeds(line: Line, curves: Mapping[int, Sequence[tuple[float, float]]]) -> dict[str, Any]:
    found = {name: line.group.metric(name) for name in ("best_epoch", "valid/auc", "test/auc")}
    rows = []
    for record in line.group.records[:SEEDS]:
        seed = record.trial.seed
        told = [text(found[name].get(seed), form) for name, form in (("best_epoch", "g"), ("valid/auc", ".5f"), ("test/auc", ".5f"))]
        auc = told[-1] if record.status == "finished" else record.status
        rows.append((str(seed), [str(len(curves.get(seed, ()))), *told[:2], auc]))
    count = len(line.group.records)
    more = f"The first {SEEDS} of {count} seeds." if count > SEEDS else ""
    names = ("seed", "epochs", "best epoch", "validation AUC", "test AUC")
    return {"title": "Seeds", "caption": "", "names": names, "rows": rows, "more": more}


def _doses(line: Line) -> dict[str, Any]:
    rows = [(_cut(name, NAME).replace("_", " "), [f"{dose:.2g}"]) for name, dose in line.row.doses.items()]
    caption = "What each part does to the model of the best epoch, a share of what it acts on, mean over seeds."
    return _table("Doses", caption, ("part", "dose"), rows)


def _knock_outs(line: Line) -> dict[str, Any]:
    parts = dict.fromkeys(name.rpartition("/")[0] for name in line.row.knock_outs)
    rows = [(_cut(name, NAME).replace("_", " "), acting.changed(line.row, name)) for name in parts]
    caption = "Change on validation data with a part of the trained model in its neutral form, mean over seeds."
    return _table("Knock-outs", caption, ("part", "AUC", "logloss"), rows)


def _table(title: str, caption: str, names: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> dict[str, Any]:
    more = f"The first {PARTS} of {len(rows)}." if len(rows) > PARTS else ""
    return {"title": title, "caption": caption, "names": names, "rows": rows[:PARTS], "more": more}


def _cut(words: str, most: int) -> str:
    """The middle goes: names that differ do so at their ends."""
    return words if len(words) <= most else f"{words[: most // 2]}…{words[-(most - most // 2 - 1) :]}"
