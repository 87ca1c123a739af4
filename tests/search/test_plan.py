"""The plan: equal budgets, defaults first, validation only, and nothing twice."""

from __future__ import annotations

import dataclasses
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import standin_search as standin

from benchmark import config, values
from benchmark.config import NO_BACKBONE, TUNING_SEEDS, Cell, Suite, Trial
from benchmark.errors import UserError
from benchmark.records import LOST, Record, Status
from benchmark.reporting.groups import groups
from benchmark.search import tuner
from benchmark.search.cell_state import RETRIES
from benchmark.search.cells import default_trial, expand
from benchmark.search.plan import Pause, Plan

FIRST, *FRESH = TUNING_SEEDS


@pytest.fixture(autouse=True)
def _standins(monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)


def play(
    suite: Suite, known: list[Record] | None = None, train: Callable[[Trial], Record] = standin.record_of, workers: int = 1
) -> list[Record]:
    """The new records, in the order of their arrival, with this many at work at once."""
    plan = Plan(suite, expand(suite), known or [])
    records: list[Record] = []
    running: list[Trial] = []
    chance = random.Random(0)
    while True:
        answer = plan.ask() if len(running) < workers else Pause.WAITING
        if isinstance(answer, Trial):
            running.append(answer)
        elif running:
            record = train(running.pop(chance.randrange(len(running))))
            plan.tell(record)
            records.append(record)
        else:
            assert answer is Pause.DONE
            done, total = plan.progress()
            assert done == total
            return records


def failing(when: Callable[[Trial], bool], status: Status = "failed") -> Callable[[Trial], Record]:
    def train(trial: Trial) -> Record:
        return dataclasses.replace(Record(trial=trial, status="failed"), status=status) if when(trial) else standin.record_of(trial)

    return train


@pytest.mark.parametrize("workers", [1, 3, 50])
def test_equal_budget_for_every_cell_and_the_winner_on_every_seed(workers: int) -> None:
    records = play(standin.suite(trials=6, seeds=3), workers=workers)
    assert len({r.trial_id for r in records}) == len(records) == 4 * (6 + 3 * 2 + 3) + 3
    for cell in expand(standin.suite()):
        mine = [r for r in records if r.trial.cell.key == cell.key]
        if cell.backbone == NO_BACKBONE:
            expected = {default_trial(cell, "final", seed, 6).trial_id for seed in range(3)}
            assert {r.trial_id for r in mine} == expected, "a sanity row is not tuned"
            continue
        tuned = {r.trial.draw: r for r in mine if r.trial.stage == "tune" and r.trial.seed == FIRST}
        finals = [r.trial for r in mine if r.trial.stage == "final"]
        assert sorted(tuned) == list(range(6)) and sorted(t.seed for t in finals) == [0, 1, 2]
        winner = max(tuned.values(), key=lambda r: r.metrics["valid/auc"]).trial
        for final in finals:
            assert (final.training, final.method, final.backbone, final.budget) == (winner.training, winner.method, winner.backbone, 6)


def test_draw_0_is_the_default_and_no_budget_means_the_default() -> None:
    for cell in expand(standin.suite()):
        first = next(r.trial for r in play(standin.suite(trials=3)) if r.trial.cell.key == cell.key and r.trial.draw == 0)
        sanity = cell.backbone == NO_BACKBONE
        assert first == (default_trial(cell, "final", 0, 3) if sanity else default_trial(cell, "tune", seed=FIRST, budget=1))
    untuned = play(standin.suite(seeds=2))
    assert {r.trial.trial_id for r in untuned} == {
        default_trial(c, "final", s, 1).trial_id for c in expand(standin.suite()) for s in (0, 1)
    }


def test_deterministic_and_a_small_budget_is_a_prefix_of_a_large_one() -> None:
    once, again = (play(standin.suite(trials=9)) for _ in range(2))
    assert [r.trial_id for r in once] == [r.trial_id for r in again]
    small = {r.trial_id for r in play(standin.suite(trials=5)) if r.trial.stage == "tune" and r.trial.seed == FIRST}
    assert small < {r.trial_id for r in once}


def test_draws_differ_and_follow_the_validation_auc() -> None:
    tuned = [r for r in play(standin.suite(methods=("standin_tuned",), trials=24)) if r.trial.seed == FIRST]
    assert len({(r.trial.cell.key, r.trial.training.learning_rate, r.trial.method["strength"]) for r in tuned}) == len(tuned)
    early, late = ([r.metrics["valid/auc"] for r in tuned if low <= r.trial.draw < high] for low, high in ((0, 5), (12, 24)))
    assert sum(late) / len(late) > sum(early) / len(early)


def test_what_the_suite_fixes_is_not_searched() -> None:
    options = {"methods": {"standin_tuned": {"strength": 0.75}}}
    records = play(standin.suite(trials=8, training={"learning_rate": 1e-3}, options=options))
    assert {r.trial.training.learning_rate for r in records} == {1e-3}
    assert {r.trial.method["strength"] for r in records if r.trial.cell.method == "standin_tuned"} == {0.75}
    assert len({r.trial.training.embedding_l2 for r in records}) > 1
    assert {r.trial.backbone["depth"] for r in records if r.trial.cell.backbone == "standin_steep"} == {3}


def test_a_range_that_is_none_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path(standin.__file__).with_name("standins").joinpath("methods", "standin_tuned.py").read_text(encoding="utf-8")
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "reversed_range.py").write_text(text.replace("low=0.0, high=1.0", "low=1.0, high=0.0"), encoding="utf-8")
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "high=1.0" in line)
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    with pytest.raises(UserError, match=rf"reversed_range\.py:{line}: a tuner cannot draw strength: .low <= high. must hold"):
        tuner.space(Cell(dataset="synthetic", data="", backbone="dnn", method="reversed_range", scale=1, depth=1))


def test_where_the_suite_fixes_all_that_is_searched_nothing_is_drawn() -> None:
    """Each draw would be the same training: the same settings, the same seed."""
    fixed = {"training": {"learning_rate": 1e-3, "embedding_l2": 0.0}, "options": {"backbones": {"standin_flat": {"dropout": 0.0}}}}
    suite = standin.suite(trials=8, seeds=2, methods=("standin_plain", "standin_tuned"), backbones=("standin_flat",), **fixed)
    plain, tuned = expand(suite)
    assert not tuner.space(plain) and tuner.space(tuned)
    records = play(suite)
    mine = [r for r in records if r.trial.cell.key == plain.key]
    assert {r.trial_id for r in mine} == {default_trial(plain, "final", seed, 8).trial_id for seed in (0, 1)}
    assert len([r for r in records if r.trial.cell.key == tuned.key and r.trial.seed == FIRST]) == 8
    drawn = [dataclasses.replace(r, trial=dataclasses.replace(r.trial, stage="tune", seed=FIRST, draw=n)) for n, r in enumerate(4 * mine)]
    assert play(suite, [*records, *drawn]) == [], "an earlier version has tuned it"


def test_the_tuner_is_blind_to_test() -> None:
    assert [f.name for f in dataclasses.fields(tuner.Outcome)] == ["draw", "settings", "status", "valid_auc", "path"]
    suite = standin.suite(trials=7)
    seen_by_tuner = tuner.outcome(
        dataclasses.replace(standin.record_of(play(suite)[0].trial), metrics={"valid/auc": 0.7, "test/auc": 0.123})
    )
    assert 0.123 not in (*seen_by_tuner.settings.values(), seen_by_tuner.valid_auc)

    def leaky(trial: Trial) -> Record:  # a training that measures test metrics in tuning, and whose test favours the worst
        record = standin.record_of(trial)
        return dataclasses.replace(record, metrics={**record.metrics, "test/auc": 1 - record.metrics["valid/auc"]})

    assert {r.trial_id for r in play(suite, train=leaky)} == {r.trial_id for r in play(suite)}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
def test_resume_asks_for_nothing_recorded_and_ends_with_the_same_records(share: float) -> None:
    suite = standin.suite(trials=7, seeds=2)
    whole = play(suite)
    known = whole[: int(share * len(whole))]
    random.Random(1).shuffle(known)
    rest = play(suite, known)
    assert [r.trial_id for r in rest] == [r.trial_id for r in whole[len(known) :]]


def test_records_beyond_the_budget_or_of_other_cells_are_left_alone() -> None:
    large = play(standin.suite(trials=9, datasets=("toy", "other_toy")))
    rest = play(standin.suite(trials=4), large)
    assert FIRST not in {r.trial.seed for r in rest}
    assert {r.trial.budget for r in rest if r.trial.stage == "final"} == {4} and len(rest) < 4 * (3 * 2 + 1) + 1


def test_a_budget_of_millions_takes_no_memory_to_draw_from() -> None:
    suite = standin.suite(trials=3_000_000)
    plan = Plan(suite, expand(suite))
    tracemalloc.start()
    first = plan.ask()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(first, Trial) and first.draw == 0
    assert peak < 10e6


def test_failed_is_tried_again_and_diverged_is_not() -> None:
    suite = standin.suite(seeds=3)
    first = play(suite, train=failing(lambda t: t.seed == 1))
    assert Counter(r.status for r in first) == {"finished": 10, "failed": 5}
    assert {r.trial_id for r in play(suite, first)} == {r.trial_id for r in first if r.status == "failed"}
    diverged = play(suite, train=failing(lambda t: t.seed == 1, "diverged"))
    assert play(suite, diverged) == []


def test_a_failed_draw_is_tried_again_until_a_winner_has_met_the_test_data() -> None:
    suite = standin.suite(trials=5, methods=("standin_plain",), backbones=("standin_flat",))
    records = play(suite, train=failing(lambda t: t.draw == 2))
    tuned = [r for r in records if r.trial.stage == "tune"]
    assert [r.trial.draw for r in play(suite, tuned) if r.trial.seed == FIRST] == [2]
    assert play(suite, records) == []


def losing(when: Callable[[Trial], bool], times: int) -> Callable[[Trial], Record]:
    """A training whose worker is lost, so many times for each trial of ``when``."""
    lost: Counter[str] = Counter()

    def train(trial: Trial) -> Record:
        if when(trial) and lost[trial.trial_id] < times:
            lost[trial.trial_id] += 1
            return Record(trial=trial, status="failed", reason=f"{LOST} (killed, or out of memory?)")
        return standin.record_of(trial)

    return train


@pytest.mark.parametrize("times", [1, RETRIES])
def test_a_lost_worker_changes_no_record_and_no_order(times: int) -> None:
    suite = standin.suite(trials=6, seeds=2, methods=("standin_tuned",), backbones=("standin_flat",))
    whole = play(suite)
    for when in (lambda t: t.stage == "tune", lambda t: t.seed == FIRST and t.draw == 3, lambda t: t.seed in FRESH, lambda t: True):
        records = play(suite, train=losing(when, times))
        assert len(records) > len(whole)
        assert [r for r in records if r.status == "finished"] == whole


def test_a_lost_draw_is_trained_again_as_it_was_by_the_next_run() -> None:
    """Proposed anew after the later draws, whose outcomes an undisturbed run would not have known, it would get other settings."""
    suite = standin.suite(trials=9, methods=("standin_tuned",), backbones=("standin_flat",))
    whole = play(suite)
    for index in (0, 6):
        gone = Record(trial=whole[index].trial, status="failed", reason=f"{LOST} (killed)")
        known = [*whole[:index], *whole[index + 1 : 9], gone]
        rest = play(suite, known)
        assert rest[0] == whole[index]
        assert {r.trial_id: r for r in [*known, *rest]} == {r.trial_id: r for r in whole}


def test_what_kills_every_worker_is_given_up_and_the_cell_goes_on() -> None:
    suite = standin.suite(trials=4, methods=("standin_tuned",), backbones=("standin_flat",))
    records = play(suite, train=losing(lambda t: t.draw == 2, 10**6))
    assert Counter(r.trial.draw for r in records if r.status == "failed") == {2: 1 + RETRIES}
    assert [r.trial.stage for r in records][-1] == "final" and len(records) == 3 + 1 + RETRIES + 3 * 2 + 1


def test_a_sanity_row_that_an_earlier_version_tuned_keeps_its_settings() -> None:
    suite = standin.suite(trials=6, seeds=2, methods=("standin_sanity",))
    [cell] = expand(suite)
    first = default_trial(cell, "final", 0, 6)
    tuned = dataclasses.replace(first, training=dataclasses.replace(first.training, learning_rate=5e-4))
    [second] = play(suite, [standin.record_of(tuned)])
    assert second.trial == dataclasses.replace(tuned, seed=1)


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_where_no_draw_finishes_the_defaults_are_tested(status: Status) -> None:
    suite = standin.suite(trials=3, seeds=1)
    finals = [r for r in play(suite, train=failing(lambda t: True, status)) if r.trial.stage == "final"]
    assert {r.trial_id for r in finals} == {default_trial(c, "final", 0, 3).trial_id for c in expand(suite)}


def test_an_incompatible_cell_is_one_record() -> None:
    suite = standin.suite(trials=3, seeds=2)
    cells = expand(suite)
    record = Record(trial=default_trial(cells[1], "final", 0, 3), status="incompatible", reason="no such layer")
    told = Plan(suite, cells)
    told.tell(record)
    for plan in (told, Plan(suite, cells, [record])):
        assert cells[1] not in plan.open_cells() and plan.progress() == (1, 3 * (3 + 3 * 2 + 2) + 2 + 1)


def test_a_cell_is_tuned_in_sequence_while_there_are_others() -> None:
    plan = Plan(standin.suite(trials=8), expand(standin.suite()))
    first = [plan.ask() for _ in range(5)]
    assert len({t.cell.key for t in first if isinstance(t, Trial)}) == 5
    more = [plan.ask() for _ in range(100)]
    waiting = [answer for answer in more if answer is Pause.WAITING]
    assert len(more) - len(waiting) == 4 * (tuner.STARTUP - 1)  # the sanity row, which is not tuned, was among the first


def test_tuning_and_final_seeds_have_nothing_in_common() -> None:
    records = play(standin.suite(trials=4, seeds=7))
    seeds = {stage: {r.trial.seed for r in records if r.trial.stage == stage} for stage in ("tune", "final")}
    assert seeds["final"] == set(range(7)) and seeds["tune"] == set(TUNING_SEEDS) and not seeds["tune"] & seeds["final"]


def test_the_best_three_draws_are_trained_again_before_one_wins() -> None:
    def train(trial: Trial) -> Record:  # the best first value is luck: with fresh seeds the second best is better
        record = standin.record_of(trial)
        value = {0: 0.70, 1: 0.90, 2: 0.89, 3: 0.50, 4: 0.88}[trial.draw] - 0.1 * (trial.draw == 1 and trial.seed in FRESH)
        return dataclasses.replace(record, metrics={**record.metrics, "valid/auc": value}) if trial.stage == "tune" else record

    records = play(standin.suite(trials=5, methods=("standin_tuned",), backbones=("standin_flat",)), train=train)
    again = [(r.trial.draw, r.trial.seed) for r in records if r.trial.seed in FRESH]
    assert sorted(again) == sorted((draw, seed) for draw in (1, 2, 4) for seed in FRESH)
    tuned = {(r.trial.draw, r.trial.seed): r.trial for r in records if r.trial.stage == "tune"}
    for draw in (1, 2, 4):
        assert all(dataclasses.replace(tuned[draw, seed], seed=FIRST) == tuned[draw, FIRST] for seed in FRESH), "nothing but the seed"
    [final] = [r.trial for r in records if r.trial.stage == "final"]
    assert (final.training, final.method, final.seed) == (tuned[2, FIRST].training, tuned[2, FIRST].method, 0)


def test_a_budget_may_be_raised_again_and_again() -> None:
    """Each time the later draws are better, so that every budget has finalists of its own, and repeats of them."""

    def train(trial: Trial) -> Record:
        auc = 0.5 + 0.01 * trial.draw if trial.stage == "tune" else 0.6
        return Record(trial=trial, status="finished", metrics={"valid/auc": auc})

    known: list[Record] = []
    for budget in (4, 8, 16):
        suite = standin.suite(methods=("standin_tuned",), backbones=("standin_flat",), trials=budget)
        known += play(suite, known, train)
        assert {r.trial.draw for r in known if r.trial.stage == "tune"} == set(range(budget))
        assert [r.trial.budget for r in known if r.trial.stage == "final"][-1] == budget


def test_a_draw_that_was_drawn_twice_wins_by_its_own_values() -> None:
    """Two machines' folders in one: beyond the first draws, which hang on nothing, each has drawn others."""
    suite = standin.suite(methods=("standin_tuned",), backbones=("standin_flat",), trials=6)

    def train(trial: Trial, auc: float) -> Record:
        return Record(trial=trial, status="finished", metrics={"valid/auc": auc})

    mine = [r for r in play(suite, train=lambda t: train(t, 0.7 + 0.01 * t.draw)) if r.trial.stage == "tune"]
    theirs = [r for r in play(suite, train=lambda t: train(t, 0.7 - 0.01 * t.draw)) if r.trial.stage == "tune"]
    last = [r for r in mine if r.trial.draw == 5]
    twice = next(r for r in theirs if r.trial.draw == 5 and r.trial.seed == FIRST)
    assert twice.trial.settings != last[0].trial.settings and len(last) == 3
    known = [r for r in mine if r.trial.draw < 5]  # of draw 5 the first training is theirs, the others are of my settings
    known += [train(twice.trial, 0.75), *(train(r.trial, 0.1) for r in last if r.trial.seed != FIRST)]
    new = play(suite, known, lambda t: train(t, 0.9))
    assert {r.trial.settings for r in new} == {twice.trial.settings}
    assert [r.trial.seed for r in new if r.trial.stage == "tune"] == FRESH


@pytest.mark.parametrize("better", [0, 1])
def test_of_two_winners_the_run_goes_on_with_the_one_that_the_board_shows(better: int) -> None:
    """Two machines' folders in one: as many finals of each."""
    suite = standin.suite(methods=("standin_tuned",), backbones=("standin_flat",), trials=4, seeds=2)
    [final] = (r.trial for r in play(suite) if r.trial.stage == "final" and r.trial.seed == 0)
    winners = [dataclasses.replace(final, method={"strength": strength}) for strength in (0.3, 0.6)]
    known = [
        Record(trial=dataclasses.replace(trial, seed=seed), status="finished", metrics={"valid/auc": auc, "test/auc": auc})
        for trial, auc in zip(winners, (0.8, 0.7) if better == 0 else (0.7, 0.8), strict=True)
        for seed in (0, 1)
    ]
    [group] = groups(known)
    new = play(dataclasses.replace(suite, seeds=3), known)
    assert {r.trial.method["strength"] for r in (*new, *group.records)} == {winners[better].method["strength"]}


def test_a_fresh_training_that_diverges_costs_a_draw_its_win() -> None:
    suite = standin.suite(trials=5, methods=("standin_tuned",), backbones=("standin_flat",))
    usual = play(suite)
    favourite = max((r for r in usual if r.trial.seed == FIRST), key=lambda r: r.metrics["valid/auc"]).trial.draw
    for status, wins in (("diverged", False), ("failed", True)):  # a machine's failure says nothing of the settings
        records = play(suite, train=failing(lambda t: t.draw == favourite and t.seed == FRESH[0], status))  # type: ignore[arg-type]
        chosen = next(r.trial for r in records if r.trial.stage == "final")
        drawn = next(r.trial for r in records if r.trial.draw == favourite and r.trial.seed == FIRST)
        assert (chosen.training == drawn.training and chosen.method == drawn.method) == wins


def test_a_cell_that_was_tuned_and_tested_before_keeps_its_winner() -> None:
    """Records of the time when draws had seed 0, which a final has too: read, and gone on from, with nothing tuned anew."""
    suite = standin.suite(trials=3, seeds=3, methods=("standin_tuned",), backbones=("standin_flat",))
    old = [
        dataclasses.replace(r, trial=dataclasses.replace(r.trial, seed=0)) if r.trial.stage == "tune" else r
        for r in play(suite)
        if r.trial.seed not in FRESH and r.trial.seed != 2
    ]
    [rest] = play(suite, old)
    assert (rest.trial.stage, rest.trial.seed) == ("final", 2)
    assert rest.trial.training == old[-1].trial.training and rest.trial.method == old[-1].trial.method
    tuned_only = [r for r in old if r.trial.stage == "tune"]
    assert len(play(suite, tuned_only)) == len(play(suite)), "without a final, tuning begins anew with seeds of its own"


@pytest.mark.parametrize("seeds", [20, 200])
def test_a_training_costs_as_many_ids_however_many_seeds_its_cell_has(seeds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = Counter[str]()

    def digest(content: object) -> str:
        hashed["ids"] += 1
        return values.digest(content)

    monkeypatch.setattr(config, "digest", digest)
    assert len(play(standin.suite(methods=("standin_plain",), scales=(1,), trials=1, seeds=seeds))) == 2 * seeds
    assert hashed["ids"] < 5 * 2 * seeds
