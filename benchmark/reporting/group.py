"""A group of trainings: the seeds of one cell at one tuning budget. What the board and the figures are both made of."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from benchmark.blocks import Block
from benchmark.config import FUTILITY, MAX_SEEDS, Cell, Trial, chosen, conditions
from benchmark.packing import Stack, together
from benchmark.record import Headlines, beginning
from benchmark.records import Record, Status
from benchmark.reporting import acting
from benchmark.values import canonical, digest

SEVERITY: tuple[Status, ...] = ("finished", "incompatible", "diverged", "failed")
AGAIN = "`run SUITE --renew` trains those of other code than today's again"
OF_LAYER = re.compile(r"spectral/layer(\d+)/")
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
    had: tuple[str, ...] = ()  # settings that its method has no more, where another group of its cell is without them
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

    @property
    def trial_ids(self) -> tuple[str, ...]:
        """Of its trainings, in the order of seeds: what `reproduce` takes."""
        by_seed = sorted((seed, found) for block in self.blocks for seed, found in zip(block.seeds, block.ids, strict=True))
        return tuple(found for _, found in by_seed)

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
        return canonical([self.cell.method, self.cell.method_options, self.cell.grid, self.names])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of its method's settings; of the older trainings where others know more of them."""
        return min((settings_of(block.first.trial) for block in self.blocks), key=len)

    @property
    def max_seeds(self) -> int | None:
        """Up to how many seeds its verdict was looked at after each; None: nobody looked before all were there."""
        return max(map(round, self.metric(MAX_SEEDS).values()), default=None)

    @property
    def futility(self) -> float:
        """The chance of a verdict below which it got no more seeds, by the last one that was looked at; 0: it got them while undecided."""
        looked_at, known = self.metric(MAX_SEEDS), self.metric(FUTILITY)
        return known.get(max(looked_at), 0.0) if looked_at else 0.0

    @property
    def grid_points(self) -> int | None:
        """How many combinations the cell's grid has; None: it has none."""
        return math.prod(map(len, self.cell.grid.values())) if self.cell.grid else None

    @property
    def won(self) -> dict[str, Any]:
        """What was chosen of the cell's grid."""
        return {name: chosen(self.blocks[0].first.trial, name) for name in self.cell.grid}

    @property
    def won_at_end(self) -> tuple[str, ...]:
        """Of what was chosen, the settings with the least or the greatest value of a grid of three or more: others beyond were not tried.

        Beyond 0, which switches off what must not be negative, there are none.
        """
        found = []
        for name, value in self.won.items():
            numbers = [one for one in self.cell.grid[name] if isinstance(one, int | float) and not isinstance(one, bool)]
            if len(numbers) == len(self.cell.grid[name]) > 2 and (value == max(numbers) or value == min(numbers) != 0):
                found.append(name)
        return tuple(found)

    @property
    def earlier(self) -> str:
        """As what its method was trained where that is not the method of today, as a name has it; empty: it is, as far as one knows."""
        before = f"before {', '.join(self.lacks)}" if self.lacks else ""
        return ", ".join(filter(None, (before, f"when it had {', '.join(self.had)}" if self.had else "")))

    @property
    def is_whole_method(self) -> bool:
        """Neither a preset nor with options, nor an earlier form of one: variants of one method would count as so many methods."""
        return ":" not in self.cell.method and not self.cell.method_options and not self.earlier

    @property
    def notes(self) -> tuple[str, ...]:
        found = dict.fromkeys(note for block in self.blocks for note in block.first.notes)
        if self.left_out:
            found[f"{self.cell}: {self.left_out} record(s) with other hyper-parameters for the same cell and budget are left out"] = None
        if self.earlier:
            mean = self.mean("test/auc")
            which = "one of its rows" if mean is None else f"its row with test AUC {mean:.5f}"
            times = [f"before the method had {', '.join(self.lacks)}"] if self.lacks else []
            times += [f"when the method had {', '.join(self.had)}, as it has no more"] if self.had else []
            found[f"{self.cell}: {which} is from {' and from '.join(times)}"] = None
        told = [set(block.first.trial.method) for block in self.blocks]
        if later := sorted(set[str]().union(*told) - told[0].intersection(*told)):
            mixed = f"{self.cell}: some of its seeds are from before the method had {', '.join(later)}, the others pin what was so then"
            found[f"{mixed}; {AGAIN}"] = None
        scored = len(self.metric("test/auc"))
        if 0 < scored < self.finished_count:
            found[f"{self.cell}: {self.finished_count - scored} finished record(s) without test/auc do not count as seeds"] = None
        for what, versions in code_versions(self.blocks).items():
            if what.startswith("method"):
                mixed = f"{self.cell}: its seeds come from {versions} versions of the method's code, and their mean from none of them"
                found[f"{mixed}; {AGAIN}"] = None
        return tuple(found)

    @cached_property
    def layers(self) -> list[int]:
        """The layers whose batch spectrum was measured, ascending."""
        return sorted({layer for names in self.headlines for layer in _layers(names)})

    @cached_property
    def last_layer(self) -> int | None:
        """Of the layers at which anything was measured: what a metric "at the last layer" is of, also where it is not known there."""
        return max((last for names in self.headlines if (last := _last(names)) is not None), default=None)

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


def settings_of(trial: Trial) -> tuple[str, ...]:
    """The names of the settings that its method had then: what tells its contestants of several versions apart, whose cell is the same."""
    return tuple(sorted(trial.method))


def code_versions(blocks: Iterable[Block]) -> dict[str, int]:
    """Which code -> of how many versions the records are, where it is more than one. What some records do not tell counts as equal."""
    told: dict[str, set[str]] = defaultdict(set)
    for block in blocks:
        for what, digest_of in block.first.fingerprints.items():
            if what != "data":
                told[what].add(digest_of)
    return {what: len(versions) for what, versions in told.items() if len(versions) > 1}


def _overrides(kind: str, options: Mapping[str, Any]) -> list[str]:
    return [f"{kind}.{key}={canonical(value)}" for key, value in sorted(options.items())]


@lru_cache(maxsize=1 << 10)
def _last(metrics: Headlines) -> int | None:
    return max((int(match[1]) for name in metrics if (match := OF_LAYER.match(name))), default=None)


@lru_cache(maxsize=1 << 10)
def _layers(metrics: Headlines) -> tuple[int, ...]:
    return tuple(int(match[1]) for name in metrics if (match := LAYER.fullmatch(name)))
