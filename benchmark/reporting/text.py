"""Numbers and foreign words as boards and exports show them. A name may come from anybody's record or table: it is data, never code."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeVar

from benchmark.values import plain

T = TypeVar("T")
TAG = re.compile(r"<(?=[A-Za-z/!?])")  # what begins HTML in Markdown (CommonMark, 6.6); "<0.01" does not
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a text begins that a spreadsheet calculates (OWASP, CSV injection)


def shown(text: str, format: str) -> str:
    """A whole text for people, of whose lines none has a terminal's escape codes; in Markdown also no HTML and no link."""
    found = "\n".join(map(plain, text.split("\n")))
    return TAG.sub("&lt;", found).replace("](", "]\\(") if format == "markdown" else found


def cell(text: str, format: str) -> str:
    """One cell of a table, in one line; what ends a cell of Markdown is escaped."""
    return plain(text).replace("|", "\\|") if format == "markdown" else plain(text)


def inert(value: T) -> T | str:
    """A cell of a CSV file: a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def mean_text(mean: float | None, sd: float | None, status: str, seeds: int) -> str:
    """ "0.98645 ± 0.00042 (5)", with the status before the number of finished seeds unless all are."""
    if mean is None:
        return status
    spread = "" if sd is None else f" ± {sd:.5f}"
    failed = "" if status == "finished" else f"{status}, "
    return f"{mean:.5f}{spread} ({failed}{seeds})"


def difference_text(mean: float | None, high: float | None) -> str:
    """ "+0.00062 ± 0.00031" with half the width of the interval that ends at ``high``."""
    if mean is None:
        return "-"
    half = "" if high is None else f" ± {high - mean:.5f}"
    return f"{mean:+z.5f}{half}"


def counted(count: int, what: str) -> str:
    """ "1 trial", "1,200 trials"; ``what`` is one of them."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def trials_of(budget: int, points: Collection[int | None]) -> str:
    """How many tuning trials cells of one budget had. ``points``: the sizes of their grids, of which the budget is that of the largest."""
    return f"{budget}" if all(of == budget for of in points) or not any(points) else f"up to {budget}"


def text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def human(value: float | None) -> str:
    """Three significant digits with k, M or G: 1.23M."""
    if value is None:
        return "-"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"
