"""Where one cell of a plan stands: what is drawn, which draw won, which seeds are tested."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean

from benchmark.config import NO_BACKBONE, TUNING_SEEDS, Cell, Trial
from benchmark.records import Record
from benchmark.search.cells import default_trial
from benchmark.search.grid import draw_in, points
from benchmark.search.halving import left, repeats, still_in
from benchmark.search.tuner import Outcome, best, outcome, propose, space, winner

RETRIES = 2  # of a trial whose worker was lost, in one run: what kills its worker three times is taken to be the trial's own doing


@dataclass
class CellState:
    """Where a cell stands. With a budget of N > 1: N draws with the first tuning seed (with a grid, each of its points), the best of them
    with the other tuning seeds, then the winner with each final seed. With 1 the defaults at once, and so for a sanity row, which no
    verdict is drawn from, for a cell of which a suite's grid names nothing: a grid takes the tuner's place, and for one in which the suite
    fixes all that a tuner would search: its draws would be one training again and again. Where the cell has rungs, every draw pauses at
    the first; then the better half of them goes on to the next, and so on.

    A trial whose worker was lost comes again as it was, before anything else of the cell: what comes next depends on it.
    """

    cell: Cell
    budget: int
    seeds: int
    has_tuner: bool = True  # which draws where the cell has no grid; False: its suite has one
    drawn: dict[int, tuple[Trial, Outcome]] = field(default_factory=dict)  # draw -> what it was and what came out
    again: dict[str, Outcome] = field(default_factory=dict)  # trial id of a draw with one of the other tuning seeds -> what came out
    made: dict[tuple[str, int], Trial] = field(default_factory=dict)  # trial id of a draw, other seed -> that trial, made once
    tested: dict[str, str] = field(default_factory=dict)  # trial id of a final -> status
    running: dict[str, Trial] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)  # trial id -> workers lost in this run
    lost: dict[str, Trial] = field(default_factory=dict)  # to be trained again
    incompatible: bool = False
    winner: Trial | None = None  # with seed 0, once it is known
    # Finals of an earlier run, those alike but for the seed: with seed 0, and their validation AUC if they have finished
    recorded: dict[str, list[tuple[Trial, float | None]]] = field(default_factory=dict)
    seeded: list[Trial] = field(default_factory=list)  # the winner by seed, made once: each training asks for all of their ids

    @cached_property
    def draws(self) -> int:
        if self.cell.grid:
            return len(points(self.cell))
        is_tuned = self.has_tuner and self.budget > 1 and self.cell.backbone != NO_BACKBONE and space(self.cell)
        return self.budget if is_tuned else 0

    def recall(self, record: Record) -> None:
        """Take in a record of an earlier run, in any order."""
        if record.trial.stage == "tune" and [*record.trial.cell.grid] != [*self.cell.grid]:
            record = replace(record, trial=replace(record.trial, draw=draw_in(self.cell, record.trial), cell=self.cell))
        trial = record.trial
        if trial.stage == "final" and trial.budget == self.budget:
            self.incompatible |= record.status == "incompatible"
            self.tested[trial.trial_id] = record.status
            if record.status != "failed":
                alike = replace(trial, seed=0)
                score = record.metrics.get("valid/auc", 0.0) if record.status == "finished" else None
                self.recorded.setdefault(alike.trial_id, []).append((alike, score))
        elif trial.stage == "tune" and trial.draw < self.draws:
            if trial.seed == TUNING_SEEDS[0]:
                old = self.drawn.get(trial.draw)
                new = (trial, outcome(record))
                # Folders of two machines may hold one draw twice: the better status counts, then the smaller id, in any order.
                if old is None or _rank(new) < _rank(old):
                    self.drawn[trial.draw] = new
                    if record.was_lost:
                        self.lost[trial.trial_id] = trial
            elif trial.seed in TUNING_SEEDS and record.status != "failed":
                self.again[trial.trial_id] = outcome(record)

    def recalled(self) -> None:
        """After the last ``recall``: forget failed trials, so that a new run trains them again.

        Where a final of a tuned cell has been tested, its settings are the winner for good. Tuned further, another might win and be tested
        too: two looks at the test data for one cell. Of several winners, of two machines say, it is the one that a board shows
        (reporting/groups.py).
        """
        # Proposed anew, a lost draw might get other settings: the later draws, which it could not know, are known by now.
        known = {trial.trial_id for trial, _ in self.drawn.values()}
        self.lost = {trial_id: trial for trial_id, trial in self.lost.items() if trial_id in known}
        self.drawn = {draw: entry for draw, entry in self.drawn.items() if entry[1].status != "failed"}
        self.tested = {trial_id: status for trial_id, status in self.tested.items() if status != "failed"}
        if (self.draws or self.budget > 1) and self.recorded:  # a sanity row may have been tuned by an earlier version
            self.winner = max(self.recorded.values(), key=_merit)[0][0]
            self.lost = {}

    def tell(self, record: Record) -> None:
        trial = record.trial
        self.running.pop(record.trial_id, None)
        if record.was_lost:
            self.losses[record.trial_id] = self.losses.get(record.trial_id, 0) + 1
            if self.losses[record.trial_id] <= RETRIES:
                self.lost[record.trial_id] = trial
                return
        if trial.stage == "final":
            self.incompatible |= record.status == "incompatible"
            self.tested[record.trial_id] = record.status
        elif trial.seed == TUNING_SEEDS[0]:
            self.drawn[trial.draw] = (trial, outcome(record))
        else:
            self.again[record.trial_id] = outcome(record)

    def lacks(self, record: Record) -> bool:
        """Whether that trial counts at this budget, and is not recorded with that outcome; a failure takes the place of nothing else."""
        trial = record.trial
        failed = record.status == "failed"
        if trial.stage == "final":
            status = self.tested.get(record.trial_id)
            return trial.budget == self.budget and (status is None if failed else status != record.status)
        if trial.draw >= self.draws or trial.seed not in TUNING_SEEDS:
            return False
        first = self.drawn[trial.draw][1] if trial.draw in self.drawn else None
        known = first if trial.seed == TUNING_SEEDS[0] else self.again.get(record.trial_id)
        return known is None if failed else known != outcome(record)

    def could_be(self, other: CellState) -> bool:
        """Of two cells with one model: whether nothing is recorded here that speaks against having the other's trainings as its own.
        Tuned apart, by an earlier version or before the other was in the suite, it has draws of its own and keeps to them.
        """
        if not self.draws:
            return True
        theirs = {draw: trial for draw, (trial, _) in other.drawn.items()}
        pairs = [(trial, theirs.get(draw)) for draw, (trial, _) in self.drawn.items()]
        if self.winner is not None:
            pairs.append((self.winner, other.winner))
        return all(two is not None and (one.training, one.backbone) == (two.training, two.backbone) for one, two in pairs)

    def ask(self, parallel: int) -> Trial | None:
        """The next trial that may start while at most ``parallel`` draws of this cell are under way, itself included."""
        trial: Trial | None
        if self.lost:
            trial = self.lost.pop(next(iter(self.lost)))
        elif self.winner is None and len(self.drawn) < self.draws:
            trial = self._draw(parallel)
        elif self.winner is None and self._legs():
            trial = next((t for t in self._legs() if t.trial_id not in self.running), None)
        elif self.winner is None and self._repeats():
            trial = next((t for t in self._repeats() if t.trial_id not in self.running), None)
        else:
            trial = self._final()
        if trial is not None:
            self.running[trial.trial_id] = trial
        return trial

    def _draw(self, parallel: int) -> Trial | None:
        busy = {trial.draw for trial in self.running.values()}
        free = next((draw for draw in range(self.draws) if draw not in self.drawn and draw not in busy), None)
        if free is None or (len(busy) >= parallel and not self.cell.grid):
            return None
        default = default_trial(self.cell, "tune", seed=TUNING_SEEDS[0], budget=1)
        drawn = propose(self.cell, default, free, [known[1] for known in self.drawn.values()], self.running.values())
        return replace(drawn, until=next(iter(self.cell.rungs), 0))

    def _legs(self) -> list[Trial]:
        """Draws that have paused and are to go on, now that every draw has been as far."""
        _, further = still_in(self.cell.rungs, self._outcomes())
        return [replace(self.drawn[draw][0], until=until) for draw, until in sorted(further.items())]

    def paused_for_good(self) -> list[str]:
        """The trial ids of the draws that have stopped and will not go on, as far as that is known."""
        if self.winner is None and len(self.drawn) < self.draws:
            return []
        alive, further = still_in(self.cell.rungs, self._outcomes())
        waiting = {o.draw for o in alive} if further and self.winner is None else ()
        stopped = (trial for trial, o in self.drawn.values() if o.status == "stopped" and o.draw not in waiting)
        return [trial.trial_id for trial in stopped if trial.trial_id not in self.running]

    def _outcomes(self) -> list[Outcome]:
        return [known[1] for known in self.drawn.values()]

    def best(self) -> float | None:
        """The highest validation AUC of the draws that have finished."""
        return max((o.valid_auc for o in self._outcomes() if o.status == "finished" and o.valid_auc is not None), default=None)

    def _finalists(self) -> list[Outcome]:
        """The best draws; with rungs of those that no other has beaten at one."""
        return best(still_in(self.cell.rungs, self._outcomes())[0])

    def _repeats(self) -> list[Trial]:
        """The trainings of the finalists that are still to come. A single finalist needs none."""
        finalists = self._finalists()
        return [trial for trial in self._with_other_seeds(finalists) if trial.trial_id not in self.again] if len(finalists) > 1 else []

    def _with_other_seeds(self, finalists: Iterable[Outcome]) -> list[Trial]:
        wanted = [(self.drawn[o.draw][0], seed) for seed in TUNING_SEEDS[1:] for o in finalists]
        for trial, seed in wanted:
            if (trial.trial_id, seed) not in self.made:
                self.made[trial.trial_id, seed] = replace(trial, seed=seed, until=0)
        return [self.made[trial.trial_id, seed] for trial, seed in wanted]

    def _winner(self) -> Outcome | None:
        """Of the finalists, by their own values alone: a folder may hold one draw twice, with other settings each (see ``recall``)."""
        finalists = self._finalists()
        fresh = (self.again.get(trial.trial_id) for trial in self._with_other_seeds(finalists))
        return winner(finalists, [o for o in fresh if o is not None])

    def _final(self) -> Trial | None:
        trials = () if self.incompatible else self.finals()
        return next((t for t in trials if t.trial_id not in self.tested and t.trial_id not in self.running), None)

    def finals(self, seeds: int | None = None) -> tuple[Trial, ...]:
        """The winner with each seed; the first draw's settings where none has finished, and the defaults where nothing is tuned."""
        if self.winner is None:
            first = self._winner()
            draw = 0 if first is None else first.draw
            won = self.drawn[draw][0] if self.draws else default_trial(self.cell, "final", 0, self.budget)
            self.winner = replace(won, stage="final", seed=0, draw=0, budget=self.budget, until=0)
        count = self.seeds if seeds is None else seeds
        self.seeded += [replace(self.winner, seed=seed) for seed in range(len(self.seeded), count)]
        return tuple(self.seeded[:count])

    def tested_seeds(self, most: int) -> int:
        """How many seeds from 0 on are tested without a gap, of so many."""
        if self.incompatible or not self.settled:
            return 0
        return next((seed for seed, trial in enumerate(self.finals(most)) if trial.trial_id not in self.tested), most)

    @property
    def settled(self) -> bool:
        """Whether the winner is known."""
        return self.winner is not None or (len(self.drawn) == self.draws and not self._legs() and not self._repeats())

    def progress(self) -> tuple[int, int]:
        """Trials recorded, and trials in all, of which those are a guess that hang on the outcome of others."""
        if self.incompatible:
            return 1, 1
        tuned = len(self.drawn) + len(self.again)
        if self.settled:
            return tuned + sum(t.trial_id in self.tested for t in self.finals()), tuned + self.seeds
        complete = len(self.drawn) == self.draws and not self._legs()
        # Of a budget that was raised more than once there may be more repeats than any budget has: then none is expected.
        to_come = len(self._repeats()) if complete else max(0, repeats(left(self.cell.rungs, self.draws)) - len(self.again))
        return tuned, self.draws + len(self.again) + to_come + self.seeds

    def left(self) -> tuple[int, int]:
        """Trainings still to come: of tuning, and finals."""
        done, total = self.progress()
        tested = sum(trial.trial_id in self.tested for trial in self.finals()) if self.settled and not self.incompatible else 0
        final = 0 if self.incompatible else self.seeds - tested
        return total - done - final, final

    @property
    def is_open(self) -> bool:
        done, total = self.progress()
        return done < total


def _merit(members: list[tuple[Trial, float | None]]) -> tuple[int, float, str]:
    """Of finals that are alike: how many have finished, their mean validation AUC, and what they are."""
    scores = [score for _, score in members if score is not None]
    return len(scores), fmean(scores) if scores else 0.0, members[0][0].settings


def _rank(known: tuple[Trial, Outcome]) -> tuple[bool, str]:
    return known[1].status == "failed", known[0].trial_id
