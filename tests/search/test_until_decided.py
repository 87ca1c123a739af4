"""Seeds until decided: who gets one more, that nothing is trained twice, and that run and board say the same."""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import standin_search as standin

from benchmark.config import FUTILITY, MAX_SEEDS, Trial
from benchmark.errors import UserError
from benchmark.record import SHARED
from benchmark.records import Record, Store
from benchmark.reporting.leaderboard import render, rows
from benchmark.search.cells import default_trial, expand
from benchmark.search.plan import Pause, Plan
from benchmark.search.run import run_suite
from benchmark.search.until_decided import UntilDecided

MOST = 8
SHIFTS = {"single_embedding": 0.0, "standin_plain": 0.003, "standin_tuned": 0.0004}
SUITE = standin.suite(methods=("single_embedding", *standin.METHODS), seeds=1)


@pytest.fixture(autouse=True)
def _standins(monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)


def train(trial: Trial) -> Record:
    """standin_plain is far above its control, standin_tuned within the noise; seeds have effects."""
    noise = random.Random(f"{trial.cell.method} {trial.cell.backbone} {trial.seed}").gauss(0, 5e-4)
    auc = 0.8 + SHIFTS.get(trial.cell.method, -0.3) + noise + 0.01 * (trial.seed % 3)
    return Record(trial=trial, status="finished", metrics={"test/auc": auc, "valid/auc": 0.8})


def play(
    known: Iterable[Record] = (),
    train: Callable[[Trial], Record] = train,
    workers: int = 1,
    most: int = MOST,
    delta: float = 3e-4,
    futility: float = 0.0,
) -> list[Record]:
    plan = Plan(SUITE, expand(SUITE), known, UntilDecided(most, delta, futility))
    records: list[Record] = []
    running: list[Trial] = []
    chance = random.Random(1)
    while True:
        answer = plan.ask() if len(running) < workers else Pause.WAITING
        if isinstance(answer, Trial):
            running.append(answer)
        elif running:
            record = plan.stamped(train(running.pop(chance.randrange(len(running)))))
            plan.tell(record)
            records.append(record)
        else:
            assert answer is Pause.DONE
            done, total = plan.progress()
            assert done == total
            return records


def seeds(records: Iterable[Record]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for record in records:
        found[record.trial.cell.method, record.trial.cell.backbone].add(record.trial.seed)
    assert all(members == set(range(len(members))) for members in found.values())
    return {key: len(members) for key, members in found.items()}


def test_open_rows_get_seeds_and_their_controls_with_them() -> None:
    found = seeds(play())
    for backbone in standin.BACKBONES:
        assert 2 < found["standin_plain", backbone] < MOST, "decided early"
        assert found["standin_tuned", backbone] == found["single_embedding", backbone] == MOST
    assert found["standin_sanity", "none"] == 2, "a sanity row has no control"


def test_when_all_is_decided_nothing_more_is_trained() -> None:
    found = seeds(play(delta=0.02))
    assert max(found.values()) < MOST


def test_rows_without_hope_get_no_more_seeds() -> None:
    """What was given up is said, the board's verdicts are the account's, and without the option the rows go on where they were left."""
    records = play(futility=0.2)
    found, all_of_them = seeds(records), play()
    for backbone in standin.BACKBONES:
        assert 2 <= found["standin_tuned", backbone] < MOST
        assert 2 < found["standin_plain", backbone] < MOST, "decided early"
    assert {r.metrics[FUTILITY] for r in records} == {0.2} and not any(FUTILITY in r.metrics for r in all_of_them)
    said = Plan(SUITE, expand(SUITE), records, UntilDecided(MOST, futility=0.2)).account().splitlines()
    assert said[0].startswith("verdicts: 2 above, 2 undecided; ")
    assert said[1] == "2 undecided rows got no more seeds: the chance that 8 would decide was below 0.2"
    board = rows(records)
    assert {(row.method, row.verdict, row.futility, row.given_up) for row in board if row.verdict is not None} == {
        ("standin_plain", "above", 0.2, False),
        ("standin_tuned", "undecided", 0.2, True),
    }
    assert "given up, as 8 seeds would decide them with a chance below 0.2: standin_tuned" in render(board, "table")
    more = play(records)
    assert more and {r.trial_id for r in [*records, *more]} >= {r.trial_id for r in all_of_them}
    assert not {r.trial_id for r in records} & {r.trial_id for r in more}
    after = rows([*records, *more])
    assert {row.futility for row in after if row.method == "standin_tuned"} == {0.0}, "the rule that its last seed was given by"
    assert not any(row.given_up for row in after)
    again = Plan(SUITE, expand(SUITE), [*records, *more], UntilDecided(MOST, futility=0.2))
    assert again.ask() is Pause.DONE and "got no more seeds" not in again.account(), "they have all"


@pytest.mark.parametrize("futility", [0.0, 0.2])
@pytest.mark.parametrize("workers", [3, 50])
def test_the_same_records_whatever_the_order(workers: int, futility: float) -> None:
    assert {r.trial_id: r for r in play(workers=workers, futility=futility)} == {r.trial_id: r for r in play(futility=futility)}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_the_same_command_goes_on(share: float) -> None:
    whole = play()
    known = whole[: int(share * len(whole))]
    assert Plan(SUITE, expand(SUITE), known, UntilDecided(MOST)).progress()[0] == len(known), "each is counted as recorded before"
    assert [r.trial_id for r in play(known)] == [r.trial_id for r in whole[len(known) :]]


def test_records_of_a_fixed_number_of_seeds_are_gone_on_from() -> None:
    whole = {r.trial_id for r in play()}
    fixed = [train(default_trial(cell, "final", seed, 1)) for cell in expand(SUITE) for seed in range(5)]
    more = play(fixed)
    assert whole <= {r.trial_id for r in [*fixed, *more]} and not {r.trial_id for r in fixed} & {r.trial_id for r in more}


def test_a_final_says_that_its_row_was_looked_at() -> None:
    assert {r.metrics[MAX_SEEDS] for r in play()} == {float(MOST)}


def test_run_and_board_say_the_same() -> None:
    records = play()
    plan = Plan(SUITE, expand(SUITE), records, UntilDecided(MOST))
    board = [row for row in rows(records) if row.verdict is not None]
    assert {(row.method, row.verdict) for row in board} == {("standin_plain", "above"), ("standin_tuned", "undecided")}
    spent = len(records) - 2
    assert plan.account() == f"verdicts: 2 above, 2 undecided; {spent} final trainings, where 8 seeds for each of the 6 cells would be 48"


def test_what_was_spent_is_less_the_trainings_of_other_cells_that_are_counted() -> None:
    """Of the rows that are judged: not those of one that did not finish, nor of another budget."""
    records = play()
    told = Plan(SUITE, expand(SUITE), records, UntilDecided(MOST)).account()
    spent = int(told.split("; ")[1].split()[0])

    def given(record: Record) -> Record:
        return dataclasses.replace(record, notes=(f"it is another one: {SHARED}",))

    def is_plain(record: Record) -> bool:
        return (record.trial.cell.method, record.trial.cell.backbone) == ("standin_plain", "standin_flat")

    plain = [r for r in records if is_plain(r)]
    shared = [given(r) if is_plain(r) else r for r in records]
    assert f"; {spent - len(plain)} final trainings" in Plan(SUITE, expand(SUITE), shared, UntilDecided(MOST)).account()
    tuned = [dataclasses.replace(r, trial=dataclasses.replace(r.trial, budget=9)) for r in shared]
    assert f"; {spent} final trainings" in Plan(SUITE, expand(SUITE), [*records, *tuned], UntilDecided(MOST)).account()
    broken = [dataclasses.replace(r, status="diverged") if is_plain(r) and r.trial.seed == 1 else r for r in shared]
    assert f"; {spent - len(plain)} final trainings" in Plan(SUITE, expand(SUITE), broken, UntilDecided(MOST)).account()


def test_another_number_of_looks_before_is_said() -> None:
    records = play(most=4)
    assert "note" not in Plan(SUITE, expand(SUITE), records, UntilDecided(4)).account()
    said = Plan(SUITE, expand(SUITE), records, UntilDecided(3)).account().splitlines()
    assert len(said) == 2 and said[1].startswith("note: rows were looked at up to 4 seeds before; a board's bounds are of the largest")


def test_a_verdict_of_seeds_that_were_there_is_said_to_be_no_board_s() -> None:
    """By looks that no record speaks of: a board goes on with one test of all seeds, or with those up to another number."""
    fixed = [train(default_trial(cell, "final", seed, 1)) for cell in expand(SUITE) for seed in range(5)]
    said = "note: 2 of these verdicts are of seeds that were all there before: a board judges such rows by the rule"
    for known in (fixed, [dataclasses.replace(r, metrics={**r.metrics, MAX_SEEDS: 5.0}) for r in fixed]):
        records = [*known, *play(known)]
        account = Plan(SUITE, expand(SUITE), records, UntilDecided(MOST)).account()
        assert account.startswith("verdicts: 2 above, 2 undecided; ") and said in account and "standin_plain)" in account
        others = {(row.method, row.max_seeds) for row in rows(records) if row.verdict}
        assert others == {("standin_plain", records[0].metrics.get(MAX_SEEDS)), ("standin_tuned", MOST)}
    assert "note" not in Plan(SUITE, expand(SUITE), play(), UntilDecided(MOST)).account()


@pytest.mark.parametrize("status", ["failed", "diverged", "incompatible"])
def test_a_row_that_does_not_finish_is_not_waited_for(status: str) -> None:
    def breaks(trial: Trial) -> Record:
        if trial.cell.method == "standin_tuned" and trial.cell.backbone == "standin_flat" and trial.seed == 3:
            return dataclasses.replace(Record(trial=trial, status="failed", reason="why"), status=status)  # type: ignore[arg-type]
        return train(trial)

    records = play(train=breaks)
    found = seeds(records)
    assert found["standin_tuned", "standin_flat"] == 4 and found["single_embedding", "standin_flat"] < MOST
    again = play(records)
    assert {r.trial.cell.backbone for r in again} == ({"standin_flat"} if status == "failed" else set())
    if status == "failed":
        assert {r.trial_id for r in play()} <= {r.trial_id for r in [*records, *again]}, "with it there again, all is as it would have been"


def test_max_seeds_has_bounds() -> None:
    with pytest.raises(UserError, match="max_seeds = 1; it must be at least 2"):
        UntilDecided(1)
    with pytest.raises(UserError, match="max_seeds = 201; it must be at most 200"):
        UntilDecided(201)
    with pytest.raises(UserError, match="delta = 0; it must lie between 0 and 1"):
        UntilDecided(3, 0)
    with pytest.raises(UserError, match="futility = 1; it must be a chance below 1"):
        UntilDecided(3, futility=1)


def test_without_a_control_nothing_is_trained(tmp_path: Path) -> None:
    suite = standin.suite(methods=("standin_plain", "standin_sanity"))
    with pytest.raises(UserError, match="beside their control, single_embedding; add it to --methods"):
        run_suite(suite, tmp_path, "local", train=standin.TRAIN, until=UntilDecided(4))
    assert not Store(tmp_path).paths()
    apart = standin.suite(methods=("standin_plain",), also=({"methods": ["single_embedding"], "scales": [2]},))
    with pytest.raises(UserError, match="beside their control, single_embedding; give a product of the suite both"):
        run_suite(apart, tmp_path, "local", train=standin.TRAIN, until=UntilDecided(4))
    with pytest.raises(UserError, match="beside their control, single_embedding; add rows"):
        UntilDecided(4).check(expand(standin.suite(methods=("single_embedding", "standin_sanity"))))


def test_rows_without_a_control_among_others_are_said() -> None:
    suite = standin.suite(methods=("single_embedding", "standin_plain"), also=({"methods": ["standin_plain"], "scales": [2, 3]},))
    cells = expand(suite)
    UntilDecided(4).check(cells)
    told = Plan(suite, cells, (), UntilDecided(4)).account()
    assert (
        "note: 4 row(s) have no single_embedding at the same backbone, scale, depth" in told
        and "no verdict (the first: toy standin_flat scale 2 depth " in told
    )


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.long)])
def test_whole_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: str) -> None:
    """Both executors train what the plan by itself would, and the same command then has nothing left to train."""
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("STANDIN_NOISE", "3e-4")
    options = {"methods": {"standin_tuned": {"strength": 0.51}}}
    suite = standin.suite(methods=("single_embedding", "standin_tuned"), backbones=("standin_steep",), options=options)
    until = UntilDecided(4)
    summary = run_suite(suite, tmp_path, "local" if executor == "local" else "ray", train=standin.TRAIN, until=until)
    records = list(Store(tmp_path))
    assert {r.metrics[MAX_SEEDS] for r in records} == {4.0} and 4 <= len(records) <= 8
    known: list[Record] = []
    plan = Plan(suite, expand(suite), known, until)
    while isinstance(trial := plan.ask(), Trial):
        known.append(plan.stamped(standin.record_of(trial)))
        plan.tell(known[-1])
    assert sorted(r.trial_id for r in known) == [r.trial_id for r in records] and summary.account == plan.account()
    again = run_suite(suite, tmp_path, "local", train=standin.TRAIN, until=until)
    assert again.statuses == {} and str(again).splitlines()[1] == summary.account
