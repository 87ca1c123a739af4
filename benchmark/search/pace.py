"""How long a run still takes: by what its trainings took so far, each cell's to come as those let expect."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.config import NO_BACKBONE, Cell, Stage, Trial
from benchmark.record import Record
from benchmark.training.environment import WENT_ON

FEWEST, VAGUE = 3, 10.0  # trainings until time left is spoken of, and nothing is said that may as well be so many times as much
EVERY = 2.0  # seconds between two looks at all that is to come
Sparse = tuple[NDArray[np.intp], NDArray[np.float64]]  # columns and values of a row that is 0 elsewhere


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
        self._rows: dict[tuple[str, Stage], Sparse] = {}
        self._precision, self._moment = np.zeros((0, 0)), np.zeros(0)
        self._known: dict[tuple[str, Stage], list[float]] = defaultdict(list)  # logarithms of seconds
        self._began: dict[str, tuple[float, tuple[str, Stage]]] = {}
        self._slots = self._count = 0
        self._said, self._looked = "", -math.inf

    def started(self, trial: Trial) -> None:
        self._began[trial.trial_id] = self._clock(), (trial.cell.key, trial.stage)
        self._slots = max(self._slots, len(self._began))

    def finished(self, record: Record) -> None:
        """Takes it in, unless it tells nothing of a training's time: it never began, is another cell's, or tells its last part's alone."""
        self._began.pop(record.trial_id, None)
        seconds = record.cost.get("wall_seconds", 0.0)
        if seconds <= 0 or record.is_shared or record.status in ("failed", "incompatible") or WENT_ON in record.environment:
            return
        cell, stage, took = record.trial.cell, record.trial.stage, math.log(seconds)
        columns, values = self._row(cell, stage)
        weight = 1 / (REST**2 + CELL**2)
        self._precision[np.ix_(columns, columns)] += weight * np.outer(values, values)
        self._moment[columns] += weight * took * values
        self._known[cell.key, stage].append(took)
        self._count += 1

    def left(self, to_come: Callable[[], Iterable[tuple[Cell, Stage, int]]]) -> str:
        """In words, with what lies two standard deviations around; empty while there is too little to go by, and at the end.

        to_come: cell, stage and number of the trainings that are not recorded yet, running ones among them.
        """
        if self._count < FEWEST:
            return ""
        if self._clock() >= self._looked + EVERY:
            left: Counter[tuple[str, Stage]] = Counter()
            for cell, stage, count in to_come():
                if count:
                    self._row(cell, stage)
                    left[cell.key, stage] += count
            self._said, self._looked = self._look(left) if left else "", self._clock()
        return self._said

    def _look(self, left: Mapping[tuple[str, Stage], int]) -> str:
        covariance = np.linalg.inv(self._precision)
        mean = covariance @ self._moment
        one: dict[tuple[str, Stage], float] = {}
        total, alone, slope = 0.0, 0.0, np.zeros(len(mean))
        for which, count in left.items():
            columns, values = self._rows[which]
            one[which] = self._seconds(float(mean[columns] @ values), which)
            total += count * one[which]
            alone += count * one[which] ** 2 * (REST**2 + CELL**2)
            slope[columns] += count * one[which] * values
        # What is said of several cells is wrong for all of them alike, where it is wrong; what one training adds, is not.
        spread = 2 * math.sqrt(slope @ covariance @ slope + alone) / total
        if spread > math.log(VAGUE):
            return ""
        now, longest = self._clock(), max(one.values())
        done = sum(min(now - began, one.get(which, 0.0)) for began, which in self._began.values())
        middle = max((total - done) / max(self._slots, 1), longest - (done if len(self._began) == 1 else 0.0), 0.0)
        return in_words(middle * math.exp(-spread), middle, middle * math.exp(spread))

    def _seconds(self, expected: float, which: tuple[str, Stage]) -> float:
        """Of one training: what its terms say, and what those of its cell that ended say beyond."""
        known = self._known.get(which)
        if not known:
            return math.exp(expected)
        return math.exp(expected + CELL**2 / (CELL**2 + REST**2 / len(known)) * (sum(known) / len(known) - expected))

    def _row(self, cell: Cell, stage: Stage) -> Sparse:
        """The columns and the values of its terms; a term that is new gets a column with its prior."""
        if (cell.key, stage) not in self._rows:
            found = terms(cell, stage)
            new = [term for term in found if term.name not in self._columns]
            self._columns |= {term.name: len(self._columns) + place for place, term in enumerate(new)}
            prior, old = np.array([1 / term.sd**2 for term in new]), len(self._precision)
            grown = np.zeros((old + len(new), old + len(new)))
            grown[:old, :old] = self._precision
            grown[range(old, len(grown)), range(old, len(grown))] = prior
            self._precision = grown
            self._moment = np.concatenate([self._moment, prior * [term.mean for term in new]])
            self._rows[cell.key, stage] = np.array([self._columns[term.name] for term in found]), np.array([term.value for term in found])
        return self._rows[cell.key, stage]


def in_words(low: float, middle: float, high: float) -> str:
    """Seconds in the unit of the middle one."""
    unit, name = (1.0, "s") if middle < 100 else (60.0, "min") if middle < 6000 else (3600.0, "h")
    digits = 1 if unit == 3600 else 0
    low_, middle_, high_ = (f"{value / unit:.{digits}f}" for value in (low, middle, high))
    return f"{middle_} {name} left ({low_} to {high_})"
