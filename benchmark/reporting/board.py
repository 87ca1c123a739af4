"""Rows -> the board as text: a table for a terminal, as wide as it is, or markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmark.config import NO_BACKBONE, halving
from benchmark.discovery import SINGULAR, Kind, names
from benchmark.errors import UserError
from benchmark.record import SHARED
from benchmark.reporting import acting
from benchmark.reporting.columns import COLUMNS, OPEN, SHORT, Column
from benchmark.reporting.tables import PLACE, chosen, in_parts, laid_out, tabulated
from benchmark.reporting.text import counted, trials_of
from benchmark.reporting.verdicts import noise, rule_of
from benchmark.values import canonical, plain

if TYPE_CHECKING:
    from benchmark.reporting.leaderboard import Row

Format = Literal["table", "markdown"]
LISTED = 8  # rows that a line names
NAMED = 2  # cells of which the same note stands out in full


@dataclass(frozen=True, kw_only=True)
class View:
    """How a board is shown.

    width:   of the terminal, in characters: columns are left out until the table fits, names are never cut; None: however wide it gets
    columns: keys of ``COLUMNS``, shown in this order whatever the width; none given: those that say something
    grouped: a block a backbone, scale and depth, instead of columns that say so; on a narrow terminal it comes to that by itself
    details: also what models say of themselves
    first:   so many rows of the table only, a line saying so; None: all
    """

    width: int | None = None
    columns: tuple[str, ...] = ()
    grouped: bool = False
    details: bool = False
    first: int | None = None


def board(label: str, members: Sequence[Row], format: Format, view: View, whole: Sequence[Row]) -> str:
    """One data set's board: heading, table, and below it what must be said about it. ``whole``: all its rows, of which ``members`` are
    shown: verdicts are made over all of them, and so the noise is of all of them.
    """
    finished = sum(row.status == "finished" for row in whole)
    heading = f"{plain(label)}: {finished} of {counted(len(whole), 'cell')} finished, tuning trials per cell: {tuned(whole)}"
    lost = _draws_lost(whole)
    heading += f", draws lost: {lost}" if lost else ""
    heading += f"; {len(members)} of them shown" if len(members) < len(whole) else ""
    lines = list(dict.fromkeys(map(plain, remarks(members, whole))))
    shown = members[: view.first]
    if left := len(members) - len(shown):
        lines.insert(0, f"{counted(left, 'more row')} {'is' if left == 1 else 'are'} not shown here")
    inner = _internal_states(members, format, view.width) if view.details else []
    inner += acting.table_of_knock_outs(members, format, view.width)
    if format == "markdown":
        table = tabulated(shown, wanted(members, view), format)
        return "\n".join([f"### {heading}", "", table, *([""] if lines else []), *(f"- {line}" for line in lines), *inner])
    columns = wanted(shown, view)
    kept, grouped = chosen(shown, columns, view.width, view.grouped, keep=bool(view.columns))
    lines = [*_left_out(columns, kept, view), *lines]
    table = laid_out(shown, kept, grouped)
    return "\n".join([*folded([heading], view), "", table, *([""] if lines else []), *folded(lines, view), *inner])


def _draws_lost(whole: Iterable[Row]) -> int:
    """Tuning trainings that failed for good, each once: rows of one cell share them, as a larger budget has the draws of a smaller one."""
    cells: dict[tuple[object, ...], int] = {}
    for row in whole:
        cell = row.method, row.backbone, row.scale, row.depth, row.dimension, row.overrides
        cells[cell] = max(row.draws_lost, cells.get(cell, 0))
    return sum(cells.values())


def tuned(members: Iterable[Row]) -> str:
    """How many tuning trials a cell had, and how they were stopped, where they were; of sanity rows, which are not tuned, where there are
    no others.
    """
    rows = list(members)
    found: dict[tuple[int, tuple[int, ...]], set[int | None]] = {}
    for row in [row for row in rows if row.backbone != NO_BACKBONE] or rows:
        found.setdefault((row.tuning_trials, row.tuning_rungs), set()).add(row.grid_points)
    said = [(trials_of(trials, points), rungs) for (trials, rungs), points in sorted(found.items(), key=lambda item: item[0])]
    return ", ".join(f"{trials}, stopped early by {halving(rungs)}" if rungs else trials for trials, rungs in said)


def folded(lines: Iterable[str], view: View) -> list[str]:
    """The lines, in as many as the view's width makes of them."""
    if view.width is None:
        return list(lines)
    return [part for line in lines for part in textwrap.wrap(line, max(40, view.width), subsequent_indent="  ", break_on_hyphens=False)]


def folded_text(text: str, view: View) -> str:
    """The text with its sentences folded to the view's width; tables, and lines that fit, are as they were."""
    lines = text.split("\n")
    return "\n".join(part for line in lines for part in ([line] if "  " in line.strip() else folded([line], view) or [""]))


def wanted(members: Sequence[Row], view: View) -> list[Column[Row]]:
    if view.columns:
        by_key = {column.key: column for column in COLUMNS}
        return [by_key[key] for key in view.columns]
    return [column for column in COLUMNS if column.where in ("both", "terminal") and column.when(members)]


def _left_out(columns: Sequence[Column[Row]], kept: Sequence[Column[Row]], view: View) -> list[str]:
    """That a terminal is too narrow for some of the columns."""
    keys = {*PLACE, *(column.key for column in kept)}
    left = [column.name for column in columns if column.key not in keys]
    said = [f"left out at {view.width} columns: {', '.join(left)}; a wider terminal has room, and --columns chooses"] if left else []
    return said + ([f"verdict in short; {OPEN}: undecided"] if SHORT in kept else [])


def _internal_states(board: Sequence[Row], format: Format, width: int | None) -> list[str]:
    """A table of what models say of themselves: a row a cell, a column a quantity, its value at each layer from 0 on."""
    states = [(row, row.internal_state) for row in board if row.internal_state]
    quantities = sorted({name.rpartition("/")[2] for _, state in states for name in state})
    if not quantities:
        return []

    def values(state: Mapping[str, float], quantity: str) -> str:
        layers = sorted((name for name in state if name.rpartition("/")[2] == quantity), key=lambda name: (len(name), name))
        return " ".join(f"{state[name]:.3g}" for name in layers) or "-"

    lead, which = acting.places([row for row, _ in states])
    headers = [*lead, *(quantity.replace("_", " ") for quantity in quantities)]
    lines = [[*texts, *(values(state, q) for q in quantities)] for (_, state), texts in zip(states, which, strict=True)]
    table = in_parts(headers, lines, format, width, lead=len(lead))
    return ["", "What the models say of themselves, at each layer from 0 on (mean over seeds):", "", table]


def remarks(board: Sequence[Row], whole: Sequence[Row]) -> Iterable[str]:
    """The lines under a board of rows chosen from a ``whole`` one, which the noise is of; equal ones are said once."""
    for row in board:
        if row.bayes_auc is not None:
            optimum = f"AUC {row.bayes_auc:.5f}" + ("" if row.bayes_logloss is None else f", logloss {row.bayes_logloss:.5f}")
            yield f"Bayes optimum: {optimum}: no method can be expected above it"
        if row.test_auc_unseen_pairs_mean is not None:
            some = f"{row.unseen_pairs_rows:,.0f} test rows, {row.unseen_pairs_positives:,.0f} of them positive"
            yield f"AUC unseen pairs: over {some}, whose pair of two fields no training row has (docs/data.md)"
    judged = [row for row in whole if row.verdict]
    alike = [row for row in judged if not row.own_noise] or judged
    yield from noise([r.delta_sd for r in alike if r.delta_sd is not None], len(judged))
    yield from _rules(judged)
    yield from _beyond(judged)
    yield from _given_up(judged)
    if any(row.tuning_trials > 1 and not row.won for row in judged):
        yield "tuned: verdicts are on the settings that won; what the luck of the draws adds is in no interval (docs/mathematics.md, 5)"
    if any(row.won for row in judged):
        yield "by grid: verdicts are on the values that won (docs/mathematics.md, 5)"
    yield from _at_end(whole)
    for row in board:
        if row.status != "finished":
            cell = "" if row.backbone == NO_BACKBONE else f", {row.backbone}, scale {row.scale}, depth {row.depth}"
            yield f"{row.status}: {row.method}{cell}: {row.reason or 'no reason recorded'}"
    yield from (f"note: {note}" for note in _once(note for row in board for note in _noted(row, whole)))
    yield from _not_here(whole)
    for row in sorted(board, key=lambda r: r.protocol):
        if row.protocol:
            yield f"protocol {row.protocol}: {row.overrides}"


def _rules(judged: Sequence[Row]) -> Iterable[str]:
    """By which rule each verdict is made, where a board has several: rows that were looked at after each seed have wider bounds."""
    found: dict[tuple[int | None, float], list[Row]] = {}
    for row in judged:
        found.setdefault((row.max_seeds, row.futility), []).append(row)
    if len(found) < 2:
        return
    *few, (most, others) = sorted(found.items(), key=lambda rule: len(rule[1]))
    told = [f"{_named(rows)} by {rule_of(*rule)}" for rule, rows in few]
    yield f"verdicts are made by {len(found)} rules, Holm's over all: {'; '.join(told)}; the other {len(others)} by {rule_of(*most)}"


def _beyond(judged: Sequence[Row]) -> Iterable[str]:
    """Which rows have seeds that came after their last look, at which the level was spent."""
    found: dict[int, list[Row]] = {}
    for row in judged:
        if row.max_seeds is not None and row.delta_seeds > row.max_seeds:
            found.setdefault(row.max_seeds, []).append(row)
    for most, rows in sorted(found.items()):
        said = f"seeds after the last look, at {most}, are in AUC and Δ, not in the verdict, whose level is spent there: {_named(rows)}"
        again = f"`run SUITE --until-decided --max-seeds N`, N above {max(row.delta_seeds for row in rows)}, looks by the bounds of N"
        undecided = any(row.verdict == "undecided" for row in rows)
        yield f"{said}; {again}: another design (docs/mathematics.md, 5.1)" if undecided else said


def _given_up(judged: Sequence[Row]) -> Iterable[str]:
    """Which undecided rows got no more seeds, as the last ones would hardly decide them: they lack no training."""
    found: dict[tuple[int | None, float], list[Row]] = {}
    for row in judged:
        if row.given_up:
            found.setdefault((row.max_seeds, row.futility), []).append(row)
    for (most, chance), rows in sorted(found.items(), key=lambda rule: rule[0]):
        yield f"given up, as {most} seeds would decide them with a chance below {chance:g}: {_named(rows)}"


def _at_end(whole: Sequence[Row]) -> Iterable[str]:
    """Where the first or the last value of a grid won, another one beyond it might do better."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in whole:
        for name in row.won_at_end:
            found.setdefault((name.partition(".")[2], canonical(row.won[name])), []).append(row)
    for (name, value), rows in found.items():
        yield f"an end of the grid's {name}, {value}, won, and none beyond it was tried: {_named(rows)}"


def _named(rows: Sequence[Row]) -> str:
    """The first of them with their cells; a cell that all are of stands once, behind them."""
    cells = [f"{row.backbone} {row.scale}× depth {row.depth}" for row in rows]
    alike = len(rows) > 1 and len(set(cells)) == 1
    names = [row.method if alike else f"{row.method} {cell}" for row, cell in zip(rows, cells, strict=True)]
    more = f" and {len(rows) - LISTED} more" if len(rows) > LISTED else ""
    return ", ".join(names[:LISTED]) + more + (f" ({cells[0]})" if alike else "")


def _not_here(whole: Sequence[Row]) -> Iterable[str]:
    """Which methods and backbones of a board's records are no plug-ins where the board is made: their rows cannot be trained again here."""
    recorded: dict[Kind, set[str]] = {
        "methods": {row.method.partition(":")[0] for row in whole},  # of a preset the method
        "backbones": {row.backbone for row in whole} - {NO_BACKBONE},
    }
    try:
        gone = [f"{SINGULAR[kind]} {name}" for kind, known in recorded.items() for name in sorted(known.difference(names(kind)))]
    except UserError:  # BENCHMARK_PLUGINS is wrong, which is the trouble of what needs plug-ins
        return
    if gone:
        yield f"no plug-in of that name is here now: {', '.join(gone)}; rows stand as they were recorded"


def _noted(row: Row, whole: Sequence[Row]) -> Iterable[str]:
    """Its notes. That it has another row's training holds of its cell: where other cells of its method and scale have one of their own, the
    note names it.
    """
    beside = [r for r in whole if (r.method, r.scale, r.status) == (row.method, row.scale, "finished") and r.backbone != NO_BACKBONE]
    for note in row.notes:
        if note.endswith(SHARED) and not all(note in r.notes for r in beside):
            note = note.replace(
                f"{row.method} at scale {row.scale} is", f"{row.method} {row.backbone} {row.scale}× depth {row.depth} is", 1
            )
        yield note


def _once(notes: Iterable[str]) -> Iterable[str]:
    """What is noted of several cells in the same words, once, with how many and the first of them."""
    cells: dict[str, dict[str, None]] = {}
    for note in notes:
        cell, _, words = note.partition(": ")
        cells.setdefault(words or note, {})[cell] = None
    for words, named in cells.items():
        if words in named:
            yield words
        elif len(named) <= NAMED:
            yield from (f"{cell}: {words}" for cell in named)
        else:
            yield f"of {len(named)} cells, {', '.join([*named][:NAMED])} …: {words}"


def legend(rows: Sequence[Row], keys: set[str] | None = None) -> list[str]:
    """What the columns are, a line a sentence. ``keys``: of the columns that are shown; None: of all that have something to show."""
    known = {column.key for column in COLUMNS if column.when(rows)} if keys is None else keys
    lines = [text for of, text in LEGEND if not of or not known.isdisjoint(of)]
    if any(row.backbone == NO_BACKBONE for row in rows):
        lines.append("Rows without a backbone are sanity rows: no interaction model should stand below them.")
    return lines


# Keys of the columns that a sentence is about; none: of the board.
LEGEND: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (),
        "Ranked by mean test AUC over seeds, ± sample standard deviation. Less collapse alone does not make a better model: read both.",
    ),
    (
        ("delta",),
        "Δ to SE: test AUC less single_embedding's at the same width and setting, paired by seed, ± half the 95 % interval of these pairs.",
    ),
    (
        ("verdict",),
        "verdict: on that difference, with the noise of the cell's methods, as the intervals of `claims` (docs/mathematics.md, "
        "section 5.1), and Holm's correction.",
    ),
    (
        ("acts",),
        "acts: how much of the logits' spread changes without what the row adds, where measured, else its largest dose (docs/methods.md); "
        "inert: below .01, no verdict.",
    ),
    (
        ("ia", "rank_table", "rank_last"),
        "IA: information abundance, Σσ/σ_1; eff. rank: exp of the entropy of σ/Σσ; σ singular values. Both count the dimensions in use.",
    ),
    (
        ("ia", "rank_table"),
        "table: mean over the fields with at least as many learned values as the width; a field with fewer cannot collapse.",
    ),
    (
        ("rank_last",),
        "last: batch of validation data at the last interaction layer, mean over its rows; where rows are fields, over those same fields.",
    ),
    (("table", "dense"), "params: the embedding table, and all the rest."),
    (("speed",), "samples/s: in training, on the machine that ran it."),
)
