"""Codes of a column's texts: one for each, in whatever pieces and threads they come, and however few places the table of hashes has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest

from benchmark.data.codes import FIRST, MOST, NONE, Texts, _Known

ROWS = 12 * FIRST  # more than the table learns at once


def skewed(values: int, seed: int = 0) -> pl.Series:
    """(ROWS,) texts, a few of them frequent, most rare; some are empty, some null."""
    numbers = np.random.default_rng(seed).zipf(1.2, ROWS) % values
    texts = pl.Series([f"v{n}" if n % 7 else "" for n in numbers.tolist()])
    return texts.set(pl.Series(numbers % 11 == 3), None)


def blocks(texts: pl.Series, size: int) -> list[pl.Series]:
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def require_one_code_a_text(found: Texts, texts: pl.Series, codes: np.ndarray) -> None:
    expected = texts.fill_null("")
    distinct = found.distinct()
    assert distinct.gather(codes).equals(expected)
    assert distinct.n_unique() == len(distinct) == expected.append(pl.Series([""])).n_unique()


@pytest.mark.parametrize("most", [2, 1 << 8, 1 << 12, MOST], ids="{} places".format)
@pytest.mark.parametrize("values", [3, 500, ROWS], ids="{} values".format)
def test_a_code_for_each_distinct_text(values: int, most: int) -> None:
    texts, found = skewed(values), Texts(most)
    codes = [found.codes(block) for block in blocks(texts, 5000)]
    require_one_code_a_text(found, texts, np.concatenate(codes))
    assert found.codes(texts[:0]).dtype == np.uint32 and len(found.codes(texts[:0])) == 0


def test_threads_get_the_same_code_for_a_text() -> None:
    texts, found = skewed(3000), Texts()
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(found.codes, blocks(texts, 700)))
    require_one_code_a_text(found, texts, np.concatenate(codes))


def test_a_block_of_known_texts_asks_polars_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the table is for; a text without a place is looked up each time."""
    texts, found = pl.Series([f"v{n % 40}" for n in range(FIRST)]), Texts()
    codes = found.codes(texts)
    asked: list[pl.Series] = []

    def looked_up(rest: pl.Series) -> np.ndarray:
        asked.append(rest)
        return by_polars(rest)

    by_polars = found._looked_up
    monkeypatch.setattr(found, "_looked_up", looked_up)
    assert np.array_equal(found.codes(texts), codes) and sum(map(len, asked)) <= FIRST // 10, "40 values share few of 1,024 places"
    new = found.codes(pl.Series(["another", "v1"]))
    assert new[0] == 40 + 1 and "another" in asked[-1], "after the empty text and the 40"


def test_hashes_that_share_a_place_are_told_apart() -> None:
    """The first bits are those of the place; of 0 and of all ones too, which stand for free places at the start."""
    hashes = np.array([0, 1, 2**63, 2**63 + 1, 2**64 - 1], np.uint64)
    table = _Known(2)
    codes, unknown = table.codes(hashes)
    assert unknown.tolist() == [0, 1, 2, 3, 4]
    table = table.with_these(hashes[[0, 2]], np.array([10, 12], np.uint32), most=2)
    codes, unknown = table.codes(hashes)
    assert unknown.tolist() == [1, 3, 4] and codes[[0, 2]].tolist() == [10, 12]
    table = table.with_these(hashes[[1, 4]], np.array([11, 14], np.uint32), most=2)
    assert table.codes(hashes)[1].tolist() == [1, 3, 4], "their places are taken"
    larger = _Known(2).with_these(hashes, np.arange(5, dtype=np.uint32), most=1 << 10)
    codes, unknown = larger.codes(hashes)
    assert len(larger._entries) > 2 and set(unknown.tolist()) <= {0, 1, 2, 3}
    known = np.setdiff1d(np.arange(5), unknown)
    assert codes[known].tolist() == known.tolist()


def test_a_code_too_great_for_a_place_is_left_to_polars() -> None:
    hashes = np.array([1, 2**62, 2**63], np.uint64)
    table = _Known(4).with_these(hashes, np.array([int(NONE) - 1, NONE, NONE + np.uint64(5)], np.uint32), most=4)
    codes, unknown = table.codes(hashes)
    assert codes[0] == NONE - 1 and unknown.tolist() == [1, 2]
