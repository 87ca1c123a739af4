"""Which trial comes next: the whole matrix as an ask/tell object that knows no executor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from benchmark.config import Cell, Suite, Trial
from benchmark.records import Record
from benchmark.search.cells import default_trial
from benchmark.search.former import in_todays_words
from benchmark.search.tuner import STARTUP, Outcome, best, outcome, propose


class Pause(Enum):
    """Why there is no trial to hand out."""

    WAITING = "the next trial depends on one that is running"
    DONE = "everything is recorded"


@dataclass
class CellState:
    """Where a cell stands. With a budget of N > 1: N tuning trials, then the winner with each seed; with 1 the defaults at once."""

    cell: Cell
    budget: int
    seeds: int
    drawn: dict[int, tuple[Trial, Outcome]] = field(default_factory=dict)  # draw -> what it was and what came out
    tested: dict[str, str] = field(default_factory=dict)  # trial id of a final -> status
    running: dict[str, Trial] = field(default_factory=dict)
    incompatible: bool = False
    winner: Trial | None = None

    @property
    def draws(self) -> int:
        return self.budget if self.budget > 1 else 0

    def recall(self, record: Record) -> None:
        """Take in a record of an earlier run, in any order."""
        trial = record.trial
        if trial.stage == "final" and trial.budget == self.budget:
            self.incompatible |= record.status == "incompatible"
            self.tested[trial.trial_id] = record.status
        elif trial.stage == "tune" and trial.draw < self.draws:
            old = self.drawn.get(trial.draw)
            new = (trial, outcome(record))
            # Folders of two machines may hold one draw twice: the better status counts, then the smaller id, in any order.
            if old is None or _rank(new) < _rank(old):
                self.drawn[trial.draw] = new

    def retry_failed(self) -> None:
        """Forget failed trials, so that a new run trains them again.

        Failed tuning trials stay failed once a final of the cell has been tested. Trained now, one of them might win, and the new
        winner would be tested too: two looks at the test data for one cell.
        """
        if not any(status != "failed" for status in self.tested.values()):
            self.drawn = {draw: known for draw, known in self.drawn.items() if known[1].status != "failed"}
        self.tested = {trial_id: status for trial_id, status in self.tested.items() if status != "failed"}

    def tell(self, record: Record) -> None:
        self.running.pop(record.trial_id, None)
        if record.trial.stage == "tune":
            self.drawn[record.trial.draw] = (record.trial, outcome(record))
        else:
            self.incompatible |= record.status == "incompatible"
            self.tested[record.trial_id] = record.status

    def ask(self, parallel: int) -> Trial | None:
        """The next trial that may start while at most ``parallel`` tuning trials of this cell are under way, itself included."""
        trial = self._final() if len(self.drawn) == self.draws else self._draw(parallel)
        if trial is not None:
            self.running[trial.trial_id] = trial
        return trial

    def _draw(self, parallel: int) -> Trial | None:
        busy = {trial.draw for trial in self.running.values()}
        free = [draw for draw in range(self.draws) if draw not in self.drawn and draw not in busy]
        if not free or len(busy) >= parallel:
            return None
        default = default_trial(self.cell, "tune", seed=0, budget=1)
        return propose(self.cell, default, free[0], [known[1] for known in self.drawn.values()], self.running.values())

    def _final(self) -> Trial | None:
        trials = () if self.incompatible else self.finals()
        return next((t for t in trials if t.trial_id not in self.tested and t.trial_id not in self.running), None)

    def finals(self) -> tuple[Trial, ...]:
        """The winner with each seed: of the draws with the best validation AUC, or the defaults where no draw has finished."""
        if self.winner is None:
            first = best(known[1] for known in self.drawn.values())
            chosen = default_trial(self.cell, "final", 0, self.budget) if first is None else self.drawn[first.draw][0]
            self.winner = replace(chosen, stage="final", draw=0, budget=self.budget)
        return tuple(replace(self.winner, seed=seed) for seed in range(self.seeds))

    def progress(self) -> tuple[int, int]:
        if self.incompatible:
            return 1, 1
        finals = sum(t.trial_id in self.tested for t in self.finals()) if len(self.drawn) == self.draws else 0
        return len(self.drawn) + finals, self.draws + self.seeds


class Plan:
    """Ask for a trial, tell its record, until there is nothing left to ask.

    Recorded trials are never asked again, except those that failed (a crash, no memory): a new run tries them once more. A final
    is recognised by its id, a tuning trial by its cell and draw. Draws beyond the budget are left alone.
    The outcome is the same for every executor; the draws of a cell are the same, too, where its trials run one after another.
    """

    def __init__(self, suite: Suite, cells: Iterable[Cell], records: Iterable[Record] = ()) -> None:
        self._cells = {cell.key: CellState(cell, suite.trials, suite.seeds) for cell in cells}
        for record in records:
            trial = in_todays_words(record.trial)
            if trial.cell.key in self._cells:
                self._cells[trial.cell.key].recall(replace(record, trial=trial))
        for state in self._cells.values():
            state.retry_failed()
        self._open = [key for key, state in self._cells.items() if _is_open(state)]
        self._closed = [state.progress() for key, state in self._cells.items() if key not in set(self._open)]

    def ask(self) -> Trial | Pause:
        """A trial to run now.

        Cells are worked on in their order, as many at a time as there are workers: a cell tunes one trial after another, since
        each draw learns from those before it. Only workers that would stand idle get a further draw of a cell that is busy.
        """
        for parallel in (1, STARTUP):
            for key in self._open:
                trial = self._cells[key].ask(parallel)
                if trial is not None:
                    return trial
        return Pause.WAITING if self._open else Pause.DONE

    def tell(self, record: Record) -> None:
        """Call it when the record is safely stored."""
        key = record.trial.cell.key
        state = self._cells[key]
        state.tell(record)
        if key in self._open and not _is_open(state):
            self._open.remove(key)
            self._closed.append(state.progress())

    def open_cells(self) -> list[Cell]:
        """Cells with something left to train."""
        return [self._cells[key].cell for key in self._open]

    def progress(self) -> tuple[int, int]:
        """Trials recorded, and trials in all. A cell that cannot be built counts as one."""
        parts = [*self._closed, *(self._cells[key].progress() for key in self._open)]
        return sum(done for done, _ in parts), sum(total for _, total in parts)


def _is_open(state: CellState) -> bool:
    done, total = state.progress()
    return done < total


def _rank(known: tuple[Trial, Outcome]) -> tuple[bool, str]:
    return known[1].status == "failed", known[0].trial_id
