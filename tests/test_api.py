"""The suite from Python: the same trainings as the commands', and objects in the place of names."""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import torch
from standin_method import DATA, SHORT, SMALL, Halved, same, table, trained

import benchmark
from benchmark import plugins
from benchmark.__main__ import main
from benchmark.contracts import CTRModel
from benchmark.metrics.spectral import effective_rank
from benchmark.records import Store, record_from_json
from benchmark.reporting.frame import IDENTIFYING

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


# --- names and objects


def test_numbers_of_numpy_are_pythons() -> None:
    """As a loop over np.logspace gives them: the same trial, and a record that JSON holds."""
    weights = (Halved(weight=np.float32(0.5)), Halved(weight=np.float64(0.5)), Halved(weight=0.5))  # type: ignore[arg-type]
    assert {type(method.weight) for method in weights} == {float}
    plain, arrays = ({"hidden": [16, 8], "depth": 1}, {"hidden": np.array([16, 8]), "depth": np.int64(1)})
    rates = ({"learning_rate": 0.25, "epochs": 1}, {"learning_rate": np.float32(0.25), "epochs": np.int64(1)})
    scales, of_method = (2, np.int64(2)), ({"weight": 0.5}, {"weight": np.float64(0.5)})
    records = [
        trained("vicreg", scale=scales[n], training=rates[n], method_options=of_method[n], backbone_options=given)
        for n, given in enumerate((plain, arrays))
    ]
    assert records[0].trial_id == records[1].trial_id


def test_training_by_name_is_what_the_command_trains(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = [f"{(n * 7 % 11 + n % 3) % 2},{n % 11},{'ab'[n % 2]}{n % 3},{n % 17 / 2}" for n in range(600)]
    (tmp_path / "clicks.csv").write_text("\n".join(["click,ad,place,price", *lines]) + "\n")
    assert main(["prepare", str(tmp_path / "clicks.csv"), "--label", "click", "--numeric", "price"]) == 0
    capsys.readouterr()
    flags = "--dataset clicks --method roblock:no_hsic --scale 2 --dimension 4 --seed 3 --epochs 2 --threads 1 --device cpu"
    assert main(["train", *flags.split(), "--depth", "2", "--method.strength", "0.5", "--backbone.hidden", "16,8"]) == 0
    typed = record_from_json(capsys.readouterr().out, "standard output")
    called = benchmark.train(
        "roblock:no_hsic",
        data="clicks",
        scale=2,
        dimension=4,
        depth=2,
        seed=3,
        training={"epochs": 2},
        method_options={"strength": 0.5},
        backbone_options={"hidden": (16, 8)},
        threads=1,
        device="cpu",
    )
    assert same(called, typed) and typed.status == "finished"


def test_a_plugin_s_object_is_the_same_contestant_as_its_name() -> None:
    vicreg, dcnv2 = plugins.plugin("methods", "vicreg"), plugins.plugin("backbones", "dcnv2")
    by_name = trained("vicreg", method_options={"weight": 0.2}, backbone_options={"hidden": [16]}, depth=1)
    assert same(trained(vicreg(weight=0.2), dcnv2(depth=1, hidden=(16,))), by_name)
    assert same(trained(vicreg()), trained("vicreg"))
    assert trained(vicreg(weight=0.2)).trial_id != trained("vicreg").trial_id


def test_a_class_of_one_s_own_is_trained_under_its_name(tmp_path: Path) -> None:
    record = trained(Halved(weight=2000), scale=2, results=tmp_path)
    assert record.status == "finished" and {"test/auc", "spectral/table/effective_rank"} <= record.metrics.keys()
    assert record.trial.cell.method == "Halved" and dict(record.trial.cell.method_options) == {"weight": 2000.0}
    assert dict(record.trial.method) == {"weight": 2000.0, "fails": ""}
    assert Store(tmp_path).get(record.trial_id) == record
    assert "Halved" in benchmark.leaderboard(tmp_path)
    single, without = trained("single_embedding", scale=2), trained(Halved(weight=0.0), scale=2)
    assert without.metrics == single.metrics != record.metrics


def test_a_sanity_row_has_neither_backbone_nor_scale() -> None:
    record = trained("constant", scale=4)
    assert (record.trial.cell.backbone, record.trial.cell.scale, record.trial.cell.depth) == ("none", 1, 0)
    assert record.metrics["test/auc"] == 0.5 and "backbone" not in record.fingerprints


def test_a_curve_is_reported_and_the_model_kept_and_torch_s_threads_are_left_alone() -> None:
    curve: list[Mapping[str, float]] = []
    models: list[CTRModel] = []
    threads = torch.get_num_threads()
    record = trained("single_embedding", training=SHORT | {"epochs": 2}, threads=threads + 1, report=curve.append, keep=models.append)
    assert tuple(curve) == record.curve and len(curve) == 2
    assert torch.get_num_threads() == threads and record.environment["threads"] == str(threads + 1)
    data = benchmark.prepared("synthetic", DATA)
    values = benchmark.spectrum(models[0], data)
    assert list(values) == [field.name for field in data.schema.fields]
    for field, found in values.items():
        assert found.dtype == np.float64 and (np.diff(found) <= 0).all()
        assert float(effective_rank(torch.from_numpy(found))) == pytest.approx(record.metrics[f"spectral/table/{field}/effective_rank"])
    trained("single_embedding", training=SHORT | {"learning_rate": 1e6}, keep=models.append)
    assert len(models) == 1, "of a finished trial only"


# --- data


@pytest.mark.parametrize("by_time", ["", "ts"])
def test_a_data_frame_is_the_same_data_as_its_csv_by_the_command(by_time: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = table()
    frame.loc[3, "place"] = None
    frame.to_csv(tmp_path / "table.csv", index=False)
    flags = ["--label", "click", "--numeric", "price", "--name", "from_csv", *(["--by-time", by_time] if by_time else [])]
    assert main(["prepare", str(tmp_path / "table.csv"), *flags]) == 0
    fingerprint = capsys.readouterr().out.split("fingerprint ")[1].split()[0]
    for given in (frame, polars.from_pandas(frame), frame.set_index(frame.index + 7)):
        found = benchmark.dataset(given, name="from_frame", label="click", numeric=["price"], by_time=by_time)
        assert found.fingerprint == fingerprint and (found.name, dict(found.rows)) == (
            "from_frame",
            {"train": 480, "valid": 60, "test": 60},
        )
    by_object, by_name = trained("multi_embedding", data=found), trained("multi_embedding", data="from_frame")
    assert same(by_object, by_name) and by_object.status == "finished"


def test_a_frame_s_settings_are_those_of_the_plugin_csv() -> None:
    parameters = inspect.signature(benchmark.dataset).parameters
    fields = {f.name: f.default for f in dataclasses.fields(plugins.plugin("datasets", "csv")) if f.name not in ("separator", "columns")}
    assert {"frame", "name", *fields} == parameters.keys()
    required = {"frame", "name", "label"}
    assert {n: p.default for n, p in parameters.items() if n not in required} == {n: d for n, d in fields.items() if n not in required}


def test_another_table_under_the_same_name_is_other_data() -> None:
    first = benchmark.dataset(table(), name="twice", label="click")
    second = benchmark.dataset(table(500), name="twice", label="click")
    assert first.fingerprint != second.fingerprint
    with pytest.raises(benchmark.UserError, match="prepared anew while it was in use"):
        trained("constant", data=first)
    assert trained("constant", data=second).status == "finished"


# --- models, records, boards


def test_a_built_model_is_what_training_starts_from(monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, torch.Tensor] = {}

    def stop(model: CTRModel, *rest: Any) -> None:
        started.update({name: value.detach().clone() for name, value in model.state_dict().items()})
        raise RuntimeError("seen")

    data = benchmark.prepared("synthetic", DATA)
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.training.trial.fit", stop)
        assert trained("roblock", scale=2, seed=5).reason == "RuntimeError: seen"
    for given in (data, data.schema):
        built = benchmark.build("roblock", "dcnv2", given, scale=2, seed=5, backbone_options=SMALL).state_dict()
        assert built.keys() == started.keys() and all(torch.equal(built[name], started[name]) for name in built)
    model = benchmark.build(Halved(), data=data.schema, backbone_options=SMALL)
    assert model(torch.zeros(5, 3, dtype=torch.int64)).logits.shape == (5,)
    assert {field: len(values) for field, values in benchmark.spectrum(model, data.schema).items()} == {
        field.name: min(field.cardinality, 10) for field in data.schema.fields
    }
    assert benchmark.spectrum(benchmark.build("constant", data=data), data) == {}


def test_words_that_no_type_checker_has_seen_are_one_line() -> None:
    data = benchmark.prepared("synthetic", DATA)
    with pytest.raises(benchmark.UserError, match="run: unknown executor 'Ray'; did you mean 'ray'"):
        benchmark.run("quick", executor="Ray")  # type: ignore[arg-type]
    with pytest.raises(benchmark.UserError, match="device = 'gpu'; it must be auto, cpu or cuda"):
        benchmark.train("constant", data=data, device="gpu")
    with pytest.raises(benchmark.UserError, match=r"embedding_std = -1\.0; it must be greater than 0"):
        benchmark.build("constant", data=data, embedding_std=-1)


def test_a_training_that_fails_takes_no_record_s_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def stops(metrics: Mapping[str, float]) -> None:
        raise RuntimeError("no memory")

    assert trained("constant", results=tmp_path).status == "finished"
    [path] = Store(tmp_path).paths()
    before = path.read_bytes()
    capsys.readouterr()
    assert trained("single_embedding", results=tmp_path, report=stops).status == "failed"
    assert len(Store(tmp_path).paths()) == 2 and trained("single_embedding", results=tmp_path).status == "finished"
    known = {path: path.read_bytes() for path in Store(tmp_path).paths()}
    assert not capsys.readouterr().err and known[path] == before
    assert trained("single_embedding", results=tmp_path, report=stops).status == "failed"
    assert "is of a training that did not fail, and stays as it is" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Store(tmp_path).paths()} == known


def test_a_suite_in_this_process_and_its_records_as_a_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = benchmark.Suite(
        name="tiny",
        datasets=("synthetic",),
        methods=("single_embedding", "constant"),
        backbones=("dcnv2",),
        trials=2,
        training=SHORT,
        options={"datasets": {"synthetic": DATA}, "backbones": {"dcnv2": SMALL}},
    )
    assert list(benchmark.results(tmp_path / "none").columns) == list(IDENTIFYING) and len(benchmark.results(tmp_path / "none")) == 0
    summary = benchmark.run(suite, tmp_path, device="cpu")
    assert set(summary.statuses) == {"finished"} and benchmark.run(suite, tmp_path, device="cpu").recorded_before == sum(
        summary.statuses.values()
    )
    trained(Halved(fails="boom"), results=tmp_path)
    records = {record.trial_id: record for record in Store(tmp_path)}
    frame = benchmark.results(tmp_path)
    assert tuple(frame.columns[: len(IDENTIFYING)]) == IDENTIFYING and list(frame["trial_id"]) == sorted(records)
    assert set(frame.columns[len(IDENTIFYING) :]) == {n for r in records.values() for n in (*r.metrics, *r.cost)}
    for row in frame.to_dict("records"):
        record = records[row["trial_id"]]
        cell, trial = record.trial.cell, record.trial
        assert (row["dataset"], row["backbone"], row["method"]) == (cell.dataset, cell.backbone, cell.method)
        assert (row["scale"], row["depth"], row["seed"], row["draw"]) == (cell.scale, cell.depth, trial.seed, trial.draw)
        assert (row["stage"], row["status"], row["reason"]) == (trial.stage, record.status, record.reason)
        for name in frame.columns[len(IDENTIFYING) :]:
            assert row[name] == {**record.metrics, **record.cost}.get(name) or (np.isnan(row[name]) and name not in record.metrics)
    assert set(frame["stage"]) == {"tune", "final"} and frame["scale"].dtype == np.int64
    capsys.readouterr()
    for format in ("table", "json"):
        assert main(["leaderboard", "--results", str(tmp_path), "--format", format]) == 0
        assert capsys.readouterr().out == benchmark.leaderboard(tmp_path, format=format) + "\n"
    assert {row["method"] for row in json.loads(benchmark.leaderboard(tmp_path, format="json"))} == {
        *("single_embedding", "constant", "Halved")
    }


# --- what it imports


def imported(code: str) -> set[str]:
    """Which of the large packages a process has imported after ``code``."""
    show = "import sys; print(*({'torch', 'numpy', 'pandas', 'polars', 'matplotlib', 'mlflow', 'ray'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_nothing_is_imported_before_it_is_needed(tmp_path: Path) -> None:
    assert imported("import benchmark") == set()
    assert imported("import benchmark; benchmark.train; benchmark.UserError; benchmark.Suite; dir(benchmark)") == set()
    assert not imported(f"import benchmark; benchmark.results({str(tmp_path)!r})") & {"torch", "mlflow", "ray", "polars"}
    training = "benchmark.train('constant', training={'epochs': 1})"
    assert not imported(f"import benchmark; {training}") & {"mlflow", "ray", "pandas", "matplotlib"}


def test_every_name_is_there_and_documented() -> None:
    assert set(benchmark.__all__) <= set(dir(benchmark))
    for name in benchmark.__all__:
        assert getattr(benchmark, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        benchmark.trian  # type: ignore[attr-defined]  # noqa: B018
