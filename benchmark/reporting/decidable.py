"""Recorded boards -> what each of their cells can decide: its noise, the seeds that a difference takes there, and the hours of those."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmark.config import CONTROL, NO_BACKBONE
from benchmark.errors import UserError
from benchmark.metrics.noise import Pool
from benchmark.metrics.power import MOST, difference_to_tell, seeds_to_tell
from benchmark.metrics.verdicts import LEVEL
from benchmark.records import Record
from benchmark.reporting import acting
from benchmark.reporting.board import View, folded
from benchmark.reporting.columns import Column
from benchmark.reporting.comparison import heading_of
from benchmark.reporting.group import Group
from benchmark.reporting.groups import by_conditions, groups, stores_named
from benchmark.reporting.tables import narrowed, tabulated
from benchmark.reporting.text import counted, shown, text
from benchmark.reporting.verdicts import AUC, compared_rows, noise_of, paired, seeds_text

SEEDS = (3, 5, 10)  # for which the table says what they show


@dataclass(frozen=True, kw_only=True)
class Decidable:
    """A cell of a board, its methods together."""

    board: str  # of which results folder, with the data set where the folder has several
    dataset: str
    backbone: str
    cell: str  # backbone and sizes, and what else tells it apart on its board
    df: int  # of sd
    sd: float  # of a paired difference in test AUC: √2 σ of the cell's two-way model, or, where the control is out of line, of own pairs
    seeds: int  # that a difference takes alone, with power .8; power.MOST: more than are looked for
    seconds: float | None  # a training, mean of all finished ones of the cell

    @property
    def hours(self) -> float | None:
        """Of a core or GPU, as it was trained: the seeds of a method and of its control. None: not known, or the seeds are too many."""
        return None if self.seconds is None or self.seeds >= MOST else 2 * self.seeds * self.seconds / 3600


def decidable(boards: Mapping[str, Iterable[Record]], difference: float) -> list[Decidable]:
    """Of every cell in which single embedding and another method have finished and left a noise; the cheapest first.

    boards: name -> records. difference: in AUC.
    """
    found = [cell for name, records in boards.items() for cell in _of_board(name, groups(records), difference)]
    return sorted(found, key=lambda cell: float("inf") if cell.hours is None else cell.hours)


def _of_board(name: str, known: list[Group], difference: float) -> Iterable[Decidable]:
    noisy = [group for group in known if group.cell.backbone != NO_BACKBONE and not acting.inert(group)]
    finished = [group for group in noisy if group.status == "finished" and group.metric(AUC)]
    finished.sort(key=lambda group: (group.label, group.conditions))
    controls = by_conditions(finished, CONTROL)
    several = len({group.label for group in finished}) > 1
    for conditions, rows in compared_rows(finished, controls).items():
        control = controls[conditions]
        pool = _noise(control, rows)
        if not pool.df or not pool.variance:
            continue
        sd = (2 * pool.variance) ** 0.5
        seconds = [value for group in (control, *rows) for value in group.cost("wall_seconds").values()]
        yield Decidable(
            board=f"{name} {control.label}" if several else name,
            dataset=control.cell.dataset,
            backbone=control.cell.backbone,
            cell=heading_of(control, [group for group in finished if group.label == control.label]),
            df=pool.df,
            sd=sd,
            seeds=seeds_to_tell(difference, sd),
            seconds=sum(seconds) / len(seconds) if seconds else None,
        )


def _noise(control: Group, rows: Sequence[Group]) -> Pool:
    """What verdicts of the cell have: the noise of its methods together, by all of their seeds, where verdicts of rows that looks decided
    are by those until then. Where the control is loud every row is judged by its own pairs, and it is the mean of theirs, with the degrees
    of freedom of the fewest pairs, which all have the control.
    """
    noise = noise_of(control, rows)
    if control.row not in noise.loud:
        return noise.shared
    pairs = [(row, differences) for row in rows if len(differences := paired(row, control)) > 1]
    own = [noise.between(row.row, control.row, differences) for row, differences in pairs]
    return Pool(fmean(pool.variance for pool in own), min(pool.df for pool in own), 2) if own else Pool(float("nan"), 0, 0)


def decidable_in(folders: Iterable[Path], difference: float) -> list[Decidable]:
    """``decidable`` of results folders. Raises UserError: no cell has a noise."""
    found = decidable(stores_named(folders), difference)
    if not found:
        where = ", ".join(map(str, folders))
        what = f"no cell in which {CONTROL} and another method have finished with two seeds or more, and left a noise"
        raise UserError(f"power: {where}: {what}; inert rows do not count")
    return found


def table(found: Sequence[Decidable], difference: float, width: int | None = None) -> str:
    """As text, with what its columns are. ``difference``: what ``found`` was made with."""
    heading = f"What the noise of {counted(len(found), 'recorded cell')} lets one see, the cheapest first"
    note = (
        "sd: of a paired difference in test AUC, with its degrees of freedom; of few it is itself uncertain (of 2 the true one lies "
        "between half and six times it, 95 %). Seen with n: the difference that n seeds show with power .8, alone, at level "
        f"{LEVEL:g}; Holm's rule over several takes more. Hours: of those seeds of a method and of {CONTROL}, at the speed of the recorded "
        "trainings, whatever else their machine did; tuning and grids come on top."
    )
    view = View(width=width)
    columns = _columns(difference)
    kept = columns if width is None else narrowed(found, columns, width, least=0)
    left = [column.name for column in columns if column not in kept]
    notes = [note, *([f"left out at {width} columns: {', '.join(left)}; a wider terminal has room"] if left else [])]
    parts = ["\n".join(folded([heading], view)), tabulated(found, kept, "table"), "\n".join(folded(notes, view))]
    return shown("\n\n".join(parts), "table")


def _seen(n: int, cell: Decidable) -> str:
    return f"{difference_to_tell(cell.sd, n):.4f}"


def _column(key: str, heading: str, form: Callable[[Decidable], str], rank: int, **more: Any) -> Column[Decidable]:
    return Column(key=key, heading=heading, text=form, value=form, rank=rank, **more)


def _columns(difference: float) -> list[Column[Decidable]]:
    return [
        _column("board", "board", lambda c: c.board, 0, numeric=False),
        _column("cell", "cell", lambda c: c.cell, 0, numeric=False),
        _column("df", "df", lambda c: str(c.df), 2),
        _column("sd", "sd", lambda c: f"{c.sd:.5f}", 1),
        *(_column(f"seen_{n}", f"seen\nwith {n}", partial(_seen, n), 3) for n in SEEDS),
        _column("seeds", f"seeds for\n{difference:g}", lambda c: seeds_text(c.seeds), 0),
        _column("seconds", "seconds a\ntraining", lambda c: text(c.seconds, ".0f"), 3),
        _column("hours", "hours", lambda c: text(c.hours, ".1f"), 0),
    ]
