"""Which trial comes next: the whole matrix as an ask/tell object that knows no executor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum

from benchmark.config import Cell, Stage, Suite, Trial
from benchmark.metrics.looks import FIRST_LOOK
from benchmark.records import Record
from benchmark.search.cell_state import CellState
from benchmark.search.cells import default_trial
from benchmark.search.former import TodaysWords
from benchmark.search.tuner import STARTUP
from benchmark.search.twins import twin_of
from benchmark.search.until_decided import Board, Looking, UntilDecided, board_of


class Pause(Enum):
    """Why there is no trial to hand out."""

    WAITING = "the next trial depends on one that is running"
    DONE = "everything is recorded"


class Plan:
    """Ask for a trial, tell its record, until there is nothing left to ask.

    Recorded trials are never asked again, except those that failed (a crash, no memory): a new run tries them once more. One whose worker
    was lost is asked again in this run already, before the cell goes on (benchmark/search/cell_state.py). A final
    is recognised by its id, a tuning trial by its cell, draw and seed. Draws beyond the budget are left alone.
    The outcome is the same for every executor; the draws of a cell are the same, too, where its trials run one after another.
    ``until``: the number of final seeds is no longer the suite's, but grows where verdicts need it (benchmark/search/until_decided.py).
    ``twins``: cells, by their keys, that have the trainings of another one (benchmark/search/twins.py) and are asked for none.

    told_before: the records of earlier runs that are those of other cells, too
    """

    def __init__(
        self,
        suite: Suite,
        cells: Iterable[Cell],
        records: Iterable[Record] = (),
        until: UntilDecided | None = None,
        twins: Mapping[str, Cell] | None = None,
    ) -> None:
        seeds = suite.seeds if until is None else FIRST_LOOK
        self._cells = {cell.key: CellState(cell, suite.budget, seeds, has_tuner=not suite.grid) for cell in cells}
        self._looking = None if until is None else Looking(until, self._cells.values())
        words = TodaysWords()
        sources = {cell.key for cell in (twins or {}).values()}
        self.told_before: list[Record] = []
        for record in records:
            trial = words.of(record.trial)
            if trial.cell.key in self._cells:
                known = record if trial is record.trial else replace(record, trial=trial)
                self._cells[trial.cell.key].recall(known)
                if record.status != "failed":  # those are trained again
                    self._heard(known)
                    if trial.cell.key in sources and trial is record.trial:
                        self.told_before.append(record)
        for state in self._cells.values():
            state.recalled()
            if until is not None:
                state.seeds = max(state.seeds, state.tested_seeds(until.max_seeds))  # a decided row has them, too
        self._twins: dict[str, list[str]] = defaultdict(list)  # key of a cell -> keys of those that have its trainings
        for key, source in (twins or {}).items():
            if self._cells[key].could_be(self._cells[source.key]):
                self._twins[source.key].append(key)
        given = [key for keys in self._twins.values() for key in keys]
        self._given = {key: default_trial(self._cells[key].cell, "final", 0, suite.budget).method for key in given}  # with its own settings
        self._open = [key for key, state in self._cells.items() if state.is_open]
        self._closed = {key: state.progress() for key, state in self._cells.items() if not state.is_open}
        for board in {board_of(state.cell): None for state in self._cells.values()}:
            self._look(board)

    def ask(self) -> Trial | Pause:
        """A trial to run now.

        Cells are worked on in their order, as many at a time as there are workers: a cell tunes one trial after another, since
        each draw learns from those before it. Only workers that would stand idle get a further draw of a cell that is busy.
        """
        for parallel in (1, STARTUP):
            for key in self._open:
                trial = None if key in self._given else self._cells[key].ask(parallel)
                if trial is not None:
                    return trial
        if self._open and not any(state.running for state in self._cells.values()):
            for key in self._open:  # what a twin's other cell has not given by now it will not give
                trial = self._cells[key].ask(STARTUP)
                if trial is not None:
                    return trial
        return Pause.WAITING if self._open else Pause.DONE

    def tell(self, record: Record) -> None:
        """Call it when the record is safely stored."""
        key = record.trial.cell.key
        state = self._cells[key]
        state.tell(record)
        if self.comes_again(record):
            return
        self._heard(record)
        if key in self._open and not state.is_open:
            self._open.remove(key)
            self._closed[key] = state.progress()
            self._look(board_of(state.cell))

    def comes_again(self, record: Record) -> bool:
        """Of a record that has been told: whether its worker was lost, and its trial will be asked once more."""
        return record.was_lost and record.trial_id in self._cells[record.trial.cell.key].lost

    def twins_of(self, record: Record) -> Iterator[Record]:
        """What the record is for the cells that have its training, where they have not got it. Of a trial that comes again: nothing yet."""
        for key in () if self.comes_again(record) else self._twins.get(record.trial.cell.key, ()):
            state = self._cells[key]
            trial = replace(record.trial, cell=state.cell, method=self._given[key])
            if state.lacks(replace(record, trial=trial)):
                yield twin_of(record, trial)

    def left(self, state: CellState) -> tuple[int, int]:
        """Trainings of a cell still to come: of tuning, and finals. A twin has none of its own."""
        return (0, 0) if state.cell.key in self._given else state.left()

    @property
    def given(self) -> int:
        """Cells that have the trainings of another one."""
        return len(self._given)

    def paused_for_good(self, cell: Cell) -> list[str]:
        """The trial ids of the cell's draws that were stopped and will not go on: nobody needs their checkpoints."""
        return self._cells[cell.key].paused_for_good() if cell.rungs else []

    def best(self, cell: Cell) -> float | None:
        """The highest validation AUC of the cell's tuning draws so far."""
        return self._cells[cell.key].best()

    def stamped(self, record: Record) -> Record:
        """The record as it is to be stored: a final says up to how many seeds its row is looked at."""
        return record if self._looking is None else self._looking.until.stamped(record)

    def account(self) -> str:
        """What was decided and what that took, in words; empty where the suite says how many seeds."""
        return "" if self._looking is None else self._looking.account()

    def states(self) -> Collection[CellState]:
        """Where each cell stands."""
        return self._cells.values()

    def open_cells(self) -> list[Cell]:
        """Cells with something left to train."""
        return [self._cells[key].cell for key in self._open]

    def is_tested(self, trial: Trial) -> bool:
        """Whether there is a record of that final, not of a failure."""
        return trial.trial_id in self._cells[trial.cell.key].tested

    def trainings_left(self) -> Iterator[tuple[Cell, Stage, int]]:
        """Cell, stage, and how many trainings of it are not recorded yet, as far as is known; a running one is not."""
        for state in (self._cells[key] for key in self._open):
            tune, final = self.left(state)
            yield state.cell, "tune", tune
            yield state.cell, "final", final

    def progress(self) -> tuple[int, int]:
        """Trials recorded, and trials in all as far as is known. A cell that cannot be built counts as one."""
        parts = [*self._closed.values(), *(self._cells[key].progress() for key in self._open)]
        return sum(done for done, _ in parts), sum(total for _, total in parts)

    def _heard(self, record: Record) -> None:
        if self._looking is not None:
            self._looking.heard(record)

    def _look(self, board: Board) -> None:
        """Open the cells of a board again that need further seeds, once none of it is open."""
        if self._looking is None or any(board_of(self._cells[key].cell) == board for key in self._open):
            return
        for key in self._looking.look(board):
            if self._cells[key].is_open:
                self._open.append(key)
                del self._closed[key]
            else:  # its further seeds are recorded already
                self._closed[key] = self._cells[key].progress()
