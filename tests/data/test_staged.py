"""Rows between being read and having ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.data.staged import Block, Staged


@pytest.mark.parametrize(("texts", "numbers"), [(3, 2), (0, 2), (3, 0)])
def test_what_was_put_comes_back_until_it_is_dropped(tmp_path: Path, texts: int, numbers: int) -> None:
    random = np.random.default_rng(0)
    blocks = [
        Block(
            random.integers(0, 2**31, (texts, rows), dtype=np.int32),
            random.normal(size=(numbers, rows)),
            random.integers(0, 2, rows, dtype=np.uint8),
            np.empty(0, np.uint32),
        )
        for rows in (5, 1, 7)
    ]
    staged = Staged(tmp_path / "rows", texts)
    for block in blocks:
        staged.put(block)
    assert [staged.rows(number) for number in staged.blocks()] == [slice(0, 5), slice(5, 6), slice(6, 13)]
    for number in (1, 0, 2):  # a block is not where another one's end is looked for
        for place, column in enumerate([*blocks[number].codes, *blocks[number].numbers]):
            found = staged.column(number, place)
            assert found.dtype == column.dtype
            assert np.array_equal(found, column)
        staged.drop(number)
    assert not list((tmp_path / "rows").iterdir())


def test_rows_of_a_part(tmp_path: Path) -> None:
    staged = Staged(tmp_path / "rows", 0)
    for rows in (2, 3):
        staged.put(Block(np.empty((0, rows), np.int32), np.empty((0, rows)), np.zeros(rows, np.uint8), np.empty(0, np.uint32)))
    staged.labels = np.zeros(5, np.uint8)
    numbers = np.arange(5)
    for part, of in ((np.array([0, 2, 1, 0, 0], np.uint8), ([0, 3, 4], [2], [1])), (1, ([], [0, 1, 2, 3, 4], []))):
        staged.part = part
        for number, expected in enumerate(of):
            found = [row for block in staged.blocks() for row in numbers[staged.rows(block)][staged.of_part(block, number)]]
            assert found == expected
            assert staged.count(number) == len(expected)


@pytest.mark.parametrize(
    ("part", "number", "expected"),
    [
        (np.array([0, 0, 0, 1, 0, 2], np.uint8), 0, [[1, 0, 0, 2], [0, 0, 0, 1]]),
        (np.array([0, 0, 0, 1, 0, 2], np.uint8), 1, [[0, 1], []]),
        (np.array([0, 0, 0, 1, 0, 2], np.uint8), 2, [[], [0, 0, 1]]),
        (1, 0, [[], []]),
        (1, 1, [[1, 1, 0, 2], [0, 0, 1, 1]]),
    ],
)
def test_how_often_codes_occur_in_a_part(tmp_path: Path, part: np.ndarray | int, number: int, expected: list[list[int]]) -> None:
    staged = Staged(tmp_path / "rows", 1)
    for codes in ([3, 0, 3, 1], [3, 2]):
        staged.put(Block(np.array([codes], np.int32), np.empty((0, len(codes))), np.zeros(len(codes), np.uint8), np.empty(0, np.uint32)))
    staged.part = part
    found = [staged.occurrences(block, 0, number, 4) for block in staged.blocks()]
    assert [np.trim_zeros(counts, "b").tolist() for counts in found] == expected
    assert all(len(counts) <= 4 for counts in found)
