"""MLflow as a view of records: live, rebuilt, and broken."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import _validate_metric_name

from benchmark.config import Cell, Training, Trial
from benchmark.errors import UserError
from benchmark.records import Record, Store
from benchmark.search.lock import only_one
from benchmark.tracking import mlflow_store
from benchmark.tracking.mlflow_store import Tracker, rebuild, tracking_uri, ui_command

AUCS = (0.7, 0.8)
FIELD_METRICS = {
    "spectral/table/a/b:c/information_abundance": 3.0,
    "spectral/table/a/b:c/effective_rank": 4.0,
    "spectral/table_freq/a/b:c/information_abundance": 5.0,
    "spectral/table/information_abundance": 6.0,
    "spectral/layer2/batch/effective_rank": 7.0,
}


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def trial_of(method: str, stage: str, seed: int = 0, draw: int = 0) -> Trial:
    cell = Cell(dataset="toy data", data="abc", backbone="dcnv2", method=method, scale=4, depth=3)
    backbone, settings = {"hidden": [400, 400]}, {"note": "two words"}
    return Trial(
        cell=cell,
        stage="tune" if stage == "tune" else "final",
        training=Training(),
        backbone=backbone,
        method=settings,
        seed=seed,
        draw=draw,
        budget=2,
    )


def record_of(trial: Trial) -> Record:
    metrics = {"valid/auc": 0.6, **FIELD_METRICS}
    if trial.stage == "final":
        metrics["test/auc"] = AUCS[trial.seed]
    curve = ({"epoch": 1.0, "valid/auc": 0.5}, {"epoch": 2.0, "valid/auc": 0.6})
    return Record(trial=trial, status="finished", metrics=metrics, curve=curve, cost={"samples_per_second": 10.0})


def records() -> list[Record]:
    trials = [trial_of(m, stage, seed) for m in ("me", "se") for stage, seed in (("tune", 0), ("final", 0), ("final", 1))]
    diverged = Record(trial=trial_of("bad", "final"), status="diverged", reason="loss is not finite")
    return [*(record_of(t) for t in trials), diverged]


def live(results: Path, which: Sequence[Record]) -> Tracker:
    tracker = Tracker(results)
    for record in which:
        tracker.started(record.trial)
        for entry in record.curve:
            tracker.epoch(record.trial, entry)
        tracker.finished(record)
    return tracker


def runs_of(results: Path) -> tuple[MlflowClient, list[Run]]:
    client = MlflowClient(tracking_uri=tracking_uri(results))
    experiment = client.get_experiment_by_name("toy data")
    assert experiment is not None
    return client, list(client.search_runs([experiment.experiment_id]))


def picture(results: Path) -> dict[str, object]:
    """What a reader of MLflow sees, without ids and times."""
    client, runs = runs_of(results)
    names = {run.info.run_id: run.info.run_name for run in runs}
    seen = {}
    for run in runs:
        tags = {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.") and k != "owner"}
        parent = names.get(run.data.tags.get(MLFLOW_PARENT_RUN_ID, ""))
        # A live parent's means are written again with each seed.
        curve = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "valid/auc")] if parent else []
        key = (parent, run.info.run_name)
        assert key not in seen
        seen[key] = (run.info.status, tags, run.data.params, run.data.metrics, curve)
    return {str(k): seen[k] for k in sorted(seen, key=str)}


def test_live_and_rebuilt_look_alike_and_again_changes_nothing(tmp_path: Path) -> None:
    one, two = tmp_path / "live", tmp_path / "rebuilt"
    live(one, records())
    store = Store(two)
    store.create()
    for record in records():
        store.write(record)
    assert rebuild(store, two) == (len(records()), [])
    before = picture(two)
    assert before == picture(one)
    assert rebuild(store, two) == (0, [])
    assert picture(two) == before

    client, runs = runs_of(one)
    parents = {r.info.run_name: r for r in runs if MLFLOW_PARENT_RUN_ID not in r.data.tags}
    assert sorted(parents) == ["bad · dcnv2 · scale 4 · depth 3", "me · dcnv2 · scale 4 · depth 3", "se · dcnv2 · scale 4 · depth 3"]
    me = parents["me · dcnv2 · scale 4 · depth 3"]
    assert me.data.metrics["test/auc"] == pytest.approx(0.75) and me.data.metrics["seeds"] == 2
    assert "test/auc" not in parents["bad · dcnv2 · scale 4 · depth 3"].data.metrics
    children = {r.info.run_name: r for r in runs if r.data.tags.get(MLFLOW_PARENT_RUN_ID) == me.info.run_id}
    assert sorted(children) == ["seed 0", "seed 1", "tuning 0"]
    assert not any(name.startswith("test/") for name in children["tuning 0"].data.metrics)
    child = children["seed 1"]
    assert {k: v for k, v in child.data.metrics.items() if k.startswith("spectral/")} == {
        f"spectral/table/a/{mlflow_store._name('b:c')}/information_abundance": 3.0,
        "spectral/table/information_abundance": 6.0,
        "spectral/layer2/batch/effective_rank": 7.0,
    }
    assert child.data.params["backbone.hidden"] == "[400,400]" and child.data.params["method.note"] == "two words"
    history = [(m.step, m.value) for m in client.get_metric_history(child.info.run_id, "valid/auc")]
    assert history[:2] == [(1, 0.5), (2, 0.6)]
    stored = (one / "artifacts").rglob("record.json")
    assert sorted(p.read_text() for p in stored) == sorted(r.to_json() for r in records())


def test_what_a_killed_driver_left_is_closed_and_made_again(tmp_path: Path) -> None:
    record = record_of(trial_of("me", "final"))
    killed = Tracker(tmp_path)
    killed.started(record.trial)
    killed.epoch(record.trial, record.curve[0])
    _, runs = runs_of(tmp_path)
    assert {r.info.status for r in runs} == {"RUNNING"}
    live(tmp_path, [record_of(trial_of("se", "final"))])
    _, runs = runs_of(tmp_path)
    assert {r.data.tags["method"]: r.info.status for r in runs} == {"me": "KILLED", "se": "FINISHED"}
    live(tmp_path, [record])
    _, runs = runs_of(tmp_path)
    assert [r.info.status for r in runs if r.data.tags.get("trial_id") == record.trial_id] == ["FINISHED"]


def test_a_record_stored_just_before_the_kill_is_tracked_at_the_next_start(tmp_path: Path) -> None:
    first, second = (record_of(trial_of("me", "final", seed)) for seed in (0, 1))
    store = Store(tmp_path)
    store.create()
    killed = live(tmp_path, [first])
    killed.started(second.trial)
    for record in (first, second):
        store.write(record)
    live(tmp_path, [record_of(trial_of("se", "final"))])
    _, runs = runs_of(tmp_path)
    assert {r.info.status for r in runs} == {"FINISHED"}
    assert [r.data.metrics["test/auc"] for r in runs if r.data.tags.get("trial_id") == second.trial_id] == [AUCS[1]]
    means = {r.data.tags["method"]: r.data.metrics["test/auc"] for r in runs if r.data.tags["stage"] == "cell"}
    assert means == {"me": pytest.approx(0.75), "se": 0.7}


def test_a_run_that_was_killed_while_it_was_written_is_written_again(tmp_path: Path) -> None:
    record = record_of(trial_of("me", "final"))
    store = Store(tmp_path)
    store.create()
    store.write(record)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow_store._Runs, "_summarise", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rebuild(store, tmp_path)
    assert rebuild(store, tmp_path) == (1, [])
    _, runs = runs_of(tmp_path)
    assert {r.info.status for r in runs} == {"FINISHED"} and len(runs) == 2


def test_a_failed_trial_that_is_run_again_has_one_run(tmp_path: Path) -> None:
    record = record_of(trial_of("me", "final"))
    live(tmp_path, [Record(trial=record.trial, status="failed", reason="killed")])
    live(tmp_path, [record])
    _, runs = runs_of(tmp_path)
    assert [r.data.tags["status"] for r in runs if r.data.tags.get("trial_id") == record.trial_id] == ["finished"]


def test_trouble_is_one_line_and_the_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database " * 100)
    live(tmp_path, records())
    said = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(said) == 1 and "benchmark track" in said[0]


def test_rebuild_of_a_broken_store_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database " * 100)
    with pytest.raises(UserError, match="cannot open"):
        rebuild(Store(tmp_path), tmp_path)


def test_a_record_that_cannot_be_tracked_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.create()
    for record in records():
        store.write(record)
    (store.folder / "0.json").write_text("{")
    refused = trial_of("me", "final").trial_id
    begin = mlflow_store._Runs.begin

    def picky(runs: mlflow_store._Runs, trial: Trial) -> str:
        if trial.trial_id == refused:
            raise ValueError("not this one")
        return begin(runs, trial)

    monkeypatch.setattr(mlflow_store._Runs, "begin", picky)
    written, left_out = rebuild(store, tmp_path)
    assert written == len(records()) - 1 and len(left_out) == 2
    assert "0.json: not a record" in left_out[0] and refused in left_out[1] and "not this one" in left_out[1]


def test_rebuild_keeps_its_hands_off_a_run_at_work(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create()
    store.write(record_of(trial_of("me", "final")))
    with only_one(tmp_path):
        assert rebuild(store, tmp_path) == (0, [])
    assert not (tmp_path / "mlflow.db").exists()
    assert rebuild(store, tmp_path) == (1, [])


def test_ui_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"no mlflow\.db"):
        ui_command(tmp_path)
    (tmp_path / "mlflow.db").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port}"):
            ui_command(tmp_path, port=port)
    command, environment = ui_command(tmp_path, port=port)
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert command[command.index("--backend-store-uri") + 1] == mlflow_store.tracking_uri(tmp_path)
    with pytest.raises(UserError, match="65535"):
        ui_command(tmp_path, port=99999)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI"):
        ui_command(tmp_path, port=port)


@pytest.mark.parametrize("name", ["a/../b", "a//b", "./a", "/", "..", "", "é:b", "a/ /b", "x/" * 300, "a.b/c d_e-f"])
def test_names_that_mlflow_takes(name: str) -> None:
    safe = mlflow_store._name(name)
    _validate_metric_name(safe)  # type: ignore[no-untyped-call]
    assert len(safe) <= 250 and mlflow_store._name(safe) == safe
    assert (safe == name) == (name == "a.b/c d_e-f")


@pytest.mark.parametrize(("one", "other"), [("价格", "城市"), ("a:b", "a;b"), ("..", "__"), ("a//b", "a/_/b")])
def test_names_that_had_to_change_stay_apart(one: str, other: str) -> None:
    assert mlflow_store._name(one) != mlflow_store._name(other)


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = (mlflow_store._name("x" * 400 + end) for end in "ab")
    assert len(one) == len(other) == 250 and one != other


def test_an_unreachable_server_costs_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    started = time.monotonic()
    Tracker(tmp_path).started(trial_of("me", "final"))
    assert time.monotonic() - started < 60
    assert "the run goes on untracked" in capsys.readouterr().err
    with pytest.raises(UserError, match="MLflow cannot open or write it"):
        rebuild(Store(tmp_path), tmp_path)
