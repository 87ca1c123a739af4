"""Records as rows of the index, and back. What is seldom asked for is read when it is."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar

from benchmark.config import Cell, Training, Trial
from benchmark.index import Alike, Row, State
from benchmark.packing import Names, Numbers, is_headline, to_bytes, unpacked_curve, unpacked_metrics
from benchmark.record import Record
from benchmark.values import canonical, digest, from_dict, to_dict

WIDTH = 8  # bytes of a number
KEPT = 64  # contents of files that stay in memory
OF_TRIAL, OF_RECORD = ("stage", "budget", "until"), ("status", "reason", "frames", "notes")  # what a row's kind says, and fingerprints
T = TypeVar("T")


@lru_cache(maxsize=1)
def version() -> int:
    """A number that changes with what a row of the index means (a cell's key, too) and the fields that records are checked against."""
    fields = {cls.__name__: {f.name: str(f.type) for f in dataclasses.fields(cls)} for cls in (Record, Trial, Cell, Training)}
    return int(digest({"rows": 6, "fields": fields, "byteorder": sys.byteorder})[:7], 16)


def row_of(record: Record, name: str, found: str, state: State) -> Row:
    """The record as the index keeps it."""
    trial = to_dict(record.trial)
    head = {k: v for k, v in record.metrics.items() if is_headline(k)}
    of_trial = {name: trial[name] for name in OF_TRIAL}
    of_record = {name: getattr(record, name) for name in OF_RECORD} | {"fingerprints": dict(record.fingerprints)}
    return Row(
        name,
        state.mtime,
        state.size,
        state.inode,
        found,
        record.started,
        record.trial.seed,
        Alike(
            record.trial.draw,
            json.dumps({**trial["cell"], "key": record.trial.cell.key}),
            json.dumps({part: trial[part] for part in ("training", "backbone", "method")}),
            json.dumps([list(head), list(record.cost)]),
            json.dumps([of_trial, of_record]),
        ),
        to_bytes([*head.values(), *record.cost.values()]),
    )


def id_of(row: Row) -> str:
    """The id of the trial, which the file is named by."""
    return row.name.removesuffix(".json")


class Made:
    """Makes records of rows. What many rows share is one object.

    ``content``: the JSON of the record in a file, for what a row does not have.
    """

    def __init__(self, content: Callable[[str], Mapping[str, Any]]) -> None:
        self._content = lru_cache(maxsize=KEPT)(content)
        self._others = lru_cache(maxsize=KEPT)(partial(_other_metrics, self._content))
        self._cell = lru_cache(maxsize=None)(_cell)
        self._settings = lru_cache(maxsize=None)(_settings)
        self._names = lru_cache(maxsize=None)(_names)
        self._kind = lru_cache(maxsize=None)(_kind)
        self._checked: set[Alike] = set()

    def check(self, alike: Alike) -> None:
        """Raises UserError, KeyError, TypeError or ValueError for rows that this code does not understand."""
        if alike not in self._checked:
            self._cell(alike.cell), self._settings(alike.settings), self._names(alike.names), self._kind(alike.kind)
            self._checked.add(alike)

    def names(self, alike: Alike) -> tuple[Names, Names]:
        """Of metrics and of cost."""
        return self._names(alike.names)

    def record(self, row: Row) -> Record:
        """Of a row that was checked."""
        of_trial, of_record = self._kind(row.alike.kind)
        metrics, cost = self._names(row.alike.names)
        size = WIDTH * len(metrics.places)
        trial = _bare(
            Trial,
            {
                **self._settings(row.alike.settings),
                **of_trial,
                "cell": self._cell(row.alike.cell),
                "seed": row.seed,
                "draw": row.alike.draw,
                "trial_id": id_of(row),  # known; hashing would cost more than all the rest
            },
        )
        return _bare(
            Record,
            {
                **of_record,
                "trial": trial,
                "metrics": Numbers(metrics, row.numbers[:size], partial(self._others, row.name)),
                "singular_values": _LaterMapping(self._content, row.name, "singular_values"),
                "curve": _Later(self._content, row.name),
                "cost": Numbers(cost, row.numbers[size:]),
                "environment": _LaterMapping(self._content, row.name, "environment"),
            },
        )


def _bare(cls: type[T], content: Mapping[str, Any]) -> T:
    """Of fields that were checked when the file was read: the constructors of 100,000 frozen objects take seconds."""
    made = object.__new__(cls)
    made.__dict__.update(content)
    return made


def _other_metrics(content: Callable[[str], Mapping[str, Any]], name: str) -> dict[str, float]:
    found = content(name)
    metrics = unpacked_metrics(found.get("metrics", {}), found.get("spectra", ()))
    return {k: v for k, v in metrics.items() if not is_headline(k)}


def _cell(text: str) -> Cell:
    content = json.loads(text)
    return _bare(Cell, {**content, "rungs": tuple(content["rungs"])})  # JSON has no tuples


def _settings(text: str) -> dict[str, Any]:
    parts = json.loads(text)
    return {**parts, "training": from_dict(Training, parts["training"], "index"), "settings": canonical(parts)}


def _names(text: str) -> tuple[Names, Names]:
    metrics, cost = json.loads(text)
    return Names(metrics), Names(cost)


def _kind(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    of_trial, of_record = json.loads(text)
    return of_trial, {**of_record, "frames": tuple(of_record["frames"]), "notes": tuple(of_record["notes"])}


class _Later(Sequence[Any]):
    """The curve of the record in a file, read when it is asked for."""

    __slots__ = ("_content", "_name")

    def __init__(self, content: Callable[[str], Mapping[str, Any]], name: str) -> None:
        self._content, self._name = content, name

    def _read(self) -> Sequence[Any]:
        return [*unpacked_curve(self._content(self._name).get("curve", ()))]

    def __getitem__(self, place: Any) -> Any:
        return self._read()[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


class _LaterMapping(Mapping[str, str]):
    """Texts of the record in a file, its environment say, read when they are asked for."""

    __slots__ = ("_content", "_name", "_part")

    def __init__(self, content: Callable[[str], Mapping[str, Any]], name: str, part: str) -> None:
        self._content, self._name, self._part = content, name, part

    def _read(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self._content(self._name).get(self._part, {})
        return found

    def __getitem__(self, key: str) -> str:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())
