"""What in the encoded parts of a table makes a score mean something else than its reader thinks. Nothing is refused for it: it is said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.vocabulary import UNSEEN
from benchmark.sources import Build

BLOCK = 1 << 12  # rows looked at once: they stay in the cache while they are hashed, a third of the time
UNSEEN_SHARE = 0.5  # of a part's rows, from which on it is said
TWICE_SHARE = 0.01  # of a part's rows
BEYOND_CHANCE = 4.0  # standard errors: two parts in 16,000 by chance
LISTED = 10


def suspicions(folder: Path, fields: Mapping[int, str], rates: Mapping[str, float], rows: Mapping[str, int]) -> Iterator[str]:
    """One line for each: fields whose values a part has but training has not; positive rates that differ; rows of a part that stand in
    training, too.

    ``folder`` holds the parts' .ids.npy and .labels.npy; ``fields``: place -> name of those that have an id for values that training has
    not (a scaled field's ids are its numbers); ``rates``: the parts' positive rates.
    """
    known = np.sort(_hashes(folder, "train"))
    for part in ("valid", "test"):
        unseen = sum((ids == UNSEEN).sum(0) for ids in _blocks(folder, part)) / rows[part]
        most_first = (n for n in np.argsort(-unseen, kind="stable") if n in fields and unseen[n] >= UNSEEN_SHARE)
        if found := [f"{fields[n]} {unseen[n]:.1%}" for n in most_first]:
            more = f" and {len(found) - LISTED} fields more" if len(found) > LISTED else ""
            yield f"{part} has values that training has not seen in most rows: {', '.join(found[:LISTED])}{more}"
        z = _standard_errors(rates, rows, part)
        if abs(z) > BEYOND_CHANCE:
            differ = f"the positive rate of {part} is {rates[part]:.4f}, of train {rates['train']:.4f}"
            yield f"{differ}: more than chance makes of one table ({z:+.1f} standard errors)"
        mine = np.sort(_hashes(folder, part))  # searched for in order: each is near the one before, and in the cache
        at = np.searchsorted(known, mine)
        share = np.count_nonzero(known[np.minimum(at, len(known) - 1)] == mine) / len(mine)
        if share >= TWICE_SHARE:
            own = 1 - np.count_nonzero(_alone(known)) / len(known)
            twice = f"{share:.1%} of {part}'s rows stand in train as well, all fields and the label alike"
            yield f"{twice} (of train's own {own:.1%} stand there twice)"


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


def _alone(ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(n,) which have no equal beside them."""
    other = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    alone: NDArray[np.bool_] = other[1:] & other[:-1]
    return alone


def _standard_errors(rates: Mapping[str, float], rows: Mapping[str, int], part: str) -> float:
    """Of the difference of a part's positive rate and training's, by their common rate."""
    n, m = rows["train"], rows[part]
    common = (rates["train"] * n + rates[part] * m) / (n + m)
    return (rates[part] - rates["train"]) / math.sqrt(common * (1 - common) * (1 / n + 1 / m))


def _hashes(folder: Path, part: str) -> NDArray[np.uint64]:
    """(n,): equal for rows with the same ids and label; for others by a chance of 2^-64 or so."""
    labels = np.load(folder / f"{part}.labels.npy", mmap_mode="r")
    hashes = np.empty(len(labels), np.uint64)
    start = 0
    for ids in _blocks(folder, part):
        odd = np.random.default_rng(0).integers(0, 2**63, ids.shape[1] + 1, np.uint64) * np.uint64(2) + np.uint64(1)
        end = start + len(ids)
        hashes[start:end] = ids.astype(np.uint64) @ odd[:-1] + labels[start:end] * odd[-1]
        start = end
    return hashes


def _blocks(folder: Path, part: str) -> Iterator[NDArray[np.int32]]:
    ids = np.load(folder / f"{part}.ids.npy", mmap_mode="r")
    for start in range(0, len(ids), BLOCK):
        yield np.asarray(ids[start : start + BLOCK])
