"""What in the encoded parts of a table makes a score mean something else than its reader thinks. Nothing is refused for it: it is said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.data.vocabulary import FIRST, MISSING, UNSEEN
from benchmark.sources import Build

BLOCK = 1 << 12  # rows looked at once: they stay in the cache while they are hashed, a third of the time
UNSEEN_SHARE = 0.5  # of a part's rows, from which on it is said
TWICE_SHARE = 0.01  # of a part's rows
COPIED_SHARE = 0.5  # of test's rows that stand in valid: rows with ids of their own are alike where training has none of them;
MORE_COPIED = 0.2  # and than stand in train: where rows are alike by chance, about as many do
BEYOND_CHANCE = 4.0  # standard errors: two parts in 16,000 by chance
MISSING_SHARE = 0.2  # of a part's rows more than of training's, from which on it is said
OUTER_SHARE = 0.5  # of a part's rows in an outer bucket
LISTED = 10


class Learned(NamedTuple):
    """What training made of a field whose values it learned."""

    name: str
    counts: NDArray[np.int64]  # (cardinality,) training occurrences of each local id
    ordered: bool  # whether the ids are buckets of numbers
    unseen: NDArray[np.bool_] | None = None  # (bags,) of a multi-valued field: which ids beside UNSEEN are bags of unseen values alone


def suspicions(
    folder: Path,
    fields: Mapping[int, Learned],
    rates: Mapping[str, float],
    rows: Mapping[str, int],
    hashes: Mapping[str, NDArray[np.uint64]],
) -> Iterator[str]:
    """One line for each: fields whose values a part has but training has not; fields that a part lacks, in all rows or in many; numbers
    that are greater or less than almost all of training; positive rates that differ; rows without a value; rows of a part that stand in
    training, or in the other part, too.

    ``folder`` holds the parts' .ids.npy; ``fields``: by place, those that have an id for values that training has not (a scaled field's
    ids are its numbers); ``rates``: the parts' positive rates; ``hashes``: of the parts' rows, by ``hashes_of``, in any order; they are
    sorted in place.
    """
    known = hashes["train"]
    known.sort()
    yield from _without_values(folder, "train", known)
    if (times := _times_each(known)) > 1:
        yield f"every row of train stands there {times} times, or a multiple of it: was a file read twice?"
    before: NDArray[np.uint64] | None = None
    for part in ("valid", "test"):
        n = rows[part]
        ordered = [place for place, field in fields.items() if field.ordered]
        top = np.array([len(fields[place].counts) - 1 for place in ordered], np.int32)
        unseen, missing, least, most = (np.zeros(size, np.int64) for size in (_fields(folder, part),) * 2 + (len(ordered),) * 2)
        bags = {place: field.unseen for place, field in fields.items() if field.unseen is not None}
        for ids in _blocks(folder, part):
            unseen += (ids == UNSEEN).sum(0)
            for place, of_bags in bags.items():
                unseen[place] += np.count_nonzero(of_bags[ids[:, place]])
            missing += (ids == MISSING).sum(0)
            if ordered:
                numbers = ids[:, ordered]
                least += (numbers == FIRST).sum(0)
                most += (numbers == top).sum(0)
        yield from _listed(
            f"{part} has values that training has not seen in most rows",
            [(f"{fields[place].name} {unseen[place] / n:.1%}", unseen[place]) for place in fields if unseen[place] >= UNSEEN_SHARE * n],
        )
        lacked = {place: fields[place].counts[MISSING] / rows["train"] for place in fields}
        yield from _listed(
            f"{part} has no value at all where training has some",
            [(fields[place].name, 0) for place in fields if missing[place] == n and lacked[place] < 1],
        )
        yield from _listed(
            f"{part} lacks values that training has in more rows, or has some that training lacks",
            [
                (f"{fields[place].name} (missing in {missing[place] / n:.1%}, in train {lacked[place]:.1%})", 0)
                for place in fields
                if missing[place] < n
                and abs(missing[place] / n - lacked[place]) >= MISSING_SHARE
                and abs(_standard_errors(missing[place] / n, n, lacked[place], rows["train"])) > BEYOND_CHANCE
            ],
        )
        yield from _listed(
            f"{part} has numbers at one end of training's in most rows",
            [
                (
                    f"{fields[place].name} ({which} bucket: {found / n:.1%}, in train {fields[place].counts[local] / rows['train']:.1%})",
                    found,
                )
                for k, place in enumerate(ordered)
                for which, local, found in (("lowest", FIRST, least[k]), ("highest", int(top[k]), most[k]))
                if found >= OUTER_SHARE * n and fields[place].counts[local] < OUTER_SHARE / 2 * rows["train"]
            ],
        )
        z = _standard_errors(rates[part], n, rates["train"], rows["train"])
        if abs(z) > BEYOND_CHANCE:
            differ = f"the positive rate of {part} is {rates[part]:.4f}, of train {rates['train']:.4f}"
            yield f"{differ}: more than chance makes of one table ({z:+.1f} standard errors)"
        mine = hashes[part]
        mine.sort()  # searched for in order: each is near the one before, and in the cache
        yield from _without_values(folder, part, mine)
        share = _found(known, mine)
        if share >= TWICE_SHARE:
            own = 1 - np.count_nonzero(_alone(known)) / len(known)
            twice = f"{share:.1%} of {part}'s rows stand in train as well, all fields and the label alike"
            yield f"{twice} (of train's own {own:.1%} stand there twice)"
        if before is not None and (among := _found(before, mine)) >= max(COPIED_SHARE, share + MORE_COPIED):
            yield f"{among:.1%} of test's rows stand in valid as well, all fields and the label alike: tuning on valid sees them"
        before = mine


def _listed(said: str, found: list[tuple[str, int]]) -> Iterator[str]:
    """found: fields, and by what those with the most come first."""
    if found:
        found.sort(key=lambda one: -one[1])
        more = f" and {len(found) - LISTED} fields more" if len(found) > LISTED else ""
        yield f"{said}: {', '.join(name for name, _ in found[:LISTED])}{more}"


def _found(known: NDArray[np.uint64], mine: NDArray[np.uint64]) -> float:
    """The share of ``mine`` that is among the others; both sorted."""
    at = np.searchsorted(known, mine)
    return np.count_nonzero(known[np.minimum(at, len(known) - 1)] == mine) / len(mine)


def _without_values(folder: Path, part: str, hashes: NDArray[np.uint64]) -> Iterator[str]:
    """hashes: sorted, of the part's rows."""
    if (fields := _fields(folder, part)) < 2:  # where the only one is missing, that is said of it
        return
    blank = np.array([0, _odd(fields)[-1]], np.uint64)  # of rows with MISSING in all fields, by their label
    count = int((np.searchsorted(hashes, blank, side="right") - np.searchsorted(hashes, blank)).sum())
    if count:
        yield f"{count:,} of {part}'s {len(hashes):,} rows have no value in any field: are they rows?"


def mismatches(build: Build, rows: Mapping[str, int], rates: Mapping[str, float], values: int) -> Iterator[str]:
    """Where the encoded parts are not what ``build`` came to, one line for all; ``values``: see there."""
    differ = []
    for part in build.rows:
        positives = round(rates[part] * rows[part])
        for what, found, theirs in (("rows", rows[part], build.rows[part]), ("positives", positives, build.positives[part])):
            if found != theirs:
                differ.append(f"{part} has {found:,} {what} (there {theirs:,})")
    if build.values not in (None, values):
        differ.append(f"the fields have {values:,} values (there {build.values:,})")
    if differ:
        yield f"differs from the build of {build.by}: {', '.join(differ)}"


def _times_each(ordered: NDArray[np.uint64]) -> int:
    """The greatest common divisor of how often each stands there."""
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
    return int(np.gcd.reduce(np.diff(starts)))


def _alone(ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(n,) which have no equal beside them."""
    other = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    alone: NDArray[np.bool_] = other[1:] & other[:-1]
    return alone


def _standard_errors(rate: float, rows: int, other: float, others: int) -> float:
    """Of the difference of two rates, by their common rate."""
    common = (other * others + rate * rows) / (others + rows)
    return (rate - other) / math.sqrt(common * (1 - common) * (1 / others + 1 / rows))


def hashes_of(ids: NDArray[np.int32], labels: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(n, F) ids and (n,) labels -> (n,): equal for rows with the same ids and label; for others by a chance of 2^-64 or so."""
    odd = _odd(ids.shape[1])
    hashes: NDArray[np.uint64] = labels * odd[-1]
    for start in range(0, len(ids), BLOCK):
        some = slice(start, start + BLOCK)
        hashes[some] += ids[some].astype(np.uint64) @ odd[:-1]
    return hashes


def _odd(fields: int) -> NDArray[np.uint64]:
    """(fields + 1,) by what ids and label are multiplied."""
    return np.random.default_rng(0).integers(0, 2**63, fields + 1, np.uint64) * np.uint64(2) + np.uint64(1)


def _fields(folder: Path, part: str) -> int:
    return int(np.load(folder / f"{part}.ids.npy", mmap_mode="r").shape[1])


def _blocks(folder: Path, part: str) -> Iterator[NDArray[np.int32]]:
    ids = np.load(folder / f"{part}.ids.npy", mmap_mode="r")
    for start in range(0, len(ids), BLOCK):
        yield np.asarray(ids[start : start + BLOCK])
