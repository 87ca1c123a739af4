"""How long a run still takes: by what its trainings took so far, each cell's to come as those let expect."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.config import NO_BACKBONE, Cell, Trial
from benchmark.record import Record
from benchmark.training.environment import WENT_ON

FEWEST, VAGUE = 3, 10.0  # trainings until time left is spoken of, and nothing is said that may as well be so many times as much
EVERY = 2.0  # seconds between two looks at all that is to come
Stage = Literal["tune", "final"]


class Term(NamedTuple):
    """A term of the logarithm of a training's seconds: its name and value for a cell, and the coefficient's prior."""

    name: tuple[str, ...]
    value: float
    mean: float
    sd: float


# Prior means and standard deviations, in natural logarithms of seconds. A data set's rows are not asked for, so anything may belong to it.
# A wider or deeper model takes longer, which the mean of the trainings so far does not know where cells come from the small to the large.
# REST: of a training around its cell's, by the epochs that it lasts; CELL: of a cell around what its terms say.
REST, CELL = 0.3, 0.3


def terms(cell: Cell, stage: Stage) -> list[Term]:
    """Of a training of the cell."""
    wide, deep, method = math.log(cell.scale), math.log(max(cell.depth, 1)), cell.method
    found = [Term(("mean",), 1.0, 0.0, 10.0), Term(("data set", cell.dataset), 1.0, 0.0, 1.5)]
    if stage == "tune":  # it is not tested, and may be stopped early
        found.append(Term(("tune",), 1.0, -0.3, 0.5))
    if cell.backbone == NO_BACKBONE:
        return [*found, Term(("method", method), 1.0, -3.0, 3.0)]
    named = [("backbone", cell.backbone), ("method", method)]
    found += [Term(("wide",), wide, 0.7, 0.4), Term(("deep",), deep, 0.7, 0.4)]
    found += [Term(name, 1.0, 0.0, 0.5) for name in named]
    return found + [Term((*name, size), value, 0.0, 0.3) for name in named for size, value in (("wide", wide), ("deep", deep)) if value]


class Pace:
    """Time left, by Bayes's linear regression on the logarithms of the seconds of the trainings that ended (Bishop 2006, section 3.3)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._columns: dict[tuple[str, ...], int] = {}
        self._precision, self._moment = np.zeros((0, 0)), np.zeros(0)
        self._cells: dict[tuple[str, Stage], list[float]] = defaultdict(list)  # logarithms of seconds
        self._began: dict[str, tuple[float, Cell, Stage]] = {}
        self._slots = self._count = 0
        self._said, self._looked = "", -math.inf

    def started(self, trial: Trial) -> None:
        self._began[trial.trial_id] = self._clock(), trial.cell, trial.stage
        self._slots = max(self._slots, len(self._began))

    def finished(self, record: Record) -> None:
        """Takes it in, unless it tells nothing of a training's time: it never began, is another cell's, or tells its last part's alone."""
        self._began.pop(record.trial_id, None)
        seconds = record.cost.get("wall_seconds", 0.0)
        if seconds <= 0 or record.is_shared or record.status in ("failed", "incompatible") or WENT_ON in record.environment:
            return
        cell, stage, took = record.trial.cell, record.trial.stage, math.log(seconds)
        row = self._row(cell, stage)
        weight = 1 / (REST**2 + CELL**2)
        self._precision += weight * np.outer(row, row)
        self._moment += weight * took * row
        self._cells[cell.key, stage].append(took)
        self._count += 1

    def left(self, to_come: Callable[[], Iterable[tuple[Cell, Stage, int]]]) -> str:
        """In words, with what lies two standard deviations around; empty while there is too little to go by, and at the end.

        to_come: cell, stage and number of the trainings that are not recorded yet, running ones among them.
        """
        if self._count < FEWEST:
            return ""
        if self._clock() >= self._looked + EVERY:
            self._said, self._looked = self._look(list(to_come())), self._clock()
        return self._said

    def _look(self, to_come: list[tuple[Cell, Stage, int]]) -> str:
        rows = [self._row(cell, stage) for cell, stage, _ in to_come]  # makes columns of what is new, so it stands first
        if not any(count for *_, count in to_come):
            return ""
        covariance = np.linalg.inv(self._precision)
        mean = covariance @ self._moment
        one = {(cell.key, stage): self._seconds(mean, row, cell, stage) for row, (cell, stage, _) in zip(rows, to_come, strict=True)}
        seconds = np.array([count * one[cell.key, stage] for cell, stage, count in to_come])
        # What is said of several cells is wrong for all of them alike, where it is wrong; what one training adds, is not.
        slope = sum((second * self._padded(row) for second, row in zip(seconds, rows, strict=True)), np.zeros(len(mean)))
        alone = sum(count * one[cell.key, stage] ** 2 for cell, stage, count in to_come) * (REST**2 + CELL**2)
        spread = 2 * math.sqrt(slope @ covariance @ slope + alone) / seconds.sum()
        if spread > math.log(VAGUE):
            return ""
        now, longest = self._clock(), max(one[cell.key, stage] for cell, stage, count in to_come if count)
        done = sum(min(now - began, one.get((cell.key, stage), 0.0)) for began, cell, stage in self._began.values())
        middle = max((seconds.sum() - done) / max(self._slots, 1), longest - (done if len(self._began) == 1 else 0.0), 0.0)
        return in_words(middle * math.exp(-spread), middle, middle * math.exp(spread))

    def _seconds(self, mean: NDArray[np.float64], row: NDArray[np.float64], cell: Cell, stage: Stage) -> float:
        """Of one training: what the terms say, and what the cell's own that ended say beyond."""
        expected = float(mean @ self._padded(row))
        known = self._cells.get((cell.key, stage), [])
        weight = CELL**2 / (CELL**2 + REST**2 / len(known)) if known else 0.0
        return math.exp(expected + weight * (sum(known) / len(known) - expected if known else 0.0))

    def _row(self, cell: Cell, stage: Stage) -> NDArray[np.float64]:
        """The values of its terms by column; a term that is new gets a column with its prior."""
        found = terms(cell, stage)
        new = [term for term in found if term.name not in self._columns]
        if new:
            self._columns |= {term.name: len(self._columns) + place for place, term in enumerate(new)}
            prior = np.array([1 / term.sd**2 for term in new])
            old = len(self._precision)
            grown = np.zeros((old + len(new), old + len(new)))
            grown[:old, :old] = self._precision
            grown[range(old, len(grown)), range(old, len(grown))] = prior
            self._precision = grown
            self._moment = np.concatenate([self._moment, prior * [term.mean for term in new]])
        row = np.zeros(len(self._columns))
        for term in found:
            row[self._columns[term.name]] = term.value
        return row

    def _padded(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.pad(row, (0, len(self._columns) - len(row)))


def in_words(low: float, middle: float, high: float) -> str:
    """Seconds in the unit of the middle one."""
    unit, name = (1.0, "s") if middle < 100 else (60.0, "min") if middle < 6000 else (3600.0, "h")
    digits = 1 if unit == 3600 else 0
    low_, middle_, high_ = (f"{value / unit:.{digits}f}" for value in (low, middle, high))
    return f"{middle_} {name} left ({low_} to {high_})"
