"""What a board says where its rows are not all of one kind: of other seeds, of other rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from standin_records import record

from benchmark.records import Record
from benchmark.reporting.leaderboard import render, rows
from benchmark.reporting.page.content import about, lines

SEEDS = "note: rows of one backbone, scale and depth have different seeds: "


def of(method: str, seeds: int, scale: int = 1, metrics: dict[str, float] | None = None) -> list[Record]:
    noise = [0.0, 2e-4, -1e-4, 1e-4, -2e-4, 3e-4, -3e-4, 0.0]
    shift = len(method) * 1e-4
    return [record(method, s, 0.8 + shift + noise[(s + len(method)) % 8], cell={"scale": scale}, metrics=metrics) for s in range(seeds)]


def lines_of(records: list[Record], beginning: str) -> list[str]:
    return [line for line in render(rows(records), "table").splitlines() if line.startswith(beginning)]


def test_different_seeds_within_a_cell_are_said_once_and_between_cells_not() -> None:
    alike = [*of("single_embedding", 3), *of("a", 3), *of("single_embedding", 5, scale=2), *of("a", 5, scale=2)]
    assert lines_of(alike, SEEDS) == []
    sanity = [record("constant", s, 0.5, cell={"backbone": "none", "depth": 0}) for s in range(2)]
    lost = record("a", 3, None, status="failed")  # its row is not ranked
    assert lines_of([*alike, *sanity, lost], SEEDS) == []
    [line] = lines_of([*alike, *of("bb", 8), *of("bb", 6, scale=2)], SEEDS)
    assert line.endswith("means and ranks are over each row's own, Δ over those of both")
    assert len(lines_of([*alike, record("bb", 7)], SEEDS)) == 1, "as few as others, and not the same"


@pytest.mark.parametrize("older", ["a", "zz"])
def test_of_two_kinds_of_digest_the_larger_number_of_versions_is_said(older: str) -> None:
    """Whatever the order of the rows: at least so many there are."""
    newer = [replace(r, fingerprints={"backbone_code": f"new {r.trial.seed}"}) for r in of("mm", 3)]
    others = [replace(r, fingerprints={"backbone": f"old {r.trial.seed}"}) for r in of(older, 2)]
    [line] = lines_of([*newer, *others], "note: the rows with dcnv2")
    assert "come from 3 versions of the backbone code" in line


def test_sanity_rows_of_several_versions_are_called_so() -> None:
    shape = {"backbone": "none", "depth": 0}
    sanity = [replace(record("constant", s, 0.5, cell=shape), fingerprints={"training_code": f"{s}"}) for s in range(2)]
    [line] = lines_of([*of("single_embedding", 2), *sanity], "note: the ")
    assert line.startswith("note: the sanity rows come from 2 versions of the training code")


def test_verdicts_by_several_rules_are_told_apart() -> None:
    looked = {"design/max_seeds": 8.0}
    fixed, more = of("single_embedding", 8), [*of("a", 4, metrics=looked), *of("bb", 4, metrics=looked), *of("ccc", 4, metrics=looked)]
    beginning = "verdicts are made by "
    assert lines_of([*fixed, *of("a", 4), *of("bb", 4)], beginning) == lines_of([*fixed, *more], beginning) == []
    [line] = lines_of([*fixed, *more, *of("dddd", 8)], beginning)
    one = "dddd dcnv2 1× depth 3 by one test of all seeds"
    assert line == f"{beginning}2 rules, Holm's over all: {one}; the other 3 by looks after each seed, up to 8"
    [line] = lines_of([*fixed, *more, *of("dddd", 8), *of("eeeee", 4, metrics={"design/max_seeds": 10.0})], beginning)
    assert one in line and "eeeee dcnv2 1× depth 3 by looks after each seed, up to 10" in line and line.endswith("up to 8")
    [line] = lines_of([*fixed, *more, *of("dddd", 8), *of("eeeee", 8)], beginning)
    assert ": eeeee, dddd (dcnv2 1× depth 3) by one test of all seeds; " in line, "a cell that all are of stands once"
    for each in lines([*fixed, *more, *of("dddd", 8)]):
        told = dict(about(each)).get("verdict", "")
        assert ("by looks after each seed, up to 8" in told) is (each.row.method in ("a", "bb", "ccc"))


def test_seeds_after_the_last_look_are_said_to_be_in_no_verdict() -> None:
    """They came by a fixed number of seeds: AUC and Δ are of all, the verdict and what it is about of those that were looked at."""
    looked, beginning = {"design/max_seeds": 4.0}, "seeds after the last look, at "
    near, other, far = "level_embedding", "another_embedding", "far"
    first = [*of("single_embedding", 4), *(r for method in (near, other, far) for r in of(method, 4, metrics=looked))]
    assert lines_of(first, beginning) == []
    more = [r for method in ("single_embedding", near, other) for r in of(method, 7)[4:]]
    [line] = lines_of([*first, *more], beginning)
    said = "4, are in AUC and Δ, not in the verdict, whose level is spent there: another_embedding, level_embedding (dcnv2 1× depth 3)"
    assert line.startswith(f"{beginning}{said}; `run SUITE --until-decided --max-seeds N`, N above 7, looks by the bounds of N: another")
    before, after = ({row.method: row for row in rows(records) if row.verdict} for records in (first, [*first, *more]))
    for method in (near, other):
        row = after[method]
        assert (before[method].verdict, row.verdict, row.delta_seeds, row.delta_pooled_seeds) == ("undecided", "undecided", 7, 4)
        assert row.delta_auc_pooled == pytest.approx(before[method].delta_auc) and row.p_difference == before[method].p_difference
    decided = [*(r for r in first if r.trial.cell.method in ("single_embedding", far)), *more[:3], *of(far, 7)[4:]]
    [line] = lines_of(decided, beginning)
    assert line.endswith(": far dcnv2 1× depth 3"), "of a row that is decided nothing is to be done"
