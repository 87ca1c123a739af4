"""What a run would train, how long that takes here, and what it leaves on the disk: asked before anything is trained."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import torch

from benchmark.config import CONTROL, Cell, Suite, Training
from benchmark.data.ensure import ensure_recorded
from benchmark.data.store import Prepared
from benchmark.records import Entry, Store
from benchmark.search.cell_state import CellState
from benchmark.search.cells import default_trial, expand
from benchmark.search.halving import share
from benchmark.search.plan import Plan
from benchmark.search.renewal import Kept, to_renew
from benchmark.search.reuse import reusable
from benchmark.search.step_times import StepTimes
from benchmark.search.twins import twins
from benchmark.search.until_decided import UntilDecided
from benchmark.training.environment import WENT_ON, environment
from benchmark.training.memory import free
from benchmark.training.torch_state import standard_state
from benchmark.training.trial import SURELY_FITS, check, choose_device, memory_of, numbers
from benchmark.values import canonical

SECONDS = 4.0  # of timing, at most
# Data set -> patience -> mean epochs of the trainings in results/reference; a test takes them from there again.
USUAL_EPOCHS: dict[str, dict[int, float]] = {
    "flights": {1: 3.2, 3: 13.5},  # the latter with an embedding L2 by grid
    "frappe_x1": {2: 15.6},
    "nycflights13": {2: 9.0},
    "synthetic": {2: 6.3},
}
SIZES = {"final": 60_000.0, "tune": 4_000.0}  # bytes of a record where the folder has none (results/reference)


@dataclass(frozen=True, kw_only=True)
class Line:
    """The cells of one data set and backbone: the trainings that are left, by stage, and those that are recorded."""

    dataset: str
    backbone: str
    cells: int
    tune: int
    final: int
    recorded: int
    seconds: float | None  # of what is left, one training after another; None: nothing like it was timed


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the largest training takes at least, of what is free on the device now; in bytes."""

    cell: Cell
    needed: int
    words: str  # the same, and what takes it
    free: int | None  # None: this system does not say


Ends = tuple[str, int, int]  # data set, and what ends a training: epochs at most, patience
Epochs = tuple[float, int | str]  # what was counted for a training; from how many records, or else from what


@dataclass(frozen=True, kw_only=True)
class Estimate:
    lines: tuple[Line, ...]
    rows: Mapping[str, Mapping[str, int]]  # data set -> part -> rows
    epochs: Mapping[str, Epochs]  # of a training, by data set, and by what ends it where that is not the same in all cells of one
    bytes: float  # of the records to come
    timed: int  # cells whose steps were timed
    memory: Memory | None  # of the largest training to come, where its model can be built
    correction: tuple[float, int]  # of the timed steps, from so many recorded trainings of these cells
    elsewhere: int  # recorded trainings of these cells on another device or processor: of their seconds nothing is taken
    renewed: int = 0  # records that would be set aside, and trained again
    kept: str = ""  # a line on records of other code, as a run tells it
    given: int = 0  # cells that have the trainings of another one
    reused: tuple[str, ...] = ()  # lines on what would be copied from other results folders

    @property
    def seconds(self) -> float:
        return sum(line.seconds or 0.0 for line in self.lines)

    @property
    def left(self) -> int:
        return sum(line.tune + line.final for line in self.lines)


def estimate(
    suite: Suite,
    store: Store,
    device: str,
    threads: int,
    until: UntilDecided | None = None,
    seconds: float = SECONDS,
    renew: bool = False,
    reuse: Sequence[Path] = (),
) -> Estimate:
    """Timing takes up to ``seconds``. Writes nothing but embedded data sets into the cache, as the run would. ``renew``: records of other
    code are trained again; of how long trainings take they tell all the same. ``reuse``: results folders whose trainings of these cells a
    run would copy. Raises UserError.
    """
    on = choose_device(device)
    entries, faults = store.scan(save=False)
    store.leave_out(faults)
    cells = expand(suite)
    if until is not None:
        until.check(cells)
    old = {record.trial_id for record in to_renew((entry.record for entry in entries), cells)} if renew else set()
    own = {path.stem for path in store.paths()}
    seeds = suite.seeds if until is None else until.max_seeds
    found = reusable(reuse, store, cells, suite, seeds, own, renew)
    sizes = _sizes(store, entries)
    entries = [*entries, *found.entries]
    kept = Kept((entry.record for entry in entries if entry.record.trial_id not in old), cells)
    plan = Plan(suite, cells, kept, until, twins(cells, suite.budget))
    # The run tries every cell, which takes a minute for thousands of them; where a suite leaves all to the plug-ins their settings fit.
    for cell in plan.open_cells():
        if cell.method_options or cell.backbone_options:
            check(default_trial(cell, "final", 0, suite.budget))
    data = {cell.dataset: ensure_recorded(cell.dataset, cell.dataset_options) for cell in {c.dataset: c for c in cells}.values()}
    settings: dict[tuple[str, str, str], Training] = {}  # data set, method, the suite's own settings: what they hang on

    def training_of(cell: Cell) -> Training:
        which = cell.dataset, cell.method, canonical(cell.training)
        if which not in settings:
            settings[which] = default_trial(cell, "final", 0, suite.budget).training
        return settings[which]

    def ends(cell: Cell) -> Ends:
        training = training_of(cell)
        most, patience = (max(cell.grid.get(f"training.{name}", ()), default=getattr(training, name)) for name in ("epochs", "patience"))
        return cell.dataset, most, patience

    times = StepTimes(on, threads, lambda cell: training_of(cell).batch_size)
    with standard_state(threads):
        times.measure(cells, {name: found.schema for name, found in data.items()}, seconds)
    epochs = _epochs(dict.fromkeys(map(ends, cells)), entries)

    def guess(cell: Cell, stage: str) -> float | None:
        return times.training(cell, data[cell.dataset].rows, epochs[ends(cell)][0], stage == "final")

    told, elsewhere = _recorded(entries, {cell.key for cell in cells}, on)
    by_key = {cell.key: cell for cell in cells}
    guessed = ((seconds, guess(by_key[key], stage)) for (key, stage), seconds in told.items())
    ratios = [seconds / one for seconds, one in guessed if one]
    correction = median(ratios) if ratios else 1.0
    groups: dict[tuple[str, str], list[CellState]] = defaultdict(list)
    for state in plan.states():
        groups[state.cell.dataset, state.cell.backbone].append(state)
    lines = []
    for (dataset, backbone), members in groups.items():
        left = [(state, stage, count) for state in members for stage, count in zip(("tune", "final"), plan.left(state), strict=True)]
        parts: list[float | None] = []
        for state, stage, count in left:
            if count:
                cell = state.cell
                trainings = count * (share(cell.rungs, state.draws, epochs[ends(cell)][0]) if stage == "tune" else 1)
                one = told.get((cell.key, stage))
                timed = guess(cell, stage) if one is None else None
                parts.append(trainings * one if one is not None else None if timed is None else trainings * correction * timed)
        lines.append(
            Line(
                dataset=dataset,
                backbone=backbone,
                cells=len(members),
                tune=sum(count for _, stage, count in left if stage == "tune"),
                final=sum(count for _, stage, count in left if stage == "final"),
                recorded=sum(state.progress()[0] for state in members),
                seconds=None if None in parts else sum(part for part in parts if part is not None),
            )
        )
    return Estimate(
        lines=tuple(lines),
        rows={name: found.rows for name, found in data.items()},
        epochs=_named(epochs),
        bytes=sum(line.tune * sizes["tune"] + line.final * sizes["final"] for line in lines),
        timed=len(times.timed),
        memory=_memory([state.cell for state in plan.states() if any(plan.left(state))], data, suite.budget, on),
        correction=(correction, len(ratios)),
        elsewhere=elsewhere,
        renewed=len(old),
        kept=kept.told(),
        given=plan.given,
        reused=tuple(found.told(done=False)),
    )


def _memory(cells: Sequence[Cell], data: Mapping[str, Prepared], budget: int, device: torch.device) -> Memory | None:
    """Of the widest models: single embedding on each backbone and, where the table is large, every method on the first."""
    sizes = [numbers(cell, data[cell.dataset].schema) for cell in cells]
    most = max(sizes, default=0)
    widest = [cell for cell, size in zip(cells, sizes, strict=True) if size == most]
    looked_at = [cell for cell in widest if cell.method == CONTROL or (most >= SURELY_FITS and cell.backbone == widest[0].backbone)]
    found = [(cell, memory_of(default_trial(cell, "final", 0, budget))) for cell in looked_at or widest[:1]]
    needs = [(*need, cell) for cell, need in found if need is not None]
    if not needs:
        return None
    needed, words, cell = max(needs, key=lambda one: one[0])
    return Memory(cell=cell, needed=needed, words=words, free=free(device))


def _epochs(wanted: Iterable[Ends], entries: Iterable[Entry]) -> dict[Ends, Epochs]:
    """By the records that ended by the same rule, or else by all of the data set, none for longer than the rule lets it."""
    found: dict[str, list[tuple[Ends, float]]] = defaultdict(list)
    for record in (entry.record for entry in entries):
        if record.status == "finished" and "epochs" in record.cost:
            name, training = record.trial.cell.dataset, record.trial.training
            found[name].append(((name, training.epochs, training.patience), record.cost["epochs"]))
    counted: dict[Ends, Epochs] = {}
    for rule in wanted:
        name, most, patience = rule
        alike = [epochs for of, epochs in found[name] if of == rule] or [min(epochs, most) for _, epochs in found[name]]
        if alike:
            counted[rule] = fmean(alike), len(alike)
        elif (usual := _usual(name, patience)) is not None and usual[1] < most:
            counted[rule] = usual[1], f"the mean of the project's reference records with patience {usual[0]}"
        else:
            counted[rule] = float(most), "the most that training may take; early stopping mostly ends it sooner"
    return counted


def _usual(dataset: str, patience: int) -> tuple[int, float] | None:
    """The patience nearest to ``patience`` that reference records of a data set have, and their epochs."""
    known = USUAL_EPOCHS.get(dataset)
    return min(known.items(), key=lambda one: abs(one[0] - patience)) if known else None


def _named(epochs: Mapping[Ends, Epochs]) -> dict[str, Epochs]:
    """What ends a training is said only where a data set has several such rules."""
    rules = Counter(name for name, _, _ in epochs)
    return {
        name if rules[name] == 1 else f"{name}, at most {most} with patience {patience}": counted
        for (name, most, patience), counted in epochs.items()
    }


def _recorded(entries: Iterable[Entry], keys: set[str], device: torch.device) -> tuple[dict[tuple[str, str], float], int]:
    """Cell key, stage -> mean seconds of its recorded trainings; not of draws that pause, and of trainings that were killed and went on,
    whose records tell the last part's. And how many such records tell nothing of the time here, since they are of another machine.
    """
    here = environment(device)
    elsewhere = 0
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in (entry.record for entry in entries):
        trial = record.trial
        whole = record.status == "finished" and not (trial.stage == "tune" and trial.cell.rungs)
        if whole and trial.cell.key in keys and "wall_seconds" in record.cost and WENT_ON not in record.environment:
            if all(record.environment.get(name) == here[name] for name in ("device", "cpu")):
                found[trial.cell.key, trial.stage].append(record.cost["wall_seconds"])
            else:
                elsewhere += 1
    return {which: fmean(values) for which, values in found.items()}, elsewhere


def _sizes(store: Store, entries: Sequence[Entry]) -> dict[str, float]:
    """Stage -> mean bytes of a record: of the folder's, where it has any."""
    found: dict[str, list[int]] = defaultdict(list)
    for record in (entry.record for entry in entries):
        if record.status == "finished":
            found[record.trial.stage].append(store.path(record.trial_id).stat().st_size)
    return {stage: fmean(found[stage]) if found[stage] else usual for stage, usual in SIZES.items()}
