"""The claims about width and depth: found where a board can say something of them, and answered as its numbers do."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace as changed
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from standin_records import record

from benchmark.__main__ import main
from benchmark.config import CONTROL, MAX_SEEDS
from benchmark.errors import UserError
from benchmark.record import DOSES
from benchmark.records import Record, Store
from benchmark.reporting.board import legend
from benchmark.reporting.claims import Finding, claims, findings, found_in, summary
from benchmark.reporting.claims_plot import claims_figure
from benchmark.reporting.leaderboard import rows
from benchmark.reporting.page.answer import answer
from benchmark.reporting.page.content import lines

SIZES = ((1, 2), (4, 2), (4, 4), (4, 8))  # scale, depth


def board(gains: dict[str, Callable[[int, int], float]], noise: float = 1e-5, seeds: int = 4, **where: str) -> list[Record]:
    """Method -> its gain at a scale and depth; noise of each training; where else the cells lie."""
    chance = random.Random(0)
    return [
        record(method, seed, 0.7 + seed / 100 + gain(scale, depth) + chance.gauss(0, noise), cell={"scale": scale, "depth": depth, **where})
        for method, gain in {CONTROL: lambda scale, depth: 0.0, **gains}.items()
        for scale, depth in SIZES
        for seed in range(seeds)
    ]


def told(found: list[Finding]) -> dict[tuple[str, str, str], str]:
    return {(finding.method, finding.claim, finding.where): finding.verdict for finding in found}


GROWS = {"wider": lambda scale, depth: scale / 100, "deeper": lambda scale, depth: -depth / 100, "level": lambda scale, depth: 0.0}


def test_gains_are_of_the_widest_and_growth_goes_from_the_least_to_the_most() -> None:
    found = told(findings({"a": board(GROWS)}).findings)
    assert found["wider", "scale", "dcnv2 4× − 1× depth 2"] == "grows"
    assert found["wider", "depth", "dcnv2 4× depth 8 − 2"] == "equal"
    assert found["deeper", "depth", "dcnv2 4× depth 8 − 2"] == "shrinks"
    assert {found[method, "scale", "dcnv2 4× − 1× depth 2"] for method in ("deeper", "level")} == {"equal"}
    for depth in (2, 4, 8):
        place = f"dcnv2 4× depth {depth}"
        assert [found[method, "gain", place] for method in GROWS] == ["above", "below", "equal"]
    assert len(found) == 3 * (3 + 1 + 1), "nothing else is claimed, and nothing at scale 1"
    assert not findings({"a": [r for r in board(GROWS) if r.trial.cell.scale == 1]}).findings, "also where nothing is wider"


def test_the_differences_are_those_of_the_records() -> None:
    records = board(GROWS)
    auc = {(r.trial.cell.method, r.trial.cell.scale, r.trial.cell.depth, r.trial.seed): r.metrics["test/auc"] for r in records}

    def gain(scale: int, depth: int) -> float:
        return sum(auc["wider", scale, depth, seed] - auc[CONTROL, scale, depth, seed] for seed in range(4)) / 4

    found = {(f.claim, f.where): f for f in findings({"a": records}, ["wider"]).findings}
    assert found["scale", "dcnv2 4× − 1× depth 2"].difference == pytest.approx(gain(4, 2) - gain(1, 2))
    assert found["depth", "dcnv2 4× depth 8 − 2"].difference == pytest.approx(gain(4, 8) - gain(4, 2))
    assert found["gain", "dcnv2 4× depth 8"].difference == pytest.approx(gain(4, 8))
    assert {f.n for f in found.values()} == {4}
    for finding in found.values():
        assert finding.low is not None and finding.high is not None and finding.low < finding.difference < finding.high


def test_a_gain_that_was_decided_before_the_last_seed_has_the_mean_of_its_interval() -> None:
    """The verdict and its interval are of the look that decided it; seeds that came after may say otherwise."""
    chance, looked = random.Random(0), {MAX_SEEDS: 10.0}
    records = []
    for seed in range(10):
        values = {CONTROL: 0.0, "m": 0.01 if seed < 5 else -0.006, "n": 0.0}
        for method, gain in values.items():
            auc = 0.7 + seed / 100 + gain + chance.gauss(0, 1e-4)
            records.append(record(method, seed, auc, cell={"scale": 4}, metrics=looked if method != CONTROL else {}))
    [gain_of_m] = [finding for finding in findings({"a": records}).findings if finding.method == "m"]
    row = next(row for row in rows(records) if row.method == "m")
    assert gain_of_m.verdict == "above" and gain_of_m.n < 5 and row.delta_seeds == 10 and row.delta_auc == pytest.approx(2e-3, abs=5e-4)
    assert gain_of_m.low is not None and gain_of_m.high is not None
    assert gain_of_m.difference == pytest.approx((gain_of_m.low + gain_of_m.high) / 2) == pytest.approx(0.01, abs=5e-4)


def test_a_growth_of_rows_that_were_looked_at_is_of_the_seeds_up_to_the_last_look() -> None:
    looked = [changed(r, metrics={**r.metrics, MAX_SEEDS: 3.0}) if r.trial.cell.method != CONTROL else r for r in board(GROWS)]
    assert {f.n for f in findings({"a": looked}).findings if f.claim != "gain"} == {3}


def test_noise_leaves_it_undecided_and_inert_and_unfinished_rows_claim_nothing() -> None:
    assert set(told(findings({"a": board(GROWS, noise=1)}).findings).values()) == {"undecided"}
    inert = [changed(r, metrics={**r.metrics, f"{DOSES}penalty": 1e-5}) if r.trial.cell.method == "wider" else r for r in board(GROWS)]
    assert {finding.method for finding in findings({"a": inert}).findings} == {"deeper", "level"}
    lost = [changed(r, status="diverged") if (r.trial.cell.method, r.trial.cell.depth) == ("wider", 8) else r for r in board(GROWS)]
    found = told(findings({"a": lost}, ["wider"]).findings)
    assert found["wider", "depth", "dcnv2 4× depth 4 − 2"] == "equal" and not any("8" in where for _, _, where in found)


def test_nothing_grows_between_sizes_that_have_no_seed_in_common() -> None:
    apart = [changed(r, trial=changed(r.trial, seed=r.trial.seed + (4 if r.trial.cell.scale == 1 else 0))) for r in board(GROWS)]
    found = findings({"a": apart}).findings
    assert {finding.claim for finding in found} == {"gain", "depth"} and len(found) == 3 * (3 + 1)


def test_rows_that_the_board_compares_with_nothing_change_no_growth() -> None:
    """They share no seed with single embedding: no part of the noise, nor of a size that a growth is taken to."""
    records, chance = board(GROWS, noise=1e-3), random.Random(1)
    alone = [finding for finding in findings({"a": records}).findings if finding.claim != "gain"]
    others = [
        record(name, seed, 0.7 + chance.gauss(0, 0.1), cell={"scale": scale, "depth": depth})
        for name in ("x", "y", "z")
        for scale, depth in SIZES
        for seed in range(10, 14)
    ]
    wider = [
        record(name, seed, 0.8, cell={"scale": 10, "depth": 2})
        for name, first in ((CONTROL, 0), ("wider", 4))
        for seed in (first, first + 1)
    ]
    found = [finding for finding in findings({"a": [*records, *others, *wider]}).findings if finding.claim != "gain"]
    assert found == alone


def test_the_growth_of_a_method_out_of_line_is_of_its_own_pairs_and_leaves_the_others_alone() -> None:
    level = {name: lambda scale, depth: 0.0 for name in ("m", "n", "o")}
    quiet = board(level, noise=1e-4, seeds=8)
    chance = np.random.default_rng(0)
    loud = {scale: chance.normal(0.7, 0.03, 8) for scale in (1, 4)}
    records = [record("loud", s, float(v), cell={"scale": scale, "depth": 2}) for scale, auc in loud.items() for s, v in enumerate(auc)]
    found = {f.method: f for f in findings({"a": [*quiet, *records]}).findings if f.claim == "scale"}
    alone = {f.method: f for f in findings({"a": quiet}).findings if f.claim == "scale"}
    assert {method: (found[method].low, found[method].high) for method in level} == {m: (f.low, f.high) for m, f in alone.items()}
    control = {
        (r.trial.cell.scale, r.trial.seed): r.metrics["test/auc"]
        for r in quiet
        if r.trial.cell.depth == 2 and r.trial.cell.method == CONTROL
    }
    large, small = (loud[scale] - np.array([control[scale, seed] for seed in range(8)]) for scale in (4, 1))
    welch = stats.ttest_ind(large, small, equal_var=False)
    half = stats.t.ppf(0.975, int(welch.df)) * ((large.var(ddof=1) + small.var(ddof=1)) / 8) ** 0.5
    assert found["loud"].high == pytest.approx(large.mean() - small.mean() + half)


def test_the_summary_counts_the_findings_of_all_boards() -> None:
    found = findings({"a": board(GROWS), "b": board(GROWS, backbone="dnn")}).findings
    heads, rows = summary(found)
    assert heads == ["claim", "cells", "yes", "equal", "no", "undecided"]
    counted = {row[0]: [int(number) for number in row[1:]] for row in rows}
    assert counted[f"wider lies above {CONTROL}"] == [6, 6, 0, 0, 0]
    assert counted["wider's gain grows with width"] == [2, 2, 0, 0, 0]
    assert counted["deeper's gain grows with depth"] == [2, 0, 0, 2, 0]
    assert sum(numbers[0] for numbers in counted.values()) == len(found) == 30


def test_budgets_and_settings_of_a_method_are_told_apart(tmp_path: Path) -> None:
    """Each is a contestant, or a cell, of its own: what is said of one is not said of the other."""
    tuned = [changed(r, trial=changed(r.trial, budget=8)) for r in board({"wider": lambda scale, depth: -scale / 100})]
    found = told(findings({"a": [*board({"wider": GROWS["wider"]}), *tuned]}).findings)
    assert found["wider", "gain", "dcnv2 4× depth 8 1 trial"] == "above" and found["wider", "gain", "dcnv2 4× depth 8 8 trials"] == "below"
    assert found["wider", "scale", "dcnv2 4× − 1× depth 2 1 trial"] == "grows"
    assert found["wider", "scale", "dcnv2 4× − 1× depth 2 8 trials"] == "shrinks"
    other = [
        changed(r, trial=changed(r.trial, cell=changed(r.trial.cell, method_options={"rate": 2.0}), method={"rate": 2.0}))
        for r in board({"wider": lambda scale, depth: -scale / 100})
        if r.trial.cell.method == "wider"
    ]
    kept = findings({"a": [*board({"wider": GROWS["wider"]}), *other]}, ["wider"]).findings
    assert {(f.name, f.verdict) for f in kept if f.claim == "gain"} == {("wider", "above"), ("wider (rate=2.0)", "below")}
    assert {line[0]: line[2:] for line in summary(kept)[1]}[f"wider (rate=2.0) lies above {CONTROL}"] == ["0", "0", "3", "0"]
    Store(tmp_path).create()
    for made in [*board({"wider": GROWS["wider"]}), *other]:
        Store(tmp_path).write(made)
    assert {"wider", "wider (rate=2.0)"} <= set(claims(found_in([tmp_path]), width=50)[0].splitlines())


def test_a_gain_is_taken_where_the_board_compares_the_row() -> None:
    """Not at a scale at which its control has not finished."""
    without = [r for r in board(GROWS) if (r.trial.cell.method, r.trial.cell.scale) != (CONTROL, 4)]
    more = [changed(r, trial=changed(r.trial, cell=changed(r.trial.cell, scale=2))) for r in board(GROWS) if r.trial.cell.scale == 4]
    found = told(findings({"a": [*without, *more]}).findings)
    assert found["wider", "gain", "dcnv2 2× depth 2"] == "above" and not any("4×" in where for _, _, where in found)


def test_trainings_that_stand_on_several_boards_count_once() -> None:
    whole, fewer, other = board(GROWS), board(GROWS, seeds=3), board(GROWS, backbone="dnn")
    alone = findings({"a": whole})
    for boards in ({"a": whole, "b": fewer}, {"b": fewer, "a": whole}, {"a": whole, "b": whole}):
        both = findings(boards)
        assert told(both.findings) == told(alone.findings) and {f.n for f in both.findings} == {4} and both.repeated == len(alone.findings)
    assert {finding.board for finding in findings({"c": whole, "a": whole}).findings} == {"c"}, "of equal ones the first"
    apart = findings({"a": whole, "b": other})
    assert len(apart.findings) == 2 * len(alone.findings) and not apart.repeated
    later = [changed(r, trial=changed(r.trial, seed=r.trial.seed + 2)) for r in whole]
    partly = findings({"a": whole, "b": later})
    assert len(partly.findings) == 2 * len(alone.findings) and not partly.repeated, "each has trainings that the other lacks"
    assert not findings({"a": whole, "b": board(GROWS, data="e" * 12)}).repeated, "the same settings on other rows are other trainings"
    assert partly.sharing == partly.findings, "two of the four seeds"
    further = [record(CONTROL, 4, 0.74, cell={"scale": scale, "depth": depth}) for scale, depth in SIZES]
    assert {finding.board for finding in findings({"a": whole, "b": [*whole, *further]}).findings} == {"b"}, "more seeds of the control"
    others = findings({"a": board({"m": GROWS["level"]}), "b": board({"n": GROWS["level"]})})
    assert {finding.board for finding in others.findings} == {"a", "b"}, "two methods beside one single embedding"
    assert not any(found.sharing for found in (alone, both, apart, others))


def test_what_a_line_is_is_said_of_the_claims_that_stand_there(tmp_path: Path) -> None:
    made = board({"m": lambda scale, depth: 0.0})

    def title(*sizes: tuple[int, int]) -> str:
        folder = tmp_path / "-".join(f"{scale}x{depth}" for scale, depth in sizes)
        Store(folder).create()
        for one in made:
            if (one.trial.cell.scale, one.trial.cell.depth) in sizes:
                Store(folder).write(one)
        return claims(found_in([folder]))[1].split(". `leaderboard`")[0]

    gain, growth = "the difference to single_embedding at the greatest width", "the larger model's difference less the smaller one's"
    between = "; intervals with the noise of a cell's methods, uncorrected; verdicts with Holm's correction, over the board's rows"
    assert title((4, 2)) == f"Each: {gain}{between}"
    assert title((4, 2), (4, 8)) == f"Each: {gain}, or {growth}{between} or over its growths with depth"
    assert title((1, 2), (4, 2)) == f"Each: {gain}, or {growth}{between} or over its growths with width"
    assert title(*SIZES) == f"Each: {gain}, or {growth}{between} or over its growths with width, or with depth"


def test_boards_that_have_some_trainings_in_common_are_named(tmp_path: Path) -> None:
    whole = board({"m": lambda scale, depth: 0.0})
    wide = [changed(r, trial=changed(r.trial, cell=changed(r.trial.cell, scale={1: 2, 4: 4}[r.trial.cell.scale]))) for r in whole]
    for name, records in {"narrow": whole, "wide": wide, "other": board({"m": lambda scale, depth: 0.0}, backbone="dnn")}.items():
        Store(tmp_path / name).create()
        for made in records:
            Store(tmp_path / name).write(made)
    told, each = claims(found_in([tmp_path / name for name in ("narrow", "wide", "other")]))
    assert "interval of these pairs" in "\n".join(legend([])) and "theirs are of all of a row's own pairs of seeds" in each
    assert ". 2 of those counted have some trainings, not all, in common with another of these (narrow, wide)" in told
    assert "in common" not in claims(found_in([tmp_path / name for name in ("narrow", "other")]))[0]


def test_a_narrow_terminal_has_shorter_claims_and_the_same_numbers(tmp_path: Path) -> None:
    Store(tmp_path).create()
    for made in board(GROWS):
        Store(tmp_path).write(made)
    (wide, each), (narrow, _) = claims(found_in([tmp_path])), claims(found_in([tmp_path]), width=60)
    numbers = [re.findall(r"  \d+(?=  |$)", line) for line in wide.splitlines()]
    assert [re.findall(r"  \d+(?=  |$)", line) for line in narrow.splitlines() if "above SE" in line or "gain up with" in line] == numbers[
        4:
    ]
    assert "SE: single_embedding" in narrow and "SE" not in wide and "verdicts with Holm's correction" in each
    long = "roblock:a_preset_of_a_long_name"
    for made in board({long: GROWS["wider"]}):
        Store(tmp_path).write(made)
    told, _ = claims(found_in([tmp_path]), width=80)
    assert max(map(len, told.splitlines())) <= 80 and f"\n{long}\nabove SE  " in told, told
    assert told.count("above SE") == 1 + wide.count("lies above") and told.count("\ngain up with width") == 1 + wide.count("with width")


def test_cells_stand_by_size_whichever_is_the_best() -> None:
    sizes, methods = ({"scale": 4, "depth": depth} for depth in (10, 2, 3)), {CONTROL: 0.5, "m": 0.6}
    deep = [record(m, s, auc + s / 1e4, cell=cell) for cell in sizes for m, auc in methods.items() for s in (0, 1)]
    places = [finding.where for finding in findings({"": deep}).findings if finding.claim == "gain"]
    assert places == [f"dcnv2 4× depth {depth}" for depth in (2, 3, 10)]


def test_the_page_says_whether_gains_grow() -> None:
    said = "\n".join(answer(lines(board(GROWS))))
    assert "grow with width? Of 3: 2 equal at both, 1 grows. wider's grows with dcnv2 4× − 1× depth 2." in said
    assert "grow with depth? Of 3: 2 equal at both, 1 shrinks. deeper's shrinks with dcnv2 4× depth 8 − 2." in said
    two = board(GROWS | {"wider_too": GROWS["wider"]})
    assert {"2 equal at both", "2 grow"} == set(
        "\n".join(answer(lines(two))).split("grow with width? Of 4: ")[1].split(". ")[0].split(", ")
    )
    narrow = [r for r in board(GROWS) if (r.trial.cell.scale, r.trial.cell.depth) == (1, 2)]
    assert "grow" not in "\n".join(answer(lines(narrow)))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "one"
    store = Store(folder)
    store.create()
    for made in board(GROWS):
        store.write(made)
    assert main(["claims", str(folder), "--methods", "wider"]) == 0
    out = capsys.readouterr().out
    assert "wider's gain grows with width" in out and "4× − 1× depth 2" in out and "deeper" not in out
    shutil.copytree(folder, tmp_path / "other" / "one")
    assert main(["claims", str(folder), str(tmp_path / "other" / "one"), str(folder)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"wider's gain grows with width +1 +1 ", out)
    assert "15 more are of trainings that all stand on another of these boards" in " ".join(out.split())
    assert main(["claims", str(folder), "--methods", "widder"]) == 2
    assert "wider" in capsys.readouterr().err
    assert main(["claims", str(tmp_path / "none")]) == 2
    assert "no records in" in capsys.readouterr().err
    alone = tmp_path / "alone"
    Store(alone).create()
    Store(alone).write(record())
    with pytest.raises(UserError, match=r"no finished cell beside one of single_embedding.*; inert rows do not count"):
        found_in([alone])


def test_the_figure_has_a_mark_for_every_finding(tmp_path: Path) -> None:
    noisy = board({"lost": lambda scale, depth: 0.001}, noise=0.01)
    found = findings({"a": board(GROWS), "b": noisy}).findings
    figure = claims_figure(found)
    marks = [(axis, line) for axis in figure.axes for line in axis.lines if line.get_marker() != "None"]
    assert [axis.get_title(loc="left").split(":")[0] for axis in figure.axes] == ["gain", "growth with width", "growth with depth"]
    assert sorted(x for _, line in marks for x in np.ravel(line.get_xdata()).tolist()) == sorted(finding.difference for finding in found)
    bars = {tuple(np.ravel(line.get_xdata()).tolist()) for axis in figure.axes for line in axis.lines if line.get_marker() == "None"}
    assert {(finding.low, finding.high) for finding in found} <= bars
    assert len({line.get_marker() for _, line in marks}) == len({finding.name for finding in found}), "greys are told apart, too"
    hollow = sum(line.get_markerfacecolor() == "white" for _, line in marks)
    assert hollow == sum(finding.verdict == "undecided" for finding in found) > 0
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == [f"{name} · dcnv2 4× depth {depth}" for name in "ab" for depth in (2, 4, 8)]
    heights = [abs(axis.get_ylim()[0] - axis.get_ylim()[1]) for axis in figure.axes]
    assert heights[0] > heights[2] and len({axis.get_xlim() for axis in figure.axes}) == 1, "as much room as there is to say, and one axis"


def test_the_figure_is_a_file_or_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "one"
    Store(folder).create()
    for made in board({f"m{n}": GROWS["level"] for n in range(7)}):
        Store(folder).write(made)
    for ending, start in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        path = tmp_path / f"x{ending}"
        assert main(["claims", str(folder), "--methods", "m1", "m2", "--figure", str(path)]) == 0
        assert path.read_bytes().startswith(start) and f"figure: {path}" in capsys.readouterr().out
    for words, wrong in (
        ("claims: a figure shows 6 methods at most, here are 7; name some with --methods", [str(tmp_path / "y.svg")]),
        ("name a file that ends in .svg, .png, .pdf", [str(tmp_path / "y.jpg"), "--methods", "m1"]),
        ("y.svg: cannot be written (No such file or directory)", [str(tmp_path / "none" / "y.svg"), "--methods", "m1"]),
    ):
        assert main(["claims", str(folder), "--figure", *wrong]) == 2
        said = capsys.readouterr()
        assert words in " ".join(said.err.split()) and not said.out and not list(tmp_path.rglob("y.*"))
