"""What in the encoded parts of a table makes a score mean something else than its reader thinks. Nothing is refused for it: it is said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmark.data.vocabulary import MISSING, UNSEEN
from benchmark.sources import Build

BLOCK = 1 << 12  # rows looked at once: they stay in the cache while they are hashed, a third of the time
UNSEEN_SHARE = 0.5  # of a part's rows, from which on it is said
TWICE_SHARE = 0.01  # of a part's rows
BEYOND_CHANCE = 4.0  # standard errors: two parts in 16,000 by chance
LISTED = 10
UNSEEN_MARKS = "[\u00ad\u200b-\u200d\u2060\ufeff]"  # characters that show nothing
VALUES = 1 << 20  # of a column, whose spelling is compared


def suspicions(folder: Path, fields: Mapping[int, str], rates: Mapping[str, float], rows: Mapping[str, int]) -> Iterator[str]:
    """One line for each: fields whose values a part has but training has not; fields that only training has values of; positive rates that
    differ; rows of a part that stand in training, too.

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
        if nothing := [fields[n] for n in fields if _empty(folder, part, n) and not _empty(folder, "train", n)]:
            more = f" and {len(nothing) - LISTED} fields more" if len(nothing) > LISTED else ""
            yield f"{part} has no value at all where training has some: {', '.join(nothing[:LISTED])}{more}"
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


def alike(texts: pl.Series) -> Iterator[str]:
    """texts: (n,) distinct values, in any order. A line, with an example, where some differ only in case, in blanks around them, or in how
    Unicode writes the same characters.
    """
    share = -(-len(texts) // VALUES)
    kept = []
    for start in range(0, len(texts), VALUES):  # of many values those whose folded text has one hash in so many: all spellings of it
        some = texts.slice(start, VALUES).rename("text")
        plain = some.str.len_bytes() == some.str.len_chars()  # ASCII
        folded = some if plain.all() else some.str.normalize("NFKC").str.replace_all(UNSEEN_MARKS, "")
        folded = folded.str.strip_chars().str.to_lowercase().alias("folded")
        if share > 1:
            chosen = folded.hash() % share == 0
            some, folded = some.filter(chosen), folded.filter(chosen)
        kept.append(pl.DataFrame([some, folded]))
    table = pl.concat(kept) if kept else pl.DataFrame(schema={"text": pl.String, "folded": pl.String})
    if (table["text"] == table["folded"]).all():  # as they are distinct
        return
    several = table.filter(pl.col("folded").is_duplicated())
    if len(several):
        first = several.filter(pl.col("folded") == several["folded"].min())["text"].sort()
        count = len(several) - several["folded"].n_unique()
        of = f" (of one in {share} that were looked at)" if share > 1 else ""
        yield (
            f"{count:,} value{'s' if count > 1 else ''}{of} differ{'' if count > 1 else 's'} from another only in case, in blanks around "
            f"the text or in unseen marks, as {first[0]!r} and {first[1]!r}: they are different values"
        )


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


def _empty(folder: Path, part: str, field: int) -> bool:
    """Whether no row of the part has a value."""
    return all((ids[:, field] == MISSING).all() for ids in _blocks(folder, part))


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
