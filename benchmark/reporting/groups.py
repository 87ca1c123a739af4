"""Records -> groups: the seeds of one cell at one tuning budget. What the board and the figures are both made of."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from benchmark.config import MAX_SEEDS, Cell, chosen, conditions
from benchmark.packing import Stack
from benchmark.record import Headlines, beginning
from benchmark.records import Record, Status
from benchmark.reporting import acting
from benchmark.values import canonical, digest

SEVERITY: tuple[Status, ...] = ("finished", "incompatible", "diverged", "failed")
FEWEST = 5  # methods under one condition that a rank correlation is taken over; presets of one file are one method
REPEATED, PLAIN = "_over_repeated_gaussian", "_over_gaussian"  # see batch_ratio
AGAIN = "`run SUITE --renew` trains those of other code than today's again"
LAYER = re.compile(r"spectral/layer(\d+)/batch/effective_rank")


@dataclass(frozen=True, kw_only=True)
class Group:
    """The final trainings of one cell at one budget. ``label`` names its board: groups are compared under one label only."""

    label: str
    cell: Cell
    budget: int
    records: tuple[Record, ...]  # one a seed, in the order of seeds
    left_out: int = 0  # records of other hyper-parameters for the same cell and budget
    audited: float | None = None  # a dose that was measured after its records were made (reporting/acting.py)

    @cached_property
    def finished(self) -> tuple[Record, ...]:
        return tuple(r for r in self.records if r.status == "finished")

    @cached_property
    def acts(self) -> float | None:
        """See reporting/acting.py."""
        return acting.acts(self)

    @cached_property
    def status(self) -> Status:
        """That of the worst seed."""
        return max({r.status for r in self.records}, key=SEVERITY.index)

    @property
    def reason(self) -> str:
        return next((r.reason for r in self.records if r.status == self.status), "")

    @cached_property
    def overrides(self) -> str:
        """What the suite fixed away from the defaults, as text; empty when nothing."""
        own = [f"grid.{name}={canonical(values)}" for name, values in self.cell.grid.items() if name.startswith("method.")]
        return ", ".join(filter(None, (self.settings, *_overrides("method", self.cell.method_options), *own)))

    @cached_property
    def settings(self) -> str:
        """``overrides`` without those of the method: the same for all methods that are compared."""
        kinds = (("dataset", "dataset_options"), ("training", "training"), ("backbone", "backbone_options"))
        parts = [part for kind, name in kinds for part in _overrides(kind, getattr(self.cell, name))]
        parts += [f"grid.{name}={canonical(values)}" for name, values in self.cell.grid.items() if not name.startswith("method.")]
        parts += [f"rungs={canonical(self.cell.rungs)}"] if self.cell.rungs else []
        return ", ".join(parts + ([f"dimension={self.cell.dimension}"] if self.cell.dimension != Cell.dimension else []))

    @property
    def protocol(self) -> str:
        """Six digits that differ where ``overrides`` do; empty when there are none."""
        return digest(self.overrides)[:6] if self.overrides else ""

    @cached_property
    def conditions(self) -> str:
        """All that must be equal for a difference in AUC to be the method's doing."""
        return canonical([conditions(self.cell), self.budget])

    @cached_property
    def row(self) -> str:
        """What tells it apart from the others under its conditions."""
        return canonical([self.cell.method, self.cell.method_options, self.cell.grid])

    @property
    def max_seeds(self) -> int | None:
        """Up to how many seeds its verdict was looked at after each; None: nobody looked before all were there."""
        return max(map(round, self.metric(MAX_SEEDS).values()), default=None)

    @property
    def won(self) -> dict[str, Any]:
        """What was chosen of the cell's grid."""
        return {name: chosen(self.records[0].trial, name) for name in self.cell.grid}

    @property
    def is_whole_method(self) -> bool:
        """Neither a preset nor with options: variants of one method would count as so many methods."""
        return ":" not in self.cell.method and not self.cell.method_options

    @property
    def notes(self) -> tuple[str, ...]:
        found = dict.fromkeys(note for record in self.records for note in record.notes)
        if self.left_out:
            found[f"{self.cell}: {self.left_out} record(s) with other hyper-parameters for the same cell and budget are left out"] = None
        scored = len(self.metric("test/auc"))
        if 0 < scored < len(self.finished):
            found[f"{self.cell}: {len(self.finished) - scored} finished record(s) without test/auc do not count as seeds"] = None
        for what, versions in _code_versions(self.records).items():
            if what.startswith("method"):
                mixed = f"{self.cell}: its seeds come from {versions} versions of the method's code, and their mean from none of them"
                found[f"{mixed}; {AGAIN}"] = None
        return tuple(found)

    @cached_property
    def layers(self) -> list[int]:
        """The layers whose batch spectrum was measured, ascending."""
        return sorted({layer for names in self.headlines for layer in _layers(names)})

    def metric(self, name: str) -> dict[int, float]:
        """Seed -> value, of the finished seeds that have the metric."""
        return self._metrics.of(name)

    def mean(self, name: str) -> float | None:
        """Of the metric over the finished seeds that have it; None where none has."""
        return self._metrics.mean(name)

    def means(self, prefix: str) -> dict[str, float]:
        """Of the metrics whose names begin so: what follows -> the mean over the finished seeds that have it."""
        return {rest: mean for rest, name in self.beginning(prefix).items() if (mean := self.mean(name)) is not None}

    def cost(self, name: str) -> dict[int, float]:
        """Seed -> what it cost, of the finished seeds that say so."""
        return self._cost.of(name)

    def mean_cost(self, name: str) -> float | None:
        """The mean of ``cost``; None where no seed says so."""
        return self._cost.mean(name)

    def beginning(self, prefix: str) -> dict[str, str]:
        """Of the metrics whose names begin so: what follows -> the name, in the order of the first record that has it."""
        return {rest: name for names in self.headlines for rest, name in beginning(names, prefix)}

    @cached_property
    def _metrics(self) -> Stack:
        return Stack((record.trial.seed, record.metrics) for record in self.finished)

    @cached_property
    def _cost(self) -> Stack:
        return Stack((record.trial.seed, record.cost) for record in self.finished)

    @cached_property
    def headlines(self) -> tuple[Headlines, ...]:
        """The headlines of the finished records, each once: seeds mostly have the same."""
        return tuple(dict.fromkeys(record.headlines for record in self.finished))


def groups(records: Iterable[Record], audit: Mapping[str, float] | None = None) -> list[Group]:
    """The groups of the final trainings among ``records``, in a fixed order. A data set of which there are several versions among the
    records is labelled ``name@fingerprint``, so that they never share a board. ``audit``: cell key -> dose measured afterwards; None: what
    the folder of the records has of it.
    """
    found: dict[tuple[str, int, tuple[str, ...]], list[Record]] = defaultdict(list)
    doses = acting.audited(records) if audit is None else audit
    versions: dict[str, set[str]] = defaultdict(set)
    settings: dict[str, tuple[str, ...]] = {}  # of few different ones thousands of records are made
    for record in records:
        if record.trial.stage == "final":
            # A method that has got a setting since is another contestant, whatever the cell says: its default may have changed with it.
            names = settings[record.trial.settings] = settings.get(record.trial.settings) or tuple(sorted(record.trial.method))
            found[record.trial.cell.key, record.trial.budget, names].append(record)
            versions[record.trial.cell.dataset].add(record.trial.cell.data)
    result = []
    for (_, budget, _), members in found.items():
        cell = members[0].trial.cell
        label = cell.dataset if len(versions[cell.dataset]) == 1 else f"{cell.dataset}@{cell.data}"
        chosen = _one_configuration(members)
        left_out = len(members) - len(chosen)
        result.append(Group(label=label, cell=cell, budget=budget, records=chosen, left_out=left_out, audited=doses.get(cell.key)))
    return sorted(result, key=lambda g: (g.label, str(g.cell), g.budget, g.cell.key))


def batch_ratio(board: Iterable[Group]) -> str:
    """How the names end of the ratio that the batch matrices of a whole board have, so that none mixes two: to Gaussian rows that repeat as
    the sample's do, or, where a record was made before there was that one, to a plain Gaussian matrix.
    """
    for group in board:
        for name in (f"spectral/layer{layer}/batch/effective_rank" for layer in group.layers):
            if any(name + PLAIN in r.metrics and name + REPEATED not in r.metrics for r in group.finished):
                return PLAIN
    return REPEATED


def mixed_code(board: Iterable[Group]) -> dict[str, str]:
    """Backbone -> a note, where the rows of a board that have it were trained by different versions of its code: their differences are
    not the methods' alone.
    """
    members: dict[str, list[Record]] = defaultdict(list)
    for group in board:
        members[group.cell.backbone] += group.records
    found = {}
    for backbone, records in members.items():
        parts = {what.partition("_")[0]: n for what, n in _code_versions(records).items() if not what.startswith("method")}
        if parts:
            words = " and ".join(f"{n} versions of the {what} code" for what, n in sorted(parts.items()))
            found[backbone] = f"the rows with {backbone} come from {words}; {AGAIN}"
    return found


def _code_versions(records: Iterable[Record]) -> dict[str, int]:
    """Which code -> of how many versions the records are, where it is more than one. What some records do not tell counts as equal."""
    told: dict[str, set[str]] = defaultdict(set)
    for fingerprints in {id(record.fingerprints): record.fingerprints for record in records}.values():  # records from the index share them
        for what, digest_of in fingerprints.items():
            if what != "data":
                told[what].add(digest_of)
    return {what: len(versions) for what, versions in told.items() if len(versions) > 1}


def _overrides(kind: str, options: Mapping[str, Any]) -> list[str]:
    return [f"{kind}.{key}={canonical(value)}" for key, value in sorted(options.items())]


def by_conditions(all_groups: Iterable[Group], method: str) -> dict[str, Group]:
    """Conditions -> the method's group under them; the one with its default hyper-parameters where there are several."""
    found: dict[str, Group] = {}
    for group in all_groups:
        if group.cell.method == method and (group.conditions not in found or not group.cell.method_options):
            found[group.conditions] = group
    return found


def whole_methods(all_groups: Iterable[Group]) -> dict[str, list[Group]]:
    """Conditions -> their groups, presets left out, where there are at least ``FEWEST``: what a rank correlation is taken over."""
    found: dict[str, list[Group]] = defaultdict(list)
    for group in all_groups:
        if group.is_whole_method:
            found[group.conditions].append(group)
    return {conditions: members for conditions, members in found.items() if len(members) >= FEWEST}


def _one_configuration(records: list[Record]) -> tuple[Record, ...]:
    """The seeds of one set of hyper-parameters: a cell tuned twice must not count a seed twice, nor mix two winners.

    Taken is the set with the most finished seeds, then the better mean validation AUC: never a choice on test data.
    """
    if len({(record.trial.settings, record.trial.draw) for record in records}) == 1:
        return tuple(sorted(records, key=lambda r: r.trial.seed))
    sets: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        sets[f"{record.trial.settings} {record.trial.draw}"].append(record)

    def merit(key: str) -> tuple[int, float, str]:
        finished = [r for r in sets[key] if r.status == "finished"]
        valid = [r.metrics.get("valid/auc", 0.0) for r in finished]
        return len(finished), sum(valid) / len(valid) if valid else 0.0, key

    return tuple(sorted(sets[max(sets, key=merit)], key=lambda r: r.trial.seed))


@lru_cache(maxsize=1 << 10)
def _layers(metrics: Headlines) -> tuple[int, ...]:
    return tuple(int(match[1]) for name in metrics if (match := LAYER.fullmatch(name)))
