"""Seeds where verdicts are open: every board is looked at after each seed, and the rows that are undecided get one more."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from numbers import Integral
from statistics import fmean
from typing import TYPE_CHECKING

from benchmark.config import CONTROL, DELTA, FUTILITY, MAX_SEEDS, NO_BACKBONE, Cell, conditions
from benchmark.errors import UserError
from benchmark.metrics.looks import FIRST_LOOK, MOST_SEEDS
from benchmark.records import INERT, Record
from benchmark.search.cell_state import CellState

if TYPE_CHECKING:
    from benchmark.metrics.verdicts import Compared

Board = tuple[str, str]  # data set and its fingerprint: what Holm's rule goes over


@dataclass(frozen=True)
class UntilDecided:
    """Up to ``max_seeds`` seeds for each row; ``delta`` is the difference in AUC that makes none. Raises UserError.

    futility: an open row gets no more of them once the chance that ``max_seeds`` decide it is smaller; 0: it gets them all.
    """

    max_seeds: int
    delta: float = DELTA
    futility: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.max_seeds, Integral):
            raise UserError(f"max_seeds = {self.max_seeds!r}; it must be a whole number")
        if self.max_seeds < FIRST_LOOK:
            raise UserError(f"max_seeds = {self.max_seeds}; it must be at least {FIRST_LOOK}: one seed tells nothing of the noise")
        if self.max_seeds > MOST_SEEDS:
            raise UserError(f"max_seeds = {self.max_seeds}; it must be at most {MOST_SEEDS}, for which bounds are computed")
        if not 0 < self.delta <= 1:
            raise UserError(f"delta = {self.delta}; it must lie between 0 and 1")
        if not 0 <= self.futility < 1:
            raise UserError(f"futility = {self.futility}; it must be a chance below 1; 0: every open row gets all its seeds")

    def check(self, cells: Collection[Cell]) -> None:
        """Raises UserError where no row has anything to be compared with: each would get the first seeds, and no verdict."""
        rows, alone = _beside_controls(cells)
        if len(alone) == len(rows):
            has = any(cell.method == CONTROL for cell in cells)
            add = "give a product of the suite both" if has and rows else "add rows" if has else "add it to --methods"
            raise UserError(f"run: until verdicts are there seeds are given to rows beside their control, {CONTROL}; {add}")

    def stamped(self, record: Record) -> Record:
        """A final with the number of seeds up to which it is looked at: a board must know that somebody looked."""
        if record.trial.stage != "final" or record.status != "finished":
            return record
        design = {MAX_SEEDS: float(self.max_seeds), **({FUTILITY: self.futility} if self.futility else {})}
        return dataclasses.replace(record, metrics={**record.metrics, **design})


def _beside_controls(cells: Iterable[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The rows that are compared with a control, and those of them that have none."""
    members = [cell for cell in cells if cell.backbone != NO_BACKBONE]
    controlled = {conditions(cell) for cell in members if cell.method == CONTROL}
    rows = [cell for cell in members if cell.method != CONTROL]
    return rows, [cell for cell in rows if conditions(cell) not in controlled]


def board_of(cell: Cell) -> Board:
    return cell.dataset, cell.data


class Looking:
    """Test AUC of finals, which the cells' own states and with them the tuner do not have, and what it asks for."""

    def __init__(self, until: UntilDecided, states: Iterable[CellState]) -> None:
        self.until = until
        self._states = list(states)
        self._budgets = {state.budget for state in self._states}
        self._auc: dict[str, float | None] = {}  # trial id of a final -> None: tested, but not finished
        self._others: set[int] = set()  # up to how many seeds rows were looked at before, where that was another number
        self._looked: set[str] = set()  # trial ids of finals whose records say that they were looked at up to so many seeds, or more
        self._given: set[str] = set()  # trial ids of finals that are trainings of another cell
        self._dose: dict[str, float] = {}  # trial id of a final -> what its mitigation did, where that is known

    def heard(self, record: Record) -> None:
        if record.trial.stage == "final" and record.trial.budget in self._budgets:
            self._auc[record.trial_id] = record.metrics.get("test/auc") if record.status == "finished" else None
            if record.metrics.get(MAX_SEEDS, 0) >= self.until.max_seeds:
                self._looked.add(record.trial_id)
            if record.metrics.get(MAX_SEEDS, self.until.max_seeds) != self.until.max_seeds:
                self._others.add(round(record.metrics[MAX_SEEDS]))
            if record.is_shared:
                self._given.add(record.trial_id)
            if record.dose is not None:
                self._dose[record.trial_id] = record.dose

    def look(self, board: Board) -> list[str]:
        """Give the open rows of a board, and their controls, the seeds of their next look; the keys of the cells that now want more."""
        from benchmark.metrics.verdicts import due  # it imports SciPy, and a plan before a run has nothing to judge

        states = [state for state in self._states if board_of(state.cell) == board]
        compared, of_row = self._compared(states)
        wanting = []
        for (cell, row), seeds in due(compared, self.until.delta, self.until.futility).items():
            for state in (of_row[cell, row], of_row[cell, CONTROL_ROW]):
                if state.seeds < seeds:
                    state.seeds = seeds
                    wanting.append(state.cell.key)
        return wanting

    def account(self) -> str:
        """Verdicts by their number, the final trainings of these rows and their controls, and what a fixed number would take."""
        from benchmark.metrics.verdicts import futile, judge

        counts: dict[str, int] = defaultdict(int)
        spent = rows = given_up = 0
        elsewhere: list[Cell] = []
        for board in {board_of(state.cell): None for state in self._states}:
            compared, of_row = self._compared([state for state in self._states if board_of(state.cell) == board])
            for key, judgement in judge(compared, self.until.delta).items():
                counts[str(judgement.verdict)] += 1
                if judgement.verdict != "undecided" and not self._is_looked_at(of_row[key]):
                    elsewhere.append(of_row[key].cell)
            given_up += len(futile(compared, self.until.delta, self.until.futility))
            rows += len(of_row)
            spent += sum(len(cell.control) + sum(map(len, cell.rows.values())) for cell in compared.values())
            spent -= sum(trial.trial_id in self._given for state in of_row.values() for trial in state.finals(self.until.max_seeds))
        said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "no row has a control"
        most = self.until.max_seeds
        told = f"verdicts: {said}; {spent} final trainings, where {most} seeds for each of the {rows} cells would be {most * rows}"
        if given_up:
            given = f"{given_up} undecided row{'s' if given_up > 1 else ''} got no more seeds"
            told += f"\n{given}: the chance that {most} would decide was below {self.until.futility:g}"
        if alone := _beside_controls([state.cell for state in self._states])[1]:
            where = "at the same backbone, scale, depth and settings"
            told += f"\nnote: {len(alone)} row(s) have no {CONTROL} {where}: {FIRST_LOOK} seeds, and no verdict (the first: {alone[0]})"
        if self._others:
            before = " and ".join(map(str, sorted(self._others)))
            told += f"\nnote: rows were looked at up to {before} seeds before; a board's bounds are of the largest number that a row has"
        if elsewhere:
            count = f"{len(elsewhere)} of these verdicts {'is' if len(elsewhere) == 1 else 'are'} of seeds that were all there before"
            told += f"\nnote: {count}: a board judges such rows by the rule that they were trained by (the first: {elsewhere[0]})"
        return told

    def _is_looked_at(self, state: CellState) -> bool:
        """Whether a record of it says so, by which a board knows."""
        return any(trial.trial_id in self._looked for trial in state.finals(self.until.max_seeds))

    def _compared(self, states: Iterable[CellState]) -> tuple[dict[str, Compared], dict[tuple[str, str], CellState]]:
        """The rows of a board that have a control, both without a training that did not finish."""
        from benchmark.metrics.verdicts import Compared

        known = {state.cell.key: values for state in states if (values := self._values(state)) is not None}
        controls: dict[str, CellState] = {}
        members: dict[str, list[CellState]] = defaultdict(list)
        for state in states:
            cell = state.cell
            if cell.key not in known or cell.backbone == NO_BACKBONE:
                continue
            if cell.method == CONTROL:
                controls[conditions(cell)] = state
            elif not self._inert(state):  # of one that does nothing no number of seeds could tell anything
                members[conditions(cell)].append(state)
        compared: dict[str, Compared] = {}
        of_row: dict[tuple[str, str], CellState] = {}
        for name, control in controls.items():
            if members[name]:
                rows = {state.cell.key: known[state.cell.key] for state in members[name]}
                compared[name] = Compared(known[control.cell.key], rows, dict.fromkeys(rows, self.until.max_seeds))
                of_row |= {(name, CONTROL_ROW): control, **{(name, state.cell.key): state for state in members[name]}}
        return compared, of_row

    def _values(self, state: CellState) -> dict[int, float] | None:
        """Seed -> test AUC; None for a cell that cannot be built, or of which a training did not finish."""
        if state.incompatible or not state.settled:
            return None
        tested = {trial.seed: self._auc[trial.trial_id] for trial in state.finals(self.until.max_seeds) if trial.trial_id in self._auc}
        return None if None in tested.values() else {seed: auc for seed, auc in tested.items() if auc is not None}

    def _inert(self, state: CellState) -> bool:
        """As a board says it (reporting/acting.py)."""
        found = [self._dose[t.trial_id] for t in state.finals(self.until.max_seeds) if t.trial_id in self._dose]
        return bool(found) and fmean(found) < INERT


CONTROL_ROW = "control"  # no cell's key
