"""The leaderboard view of MLflow's page: what it asks for is there."""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from pathlib import Path

import pytest
from mlflow import MlflowClient
from test_mlflow_store import records

from benchmark.records import Store
from benchmark.tracking import view
from benchmark.tracking.mlflow_store import rebuild
from benchmark.tracking.place import Stamp, tracking_uri
from benchmark.tracking.ui import boards


def test_every_experiment_has_a_view_of_columns_that_its_cells_have(
    tmp_path: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copyfile(empty_mlflow, tmp_path / "mlflow.db")
    store = Store(tmp_path)
    store.create()
    for record in records():
        store.write(record)
    rebuild(store, tmp_path)
    client = MlflowClient(tracking_uri=tracking_uri(tmp_path))
    experiment = client.get_experiment_by_name("toy data")
    assert experiment is not None
    server = "http://127.0.0.1:5000"
    address = f"{server}/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning&viewStateShareKey=leaderboard"
    assert boards(Stamp(store, tmp_path), server) == {"toy data": address}
    packed = experiment.tags[view.TAG].removeprefix("deflate;")
    state = json.loads(zlib.decompress(base64.b64decode(packed)))
    cells = client.search_runs(
        [experiment.experiment_id], state["searchFilter"], order_by=[f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"]
    )
    assert [cell.data.tags["mlflow.runName"][0] for cell in cells] == ["1", "2", "3"]
    finished = [cell for cell in cells if cell.data.tags["status"] == "finished"]
    assert len(cells) == 3 and len(finished) == 2
    shown = {column.split(".", 1)[1].strip("`") for column in state["selectedColumns"]}
    measured = {"1 AUC", "1 AUC sd", "method", "backbone", "scale"}
    assert list(state["columnWidths"]) == state["columnOrder"] and set(state["selectedColumns"]) <= set(state["columnOrder"])
    assert measured <= shown
    for cell in finished:
        assert measured <= {*cell.data.metrics, *cell.data.tags}
    assert "| method" in experiment.tags[view.NOTE] and "0.75000" in experiment.tags[view.NOTE]
