"""Tuning draws that stop early: who goes on, the same whatever the order of workers, and nothing that touches a final."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import standin_search as standin
from test_plan import losing, play

from benchmark.config import NO_BACKBONE, TUNING_SEEDS, Trial, conditions, read_suite
from benchmark.errors import UserError
from benchmark.records import Record, Status, Store
from benchmark.reporting.leaderboard import leaderboard
from benchmark.reporting.page.content import command, lines
from benchmark.search.cells import default_trial, expand
from benchmark.search.halving import better_half, left, share, still_in
from benchmark.search.plan import Plan
from benchmark.search.run import run_suite
from benchmark.search.tuner import Outcome

FIRST, *FRESH = TUNING_SEEDS
TUNED = {"methods": ("standin_tuned",), "backbones": ("standin_flat",)}
RUNGS = (1, 3)
LONGEST = 10**6
LENGTH = 5  # epochs of an undisturbed training


@pytest.fixture(autouse=True)
def _standins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    standin.install(monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "log"))


def curve_of(trial: Trial) -> list[float]:
    """Its own for each training, rising; which of two is ahead changes from epoch to epoch."""
    chance = random.Random(trial.trial_id)
    return list(itertools.accumulate((chance.uniform(0, 0.1) for _ in range(LENGTH)), initial=0.5))[1:]


def paused(trial: Trial) -> Record:
    """What training makes of it: stopped at ``until`` if that comes first."""
    curve = curve_of(trial)[: trial.until or LENGTH]
    status: Status = "stopped" if len(curve) < LENGTH else "finished"
    metrics = {"valid/auc": max(curve), **({"test/auc": 0.7} if trial.stage == "final" else {})}
    entries = tuple({"epoch": n + 1.0, "valid/auc": value} for n, value in enumerate(curve))
    return Record(trial=trial, status=status, reason="at a rung" if status == "stopped" else "", metrics=metrics, curve=entries)


def latest(records: Sequence[Record]) -> dict[str, Record]:
    return {record.trial_id: record for record in records}  # as the folder has it


@pytest.mark.parametrize(("rungs", "trials"), [((1,), 8), (RUNGS, 3), (RUNGS, 7), ((2, 3, 4), 8)])
def test_the_better_half_goes_on_from_rung_to_rung(rungs: tuple[int, ...], trials: int) -> None:
    records = play(standin.suite(trials=trials, rungs=rungs, seeds=2, **TUNED), train=paused)
    known = latest(records)
    draws = {r.trial.draw: r for r in known.values() if r.trial.stage == "tune" and r.trial.seed == FIRST}
    assert sorted(draws) == list(range(trials))
    alive = sorted(draws)
    for rung in rungs:  # by the whole curves, which no rule has cut
        if len(alive) > 1:
            assert all(len(draws[draw].curve) >= rung for draw in alive)
            alive = sorted(alive, key=lambda draw: -max(curve_of(draws[draw].trial)[:rung]))[: -(-len(alive) // 2)]
            beaten = set(draws) - set(alive)
            assert all(draws[draw].status == "stopped" and len(draws[draw].curve) <= rung for draw in beaten)
    again = {r.trial.draw for r in known.values() if r.trial.seed in FRESH}
    finalists = sorted(alive, key=lambda draw: -curve_of(draws[draw].trial)[-1])[:3] if len(alive) > 1 else []
    assert again == set(finalists) and len(alive) == left(rungs, trials)
    finals = [r for r in known.values() if r.trial.stage == "final"]
    assert [len(r.curve) for r in finals] == [LENGTH, LENGTH], "a final is never stopped"
    if len(alive) == 1:
        assert all(r.trial.settings == draws[alive[0]].trial.settings for r in finals)
    else:
        assert all(draws[draw].status == "finished" for draw in alive)
    lengths = [len(r.curve) for r in known.values() if r.trial.stage == "tune"]
    assert sum(lengths) / (LENGTH * len(lengths)) == pytest.approx(share(rungs, trials, LENGTH))


def test_the_order_of_workers_changes_nothing_but_where_tpe_drew() -> None:
    """With a grid the draws themselves are the same for any number of workers, and so is every record."""
    suite = standin.suite(rungs=RUNGS, seeds=2, grid={"embedding_l2": [0.0, 1e-6, 1e-4], "learning_rate": [1e-4, 1e-3]}, **TUNED)
    once = latest(play(suite, train=paused))
    assert any(r.status == "stopped" for r in once.values())
    for workers in (2, 5, 50):
        assert latest(play(suite, train=paused, workers=workers)) == once


@pytest.mark.parametrize("share_known", [0.2, 0.5, 0.8])
def test_resumed_from_any_point_it_ends_with_the_same_records(share_known: float) -> None:
    suite = standin.suite(trials=5, rungs=RUNGS, seeds=2, **TUNED)
    whole = play(suite, train=paused)
    count = int(share_known * len(whole))
    known = list(latest(whole[:count]).values())
    random.Random(1).shuffle(known)
    rest = play(suite, known, train=paused)
    assert rest == whole[count:]


def test_draws_begin_as_without_rungs_and_tpe_knows_the_first_rung_alone() -> None:
    with_rungs, without = (
        {r.trial.draw: r.trial.settings for r in play(standin.suite(trials=6, rungs=rungs, **TUNED), train=paused) if r.trial.seed == FIRST}
        for rungs in ((5,), ())
    )
    assert {d: with_rungs[d] for d in range(4)} == {d: without[d] for d in range(4)}

    def later_is_other(trial: Trial) -> Record:  # what comes after the first rung
        record = paused(trial)
        return replace(record, curve=(*record.curve[:1], *({**entry, "valid/auc": 0.9} for entry in record.curve[1:])))

    suite = standin.suite(trials=6, rungs=(1,), **TUNED)
    one, other = ({r.trial_id for r in play(suite, train=train) if r.trial.seed == FIRST} for train in (paused, later_is_other))
    assert one == other


def test_what_diverged_is_last_and_what_failed_is_no_opponent() -> None:
    def of(draw: int, *path: float, status: Status = "stopped") -> Outcome:
        return Outcome(draw, {}, status, path[-1] if path and status != "diverged" else None, path)

    draws = [of(0, 0.6), of(1, 0.7), of(2, status="diverged"), of(3, status="failed")]
    alive, further = still_in((1, 2), draws)
    assert [o.draw for o in alive] == [1, 0] and further == {0: 2, 1: 2}
    draws = [of(0, 0.6, 0.65), of(1, 0.7, status="diverged"), of(2, status="diverged")]
    alive, further = still_in((1, 2), draws)
    assert [o.draw for o in alive] == [0] and further == {}, "it diverged between the rungs"
    draws = [of(0, 0.6), of(1, 0.7, 0.75), of(2, 0.8, status="diverged"), of(3, 0.5)]
    alive, further = still_in((1, 2), draws)
    assert [o.draw for o in alive] == [1] and further == {}, "what it had beaten at the first rung comes back by its end"
    assert still_in((1,), [of(0, status="failed")]) == ([], {})
    assert [better_half(n) for n in (1, 2, 3, 8)] == [1, 1, 2, 4]


def test_a_lost_worker_changes_no_record() -> None:
    suite = standin.suite(trials=4, rungs=RUNGS, **TUNED)
    whole = play(suite, train=paused)
    lossy = losing(lambda t: True, 1)

    def train(trial: Trial) -> Record:
        record = lossy(trial)
        return record if record.status == "failed" else paused(trial)

    assert [r for r in play(suite, train=train) if r.status != "failed"] == whole


FOLDERS = sorted(p.parent for p in (standin.ROOT / "results" / "reference").glob("*/records"))
REFERENCE = [folder for folder in FOLDERS if len(read_suite(folder.name).methods) > 2]  # of two there is little to choose


def picked(rungs: Sequence[int], curves: Sequence[list[float]]) -> tuple[int, int]:
    """Who wins by the best value of its curve, by the rule itself; and the epochs that took."""
    reached = [min([*rungs, LONGEST][0], len(curve)) for curve in curves]
    while True:
        paths = [tuple(itertools.accumulate(curve[:n], max)) for curve, n in zip(curves, reached, strict=True)]
        states: list[Status] = ["finished" if n == len(curve) else "stopped" for curve, n in zip(curves, reached, strict=True)]
        draws = [Outcome(n, {}, states[n], path[-1], path) for n, path in enumerate(paths)]
        alive, further = still_in(rungs, draws)
        if not further:
            return max(alive, key=lambda o: (o.valid_auc or 0.0, -o.draw)).draw, sum(reached)
        for draw, until in further.items():
            reached[draw] = min(until or LONGEST, len(curves[draw]))


@pytest.mark.parametrize("folder", REFERENCE, ids=lambda p: p.name)
def test_on_recorded_curves_a_winner_within_the_seeds_noise(folder: Path) -> None:
    """The rungs that docs/performance.md gives for trainings of 3 to 16 epochs. No draws are recorded there, so the rows of a cell, methods
    and presets, of one seed stand for them: eight at random where there are more. Within the noise: its mean over seeds is less than the sd
    of a paired difference lower.
    """
    rungs = (2, 12)
    cells: dict[str, dict[str, dict[int, list[float]]]] = defaultdict(lambda: defaultdict(dict))
    for record in Store(folder):
        if record.curve:
            curve = [entry["valid/auc"] for entry in record.curve]
            cells[conditions(record.trial.cell)][record.trial.cell.key][record.trial.seed] = curve
    chance = random.Random(0)
    near, spent, whole = [], 0, 0
    for rows in cells.values():
        keys, seeds = sorted(rows), sorted(set.intersection(*(set(of) for of in rows.values())))
        if len(keys) < 3:
            continue
        mean = {key: fmean(max(rows[key][seed]) for seed in seeds) for key in keys}
        moved = [max(rows[key][seed]) - mean[key] for key in keys for seed in seeds]
        seed_mean = {seed: fmean(max(rows[key][seed]) - mean[key] for key in keys) for seed in seeds}
        rest = [x - seed_mean[seed] for x, (_, seed) in zip(moved, itertools.product(keys, seeds), strict=True)]
        sd = (2 * sum(x * x for x in rest) / ((len(keys) - 1) * (len(seeds) - 1))) ** 0.5
        for seed in seeds:
            for _ in range(20 if len(keys) > 8 else 1):
                draws = chance.sample(keys, min(8, len(keys)))
                curves = [rows[key][seed] for key in draws]
                one, epochs = picked(rungs, curves)
                best, every = picked((), curves)
                near.append(one == best or mean[draws[best]] - mean[draws[one]] < sd)
                spent, whole = spent + epochs, whole + every
    if max(map(len, cells.values())) < 3:
        pytest.skip("of its suite two methods are trained, and of two there is little to choose")
    print(f"{folder.name}: {sum(near)} of {len(near)} winners the same or within noise, {spent / whole:.2f} of the epochs")
    assert fmean(near) >= 0.95 and spent < whole


def test_rungs_are_checked_and_are_part_of_a_tuned_cell_only() -> None:
    for wrong in ((0,), (3, 1), (2, 2)):
        with pytest.raises(UserError, match="rungs = "):
            standin.suite(rungs=wrong)
    with pytest.raises(UserError, match="stop tuning trials early, and there are none"):
        standin.suite(rungs=RUNGS)
    plain, tuned = (expand(standin.suite(**kind)) for kind in ({}, {"rungs": RUNGS, "trials": 2}))
    sanity = [cell.key for cell in plain if cell.backbone == NO_BACKBONE]
    assert [cell.rungs for cell in tuned if cell.key not in sanity] == [RUNGS] * (len(tuned) - 1)
    assert [cell.key for cell in plain if cell in tuned] == sanity, "which nothing tunes"
    grid = {"learning_rate": [1e-4, 1e-3]}
    assert {cell.rungs for cell in expand(standin.suite(rungs=RUNGS, grid=grid))} == {RUNGS}, "a grid does"


def test_a_sanity_row_of_before_with_the_rungs_of_its_suite_is_found_again() -> None:
    """By which it was not trained otherwise."""
    sanity = standin.suite(trials=3, seeds=2, methods=("standin_sanity",))
    [cell] = expand(sanity)
    known = [replace(r, trial=replace(r.trial, cell=replace(cell, rungs=RUNGS))) for r in play(sanity)]
    assert play(replace(sanity, rungs=RUNGS), known) == [] and play(sanity, known) == []


def test_a_rung_that_no_draw_reaches_is_refused() -> None:
    cell = next(cell for cell in expand(standin.suite()) if cell.backbone != NO_BACKBONE)
    epochs = default_trial(cell, "tune", 0, 2).training.epochs
    with pytest.raises(UserError, match=rf"rungs = \[1, {epochs}\], and .* is trained for {epochs} epochs at most"):
        expand(standin.suite(rungs=(1, epochs), trials=2))
    assert expand(standin.suite(rungs=(1, epochs - 1), trials=2))
    [sanity] = expand(standin.suite(methods=("standin_sanity",), rungs=(1, epochs), trials=2))
    assert default_trial(sanity, "final", 0, 2).training.epochs < epochs, "nor of a sanity row, whose trainings are shorter"
    few = {"training": {"epochs": 2}, "trials": 2}
    assert expand(standin.suite(rungs=(1,), **few))
    with pytest.raises(UserError, match="for 2 epochs at most"):
        expand(standin.suite(rungs=(1, 2), **few))


def test_checkpoints_of_those_that_go_on_are_kept() -> None:
    suite = standin.suite(trials=8, rungs=RUNGS, **TUNED)
    [cell] = expand(suite)
    plan = Plan(suite, [cell])
    order: list[tuple[Trial, list[str]]] = []
    while isinstance(trial := plan.ask(), Trial):
        plan.tell(paused(trial))
        order.append((trial, plan.paused_for_good(cell)))
    for place, (_, gone) in enumerate(order):
        assert not set(gone) & {t.trial_id for t, _ in order[place + 1 :]}
    stopped = {t.trial_id for t, _ in order if t.stage == "tune" and t.seed == FIRST and t.until}
    assert set(order[-1][1]) >= {i for i in stopped if latest([paused(t) for t, _ in order])[i].status == "stopped"}


def test_the_board_says_how_it_was_tuned(tmp_path: Path) -> None:
    suite = standin.suite(trials=3, rungs=RUNGS, **TUNED)
    run_suite(replace(suite, methods=(*suite.methods, "standin_sanity")), tmp_path, "local", train=standin.TRAIN)
    stopped = [r.trial for r in Store(tmp_path) if r.status == "stopped"]
    assert [trial.until for trial in stopped] == [1] and all(r.trial.until == 0 for r in Store(tmp_path) if r.trial.stage == "final")
    text = leaderboard(Store(tmp_path), None, "table")
    assert "tuning trials per cell: 3, stopped early by successive halving at epochs 1 and 3" in " ".join(text.split())
    [line, sanity] = lines(list(Store(tmp_path)))
    assert "rungs" not in command(sanity)
    assert "trials = 3\nrungs = [1, 3]\n" in command(line), "what repeats it"
