"""The figures that MLflow's runs carry: the board's numbers, made only where their records changed, small whatever a record holds."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from test_mlflow_store import folder_of, record_of, trial_of
from test_mlflow_store import records as of_mlflow

from benchmark.config import Training
from benchmark.records import Record, Store
from benchmark.reporting.columns import COLUMNS
from benchmark.reporting.page import cell
from benchmark.reporting.page.content import Line, lines
from benchmark.tracking import figures, rows
from benchmark.tracking.mlflow_store import _Folder, rebuild
from benchmark.tracking.place import Owner, Stamp, tracking_uri
from benchmark.tracking.stores import _Server
from benchmark.tracking.view import NOTE, artifact_address

EVIL = "<script>alert(1)</script>"


def records() -> list[Record]:
    """Four cells that were tested, one of them with a name that is none, and one that was tuned only."""
    return [*of_mlflow(), record_of(trial_of("tuned", "tune")), Record(trial=trial_of(EVIL, "final"), status="diverged", reason="loss")]


def stored(results: Path, which: list[Record]) -> Store:
    store = Store(results)
    store.create()
    for one in which:
        store.write(one)
    return store


@pytest.fixture
def results(tmp_path: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    stored(tmp_path, records())
    shutil.copyfile(empty_mlflow, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many pages of either kind were made."""
    counts: Counter[str] = Counter()

    def counted(kind: str, function: object, *arguments: object) -> str:
        counts[kind] += 1
        assert callable(function)
        return str(function(*arguments))

    monkeypatch.setattr(rows, "page", partial(counted, "cell", cell.page))
    monkeypatch.setattr(figures, "board", partial(counted, "board", figures.board))
    return counts


def artifacts(results: Path) -> dict[str, tuple[list[str], Path]]:
    """Key of a cell's or board's run -> names and folder of its artifacts, as MLflow lists them."""
    client = MlflowClient(tracking_uri=tracking_uri(results))
    [experiment] = client.search_experiments(filter_string="name = 'toy data'")
    found = [run for run in client.search_runs([experiment.experiment_id]) if run.data.tags["stage"] in ("cell", "board")]
    return {
        run.data.tags["key"]: (
            [a.path for a in client.list_artifacts(run.info.run_id)],
            folder_of(run),
        )
        for run in found
    }


def line_of(method: str) -> Line:
    return next(line for line in lines(records()) if line.row.method == method)


def key_of(method: str) -> str:
    return rows.cell_key(next(one.trial.cell for one in records() if one.trial.cell.method == method))


def test_every_cell_and_every_board_has_its_page_once(results: Path, made: Counter[str]) -> None:
    store = Store(results)
    rebuild(store, results)
    found = artifacts(results)
    names = {key: listed for key, (listed, _) in found.items()}
    tested = [key_of(method) for method in ("se", "me", "bad", EVIL)]
    assert names == {rows.board_key("toy data"): ["board.html"], key_of("tuned"): [], **{key: ["cell.html"] for key in tested}}
    assert made == {"cell": 4, "board": 1}
    auc = next(column for column in COLUMNS if column.key == "auc").text(line_of("me").row)
    assert auc in (found[key_of("me")][1] / "cell.html").read_text()
    assert auc in (found[rows.board_key("toy data")][1] / "board.html").read_text().replace("\u00a0", " ")
    rebuild(store, results)
    assert made == {"cell": 4, "board": 1} and Stamp(store, results).holds()


def test_a_file_that_was_deleted_comes_back(results: Path, made: Counter[str]) -> None:
    store = Store(results)
    rebuild(store, results)
    found = artifacts(results)
    for key, name in ((key_of("me"), "cell.html"), (rows.board_key("toy data"), "board.html")):
        path = found[key][1] / name
        before, counted = path.read_text(), Counter(made)
        path.unlink()
        assert not Stamp(store, results).holds()
        rebuild(store, results)
        assert path.read_text() == before and made - counted == {name.removesuffix(".html"): 1}


def test_only_what_changed_is_made_again(results: Path, made: Counter[str]) -> None:
    store = Store(results)
    rebuild(store, results)
    made.clear()
    first, second = (record_of(trial_of("me", "final", seed)) for seed in (0, 1))
    store.write(replace(second, curve=second.curve[:1]))  # nothing that the board's text shows
    rebuild(store, results)
    assert made == {"cell": 1, "board": 1}
    store.write(record_of(replace(first.trial, cell=replace(first.trial.cell, method="new"))))  # a cell more, above which others stand
    rebuild(store, results)
    assert made == {"cell": 2, "board": 2}
    for one in (first, second):
        store.path(one.trial_id).unlink()
    rebuild(store, results)
    assert artifacts(results)[key_of("me")][0] == []  # it is no longer tested: its page went


def test_on_a_server_a_cell_has_no_numbers_of_before(tmp_path: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was tuned since with a larger budget, and where a seed did not finish."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(empty_mlflow, tmp_path / "server.db")
    uri = f"sqlite:///{tmp_path / 'server.db'}"
    first = trial_of("me", "final")
    tuned = replace(first, budget=8, training=Training(learning_rate=3e-3))
    lost = Record(trial=replace(tuned, seed=1), status="diverged", reason="loss is not finite")
    store, client = stored(tmp_path / "results", []), MlflowClient(tracking_uri=uri)
    steps = ((record_of(first), "2", "0.001", True), (record_of(tuned), "8", "0.003", True), (lost, "8", "0.003", False))
    for record, budget, rate, has_rank in steps:
        store.write(record)
        _Folder(_Server(uri, Owner(tmp_path / "results", uri))).synchronise(store.scan()[0], store.folder)
        [experiment] = client.search_experiments(filter_string="name = 'toy data'")
        runs = {run.data.tags["key"]: run for run in client.search_runs([experiment.experiment_id])}
        assert len(runs) == 2 + len(store.paths())
        cell = runs[key_of("me")]
        assert (cell.data.params["budget"], cell.data.params["training.learning_rate"]) == (budget, rate)
        assert ("0 rank" in cell.data.metrics) == has_rank
        under = [run for run in runs.values() if run.data.tags.get(MLFLOW_PARENT_RUN_ID) == cell.info.run_id]
        assert len(under) == len(store.paths())
    folder = _Folder(_Server(uri, Owner(tmp_path / "results", uri)))
    folder.synchronise(store.scan()[0], store.folder, boards=False)
    folder.write([rows.running_row(lost.trial, 1.0)])  # trained again
    assert client.get_run(folder.ids[rows.trial_key(lost.trial_id)]).info.status == "RUNNING"


def test_on_a_server_a_training_has_no_epochs_of_one_before(tmp_path: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that failed, and was longer; and where it is trained again once more, while that goes on."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(empty_mlflow, tmp_path / "server.db")
    uri = f"sqlite:///{tmp_path / 'server.db'}"
    store, client = stored(tmp_path / "results", []), MlflowClient(tracking_uri=uri)
    record = record_of(trial_of("me", "final"))
    epochs = tuple({"epoch": float(n), "valid/auc": 0.5 + n / 100} for n in range(1, 5))

    def curve(folder: _Folder) -> list[tuple[int, float]]:
        run = folder.ids[rows.trial_key(record.trial_id)]
        return [(point.step, point.value) for point in client.get_metric_history(run, "epoch valid AUC")]

    for one in (Record(trial=record.trial, status="failed", reason="no memory", curve=epochs), record):
        store.write(one)
        folder = _Folder(_Server(uri, Owner(tmp_path / "results", uri)))
        folder.synchronise(store.scan()[0], store.folder)
        assert curve(folder) == [(int(entry["epoch"]), entry["valid/auc"]) for entry in one.curve]
    folder.write([rows.running_row(record.trial, 1.0)])
    assert curve(folder) == []
    folder.runs.points({rows.trial_key(record.trial_id): rows.curve_of(record.curve[:1])}, folder.ids)
    folder.write([rows.trial_row(store.entry(record), store.folder)])
    assert dict(curve(folder)) == {1: 0.5, 2: 0.6}
    experiment = client.get_experiment_by_name("toy data")
    assert experiment is not None and len(client.search_runs([experiment.experiment_id], "tags.stage = 'final'")) == 1


def test_a_server_gets_the_same(tmp_path: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the client alone; here it writes to a database, which has its own place for artifacts."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(empty_mlflow, tmp_path / "server.db")
    uri = f"sqlite:///{tmp_path / 'server.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    store = stored(tmp_path / "results", [record_of(trial_of("me", "final", seed)) for seed in (0, 1)])
    for _ in range(2):
        folder = _Folder(_Server(uri, Owner(tmp_path / "results", uri)))
        folder.synchronise(store.scan()[0], store.folder)
    found = artifacts(tmp_path / "results")
    assert (found[key_of("me")][1] / "cell.html").read_text() == cell.page(lines(store)[0])
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("toy data")
    assert experiment is not None
    [board] = client.search_runs([experiment.experiment_id], "tags.stage = 'board'")
    address = artifact_address(experiment.experiment_id, board.info.run_id, "board.html")
    assert experiment.tags[NOTE].startswith(f"[The board with figures]({address})")
    assert [a.path for a in client.list_artifacts(board.info.run_id)] == ["board.html"]
