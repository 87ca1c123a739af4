"""Blocks of records -> groups: the seeds of one cell at one tuning budget. What the board and the figures are both made of."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import fsum
from typing import Any

from benchmark.blocks import Block, blocks_of_records
from benchmark.config import MAX_SEEDS, Cell, chosen, conditions
from benchmark.packing import Stack, together
from benchmark.record import Headlines, beginning
from benchmark.records import Record, Status, Store
from benchmark.reporting import acting
from benchmark.values import canonical, digest, one_of

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
    blocks: tuple[Block, ...]  # those of one set of hyper-parameters, in the order of their first seeds
    left_out: int = 0  # records of other hyper-parameters for the same cell and budget
    audited: float | None = None  # a dose that was measured after its records were made (reporting/acting.py)
    lacks: tuple[str, ...] = ()  # settings that its method did not have yet, where another group of its cell has them
    names_grid: bool = False  # whether its board has groups of its method that the grid of the method's settings alone tells apart

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """One a seed, in the order of seeds. A board does without them."""
        return tuple(sorted((record for block in self.blocks for record in block.records), key=lambda r: r.trial.seed))

    @property
    def finished(self) -> tuple[Record, ...]:
        return tuple(r for r in self.records if r.status == "finished")

    @cached_property
    def finished_blocks(self) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.first.status == "finished")

    @property
    def finished_count(self) -> int:
        """Finished seeds."""
        return sum(len(block.seeds) for block in self.finished_blocks)

    @cached_property
    def acts(self) -> float | None:
        """See reporting/acting.py."""
        return acting.acts(self)

    @cached_property
    def status(self) -> Status:
        """That of the worst seed."""
        return max({block.first.status for block in self.blocks}, key=SEVERITY.index)

    @property
    def reason(self) -> str:
        return next((block.first.reason for block in self.blocks if block.first.status == self.status), "")

    @cached_property
    def overrides(self) -> str:
        """What the suite fixed away from the defaults, as text; empty when nothing."""
        own = [f"grid.{name}={canonical(values)}" for name, values in self.own_grid.items()]
        return ", ".join(filter(None, (self.settings, *_overrides("method", self.cell.method_options), *own)))

    @property
    def own_grid(self) -> dict[str, Any]:
        """The part of the cell's grid that is of its method's settings."""
        return {name: values for name, values in self.cell.grid.items() if name.startswith("method.")}

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
        """What tells it apart from the others under its conditions; the names of its settings do, too, see ``groups_of``."""
        return canonical([self.cell.method, self.cell.method_options, self.cell.grid, sorted(self.blocks[0].first.trial.method)])

    @property
    def max_seeds(self) -> int | None:
        """Up to how many seeds its verdict was looked at after each; None: nobody looked before all were there."""
        return max(map(round, self.metric(MAX_SEEDS).values()), default=None)

    @property
    def won(self) -> dict[str, Any]:
        """What was chosen of the cell's grid."""
        return {name: chosen(self.blocks[0].first.trial, name) for name in self.cell.grid}

    @property
    def is_whole_method(self) -> bool:
        """Neither a preset nor with options, nor an earlier form of one: variants of one method would count as so many methods."""
        return ":" not in self.cell.method and not self.cell.method_options and not self.lacks

    @property
    def notes(self) -> tuple[str, ...]:
        found = dict.fromkeys(note for block in self.blocks for note in block.first.notes)
        if self.left_out:
            found[f"{self.cell}: {self.left_out} record(s) with other hyper-parameters for the same cell and budget are left out"] = None
        if self.lacks:
            found[f"{self.cell}: one of its rows is from before the method had {', '.join(self.lacks)}"] = None
        scored = len(self.metric("test/auc"))
        if 0 < scored < self.finished_count:
            found[f"{self.cell}: {self.finished_count - scored} finished record(s) without test/auc do not count as seeds"] = None
        for what, versions in _code_versions(self.blocks).items():
            if what.startswith("method"):
                mixed = f"{self.cell}: its seeds come from {versions} versions of the method's code, and their mean from none of them"
                found[f"{mixed}; {AGAIN}"] = None
        return tuple(found)

    @cached_property
    def layers(self) -> list[int]:
        """The layers whose batch spectrum was measured, ascending."""
        return sorted({layer for names in self.headlines for layer in _layers(names)})

    @cached_property
    def _asked(self) -> dict[str, dict[int, float]]:
        return {}

    def metric(self, name: str) -> dict[int, float]:
        """Seed -> value, of the finished seeds that have the metric."""
        if name not in self._asked:  # a board asks for test AUC six times
            self._asked[name] = self._metrics.of(name)
        return self._asked[name]

    def mean(self, name: str) -> float | None:
        """Of the metric over the finished seeds that have it; None where none has."""
        return self._metrics.mean(name)

    def means_of(self, names: Iterable[str]) -> dict[str, float]:
        """Name -> ``mean`` of the metric, where there is one."""
        return self._metrics.means(names)

    def mean_costs(self, names: Iterable[str]) -> dict[str, float]:
        """Name -> the mean of ``cost``, where a seed says so."""
        return self._cost.means(names)

    def means(self, prefix: str) -> dict[str, float]:
        """Of the metrics whose names begin so: what follows -> the mean over the finished seeds that have it."""
        names = self.beginning(prefix)
        found = self._metrics.means(names.values())
        return {rest: found[name] for rest, name in names.items() if name in found}

    def cost(self, name: str) -> dict[int, float]:
        """Seed -> what it cost, of the finished seeds that say so."""
        return self._cost.of(name)

    @cached_property
    def _metrics(self) -> Stack:
        return together([block.metrics for block in self.finished_blocks])

    @cached_property
    def _cost(self) -> Stack:
        return together([block.cost for block in self.finished_blocks])

    def beginning(self, prefix: str) -> dict[str, str]:
        """Of the metrics whose names begin so: what follows -> the name, in the order of the first record that has it."""
        return {rest: name for names in self.headlines for rest, name in beginning(names, prefix)}

    @cached_property
    def headlines(self) -> tuple[Headlines, ...]:
        """The headlines of the finished records, each once: seeds mostly have the same."""
        return tuple(dict.fromkeys(block.first.headlines for block in self.finished_blocks))


def blocks_of(records: Iterable[Record]) -> list[Block]:
    """Of a folder of records, without making them, or of records."""
    return records.blocks() if isinstance(records, Store) else blocks_of_records(records)


def groups(records: Iterable[Record], audit: Mapping[str, float] | None = None) -> list[Group]:
    """The groups of the final trainings among ``records``, in a fixed order. A data set of which there are several versions among the
    records is labelled ``name@fingerprint``, so that they never share a board. ``audit``: cell key -> dose measured afterwards; None: what
    the folder of the records has of it.
    """
    return groups_of(blocks_of(records), acting.audited(records) if audit is None else audit)


def boards_named(dataset: str | None, labels: Iterable[str], where: str) -> list[str]:
    """Labels of boards, each once, that the name of a data set means: a label itself, or all of ``name@fingerprint``; None: all of them.

    Raises UserError, which begins with ``where``, for a name that no board has.
    """
    known = list(dict.fromkeys(labels))
    if dataset is None:
        return known
    wanted = one_of("data set", dataset, {*known, *(label.split("@")[0] for label in known)}, where)
    return [label for label in known if wanted in (label, label.split("@")[0])]


def groups_of(blocks: Iterable[Block], audit: Mapping[str, float]) -> list[Group]:
    """See ``groups``."""
    found: dict[tuple[str, int, tuple[str, ...]], list[Block]] = defaultdict(list)
    versions: dict[str, set[str]] = defaultdict(set)
    settings: dict[str, set[str]] = defaultdict(set)
    for block in blocks:
        trial = block.first.trial
        if trial.stage == "final":
            # A method that has got a setting since is another contestant, whatever the cell says: its default may have changed with it.
            found[trial.cell.key, trial.budget, tuple(sorted(trial.method))].append(block)
            versions[trial.cell.dataset].add(trial.cell.data)
            settings[trial.cell.key].update(trial.method)
    result = []
    for (key, budget, names), members in found.items():
        cell = members[0].first.trial.cell
        label = cell.dataset if len(versions[cell.dataset]) == 1 else f"{cell.dataset}@{cell.data}"
        chosen = _one_configuration(members)
        left_out = sum(len(block.seeds) for block in members) - sum(len(block.seeds) for block in chosen)
        lacks = tuple(sorted(settings[key].difference(names)))
        result.append(Group(label=label, cell=cell, budget=budget, blocks=chosen, left_out=left_out, audited=audit.get(key), lacks=lacks))
    return sorted(_with_grids(result), key=lambda g: (g.label, str(g.cell), g.budget, g.cell.key, len(g.lacks), g.lacks))


def _with_grids(found: Sequence[Group]) -> list[Group]:
    """The same, with ``names_grid``: of a method on a board for all its groups or for none, so that it has one name in all cells."""
    own = {group.cell.method for group in found if group.own_grid}
    alike: dict[tuple[str, ...], set[str]] = defaultdict(set)  # all that is said of a group, the grid apart -> cell keys
    for group in found:
        if group.cell.method in own:
            said = canonical(group.cell.method_options), *group.lacks
            alike[group.label, group.cell.method, group.conditions, *said].add(group.cell.key)
    several = {(label, method) for (label, method, *_), keys in alike.items() if len(keys) > 1}
    return [replace(g, names_grid=True) if g.own_grid and (g.label, g.cell.method) in several else g for g in found]


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
    members: dict[str, list[Block]] = defaultdict(list)
    for group in board:
        members[group.cell.backbone] += [block for block in group.blocks if block.first.status != "incompatible"]  # which has no numbers
    found = {}
    for backbone, blocks in members.items():
        parts = {what.partition("_")[0]: n for what, n in _code_versions(blocks).items() if not what.startswith("method")}
        if parts:
            words = " and ".join(f"{n} versions of the {what} code" for what, n in sorted(parts.items()))
            found[backbone] = f"the rows with {backbone} come from {words}; {AGAIN}"
    return found


def _code_versions(blocks: Iterable[Block]) -> dict[str, int]:
    """Which code -> of how many versions the records are, where it is more than one. What some records do not tell counts as equal."""
    told: dict[str, set[str]] = defaultdict(set)
    for block in blocks:
        for what, digest_of in block.first.fingerprints.items():
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
    """Conditions -> their groups, presets left out, where there are at least ``FEWEST``: what a rank correlation is taken over.

    Methods that give the same numbers count as one, the first: with one set multi-embedding and its controls are single embedding.
    """
    found: dict[str, dict[object, Group]] = defaultdict(dict)
    for group in all_groups:
        if group.is_whole_method:
            numbers = tuple(sorted(group.metric("test/auc").items()))
            found[group.conditions].setdefault(numbers or group.row, group)
    return {conditions: list(members.values()) for conditions, members in found.items() if len(members) >= FEWEST}


def _one_configuration(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The seeds of one set of hyper-parameters: a cell tuned twice must not count a seed twice, nor mix two winners.

    Taken is the set with the most finished seeds, then the better mean validation AUC: never a choice on test data.
    """
    sets: dict[str, list[Block]] = defaultdict(list)
    for block in blocks:
        sets[f"{block.first.trial.settings} {block.first.trial.draw}"].append(block)

    def merit(key: str) -> tuple[int, float, str]:
        finished = [block for block in sets[key] if block.first.status == "finished"]
        count = sum(len(block.seeds) for block in finished)
        valid = [value for block in finished for value in block.metrics.of("valid/auc").values()]
        return count, fsum(valid) / count if count else 0.0, key

    return tuple(sorted(sets[max(sets, key=merit)] if len(sets) > 1 else blocks, key=lambda block: block.seeds[0]))


@lru_cache(maxsize=1 << 10)
def _layers(metrics: Headlines) -> tuple[int, ...]:
    return tuple(int(match[1]) for name in metrics if (match := LAYER.fullmatch(name)))
