"""Records that differ in seed and numbers only, taken together: what boards are made of, without an object for each record."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cached_property, partial
from operator import attrgetter

from benchmark.index import Alike, Row
from benchmark.packing import Columns, Stack, columns_of
from benchmark.record import Record
from benchmark.rows import Made, id_of


class Block:
    """Trainings of one cell and one set of hyper-parameters that ended alike.

    first:   the record of the lowest seed. Of all the others, too, are its status, reason, notes, fingerprints, names of headlines, and
             its trial but for the seed; not the numbers, the curve, the environment, the frames and the id
    seeds:   ascending
    metrics: by seed; ``cost`` likewise
    ids:     of the trainings, in the order of seeds
    """

    def __init__(
        self,
        first: Record,
        seeds: Sequence[int],
        make: Callable[[], tuple[Record, ...]],
        metrics: Columns | None = None,
        cost: Columns | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        self.first, self.seeds, self._make, self._ids = first, seeds, make, ids
        # Of ``make``, not of ``self``: a cycle would stay in memory until somebody looks for cycles.
        self.metrics = Stack(seeds, lambda: (record.metrics for record in make()), metrics)
        self.cost = Stack(seeds, lambda: (record.cost for record in make()), cost)

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """In the order of seeds, made when they are asked for."""
        return self._make()

    @property
    def ids(self) -> Sequence[str]:
        return [record.trial_id for record in self.records] if self._ids is None else self._ids


def blocks_of_records(records: Iterable[Record]) -> list[Block]:
    """In the order of their first records. Of several records of one trial the last one counts."""
    latest: dict[Hashable, tuple[Hashable, Record]] = {}
    for record in records:
        trial = record.trial
        alike = trial.cell.key, trial.stage, trial.budget, trial.settings, trial.draw
        latest[alike, trial.seed] = alike, record
    found: dict[Hashable, dict[int, Record]] = defaultdict(dict)
    for of, record in latest.values():
        ended = record.status, record.reason, record.notes, tuple(record.fingerprints.items()), record.headlines
        found[of, ended][record.trial.seed] = record
    blocks = []
    for by_seed in found.values():
        seeds = sorted(by_seed)
        members = tuple(by_seed[seed] for seed in seeds)
        metrics, cost = columns_of([r.metrics for r in members]), columns_of([r.cost for r in members])
        blocks.append(Block(members[0], seeds, partial(tuple, members), metrics, cost))
    return blocks


def blocks_of_rows(rows: Iterable[Row], made: Made) -> list[Block]:
    """Of rows that ``made`` understands, in the order of their first ones."""
    found: dict[Alike, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.alike].append(row)
    blocks = []
    for alike, members in found.items():
        members.sort(key=attrgetter("seed"))
        metrics, cost = made.names(alike)
        width = len(metrics.places) + len(cost.places)
        numbers = array("d", b"".join([row.numbers for row in members]))
        blocks.append(
            Block(
                made.record(members[0]),
                [row.seed for row in members],
                partial(_records, made, members),
                Columns(metrics, numbers, width),
                Columns(cost, numbers, width, start=len(metrics.places)),
                [id_of(row) for row in members],
            )
        )
    return blocks


def _records(made: Made, rows: Iterable[Row]) -> tuple[Record, ...]:
    return tuple(map(made.record, rows))
