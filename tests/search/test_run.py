"""Whole runs: by both executors, killed in the middle, and started again."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import standin_search as standin

from benchmark.config import TUNING_SEEDS, Trial
from benchmark.errors import UserError
from benchmark.records import LOST, Record, Store
from benchmark.search import run, time_limit
from benchmark.search.cells import expand
from benchmark.search.plan import Plan
from benchmark.search.progress import Progress, to_come
from benchmark.search.run import Summary, run_suite


@pytest.fixture(autouse=True)
def _standins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    standin.install(monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "log"))


class Diary:
    """A listener that checks the order of calls."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.epochs: dict[str, int] = {}
        self.records: list[Record] = []

    def started(self, trial: Trial) -> None:
        self.epochs[trial.trial_id] = 0

    def epoch(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        self.epochs[trial.trial_id] += 1
        assert metrics["epoch"] == self.epochs[trial.trial_id]

    def finished(self, record: Record) -> None:
        assert self.store.get(record.trial_id) == record, "stored before anybody hears of it"
        self.records.append(record)


def test_a_summary_says_how_busy_the_places_were() -> None:
    assert str(Summary({"finished": 2}, 1, 50.0, 75.0, 2)) == (
        "2 finished in 50 s; 1 recorded before; in use 75% (trials 75 of 100 s, 2 at a time)"
    )
    assert str(Summary({}, 3, 1.0)) == "nothing left to train in 1 s; 3 recorded before"


def test_local_run_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    diary = Diary(Store(tmp_path))
    suite = standin.suite(seeds=3)
    summary = run_suite(suite, tmp_path, "local", listeners=[diary], train=standin.TRAIN)
    assert summary.statuses == {"finished": 13, "failed": 2} and summary.recorded_before == 0
    assert all(diary.epochs[r.trial_id] == (2 if r.status == "finished" else 0) for r in diary.records)
    assert {r.reason for r in diary.records if r.status == "failed"} == {"seed: not this one"}
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("[0/15] toys: 5 cells; 15 trainings to come (0 of tuning, 15 final), 0 recorded already")
    assert last.startswith("[15/15, running 0]")
    again = run_suite(suite, tmp_path, "local", train=standin.TRAIN)
    assert again.statuses == {"failed": 2} and again.recorded_before == 13
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("[13/15] toys: 5 cells; 2 trainings to come (0 of tuning, 2 final), 13 recorded already")


def test_all_cells_are_checked_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(trial: Trial) -> str | None:
        if trial.cell.backbone == "standin_steep":
            raise UserError("width 10 does not divide by 4 sets")
        return "no such layer"

    monkeypatch.setattr(run, "check", check)
    with pytest.raises(UserError, match="does not divide"):
        run_suite(standin.suite(), tmp_path, "local", train=standin.TRAIN)
    assert list(Store(tmp_path)) == []
    summary = run_suite(standin.suite(backbones=("standin_flat",), seeds=2), tmp_path, "local", train=standin.TRAIN)
    assert summary.statuses == {"incompatible": 3} and {r.reason for r in Store(tmp_path)} == {"no such layer"}


def test_a_cell_that_can_no_longer_be_built_keeps_what_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its method has learned to refuse the backbone: the training of the seed that is missing says so, in its own record."""
    suite = standin.suite(backbones=("standin_flat",), methods=("standin_plain",))
    run_suite(suite, tmp_path, "local", train=standin.TRAIN)
    [before] = Store(tmp_path).paths()
    content = before.read_bytes()
    monkeypatch.setattr(run, "check", lambda trial: "no such layer")
    more = standin.suite(backbones=("standin_flat",), methods=("standin_plain",), seeds=2)
    assert run_suite(more, tmp_path, "local", train=standin.TRAIN).recorded_before == 1
    assert before.read_bytes() == content and len(Store(tmp_path).paths()) == 2


def test_one_run_at_a_time_in_a_folder(tmp_path: Path) -> None:
    run_suite(standin.suite(), tmp_path, "local", train=standin.TRAIN)
    with (tmp_path / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another run"):
            run_suite(standin.suite(), tmp_path, "local", train=standin.TRAIN)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        run_suite(standin.suite(), tmp_path / "file", "local", train=standin.TRAIN)


def test_one_is_one() -> None:
    assert to_come("toys", 1, 0, 1, 0) == "toys: 1 cell; 1 training to come (0 of tuning, 1 final), 0 recorded already"
    assert to_come("toys", 1, 0, 0, 1) == "toys: 1 cell; 0 trainings to come (0 of tuning, 0 final), 1 recorded already"
    assert to_come("toys", 1000, 0, 2000, 0).startswith("toys: 1,000 cells; 2,000 trainings to come")


def test_progress_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    plan = Plan(standin.suite(), expand(standin.suite()))
    stream = Terminal()
    progress = Progress(plan, stream)
    trial = plan.ask()
    assert isinstance(trial, Trial)
    progress.started(trial)
    record = standin.record_of(trial)
    progress.epoch(trial, record.curve[0])
    plan.tell(record)
    progress.finished(record)
    progress.close()
    assert (
        "running 1" in stream.getvalue()
        and f"{trial.cell}: epoch 1 loss 0.5000" in stream.getvalue()
        and "1/5" in stream.getvalue()
        and f"test AUC {record.metrics['test/auc']:.5f}" in stream.getvalue()
    )


def test_a_tuning_draw_says_how_good_its_cell_s_best_is() -> None:
    suite = standin.suite(methods=("standin_tuned",), backbones=("standin_flat",), trials=6)
    plan, stream = Plan(suite, expand(suite)), io.StringIO()
    progress, best = Progress(plan, stream), 0.0
    while isinstance(trial := plan.ask(), Trial) and trial.stage == "tune" and trial.seed == TUNING_SEEDS[0]:
        record = standin.record_of(trial)
        best = max(best, record.metrics["valid/auc"])
        progress.started(trial)
        plan.tell(record)
        progress.finished(record)
        said = stream.getvalue().splitlines()[-1]
        wanted = "; the cell's best so far" if best == record.metrics["valid/auc"] else f"; its cell's best so far: {best:.5f}"
        assert said.endswith(wanted)
    assert stream.getvalue().count("its cell's best so far: ") > 0 < stream.getvalue().count("; the cell's best so far")
    assert isinstance(trial, Trial) and trial.stage == "tune", "a finalist with another seed: its value is not one of those"
    progress.started(trial)
    plan.tell(record := standin.record_of(trial))
    progress.finished(record)
    assert "best so far" not in stream.getvalue().splitlines()[-1]


def drive(results: Path, executor: str, trials: int, seeds: int, strength: float) -> subprocess.Popen[str]:
    command = [sys.executable, standin.__file__, str(results), executor, str(trials), str(seeds), str(strength)]
    return subprocess.Popen(command, cwd=standin.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def kill_when_recorded(driver: subprocess.Popen[str], results: Path, count: int, log: Path) -> set[str]:
    """SIGKILL to the driver and to every worker that has begun a training; the ids recorded by then."""
    limit = time.monotonic() + 120
    while len(list(results.glob("records/*.json"))) < count:
        assert driver.poll() is None and time.monotonic() < limit, driver.communicate()
        time.sleep(0.01)
    os.killpg(driver.pid, signal.SIGKILL)
    for pid in {int(line.split()[1]) for line in log.read_text().splitlines()}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    driver.communicate()
    return {r.trial_id for r in Store(results)}


def begun(log: Path) -> list[str]:
    return [line.split()[0] for line in log.read_text().splitlines()]


def test_killed_and_resumed_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_EPOCH_SECONDS", "0.02")
    log, results = tmp_path / "log", tmp_path / "killed"
    recorded = kill_when_recorded(drive(results, "local", 3, 2, 0.5), results, 8, log)
    first = begun(log)
    log.unlink()
    out, err = drive(results, "local", 3, 2, 0.5).communicate()
    assert out.strip() == "", f"neither ray nor mlflow is imported: {out} {err}"
    assert not recorded & set(begun(log)) and len(first) < 25
    options = {"methods": {"standin_tuned": {"strength": 0.5}}}
    run_suite(standin.suite(trials=3, seeds=2, options=options), tmp_path / "whole", "local", train=standin.TRAIN)
    assert list(Store(results)) == list(Store(tmp_path / "whole"))


@pytest.mark.long
def test_ray_run_killed_and_resumed_with_a_worker_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_EPOCH_SECONDS", "0.1")
    log, results = tmp_path / "log", tmp_path / "killed"
    recorded = kill_when_recorded(drive(results, "ray", 1, 3, 0.125), results, 2, log)
    assert 2 <= len(recorded) < 12
    log.unlink()
    monkeypatch.setenv("STANDIN_EPOCH_SECONDS", "0")
    out, err = drive(results, "ray", 1, 3, 0.125).communicate(timeout=180)
    assert not recorded & set(begun(log)), err
    lines = err.splitlines()
    assert lines and all(line.startswith("[") for line in lines), "nothing but our own lines"
    records = list(Store(results))
    assert len(records) == 15, (out, err)
    [lost] = {trial_id for trial_id in begun(log) if begun(log).count(trial_id) == 2}
    trial = next(r.trial for r in records if r.trial_id == lost and r.status == "finished")
    assert (trial.cell.method, trial.cell.backbone, trial.seed) == ("standin_tuned", "standin_flat", 1)
    assert [LOST in line for line in lines if "it is trained again" in line] == [True]
    assert {r.reason for r in records if r.status == "failed"} == {"seed: not this one"}
    assert {r.trial_id for r in records if r.status == "finished"} >= recorded
    assert all(r == standin.record_of(r.trial) for r in records if r.status == "finished")


@pytest.mark.parametrize("swallows", [False, True])
def test_a_trial_that_never_ends_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swallows: bool) -> None:
    monkeypatch.setenv("STANDIN_ENDLESS", "swallows" if swallows else "1")
    monkeypatch.setattr(time_limit, "AGAIN", 0.3)
    monkeypatch.setattr(run, "check", lambda trial: standin.never_end(1) if trial.cell.backbone == "standin_flat" else None)
    started = time.monotonic()
    summary = run_suite(standin.suite(methods=("standin_sanity", "standin_tuned")), tmp_path, "local", train=standin.TRAIN, minutes=0.01)
    assert time.monotonic() - started < 30
    for watcher in [thread for thread in threading.enumerate() if thread.name == "time limit"]:
        watcher.join(timeout=5)
        assert not watcher.is_alive()
    assert summary.statuses == {"finished": 2, "failed": 1}
    [endless] = [r for r in Store(tmp_path) if r.status == "failed"]
    assert endless.trial.cell.backbone == "standin_flat" and endless.reason == "it took longer than 0.01 minutes (--trial-minutes)"
    monkeypatch.delenv("STANDIN_ENDLESS")
    monkeypatch.setattr(run, "check", lambda trial: None)
    again = run_suite(standin.suite(methods=("standin_sanity", "standin_tuned")), tmp_path, "local", train=standin.TRAIN, minutes=1)
    assert again.statuses == {"finished": 1}


def test_a_process_that_does_not_listen_is_ended(tmp_path: Path) -> None:
    """Inside one call into C, which holds Python's lock."""
    code = (
        "import re\nfrom benchmark.search.time_limit import time_limit\n"
        "with time_limit(0.01, ends_process=True, grace=0.1):\n    re.match('(a+)+$', 'a' * 60 + 'b')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=standin.ROOT, timeout=60, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == ""
