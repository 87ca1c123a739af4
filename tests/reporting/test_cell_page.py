"""A cell's page: the board's texts, the records' numbers, whatever was named is text, and small whatever a record holds."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from standin_records import record

from benchmark.records import Record
from benchmark.reporting.columns import COLUMNS
from benchmark.reporting.page import cell
from benchmark.reporting.page.content import Line, lines

EVIL = "<script>alert(1)</script>"
GAUSSIAN = "effective_rank_over_gaussian"


def trained(method: str, seed: int, auc: float) -> Record:
    metrics = {
        f"spectral/table/{EVIL}/{GAUSSIAN}": 0.25 + seed / 10,
        f"spectral/table/b/{GAUSSIAN}": 1.125,
        "spectral/layer0/batch/effective_rank": 4.0,
        f"spectral/layer0/batch/{GAUSSIAN}": 0.5,
        "dose/best/layer0/gates": 0.125,
        "dose/knockout/gates/auc": -0.00125,
        "best_epoch": 2.0,
    }
    curve = tuple({"epoch": float(epoch), "valid/auc": 0.5 + 0.1 * epoch - 0.02 * epoch**2} for epoch in (1, 2, 3))
    return replace(record(method, seed, auc, metrics=metrics), curve=curve)


def records() -> list[Record]:
    found = [trained(method, seed, auc + seed / 100) for method, auc in (("single_embedding", 0.7), ("me", 0.75)) for seed in (0, 1)]
    return [*found, record(EVIL, status="diverged", reason=f"loss {EVIL}", auc=None)]


def line_of(method: str) -> Line:
    return next(line for line in lines(records()) if line.row.method == method)


def told(line: Line) -> str:
    """The text of a cell's page."""
    page = cell.page(line)
    assert "<script" not in page and "http" not in page
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)).split())


@pytest.mark.parametrize("method", ["me", "single_embedding", EVIL])
def test_a_cell_says_what_the_board_says(method: str) -> None:
    line = line_of(method)
    text = told(line)
    for column in COLUMNS:
        if column.key in ("auc", "delta", "verdict", "logloss", "method"):
            assert column.text(line.row) in text
    assert method in text and line.place in text and (line.row.reason in text)


def test_a_cell_shows_spectra_curves_doses_and_knock_outs() -> None:
    line, page = line_of("me"), cell.page(line_of("me"))
    text = told(line)
    assert f"{EVIL} 0.300" in text and "b 1.125" in text and "layer 0 0.500 ± 0.000" in text
    widths = [float(width) for width in re.findall(r'<rect width="([\d.]+)%"', page)]
    assert widths == pytest.approx([100 * value / 1.125 for value in (0.3, 1.125)] + [50.0], abs=0.05)
    assert "layer0/gates 0.12" in text and "gates -0.00125 -" in text
    [first, second] = re.findall(r'<path d="M([^"]+)"><title>seed \d', page)
    assert first == second and len(first.split("L")) == 3  # the epochs of either seed
    heights = [float(point.split()[1]) for point in first.split("L")]
    assert heights == sorted(heights, reverse=True)  # the higher the AUC, the higher on the page
    assert [row for row in ("0 3 2 0.75100 0.75000", "1 3 2 0.76100 0.76000") if row in text]


def test_a_page_is_small_whatever_the_record_holds() -> None:
    many = {f"spectral/table/{'long name ' * 20}{n}/{GAUSSIAN}": n / 500 for n in range(500)}
    many |= {f"dose/best/part {n}": n / 100 for n in range(50)} | {f"dose/knockout/part {n}/auc": n / 1000 for n in range(50)}
    many |= {f"spectral/layer{n}/batch/{name}": 0.5 for n in range(40) for name in ("effective_rank", GAUSSIAN)}
    curve = tuple({"epoch": float(n), "valid/auc": 0.7 - 1 / (n + 3)} for n in range(300))
    notes = tuple(f"note {n} " * 100 for n in range(50))
    found = [replace(record("me " * 50, seed, 0.7, metrics=many, notes=notes), curve=curve) for seed in range(50)]
    page = cell.page(lines(found)[0])
    assert len(page.encode()) <= 20_000
    assert "The 40 lowest of 500 fields" in page and "The first 20 of 50 seeds" in page and "The first 12 of 40 layers" in page
    assert len(cell.page(line_of("me")).encode()) < 8_000
