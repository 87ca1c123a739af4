"""The numbers of a record in few bytes, with every digit: spectra as tables in JSON, headlines as float64 in the index."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import fsum
from typing import Any, NamedTuple

SPECTRAL = re.compile(r"spectral/(.+)/([^/]+)", re.DOTALL)
# What a board, a comparison or a row of MLflow asks for. The rest are the fields' spectra, and the less usual ones of tables and layers.
OTHER_METRICS = re.compile(
    r"spectral/(table[^/]*/.+/[^/]+"
    r"|layer\d+/(term/)?(batch_centred|batch_set|flat_centred|instance)/.+"
    r"|.+/(stable_rank|participation_ratio|numerical_rank|top_share)(_over_gaussian)?)",
    re.DOTALL,
)


@lru_cache(maxsize=1 << 14)
def is_headline(name: str) -> bool:
    """Whether the index has the metric at hand; the others are read when they are asked for."""
    return OTHER_METRICS.fullmatch(name) is None


def packed_metrics(metrics: Mapping[str, float]) -> dict[str, Any]:
    """{"metrics", "spectra"} of a record's JSON: "spectral/<matrix>/<metric>" as tables with a row a matrix and a column a metric.

    A row that equals an earlier one (of one embedding set, ``table_set`` is ``table``) is the name of that one.
    """
    plain: dict[str, float] = {}
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for name, value in metrics.items():
        match = SPECTRAL.fullmatch(name)
        if match is None:
            plain[name] = value
        else:
            rows[match[1]][match[2]] = value
    tables: dict[tuple[str, ...], dict[str, list[float] | str]] = defaultdict(dict)
    first: dict[tuple[str, ...], str] = {}
    for matrix, row in rows.items():
        columns, values = tuple(row), list(row.values())
        same = first.setdefault((*columns, *map(repr, values)), matrix)
        tables[columns][matrix] = values if same == matrix else same
    return {"metrics": plain, "spectra": [{"columns": columns, "rows": found} for columns, found in tables.items()]}


def unpacked_metrics(metrics: Mapping[str, Any], spectra: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was packed. Raises TypeError, KeyError, AttributeError or ValueError for what is none."""
    found = dict(metrics)
    for table in spectra:
        rows, columns = table["rows"], tuple(table["columns"])
        for matrix, row in rows.items():
            values = rows[row] if isinstance(row, str) else row
            found |= zip(_names(matrix, columns), values, strict=True)
    return found


@lru_cache(maxsize=1 << 12)  # thousands of records have the same names, which are one object then
def _names(matrix: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"spectral/{matrix}/{column}" for column in _checked(columns))


def _checked(columns: Sequence[Any]) -> Sequence[str]:
    """Raises TypeError for names that are none: by a number among them a record could not be written again."""
    if not all(isinstance(column, str) for column in columns):
        raise TypeError(f"columns are named {columns!r}")
    return columns


def packed_curve(curve: Sequence[Mapping[str, float]]) -> Any:
    """{"columns", "rows"} where all epochs have the same numbers, else a list of them."""
    if len({tuple(entry) for entry in curve}) != 1:
        return [dict(entry) for entry in curve]
    return {"columns": list(curve[0]), "rows": [list(entry.values()) for entry in curve]}


def unpacked_curve(curve: Any) -> Any:
    """What was packed, or the list that it is in older records. Raises as ``unpacked_metrics``."""
    return [dict(zip(_checked(curve["columns"]), row, strict=True)) for row in curve["rows"]] if isinstance(curve, Mapping) else curve


def to_bytes(values: Sequence[float]) -> bytes:
    """Float64 in the machine's own order of bytes."""
    return array("d", values).tobytes()


class Names(Iterable[str]):
    """One object for all records with the same names, in order: what is asked of names is remembered by it, not by the hundred of them."""

    __slots__ = ("places",)

    def __init__(self, names: Iterable[str]) -> None:
        self.places: Mapping[str, int] = {name: place for place, name in enumerate(names)}

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)


class Numbers(Mapping[str, float]):
    """Name -> value over float64 in the order of ``names``, and behind them what ``rest`` reads when it is asked for."""

    __slots__ = ("_places", "_rest", "headlines", "numbers")

    def __init__(self, names: Names, blob: bytes, rest: Callable[[], Mapping[str, float]] | None = None) -> None:
        self.headlines = names  # those that are at hand
        self._places, self.numbers, self._rest = names.places, array("d", blob), rest

    def __getitem__(self, name: str) -> float:
        place = self._places.get(name)
        if place is not None:
            return self.numbers[place]
        if self._rest is None or is_headline(name):
            raise KeyError(name)
        return self._rest()[name]

    def get(self, name: str, default: Any = None) -> Any:
        place = self._places.get(name)  # what boards ask for a hundred thousand times
        if place is not None:
            return self.numbers[place]
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        if name in self._places:
            return True
        return self._rest is not None and isinstance(name, str) and not is_headline(name) and name in self._rest()

    def __iter__(self) -> Iterator[str]:
        yield from self._places
        if self._rest is not None:
            yield from self._rest()

    def __len__(self) -> int:
        return len(self._places) + (0 if self._rest is None else len(self._rest()))


class Columns(NamedTuple):
    """The numbers of several records with the same names: ``numbers`` are all of one record, then all of the next, ``width`` each, with the
    value of the first name at ``start``.
    """

    names: Names
    numbers: Sequence[float]
    width: int
    start: int = 0

    def of(self, name: str) -> Sequence[float] | None:
        """A value a record; empty where none can have it; None: a metric that is not at hand, and must be asked of each."""
        place = self.names.places.get(name)
        if place is not None:
            return self.numbers[self.start + place :: self.width]
        return () if is_headline(name) else None


def columns_of(records: Sequence[Mapping[str, float]]) -> Columns | None:
    """Of the numbers of records; None where they are not of the index, or have not all the same names."""
    packed = [numbers for numbers in records if isinstance(numbers, Numbers)]
    if len(packed) < len(records) or len({numbers.headlines for numbers in packed}) != 1:
        return None
    names = packed[0].headlines
    return Columns(names, array("d", b"".join(numbers.numbers for numbers in packed)), len(names.places))


class Stack:
    """The numbers of several records under one key each, asked for by name: of ``columns``, so that a name is looked up once for all of
    them, and what is not there of ``members``, the records' own numbers.
    """

    __slots__ = ("_columns", "_keys", "_members")

    def __init__(self, keys: Sequence[int], members: Callable[[], Iterable[Mapping[str, float]]], columns: Columns | None = None) -> None:
        self._keys, self._members, self._columns = keys, members, columns

    def of(self, name: str) -> dict[int, float]:
        """Key -> value, of those that have it."""
        column = None if self._columns is None else self._columns.of(name)
        if column is not None:
            return dict(zip(self._keys, column, strict=False))
        return {key: value for key, member in zip(self._keys, self._members(), strict=True) if (value := member.get(name)) is not None}

    def means(self, names: Iterable[str]) -> dict[str, float]:
        """Name -> the mean of the values of ``of``, where there are any."""
        found = {}
        for name in names:
            values: Collection[float] | None = None if self._columns is None else self._columns.of(name)
            if values is None:
                values = self.of(name).values()
            if values:
                found[name] = fsum(values) / len(values)  # fmean does the same, and asks first what it has got
        return found

    def mean(self, name: str) -> float | None:
        """One of ``means``; None where there is none."""
        return self.means((name,)).get(name)


class Stacks(Stack):
    """Several as one: of records that have not all the same names."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Stack]) -> None:
        super().__init__((), tuple)
        self._parts = parts

    def of(self, name: str) -> dict[int, float]:
        return dict(sorted(item for part in self._parts for item in part.of(name).items()))


def together(stacks: Sequence[Stack]) -> Stack:
    """Keys in ascending order; where there is one stack, in its own."""
    return stacks[0] if len(stacks) == 1 else Stacks(stacks)
