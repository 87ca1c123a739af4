"""What is said of a column's values: nothing depends on their order, and nothing breaks it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
import pytest

from benchmark.data import spelling
from benchmark.data.spelling import alike, oddities

PIECES = (
    *("", "1", "01", "1.0", "1e5", "1.23E+11", "-0.0", ".5", "3,14", "1,234.5", "$5", "12%", "(5)", "5-", "1e400", "1e-400", "-1e308", "٣"),
    *(
        "2024-01-31",
        "31.01.2024",
        "1/31/24",
        "2-Mar",
        "Jan-10",
        "0000-00-00",
        "yes",
        "Y",
        "no",
        "NA",
        "\\N",
        "unknown",
        "Total",
        "###",
        "####",
    ),
    *(
        "#DIV/0!",
        "#N/A",
        "#REF!",
        "#",
        "#tag!",
        "[object Object]",
        "b'x'",
        "&amp;",
        "MÃ¼",
        "\ufffd",
        "=",
        "'",
        '""',
        "\u200b",
        "é",
        "e\u0301",
    ),
    *(str(2**53 + 2), str(2**64), str(2**63), "9" * 400, "0.1", "0.10000000149011612", "NaN", "inf", "\0", "\n", " ", "x|y"),
)


def said(values: Iterable[tuple[str, int]]) -> list[str]:
    texts, rows = (list(column) for column in zip(*values, strict=True))
    series = pl.Series(texts, dtype=pl.String)
    return [*oddities(series, np.array(rows), lambda chosen: int(np.array(rows)[chosen].sum())), *alike(series)]


@pytest.mark.parametrize("seed", range(60))
def test_it_is_the_same_in_any_order_of_the_values(seed: int) -> None:
    draw = np.random.default_rng(seed)
    some = draw.choice(PIECES, draw.integers(1, 12), replace=False).tolist()
    common = [[str(n) for n in range(90)], [f"2024-01-{n:02}" for n in range(1, 29)], [f"w{n}" for n in range(50)], []][seed % 4]
    values = [(text, int(draw.integers(0, 9) if n < len(some) else 30)) for n, text in enumerate(dict.fromkeys([*some, *common]))]
    found = said(values)
    assert all(line and "\n" not in line for line in found)
    for _ in range(3):
        assert said([values[place] for place in draw.permutation(len(values))]) == found


@pytest.mark.parametrize("odd", ["#REF!", "Total", "1.23E+10"])
def test_one_among_many_values_is_found(odd: str) -> None:
    values = [(str(n), 1) for n in range(300_000)]
    assert [line for line in said([*values, (odd, 1)]) if odd in line] and not said(values)


@pytest.mark.parametrize("odd", ["#REF!", "null"])
def test_of_very_many_values_errors_and_words_are_found_all_the_same(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spelling, "VALUES", 100)
    assert [line for line in said([*((f"w{n}", 1) for n in range(5000)), (odd, 1)]) if odd in line]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_whole_numbers_that_passed_through_a_float_are_told_from_others(kind: type[np.floating]) -> None:
    """By Python's own arithmetic they are the nearest such floats of numbers that are not."""
    draw = np.random.default_rng(0)
    least = 2 ** (24 if kind is np.float32 else 53)
    numbers = draw.integers(4 * least, 16 * least, 200).tolist()
    for rounded in (True, False):
        texts = {str(int(kind(number)) if rounded else number) for number in numbers}
        assert bool([line for line in said((text, 5) for text in texts) if line.startswith(spelling.THROUGH_FLOATS)]) is rounded
