"""MLflow as a view of records: live, rebuilt, and broken."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.server import constants
from mlflow.server.security_utils import is_allowed_host_header
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import _validate_metric_name

import benchmark
from benchmark.__main__ import main
from benchmark.config import Cell, Suite, Training, Trial
from benchmark.errors import UserError
from benchmark.records import Record, Store
from benchmark.search.listeners import Listener
from benchmark.search.lock import at_work, only_one
from benchmark.search.plan import Plan
from benchmark.tracking import mlflow_store, rows, stores
from benchmark.tracking.mlflow_store import Tracker, rebuild
from benchmark.tracking.notes import NO_BOARD
from benchmark.tracking.place import Owner, Stamp, tracking_uri, without_password
from benchmark.tracking.stores import Runs
from benchmark.tracking.ui import allowed, ui_command
from benchmark.tracking.view import NOTE

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


@pytest.fixture(scope="module", autouse=True)
def _empty(empty_mlflow: Path) -> None:
    global empty
    empty = empty_mlflow


empty = Path()


def stored(results: Path, which: Sequence[Record]) -> Store:
    store = Store(results)
    store.create()
    if not (results / "mlflow.db").exists():
        shutil.copyfile(empty, results / "mlflow.db")
    for record in which:
        store.write(record)
    return store


def live(results: Path, which: Sequence[Record], close: bool = True) -> Tracker:
    store, tracker = stored(results, ()), Tracker(results)
    for record in which:
        tracker.started(record.trial)
        for entry in record.curve:
            tracker.epoch(record.trial, entry)
        store.write(record)
        tracker.finished(record)
    if close:
        tracker.close()
    return tracker


def runs_of(results: Path, boards: bool = False) -> tuple[MlflowClient, list[Run]]:
    client = MlflowClient(tracking_uri=tracking_uri(results))
    experiment = client.get_experiment_by_name("toy data")
    assert experiment is not None and experiment.lifecycle_stage == "active"
    found = client.search_runs([experiment.experiment_id])
    return client, [run for run in found if boards or run.data.tags["stage"] != "board"]


def folder_of(run: Run) -> Path:
    """Of its artifacts."""
    return Path(unquote(run.info.artifact_uri.removeprefix("file://")))


def picture(results: Path) -> dict[str, object]:
    """What a reader of MLflow sees, without ids and times; of a training the artifact is the record's file."""
    client, runs = runs_of(results, boards=True)
    names = {run.info.run_id: run.info.run_name for run in runs}
    seen = {}
    for run in runs:
        tags = {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.") and k not in ("owner", "state")}
        parent = names.get(run.data.tags.get(MLFLOW_PARENT_RUN_ID, ""))
        curve = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "epoch valid AUC")]
        assert run.info.run_name not in seen
        [artifact] = client.list_artifacts(run.info.run_id)
        text = (folder_of(run) / artifact.path).read_text()
        if "trial_id" in tags:
            assert artifact.path == "record.json" and text == Store(results).path(tags["trial_id"]).read_text()
            text = ""
        seen[run.info.run_name] = (parent, run.info.status, tags, run.data.params, run.data.metrics, curve, artifact.path, text)
    return {str(k): seen[k] for k in sorted(seen, key=str)}


def test_live_and_rebuilt_look_alike_and_again_changes_nothing(tmp_path: Path) -> None:
    one, two = tmp_path / "live", tmp_path / "rebuilt"
    live(one, records())
    store = stored(two, records())
    assert rebuild(store, two) == (len(records()), [])
    before = picture(two)
    assert before == picture(one)
    assert rebuild(store, two) == (0, []) and Stamp(store, two).holds()
    assert picture(two) == before

    _, runs = runs_of(one)
    cells = {run.data.tags["method"]: run for run in runs if run.data.tags["stage"] == "cell"}
    assert [cells[m].info.run_name for m in ("me", "se", "bad")] == [
        f"{n} {m} dcnv2 4x depth 3" for n, m in ((1, "me"), (2, "se"), (3, "bad"))
    ]
    me = cells["me"]
    assert me.data.metrics["1 AUC"] == 0.75 and me.data.metrics["8 seeds"] == 2 and me.data.metrics["0 rank"] == 1
    assert me.data.metrics["1 AUC sd"] == round((0.5 * 0.1**2) ** 0.5, 5)
    assert "1 AUC" not in cells["bad"].data.metrics and cells["bad"].data.tags["reason"] == "loss is not finite"
    assert me.data.params["backbone.hidden"] == "[400,400]" and me.data.params["method.note"] == "two words"
    note = me.data.tags["mlflow.note.content"]
    assert "test AUC 0.75000" in note
    command = note.split("To repeat it:\n\n")[1].split("\n")
    assert all(line.endswith(" \\") for line in command[:-1]) and max(map(len, command)) <= 90
    assert shlex.split(" ".join(command).replace("\\", ""))[:4] == ["python", "-m", "benchmark", "train"]
    children = [run for run in runs if run.data.tags.get(MLFLOW_PARENT_RUN_ID) == me.info.run_id]
    assert sorted(run.info.run_name.split(" ")[:2] for run in children) == [["seed", "0"], ["seed", "1"], ["tuning", "0"]]
    assert len({run.info.run_name[:20] for run in runs}) == len(runs)
    tuned = next(run for run in children if run.data.tags["stage"] == "tune")
    assert "1 AUC" not in tuned.data.metrics and tuned.data.params["training.epochs"] == "30"
    assert max(len(run.data.metrics) for run in runs) <= 40


def test_a_run_has_the_times_of_its_training(tmp_path: Path) -> None:
    trial = trial_of("me", "final")
    record = Record(trial=trial, status="finished", cost={"wall_seconds": 60.0}, environment={"started": "2026-01-02T03:04:05+00:00"})
    rebuild(stored(tmp_path, [record]), tmp_path)
    _, runs = runs_of(tmp_path)
    assert {(run.info.start_time, run.info.end_time) for run in runs} == {(1767323045000, 1767323105000)}


def test_what_a_killed_driver_left_open_goes_and_is_made_again(tmp_path: Path) -> None:
    record = record_of(trial_of("me", "final"))
    stored(tmp_path, ())
    killed = Tracker(tmp_path)
    killed.started(record.trial)
    killed._flush(killed._folder, at_once=True)  # type: ignore[arg-type]
    _, runs = runs_of(tmp_path)
    assert {run.info.status for run in runs} == {"RUNNING"} and len(runs) == 2
    live(tmp_path, [record_of(trial_of("se", "final"))])
    _, runs = runs_of(tmp_path)
    assert {run.data.tags["method"]: run.info.status for run in runs} == {"se": "FINISHED"}
    live(tmp_path, [record])
    _, runs = runs_of(tmp_path)
    assert {run.data.tags["method"]: run.info.status for run in runs} == {"se": "FINISHED", "me": "FINISHED"}


def test_a_run_that_is_told_to_end_leaves_nothing_running_and_makes_no_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_of(trial_of("me", "final"))
    store = stored(tmp_path, ())
    Tracker(tmp_path / "not begun").leave()
    assert not (tmp_path / "not begun").exists(), "to make a database takes seconds"
    tracker = Tracker(tmp_path)
    tracker.started(record.trial)
    tracker.started(trial_of("se", "final"))
    store.write(record)
    tracker.finished(record)
    monkeypatch.setattr(mlflow_store, "view_of", None)  # what takes the longer the more records there are
    tracker.leave()
    monkeypatch.undo()
    _, runs = runs_of(tmp_path)
    assert [(run.data.tags["method"], run.info.status) for run in runs if "trial_id" in run.data.tags] == [("me", "FINISHED")]
    rebuild(store, tmp_path)
    _, runs = runs_of(tmp_path)
    assert {run.data.tags["stage"] for run in runs} == {"final", "cell"} and {run.info.status for run in runs} == {"FINISHED"}


def test_a_running_trial_shows_its_curve(tmp_path: Path) -> None:
    record = record_of(trial_of("me", "final"))
    stored(tmp_path, ())
    tracker = Tracker(tmp_path)
    tracker.started(record.trial)
    for entry in record.curve:
        tracker.epoch(record.trial, entry)
    tracker._flush(tracker._folder, at_once=True)  # type: ignore[arg-type]
    client, runs = runs_of(tmp_path)
    [run] = [run for run in runs if "trial_id" in run.data.tags]
    assert run.info.status == "RUNNING" and run.data.metrics["epoch valid AUC"] == 0.6
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "epoch valid AUC")] == [(1, 0.5), (2, 0.6)]
    tracker.started(trial_of("se", "final"))  # and is not written yet
    tracker.close()  # the run ended by an error, a full disk say: nothing is under way in MLflow any more
    assert runs_of(tmp_path)[1] == []


def _rows_deleted(client: MlflowClient, experiment: str) -> None:
    for run in client.search_runs([experiment]):
        if run.data.tags["stage"] in ("cell", "board") or run.data.tags["method"] == "me":
            client.delete_run(run.info.run_id)


def _deleted_and_restored(client: MlflowClient, experiment: str) -> None:
    client.delete_experiment(experiment)
    client.restore_experiment(experiment)


def _run_added(client: MlflowClient, experiment: str) -> None:
    """A second run of a trial, as an older version or a copy of the database may have it."""
    run = client.search_runs([experiment], "tags.stage = 'final'")[0]
    client.create_run(experiment, tags=run.data.tags)


def test_a_server_is_always_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who else writes there, and whether it is the same one, no file of this folder tells; nor a database that is gone."""
    store = stored(tmp_path, records()[:1])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    Stamp(store, tmp_path).set({"toy data": "1"}, store.fingerprint())
    assert not Stamp(store, tmp_path).holds()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (tmp_path / "mlflow.db").unlink(missing_ok=True)
    assert not Stamp(store, tmp_path).holds()


@pytest.mark.parametrize("action", [_rows_deleted, MlflowClient.delete_experiment, _deleted_and_restored, _run_added])
def test_what_a_person_does_in_the_page_is_undone(tmp_path: Path, action: Callable[[MlflowClient, str], None]) -> None:
    store = stored(tmp_path, records())
    rebuild(store, tmp_path)
    before = picture(tmp_path)
    client = MlflowClient(tracking_uri=tracking_uri(tmp_path))
    experiment = client.get_experiment_by_name("toy data")
    assert experiment is not None
    action(client, experiment.experiment_id)
    assert not Stamp(store, tmp_path).holds()
    rebuild(store, tmp_path)
    assert picture(tmp_path) == before


def test_records_that_go_change_or_come_back_do_so_in_mlflow(tmp_path: Path) -> None:
    store = stored(tmp_path, records())
    rebuild(store, tmp_path)
    before = picture(tmp_path)
    path = store.path(trial_of("me", "final", 1).trial_id)
    text = path.read_text()
    path.unlink()
    assert rebuild(store, tmp_path) == (0, [])
    assert len(picture(tmp_path)) == len(before) - 1
    _, runs = runs_of(tmp_path)
    assert {run.data.metrics["1 AUC"] for run in runs if run.data.tags["method"] == "me" and run.data.tags["stage"] == "cell"} == {0.7}
    path.write_text(text)
    assert rebuild(store, tmp_path) == (1, [])
    assert picture(tmp_path) == before


def test_a_data_set_without_tested_cells_has_no_board_in_words(tmp_path: Path) -> None:
    """Where its records went, and where those of tuning alone are left; the link to its page would lead nowhere."""
    store = stored(tmp_path, records())
    rebuild(store, tmp_path)
    client = MlflowClient(tracking_uri=tracking_uri(tmp_path))

    def note() -> str:
        experiment = client.get_experiment_by_name("toy data")
        assert experiment is not None and experiment.lifecycle_stage == "active"
        return experiment.tags[NOTE]

    board = note()
    assert "### toy data: 2 of 3 cells finished" in board
    for record in records():
        if record.trial.stage == "final":
            store.path(record.trial_id).unlink()
    rebuild(store, tmp_path)
    assert note() == NO_BOARD and len(runs_of(tmp_path)[1]) == 4
    for record in records():
        store.write(record)
    rebuild(store, tmp_path)
    assert note() == board
    for path in store.paths():
        path.unlink()
    rebuild(store, tmp_path)
    assert note() == NO_BOARD and runs_of(tmp_path, boards=True)[1] == []
    experiment = client.get_experiment_by_name("toy data")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    rebuild(store, tmp_path)
    assert client.get_experiment(experiment.experiment_id).lifecycle_stage == "deleted", "nothing asks for it"


def test_a_folder_that_moved_is_the_same_view(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    rebuild(stored(old, records()), old)
    before = picture(old)
    old.rename(new)
    rebuild(Store(new), new)
    assert picture(new) == before


def test_a_damaged_database_is_set_aside_and_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = stored(tmp_path, records())
    rebuild(store, tmp_path)
    before = picture(tmp_path)
    database = tmp_path / "mlflow.db"
    database.write_bytes(database.read_bytes()[:100_000])
    assert rebuild(store, tmp_path) == (len(records()), [])
    assert picture(tmp_path) == before
    assert (tmp_path / "mlflow.db.damaged-1").exists() and "damaged" in capsys.readouterr().err
    other = tmp_path / "other"
    other.mkdir()
    (other / "mlflow.db").write_text("this is no database " * 100)
    live(other, records())
    assert picture(other) == before


def test_a_database_of_an_older_mlflow_is_brought_up_to_date(tmp_path: Path) -> None:
    store = stored(tmp_path, records())
    rebuild(store, tmp_path)
    before = picture(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of a later one'")
    rebuild(store, tmp_path)
    assert picture(tmp_path) == before


def test_a_shared_database_keeps_what_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another project's open run, and a results folder with the very same trials."""
    uri = f"sqlite:///{tmp_path / 'shared.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = MlflowClient(tracking_uri=uri)
    other = client.create_run(client.create_experiment("toy data"), tags={"trial_id": "0", "stage": "final"}, run_name="of somebody else")
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        rebuild(stored(folder, records()), folder)
    live(one, records())
    experiment = client.get_experiment_by_name("toy data")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    assert sum("trial_id" in run.data.tags for run in found) == 1 + 2 * len(records())
    assert client.get_run(other.info.run_id).info.status == "RUNNING"
    one.rename(tmp_path / "moved")
    rebuild(Store(tmp_path / "moved"), tmp_path / "moved")
    shutil.copytree(two, tmp_path / "copy")
    rebuild(Store(tmp_path / "copy"), tmp_path / "copy")
    found = client.search_runs([experiment.experiment_id])
    assert sum("trial_id" in run.data.tags for run in found) == 1 + 3 * len(records())
    assert len({Owner(tmp_path / name, uri).tag for name in ("moved", "two", "copy")}) == 3


def test_trouble_is_one_line_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.db").write_text("this is no database " * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'broken.db'}")
    live(tmp_path / "results", records())
    said = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(said) == 1 and "benchmark track" in said[0]
    with pytest.raises(UserError, match="cannot open"):
        rebuild(Store(tmp_path / "results"), tmp_path / "results")


@pytest.mark.parametrize("failing", [("write",), ("write", "points", "known", "experiments", "remove")])
def test_a_hiccup_does_not_end_tracking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failing: tuple[str, ...]
) -> None:
    """MLflow is away from the second trial on, while one trial ends and another begins and reports; then it is back."""
    whole, away = tmp_path / "whole", tmp_path / "away"
    one, other, last = (record_of(trial_of(method, "final")) for method in ("se", "me", "late"))
    live(whole, [one, other, last])
    monkeypatch.setattr(mlflow_store, "AGAIN", 0.0)
    monkeypatch.setattr(mlflow_store, "GAP", 0.0)
    store, tracker = stored(away, ()), Tracker(away)
    down = False

    def trouble(call: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object) -> object:
            if down:
                raise OSError("no answer")
            return call(*arguments)

        return called

    for name in failing:
        monkeypatch.setattr(stores._Database, name, trouble(getattr(stores._Database, name)))

    def end(record: Record) -> None:
        store.write(record)
        tracker.finished(record)

    for record in (one, other):
        tracker.started(record.trial)
        tracker.epoch(record.trial, record.curve[0])
    down = True
    end(one)
    tracker.epoch(other.trial, other.curve[1])
    tracker.started(last.trial)
    tracker.epoch(last.trial, last.curve[0])
    down = False
    tracker.epoch(last.trial, last.curve[1])
    client, runs = runs_of(away)
    trainings = {run.data.tags["method"]: run for run in runs if run.data.tags["stage"] == "final"}
    assert {method: run.info.status for method, run in trainings.items()} == {"se": "FINISHED", "me": "RUNNING", "late": "RUNNING"}
    for method in ("me", "late"):  # nothing of a curve is missing
        history = client.get_metric_history(trainings[method].info.run_id, "epoch valid AUC")
        assert [(m.step, m.value) for m in history] == [(1, 0.5), (2, 0.6)]
    end(other)
    end(last)
    tracker.close()
    assert picture(away) == picture(whole)
    lost, back = (line for line in capsys.readouterr().err.splitlines() if line.startswith("MLflow"))
    assert "no answer; the run goes on untracked" in lost and "answers again" in back


def test_trouble_is_not_looked_for_at_every_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def never(results: Path) -> Runs:
        tries.append(time.monotonic())
        raise OSError("no answer")

    monkeypatch.setattr(mlflow_store, "opened", never)
    record = record_of(trial_of("me", "final"))
    tracker = Tracker(tmp_path)
    tracker.started(record.trial)
    for _ in range(50):
        tracker.epoch(record.trial, record.curve[0])
    assert len(tries) == 1
    now = time.monotonic()
    gaps = []
    for _ in range(8):
        waited = tracker._again - now
        now = tracker._again
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        tracker.epoch(record.trial, record.curve[0])
        gaps.append(round(waited))
    assert len(tries) == 9 and gaps == [30, 60, 120, 240, 480, 600, 600, 600]


def test_a_database_that_cannot_be_opened_costs_no_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}")
    started = time.monotonic()
    tracker = Tracker(tmp_path / "results")
    tracker.started(trial_of("me", "final"))
    tracker.close()
    assert time.monotonic() - started < 20
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_file_that_is_no_record_stops_no_other(tmp_path: Path) -> None:
    store = stored(tmp_path, records())
    (store.folder / "0.json").write_text("{")
    for _ in range(2):
        _, left_out = rebuild(store, tmp_path)
        assert len(left_out) == 1 and "0.json: not a record" in left_out[0] and not Stamp(store, tmp_path).holds()
        assert Stamp(store, tmp_path).experiments().keys() == {"toy data"}, "ui says where the board of the others is"
    assert len([name for name in picture(tmp_path) if name.startswith(("seed", "tuning"))]) == len(records())


@pytest.mark.parametrize("dataset", ["../../escaped", "..", "{outside}/escaped", "a/b", "x" * 300])
def test_a_foreign_record_writes_nothing_outside_the_folder(tmp_path: Path, dataset: str) -> None:
    results = tmp_path / "one" / "two" / "results"
    dataset = dataset.format(outside=tmp_path)
    trial = trial_of("me", "final")
    store = stored(results, [record_of(dataclasses.replace(trial, cell=dataclasses.replace(trial.cell, dataset=dataset)))])
    assert rebuild(store, results) == (1, [])
    [copy] = results.rglob("artifacts/*/*/artifacts/record.json")
    assert copy.read_bytes() == store.paths()[0].read_bytes()
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(results)} == {results.parent, results.parent.parent}


def test_rebuild_keeps_its_hands_off_a_run_at_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = stored(tmp_path, [record_of(trial_of("me", "final"))])
    with only_one(tmp_path):
        assert rebuild(store, tmp_path) == (0, [])
        assert main(["track", "--results", str(tmp_path)]) == 2, "or it would say that all is there"
        assert "a run is at work in this folder, and writes to MLflow itself unless it has --no-track" in capsys.readouterr().err
    assert rebuild(store, tmp_path) == (1, [])


def test_a_record_that_comes_while_mlflow_is_written_is_not_taken_for_tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, late = stored(tmp_path, records()[:1]), records()[1]

    def slow(results: Path) -> Runs:
        store.write(late)
        return stores.opened(results)

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_store, "opened", slow)
        assert rebuild(store, tmp_path) == (1, [])
    assert not Stamp(store, tmp_path).holds() and rebuild(store, tmp_path) == (1, []) and Stamp(store, tmp_path).holds()


def test_a_run_knows_its_experiments_while_it_goes_on(tmp_path: Path) -> None:
    live(tmp_path, records()[:1], close=False)
    stamp = Stamp(Store(tmp_path), tmp_path)
    assert not stamp.holds() and stamp.experiments().keys() == {"toy data"}


def test_a_run_that_is_refused_leaves_the_other_s_trainings_alone(tmp_path: Path) -> None:
    """Two runs in one folder: the second ends in a line, and takes nothing of what the first has open for that of a killed one."""
    tracker = live(tmp_path, records()[:1], close=False)
    training = trial_of("me", "final")
    tracker.started(training)
    tracker._flush(tracker._folder, at_once=True)  # type: ignore[arg-type]
    with only_one(tmp_path), pytest.raises(UserError, match="another run is at work"):
        benchmark.run("quick", tmp_path, track=True)
    _, found = runs_of(tmp_path)
    assert [run.info.status for run in found if run.data.tags.get("trial_id") == training.trial_id] == ["RUNNING"]


def test_the_folder_is_the_run_s_until_mlflow_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def full(plan: Plan, store: Store, listener: Listener, *others: object) -> None:
        trial = plan.ask()
        assert isinstance(trial, Trial)
        listener.started(trial)
        raise UserError("no space left")

    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Tracker, "close", lambda self: told.append(at_work(tmp_path)))
    monkeypatch.setattr("benchmark.search.run.run_local", full)
    small = {"datasets": {"synthetic": {"rows": 2000, "cardinalities": [3, 8]}}}
    with pytest.raises(UserError, match="no space left"):
        benchmark.run(Suite(name="one", datasets=("synthetic",), methods=("constant",), options=small), tmp_path, track=True)
    assert told == [True] and not at_work(tmp_path)


@pytest.mark.parametrize("before", ["", "new", "new/records"])
def test_of_a_run_that_is_refused_nothing_is_left(tmp_path: Path, before: str) -> None:
    """No folder, no lock, and no database, which took seconds."""
    (tmp_path / before).mkdir(parents=True, exist_ok=True)
    (tmp_path / "mine").touch()
    there = sorted(tmp_path.rglob("*"))
    for suite in (Suite(name="none", datasets=("nobody_has_this",)), Suite(name="none", datasets=("all",), methods=("nobody",))):
        with pytest.raises(UserError, match="unknown"):
            benchmark.run(suite, tmp_path / "new", track=True)
        assert sorted(tmp_path.rglob("*")) == there
    with pytest.raises(UserError, match="unknown data set"):
        benchmark.train("constant", data="nobody_has_this", results=tmp_path / "new")
    assert sorted(tmp_path.rglob("*")) == there


@pytest.mark.parametrize("before", ["", "new", "new/records"])
def test_nor_where_the_device_is_not_there_or_too_small(tmp_path: Path, before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found late: by a training, or by Ray."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    options = {"rows": 400, "cardinalities": [3, 8]}
    data = benchmark.prepared("synthetic", options)
    new = tmp_path / "new"
    (tmp_path / before).mkdir(parents=True, exist_ok=True)
    there = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="sees no GPU"):
        benchmark.train("single_embedding", data=data, device="cuda", results=new)
    assert sorted(tmp_path.rglob("*")) == there
    with pytest.raises(UserError, match="free"):
        benchmark.train("single_embedding", data=data, scale=10**9, results=new)
    assert sorted(tmp_path.rglob("*")) == there
    suite = Suite(name="one", datasets=("synthetic",), methods=("constant",), options={"datasets": {"synthetic": options}})
    for executor in ("local", "ray"):
        with pytest.raises(UserError, match="this machine's torch sees no GPU"):
            benchmark.run(suite, new, device="cuda", track=True, executor=executor)
    assert sorted(tmp_path.rglob("*")) == there

    def unreachable(*of: object) -> None:
        raise UserError("--address here:1: nobody answers there")

    monkeypatch.setitem(sys.modules, "benchmark.search.ray_tune", SimpleNamespace(run_ray=unreachable))
    with pytest.raises(UserError, match="nobody answers"):
        benchmark.run(suite, new, executor="ray", address="here:1", track=True)
    assert sorted(tmp_path.rglob("*")) == there


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:secret@host:5000/x", "https://me:***@host:5000/x"),
        ("postgresql://u:p:w@h/db", "postgresql://u:***@h/db"),
        ("postgresql+psycopg2://u:p/w@h/db", "postgresql+psycopg2://u:***@h/db"),
        ("http://u:p@w@h:5000", "http://u:***@h:5000"),
        ("http://:p@h", "http://:***@h"),
        ("mysql://h/db?user=u&password=p&ssl_key=k#x", "mysql://h/db?user=u&password=***&ssl_key=***#x"),
        ("http://h:1", "http://h:1"),
        ("http://h:1/x?user=u", "http://h:1/x?user=u"),
    ],
)
def test_passwords_are_not_shown(address: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert without_password(f"cannot reach {address}: no") == f"cannot reach {shown}: no"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError) as caught:
        ui_command(tmp_path)
    assert address == shown or (address not in str(caught.value) and shown in str(caught.value))


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
    assert environment[constants.BACKEND_STORE_URI_ENV_VAR] == environment[constants.REGISTRY_STORE_URI_ENV_VAR] == tracking_uri(tmp_path)
    assert environment[constants.ARTIFACT_ROOT_ENV_VAR] == (tmp_path / "artifacts").as_uri()
    assert command[command.index("--port") + 1] == str(port)
    with pytest.raises(UserError, match="65535"):
        ui_command(tmp_path, port=99999)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI"):
        ui_command(tmp_path, port=port)


@pytest.mark.parametrize("host", ["board.example", "127.0.0.1", "10.1.2.3", "::1"])
def test_the_server_answers_under_the_name_it_was_given(host: str) -> None:
    header = f"[{host}]:5000" if ":" in host else f"{host}:5000"
    assert is_allowed_host_header(allowed(host, 5000), header)
    assert not is_allowed_host_header(allowed(host, 5000), "evil.example:5000")
    assert is_allowed_host_header(allowed("0.0.0.0", 5000), f"{socket.gethostname()}:5000")


@pytest.mark.parametrize("name", ["a/../b", "a//b", "./a", "/", "..", "", "é:b", "a/ /b", "x/" * 300, "a.b/c d_e-f"])
def test_names_that_mlflow_takes(name: str) -> None:
    safe = rows._name(name)
    _validate_metric_name(safe)  # type: ignore[no-untyped-call]
    assert len(safe) <= 250 and rows._name(safe) == safe
    assert (safe == name) == (name == "a.b/c d_e-f")


@pytest.mark.parametrize(("one", "other"), [("价格", "城市"), ("a:b", "a;b"), ("..", "__"), ("a//b", "a/_/b")])
def test_names_that_had_to_change_stay_apart(one: str, other: str) -> None:
    assert rows._name(one) != rows._name(other)


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = (rows._name("x" * 400 + end) for end in "ab")
    assert len(one) == len(other) == 250 and one != other


def test_an_unreachable_server_costs_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    started = time.monotonic()
    stored(tmp_path, ())
    Tracker(tmp_path).started(trial_of("me", "final"))
    assert time.monotonic() - started < 60
    assert "MLflow: no answer from http://127.0.0.1:9 (Connection refused); the run goes on untracked" in capsys.readouterr().err
    with pytest.raises(UserError, match="MLflow cannot open or write it"):
        rebuild(Store(tmp_path), tmp_path)
