"""Records as rows of the index, and back. What is seldom asked for is read when it is."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar

from benchmark.config import Cell, Training, Trial
from benchmark.index import Row, State
from benchmark.packing import Names, Numbers, is_headline, to_bytes, unpacked_curve, unpacked_metrics
from benchmark.record import Record
from benchmark.values import canonical, digest, from_dict, to_dict

KEPT = 64  # contents of files that stay in memory
T = TypeVar("T")


@lru_cache(maxsize=1)
def version() -> int:
    """A number that changes with what a row of the index means, and with the fields that records are checked against."""
    fields = {cls.__name__: {f.name: str(f.type) for f in dataclasses.fields(cls)} for cls in (Record, Trial, Cell, Training)}
    return int(digest({"rows": 4, "fields": fields, "byteorder": sys.byteorder})[:7], 16)


def row_of(record: Record, name: str, found: str, state: State) -> Row:
    """The record as the index keeps it."""
    trial = to_dict(record.trial)
    head = {k: v for k, v in record.metrics.items() if is_headline(k)}
    return Row(
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
        record.trial.until,
        record.status,
        record.reason,
        json.dumps(record.frames),
        record.started,
        json.dumps(record.notes),
        json.dumps(dict(record.fingerprints)),
        json.dumps(list(head)),
        json.dumps(list(record.cost)),
        to_bytes(list(head.values())),
        to_bytes(list(record.cost.values())),
    )


class Made:
    """Makes records of rows. What many rows share is one object.

    ``content``: the JSON of the record in a file, for what a row does not have.
    """

    def __init__(self, content: Callable[[str], Mapping[str, Any]]) -> None:
        self._content = lru_cache(maxsize=KEPT)(content)
        self._others = lru_cache(maxsize=KEPT)(self._other_metrics)
        self._cell = lru_cache(maxsize=None)(_cell)
        self._names = lru_cache(maxsize=None)(lambda text: Names(json.loads(text)))
        self._parsed = lru_cache(maxsize=None)(json.loads)
        self._parsed_notes = lru_cache(maxsize=None)(lambda text: tuple(json.loads(text)))
        self._settings = lru_cache(maxsize=None)(_settings)

    def record(self, row: Row) -> Record:
        """Raises UserError, KeyError, TypeError or ValueError for a row that this code does not understand."""
        training, parts, settings = self._settings(row.settings)
        trial = _bare(
            Trial,
            cell=self._cell(row.cell),
            stage=row.stage,
            training=training,
            backbone=parts["backbone"],
            method=parts["method"],
            seed=row.seed,
            draw=row.draw,
            budget=row.budget,
            until=row.until,
            trial_id=row.name.removesuffix(".json"),  # known; hashing would cost more than all the rest
            settings=settings,
        )
        return _bare(
            Record,
            trial=trial,
            status=row.status,
            reason=row.reason,
            frames=tuple(json.loads(row.frames)) if row.frames != "[]" else (),
            metrics=Numbers(self._names(row.metric_names), row.metrics, partial(self._others, row.name)),
            curve=_Later(self._content, row.name),
            cost=Numbers(self._names(row.cost_names), row.cost),
            environment=_LaterMapping(self._content, row.name),
            fingerprints=self._parsed(row.fingerprints),
            notes=self._parsed_notes(row.notes),
        )

    def _other_metrics(self, name: str) -> dict[str, float]:
        content = self._content(name)
        metrics = unpacked_metrics(content["metrics"], content.get("spectra", ()))
        return {k: v for k, v in metrics.items() if not is_headline(k)}


def _bare(cls: type[T], **content: Any) -> T:
    """Of fields that were checked when the file was read: the constructors of 100,000 frozen objects take seconds."""
    made = object.__new__(cls)
    made.__dict__.update(content)
    return made


def _cell(text: str) -> Cell:
    content = json.loads(text)
    return _bare(Cell, **{**content, "rungs": tuple(content["rungs"])})  # JSON has no tuples


def _settings(text: str) -> tuple[Training, dict[str, Any], str]:
    parts = json.loads(text)
    return from_dict(Training, parts["training"], "index"), parts, canonical(parts)


class _Later(Sequence[Any]):
    """The curve of the record in a file, read when it is asked for."""

    __slots__ = ("_content", "_name")

    def __init__(self, content: Callable[[str], Mapping[str, Any]], name: str) -> None:
        self._content, self._name = content, name

    def _read(self) -> Sequence[Any]:
        return [*unpacked_curve(self._content(self._name)["curve"])]

    def __getitem__(self, place: Any) -> Any:
        return self._read()[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


class _LaterMapping(Mapping[str, str]):
    """The environment of the record in a file, read when it is asked for."""

    __slots__ = ("_content", "_name")

    def __init__(self, content: Callable[[str], Mapping[str, Any]], name: str) -> None:
        self._content, self._name = content, name

    def _read(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self._content(self._name)["environment"]
        return found

    def __getitem__(self, key: str) -> str:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())
