"""Numbers of a board as its cells show them."""

from __future__ import annotations


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
    return f"{mean:+.5f}{half}"


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
