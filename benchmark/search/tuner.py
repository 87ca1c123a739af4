"""The tuner of one cell: Optuna's TPE over the settings that the cell leaves open. It cannot see test data."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmark import plugins
from benchmark.config import NO_BACKBONE, Cell, Training, Trial
from benchmark.errors import UserError
from benchmark.faults import place_of
from benchmark.records import Record, Status
from benchmark.search.grid import points
from benchmark.settings import Choices, Range, search_space
from benchmark.values import canonical, digest, from_dict, to_dict

FINALISTS = 3  # draws that are trained again, with the other tuning seeds, before one of them wins
STARTUP = 4  # draws, the defaults included, before TPE models the outcomes; a constant, so that a small budget is a prefix of a large one


@dataclass(frozen=True)
class Outcome:
    """All that the tuner is told about a tuning trial.

    It has no field for a test metric, and the whole record never reaches the tuner: RecBole's Ray path hands over one dictionary
    of validation and test results, and tunes on test. What is not in the type cannot be tuned on.
    """

    draw: int
    settings: Mapping[str, Any]  # prefixed name -> value, as in ``space``
    status: Status
    valid_auc: float | None  # None when there is none: neither finished nor stopped at a rung
    path: tuple[float, ...] = ()  # the best validation AUC up to each epoch, where the cell has rungs

    def after(self, epoch: int) -> float | None:
        """The best validation AUC of the first so many epochs; None where it had diverged by then."""
        if len(self.path) >= epoch:
            return self.path[epoch - 1]
        return self.valid_auc


def outcome(record: Record) -> Outcome:
    """The part of a tuning trial's record that the tuner may know."""
    trial = record.trial
    told = record.metrics.get("valid/auc") if record.status in ("finished", "stopped") else None
    path = itertools.accumulate((entry["valid/auc"] for entry in record.curve), max) if trial.cell.rungs else ()
    return Outcome(trial.draw, settings(trial), record.status, told, tuple(path))


def space(cell: Cell) -> dict[str, BaseDistribution]:
    """What is searched in a cell: the common training space, the backbone's and the method's, less what the cell fixes.

    Nothing with a grid. Raises UserError for a plug-in's range that is none.
    """
    if cell.grid:
        return {}
    found = _drawn("training", Training, cell.training)
    if cell.backbone != NO_BACKBONE:
        fixed = {*cell.backbone_options, "depth"}
        found |= _drawn("backbone", plugins.plugin("backbones", cell.backbone), fixed)
    given = {*cell.method_options, *plugins.preset(cell.method)}
    return found | _drawn("method", plugins.plugin("methods", cell.method), given)


def _drawn(part: str, owner: type, fixed: Container[str]) -> dict[str, BaseDistribution]:
    """ "<part>.<setting>" -> what it is drawn from, of all that ``owner`` has tuned but those that are ``fixed``."""
    found = {}
    for name, search in search_space(owner).items():
        if name not in fixed:
            try:
                found[f"{part}.{name}"] = distribution(search)
            except ValueError as error:  # low above high, a logarithm of 0, no choices
                raise UserError(f"{place_of(owner, name)}: a tuner cannot draw {name}: {error}") from None
    return found


def distribution(search: Range | Choices) -> BaseDistribution:
    """Optuna's words for what a setting says of its range."""
    if isinstance(search, Choices):
        return CategoricalDistribution(search.values)
    if isinstance(search.low, int) and isinstance(search.high, int):
        return IntDistribution(search.low, search.high, log=search.log, step=int(search.step or 1))
    return FloatDistribution(search.low, search.high, log=search.log, step=search.step)


def propose(cell: Cell, default: Trial, draw: int, seen: Iterable[Outcome], running: Iterable[Trial]) -> Trial:
    """The tuning trial of a draw: the grid's point, or ``default`` itself for draw 0, otherwise TPE's suggestion given the other draws.

    A pure function: the random state depends on the cell (not on its rungs) and the draw alone, so a run that was killed goes on with the
    same proposals. Where there are rungs, TPE is told the draws' values at the first, at which all of them have been. ``running`` are draws
    without an outcome yet; TPE takes them as bad (constant liar) so that it does not draw them twice.
    """
    if cell.grid:
        return _apply(replace(default, draw=draw), points(cell)[draw])
    if draw == 0:
        return default
    distributions = space(cell)
    seed = int(digest({"cell": replace(cell, rungs=()).key, "draw": draw}), 16) % 2**32
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, constant_liar=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # each study announces itself otherwise
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for known in sorted(seen, key=lambda o: o.draw):
        # A diverged trial is the worst there is; one that failed for a reason of the machine's says nothing about its settings.
        state = TrialState.FAIL if known.status == "failed" else TrialState.COMPLETE
        value = known.after(cell.rungs[0]) if cell.rungs else known.valid_auc
        _remember(study, known.settings, distributions, state, value or 0.0)
    for trial in sorted(running, key=lambda t: t.draw):
        _remember(study, settings(trial), distributions, TrialState.RUNNING, None)
    return _apply(replace(default, draw=draw), study.ask(distributions).params)


def best(outcomes: Iterable[Outcome], count: int = FINALISTS) -> list[Outcome]:
    """Those of the highest validation AUC among the finished and stopped, the best first; the lower draw of equals goes first."""
    finished = [(-o.valid_auc, o.draw, o) for o in outcomes if o.valid_auc is not None]
    return [o for _, _, o in sorted(finished, key=lambda entry: entry[:2])[:count]]


def winner(finalists: Iterable[Outcome], again: Iterable[Outcome]) -> Outcome | None:
    """The finalist of the best mean validation AUC over all of its tuning seeds, the earlier of equals. None: nothing has finished.

    The first value of each was selected, and is too high by about the same for all of them; so it counts in the choice like the others.
    A training that diverged counts as 0, one that failed for a reason of the machine's not at all.
    """
    values: dict[int, list[float]] = defaultdict(list)
    first = list(finalists)
    for o in [*first, *again]:
        if o.status != "failed":
            values[o.draw].append(o.valid_auc or 0.0)
    return max(first, key=lambda o: fmean(values[o.draw]), default=None)


def settings(trial: Trial) -> dict[str, Any]:
    """The trial's values of everything that its cell searches, by prefixed name."""
    parts: dict[str, Mapping[str, Any]] = {"training": to_dict(trial.training), "backbone": trial.backbone, "method": trial.method}
    found = {}
    for name in space(trial.cell):
        part, key = name.split(".", 1)
        if key in parts[part]:
            found[name] = parts[part][key]
    return found


def _apply(trial: Trial, values: Mapping[str, Any]) -> Trial:
    parts: dict[str, dict[str, Any]] = {"training": to_dict(trial.training), "backbone": dict(trial.backbone), "method": dict(trial.method)}
    for name, value in values.items():
        part, key = name.split(".", 1)
        parts[part][key] = list(value) if isinstance(value, tuple) else value
    return replace(trial, training=from_dict(Training, parts["training"], "tuner"), backbone=parts["backbone"], method=parts["method"])


def _remember(
    study: optuna.Study, values: Mapping[str, Any], distributions: Mapping[str, BaseDistribution], state: TrialState, value: float | None
) -> None:
    try:
        params = {name: _native(distribution, values[name]) for name, distribution in distributions.items()}
        frozen: FrozenTrial = create_trial(
            state=state, params=params, distributions=dict(distributions), value=value if state == TrialState.COMPLETE else None
        )
    except (KeyError, ValueError):
        return  # recorded by a version of the plug-in that had another space: it counts as a draw, but says nothing in this space
    study.add_trial(frozen)


def _native(distribution: BaseDistribution, value: Any) -> Any:
    """Undo JSON: the choice that is spelled like ``value`` (a tuple is a list in a record)."""
    if isinstance(distribution, CategoricalDistribution):
        return next((choice for choice in distribution.choices if canonical(choice) == canonical(value)), value)
    return value
