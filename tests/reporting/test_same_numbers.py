"""One number, four places: the page, the terminal's board in all its formats, LaTeX, and MLflow's rows say the same, in the same order."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import re
import shutil
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from standin_records import record

from benchmark.records import Record, Store
from benchmark.reporting.export import export
from benchmark.reporting.leaderboard import render, rows
from benchmark.reporting.page import report
from benchmark.tracking import stores, view
from benchmark.tracking.mlflow_store import rebuild
from benchmark.tracking.place import Owner, tracking_uri
from benchmark.tracking.rows import view_of

Place = tuple[str, str, str]  # method, backbone, scale


class Told(NamedTuple):
    """What a place says of a row, as it prints it; empty where it has nothing."""

    rank: str
    auc: str
    sd: str
    delta: str
    half: str  # of the 95 % interval
    logloss: str


def made() -> list[Record]:
    """Two backbones and scales; one seed, several, equal and nearly equal means, halves of the last digit, a row that failed.

    Of the rows whose AUC is the same as it is rounded, the better ones began earlier: MLflow breaks ties by the time.
    """
    found = []
    gains = {
        "single_embedding": 0.0,
        "a_close_one": 3e-6,
        "b_close_one": 2e-6,
        "z_close_one": 4e-6,
        "an_equal_one": 0.0,
        "better": 0.0123456,
    }
    for backbone, scale, base in (("dcnv2", 1, 0.800005), ("dcnv2", 4, 0.81), ("xdeepfm", 4, 0.7)):
        for index, (method, gain) in enumerate(gains.items()):
            for seed in range(3):
                auc = base + gain + 1.234567e-3 * seed + 2e-5 * seed * (gain > 1e-3)
                one = record(method, seed, auc, cell={"backbone": backbone, "scale": scale})
                found.append(replace(one, environment={"started": f"2026-01-02T03:04:{59 - index:02}+00:00"}))
    found += [record("only_one_seed", 0, 0.8765432), record("broken", 0, None, status="failed", reason="no memory")]
    found += [record("constant", seed, 0.5, cell={"backbone": "none", "depth": 0}) for seed in (0, 1)]
    return found


def split(auc: str, delta: str) -> tuple[str, str, str, str]:
    """AUC, sd, Δ, half its interval, of "0.81000 ± 0.00123 (3)" and "+0.00062 ± 0.00031"."""
    mean, _, sd = re.sub(r" ?\(.*", "", auc).partition(" ± ")
    value, _, half = delta.partition(" ± ")
    return mean, sd, value.strip("-") and value, half


def told(cells: dict[str, str]) -> tuple[Place, Told]:
    """Of a row as people see it, by the headings of its columns."""
    auc, delta = next(v for k, v in cells.items() if k.startswith("test AUC")), next(v for k, v in cells.items() if k.startswith("Δ to SE"))
    place = cells["method"], cells["backbone"].strip("-"), cells["scale"].strip("-")
    numbers = split(auc if auc[0].isdigit() else "", delta)
    return place, Told(cells["#"].strip("-"), *numbers, cells["logloss"].strip("-"))


def of_markdown(text: str) -> dict[Place, Told]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    head, body = lines[0], lines[1:]
    return dict(told({name.replace("log- loss", "logloss"): cell for name, cell in zip(head, row, strict=True)}) for row in body)


def of_terminal(text: str) -> dict[Place, Told]:
    lines = text.splitlines()
    rule = next(index for index, line in enumerate(lines) if line.startswith("---"))
    top = 1 + max(index for index, line in enumerate(lines[:rule]) if not line)
    spans = [match.span() for match in re.finditer("-+", lines[rule])]
    heads = [" ".join(" ".join(line[a:b] for line in lines[top:rule]).split()).replace("log- loss", "logloss") for a, b in spans]
    body = lines[rule + 1 : lines.index("", rule)]
    return dict(told({head: line[a:b].strip() for head, (a, b) in zip(heads, spans, strict=True)}) for line in body)


def of_page(text: str) -> dict[Place, Told]:
    body = text.split("<tbody>")[1].split("</tbody>")[0]
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL):
        parts = dict(re.findall(r'class="k-(\w+)[^"]*">(.*?)</t[dh]>', row, re.DOTALL))
        plain = {k: html.unescape(re.sub(r"<span.*?</span>|<[^>]+>", "", v)).replace("\u00a0", " ").strip() for k, v in parts.items()}
        cells = {"#": plain["rank"], "method": plain["method"], "backbone": plain["backbone"], "scale": plain["scale"]}
        place, numbers = told({**cells, "test AUC": plain["auc"], "Δ to SE": plain["delta"], "logloss": plain["logloss"]})
        found[place] = numbers
    return found


def of_values(entries: list[dict[str, Any]]) -> dict[Place, Told]:
    """Of CSV and JSON, which have every digit: rounded here."""

    def five(value: Any, sign: str = "") -> str:
        return "" if value in (None, "") else f"{float(value):{sign}.5f}"

    found = {}
    for entry in entries:
        sanity = entry["backbone"] == "none"
        high, delta = entry["delta_auc_high"], entry["delta_auc"]
        half = "" if high in (None, "") else five(float(high) - float(delta))
        place = entry["method"], "" if sanity else entry["backbone"], "" if sanity else str(entry["scale"])
        numbers = five(entry["test_auc_mean"]), five(entry["test_auc_sd"]), five(delta, "+"), half, five(entry["test_logloss_mean"])
        found[place] = Told(str(entry["rank"] if entry["rank"] is not None else ""), *numbers)
    return found


def of_mlflow(runs: list[Run]) -> dict[Place, Told]:
    found = {}
    for run in runs:
        metrics, tags = run.data.metrics, run.data.tags

        def shown(name: str, form: str = ".5f", metrics: dict[str, float] = metrics) -> str:
            return format(metrics[name], form) if name in metrics else ""

        sanity = tags["backbone"] == "none"
        place = tags["method"], "" if sanity else tags["backbone"], "" if sanity else tags["scale"]
        numbers = shown("1 AUC"), shown("1 AUC sd"), shown("2 delta", "+.5f"), "", shown("3 logloss")
        found[place] = Told(shown("0 rank", ".0f"), *numbers)
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> Path:
    folder = tmp_path_factory.mktemp("results")
    store = Store(folder)
    store.create()
    for one in made():
        store.write(one)
    shutil.copyfile(empty_mlflow, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        rebuild(store, folder)
    return folder


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(report, "script", lambda: "/* Vega */")


def cells_in_mlflow(results: Path) -> list[Run]:
    """As its page asks for them."""
    client = MlflowClient(tracking_uri=tracking_uri(results))
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    state = json.loads(zlib.decompress(base64.b64decode(experiment.tags[view.TAG].removeprefix("deflate;"))))
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    return list(client.search_runs([experiment.experiment_id], state["searchFilter"], order_by=[order]))


def test_every_place_says_the_same_numbers_in_the_same_order(results: Path) -> None:
    store = Store(results)
    board = rows(store)
    expected = of_markdown(render(board, "markdown"))
    assert len(expected) == len(board) == 3 * 6 + 3
    better = expected["better", "xdeepfm", "4"]
    assert better.rank and better.auc == "0.71360" and better.delta == "+0.01237" and better.half and better.sd and better.logloss
    assert expected["only_one_seed", "dcnv2", "1"].half == "" and expected["broken", "dcnv2", "1"] == Told(*[""] * 6)
    aucs = [told.auc for told in expected.values()]
    assert len({place for place, told in expected.items() if aucs.count(told.auc) > 3}) > 3, "several rows that only the rank tells apart"

    places = {
        "terminal": of_terminal(render(board, "table")),
        "page": of_page(report.page(store, "", "")),
        "csv": of_values(list(csv.DictReader(io.StringIO(render(board, "csv"))))),
        "export csv": of_values(list(csv.DictReader(io.StringIO(export(store, "csv"))))),
        "json": of_values(json.loads(render(board, "json"))),
        "MLflow": of_mlflow(cells_in_mlflow(results)),
    }
    for name, found in places.items():
        assert list(found) == list(expected), f"{name}: another order"
        for place, numbers in expected.items():
            # MLflow has the ends of the interval, see below.
            assert found[place] == (numbers._replace(half="") if name == "MLflow" else numbers), (name, place)


def test_mlflow_has_the_ends_of_the_interval(results: Path) -> None:
    board = json.loads(render(rows(Store(results)), "json"))
    ends = [
        tuple(None if row[f"delta_auc_{end}"] is None else round(row[f"delta_auc_{end}"], 5) for end in ("low", "high")) for row in board
    ]
    assert ends == [tuple(run.data.metrics.get(f"2 delta {end}") for end in ("low", "high")) for run in cells_in_mlflow(results)]
    assert sum(None not in pair for pair in ends) == 3 * 5


def test_latex_has_the_boards_means_and_deviations(results: Path) -> None:
    store = Store(results)
    expected = of_markdown(render(rows(store), "markdown"))
    text = export(store, "latex")
    head, *body = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if " & " in line]
    columns = [tuple(re.fullmatch(r"(\w+) (\d+)\$.*", cell).groups()) for cell in head[1:]]  # type: ignore[union-attr]
    found = {}
    for name, *cells in body:
        method = name.removeprefix(r"\texttt{").removesuffix("}").replace("\\_", "_")
        for (backbone, scale), cell in zip(columns, cells, strict=True):
            if cell != "--":
                mean, _, sd = re.sub(r"\\textbf\{(.*)\}", r"\1", cell).partition(r" $\pm$ ")
                found[method, backbone, scale] = (mean, sd)
    assert found == {place: (told.auc, told.sd) for place, told in expected.items() if told.auc and place[1]}


def test_a_row_that_moves_on_the_board_moves_on_a_server(
    tmp_path: Path, empty_mlflow: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where numbers are added to a run, of two at one step and time MLflow shows the larger."""
    monkeypatch.chdir(tmp_path)  # where artifacts go
    store = Store(results)
    shutil.copyfile(empty_mlflow, tmp_path / "mlflow.db")
    uri = tracking_uri(tmp_path)
    server = stores._Server(uri, Owner(tmp_path, f"{uri} of another"))
    entries = [e for e in store.scan()[0] if e.record.trial.cell.backbone == "xdeepfm" and e.record.trial.seed == 0]
    worse = [e for e in entries if e.record.trial.cell.method == "single_embedding"]
    last = [e for e in entries if e.record.trial.cell.method in ("single_embedding", "better", "a_close_one")]
    ids: dict[str, str] = {}
    experiments = server.experiments({"toy": ""})
    for some in (last, worse):
        view_rows = [r for r in view_of(some, store.folder).rows if r.key.startswith("cell ") and r.tags["method"] == "single_embedding"]
        ids |= server.write(view_rows, ids, experiments)
    [run_id] = ids.values()
    metrics = MlflowClient(tracking_uri=uri).get_run(run_id).data.metrics
    assert metrics["0 rank"] == metrics[view.PLACE] == 1


def test_of_a_cell_whose_method_got_a_setting_mlflow_shows_todays_row(tmp_path: Path) -> None:
    """A cell is one run there. The rows of before may well be the worse ones, and come last."""
    store = Store(tmp_path)
    store.create()
    for auc, settings in ((0.75, {"rate": 10.0}), (0.7, {}), (0.8, {"rate": 10.0, "more": 1})):
        for seed in range(2):
            one = record("m", seed, auc)
            store.write(replace(one, trial=replace(one.trial, method=settings)))
    for kept in ({"rate": 10.0, "more": 1}, {"rate": 10.0}):
        entries = [entry for entry in store.scan()[0] if entry.record.trial.method.keys() <= kept.keys()]
        [cell] = [row for row in view_of(entries, store.folder).rows if row.key.startswith("cell ")]
        assert cell.metrics["1 AUC"] == (0.8 if "more" in kept else 0.75) and cell.metrics[view.PLACE] == 1
