"""A suite from start to end: cells, plan, executor, summary."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from benchmark.config import Suite, Trial
from benchmark.records import REPLACED, Record, Store, missing, taken_away_if_refused
from benchmark.search.cells import default_trial, expand
from benchmark.search.listeners import Listener, Listeners, Tracker, followed
from benchmark.search.local import run_local
from benchmark.search.lock import LOCK, only_one
from benchmark.search.plan import Plan
from benchmark.search.progress import Progress
from benchmark.search.renewal import RENEWED, Kept, set_aside, to_renew
from benchmark.search.reuse import reusable
from benchmark.search.time_limit import OutOfTime, time_limit
from benchmark.search.twins import owed, take_in, twins
from benchmark.search.until_decided import UntilDecided
from benchmark.search.watchdog import Silence, watched
from benchmark.search.worker import TRAIN
from benchmark.training.checkpoint import forget
from benchmark.training.environment import fingerprints_of
from benchmark.training.trial import check, choose_device


@dataclass(frozen=True)
class Summary:
    """What a run did: trials by status, those that an earlier run had recorded already, the time taken, and how well it was used.

    busy: seconds that workers spent inside trials, summed, as the records say; slots: trials that had room at the same time. A worker that
    was lost tells no time, so its trial counts as none.
    """

    statuses: Mapping[str, int]
    recorded_before: int
    seconds: float
    busy: float = 0.0
    slots: int = 1
    account: str = ""  # what seeds until decided gave and took
    shared: int = 0  # of the trials, those that are trainings of another cell with the same model

    def __str__(self) -> str:
        counted = ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items())) or "nothing left to train"
        once = f", {self.shared} of them with another cell's training, since the model is the same" if self.shared else ""
        line = f"{counted} in {self.seconds:.0f} s{once}; {self.recorded_before} recorded before{self.utilisation()}"
        return f"{line}\n{self.account}" if self.account else line

    def utilisation(self) -> str:
        """Busy time over capacity, in words; empty where nothing ran."""
        if not self.busy:
            return ""
        capacity = self.seconds * self.slots
        return f"; in use {self.busy / capacity:.0%} (trials {self.busy:.0f} of {capacity:.0f} s, {self.slots} at a time)"


def run_suite(
    suite: Suite,
    results: Path,
    executor: Literal["ray", "local"] = "ray",
    device: str = "auto",
    address: str | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    listeners: Sequence[Listener] = (),
    train: str = TRAIN,
    until: UntilDecided | None = None,
    minutes: float | None = None,
    gigabytes: float | None = None,
    renew: bool = False,
    tracker: Tracker | None = None,
    reuse: Sequence[Path] = (),
) -> Summary:
    """Train everything of the suite that ``results`` has no record of. ``until`` takes the place of the suite's number of seeds.
    ``minutes``, ``gigabytes``: a trial that takes longer or needs more has failed; None: as long as it takes, and with Ray on this
    machine's CPUs a place's share of its memory. ``renew``: records of other code are set aside first. ``tracker``: a further listener,
    told of the end while the folder is still this run's: it would take the next one's trainings for those of a run that was killed.
    ``reuse``: results folders whose trainings of these cells are copied (benchmark/search/reuse.py).

    Raises UserError before anything is trained: the folder cannot be written or another run has it, a cell is impossible, the
    device is not there. ``train`` names the function that trains ("module:function").
    """
    started = time.monotonic()
    store = Store(results)
    made = missing(results, store.folder, results / LOCK)
    store.create()
    with only_one(results), taken_away_if_refused(made), ExitStack() as until_the_end:
        cells = expand(suite)
        if until is not None:
            until.check(cells)
        old = {record.trial_id: record for record in to_renew(store, cells)} if renew else {}
        own = {path.stem for path in store.paths()}
        seeds = suite.seeds if until is None else until.max_seeds
        found = reusable(reuse, store, cells, suite, seeds, own, renew)
        borrowed = (entry.record for entry in found.entries)
        kept = Kept(chain((record for record in store if record.trial_id not in old), borrowed), cells)
        plan = Plan(suite, cells, kept, until, twins(cells, suite.budget))
        if line := kept.told():
            print(line, file=sys.stderr)
        before, _ = plan.progress()
        counter, progress, silence, slots = _Counter(), Progress(plan), Silence(), 1
        followers = [*listeners, *([] if tracker is None else [tracker])]
        together = Listeners([counter, _Checkpoints(plan), silence, *followers, progress])
        try:
            if plan.open_cells():
                progress.begin(suite.name)
            refused = _incompatible(suite, plan, minutes)
            if plan.open_cells() and address is None:  # a cluster's devices are others than this machine's
                choose_device(device)
            found.copy(store)
            for line in found.told(done=True):
                print(line, file=sys.stderr)
            until_the_end.enter_context(followed(tracker, lambda: counter.has_begun))  # now that it is known that the cells can be
            if old:
                set_aside(store, old.values())
                print(f"{len(old)} record(s) of other code are in {results / REPLACED} now; {RENEWED}", file=sys.stderr)
            for record in refused:
                take_in(record, plan, store, together)
            for record in owed(plan, store):
                take_in(record, plan, store, together)
            if plan.open_cells() and executor == "local":
                with watched(silence):
                    run_local(plan, store, together, device, max(1, int(cpus_per_trial)), train, minutes, gigabytes)
            elif plan.open_cells():
                from benchmark.search.ray_tune import run_ray  # Ray is imported by those who use it only

                room = (device, address, cpus_per_trial, gpus_per_trial)
                slots = run_ray(plan, store, together, *room, train, minutes, gigabytes, cpus, gpus, silence)
        finally:
            progress.close()
        return Summary(dict(counter.statuses), before, time.monotonic() - started, counter.busy, slots, plan.account(), len(counter.shared))


class _Checkpoints:
    """Lets go of a trial's checkpoint when its record is stored; of a draw's that has paused, when it will not go on."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def started(self, trial: Trial) -> None:
        pass

    def epoch(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        pass

    def finished(self, record: Record) -> None:
        if not record.was_lost and record.status != "stopped":  # else it goes on from there
            forget(record.trial_id)
        for trial_id in self._plan.paused_for_good(record.trial.cell):
            forget(trial_id)


class _Counter:
    def __init__(self) -> None:
        self._latest: dict[str, str] = {}  # trial id -> status: of one whose worker was lost, and that came again, what came of it
        self.busy = 0.0
        self.has_begun = False
        self.shared: set[str] = set()  # trials that were trained as those of another cell

    @property
    def statuses(self) -> Counter[str]:
        return Counter(self._latest.values())

    def started(self, trial: Trial) -> None:
        self.has_begun = True

    def epoch(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        pass

    def finished(self, record: Record) -> None:
        self.has_begun = True
        self._latest[record.trial_id] = record.status
        self.busy += record.cost.get("wall_seconds", 0.0)
        if record.is_shared:
            self.shared.add(record.trial_id)


def _incompatible(suite: Suite, plan: Plan, minutes: float | None) -> list[Record]:
    """The records of the open cells that cannot be built. All cells are tried first, so that a UserError comes before any record.

    A cell whose record that would be has another there, of a time when it could be built: the training of what is missing says it then.
    """
    found = []
    for cell in plan.open_cells():
        trial = default_trial(cell, "final", 0, suite.budget)
        if plan.is_tested(trial):
            continue
        try:
            with time_limit(minutes):
                reason = check(trial)
        except OutOfTime:  # a model that is never built: its trial says so
            continue
        if reason is not None:
            told = fingerprints_of(cell)  # by which a run with ``renew`` knows whether it was of this code
            found.append(Record(trial=trial, status="incompatible", reason=reason, fingerprints=told))
    return found
