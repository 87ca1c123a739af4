"""Records as rows of the index, and back. What is seldom asked for is read when it is."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from benchmark.config import Cell, Training, Trial
from benchmark.index import Index, Row, State
from benchmark.packing import Numbers, is_headline, packed_curve, to_bytes, unpacked_curve
from benchmark.record import Record, Status
from benchmark.values import canonical, digest, from_dict, to_dict


@lru_cache(maxsize=1)
def version() -> int:
    """A number that changes with what a row of the index means, and with the fields that records are checked against."""
    fields = {cls.__name__: {f.name: str(f.type) for f in dataclasses.fields(cls)} for cls in (Record, Trial, Cell, Training)}
    return int(digest({"rows": 1, "fields": fields})[:7], 16)


def row_of(record: Record, name: str, found: str, state: State) -> tuple[Row, dict[str, Any]]:
    """The record as the index keeps it: a row, and beside it what is seldom asked for."""
    trial = to_dict(record.trial)
    head = {k: v for k, v in record.metrics.items() if is_headline(k)}
    row = Row(
        name,
        state.mtime,
        state.size,
        state.inode,
        found,
        json.dumps(trial["cell"]),
        json.dumps({part: trial[part] for part in ("training", "backbone", "method")}),
        record.trial.stage,
        record.trial.seed,
        record.trial.draw,
        record.trial.budget,
        record.status,
        record.reason,
        json.dumps(record.frames),
        record.started,
        json.dumps(record.notes),
        json.dumps(dict(record.fingerprints)),
        json.dumps(list(head)),
        to_bytes(list(head.values())),
        json.dumps(list(record.cost)),
        to_bytes(list(record.cost.values())),
    )
    return row, rest_of(record)


def rest_of(record: Record) -> dict[str, Any]:
    """What the index keeps apart, as JSON types."""
    metrics = {k: v for k, v in record.metrics.items() if not is_headline(k)}
    return {"metrics": metrics, "curve": packed_curve(record.curve), "environment": dict(record.environment)}


class Made:
    """Makes records of rows. What many rows share is one object.

    ``read``: the record in a file, for what the index has no more: its row may have been replaced since.
    """

    def __init__(self, index: Index, read: Callable[[str], Record]) -> None:
        self._index, self._read = index, read
        self._cell = lru_cache(maxsize=None)(lambda text: from_dict(Cell, json.loads(text), "index"))
        self._places = lru_cache(maxsize=None)(lambda text: {name: place for place, name in enumerate(json.loads(text))})
        self._parsed = lru_cache(maxsize=None)(json.loads)
        self._settings = lru_cache(maxsize=None)(_settings)

    def record(self, row: Row) -> Record:
        """Raises UserError, KeyError, TypeError or ValueError for a row that this code does not understand."""
        training, parts, settings = self._settings(row.settings)
        trial = Trial(
            cell=self._cell(row.cell),
            stage=typing.cast(Any, row.stage),
            training=training,
            backbone=parts["backbone"],
            method=parts["method"],
            seed=row.seed,
            draw=row.draw,
            budget=row.budget,
        )
        trial.__dict__.update(trial_id=row.name.removesuffix(".json"), settings=settings)  # known, and hashing costs more than all the rest
        rest = partial(self._rest, row.name, row.digest)
        return Record(
            trial=trial,
            status=typing.cast(Status, row.status),
            reason=row.reason,
            frames=tuple(json.loads(row.frames)) if row.frames != "[]" else (),
            metrics=Numbers(self._places(row.metric_names), row.metrics, lambda: rest()["metrics"]),
            curve=typing.cast(Any, _Later(lambda: tuple(unpacked_curve(rest()["curve"])))),
            cost=Numbers(self._places(row.cost_names), row.cost),
            environment=typing.cast(Any, _LaterMapping(lambda: rest()["environment"])),
            fingerprints=self._parsed(row.fingerprints),
            notes=tuple(self._parsed(row.notes)),
        )

    def _rest(self, name: str, found: str) -> Mapping[str, Any]:
        rest = self._index.rest(name, found)
        return rest_of(self._read(name)) if rest is None else rest


def _settings(text: str) -> tuple[Training, dict[str, Any], str]:
    parts = json.loads(text)
    return from_dict(Training, parts["training"], "index"), parts, canonical(parts)


class _Later(Sequence[Any]):
    """A sequence that is read when it is asked for."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], Sequence[Any]]) -> None:
        self._read = read

    def __getitem__(self, place: Any) -> Any:
        return self._read()[place]

    def __len__(self) -> int:
        return len(self._read())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


class _LaterMapping(Mapping[str, str]):
    """A mapping that is read when it is asked for."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], Mapping[str, str]]) -> None:
        self._read = read

    def __getitem__(self, key: str) -> str:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())
