"""Records of other code are set aside and trained again; others are left alone, and nothing is lost."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import standin_search as standin

from benchmark import plugins
from benchmark.config import Cell, Suite
from benchmark.errors import UserError
from benchmark.records import LOST, REPLACED, Record, Store
from benchmark.search.renewal import Kept, of_other_code, to_renew
from benchmark.search.run import run_suite
from benchmark.search.twins import twin_of
from benchmark.training.environment import fingerprints_of, training_code

RECORD = next((Path(__file__).parents[2] / "results" / "reference" / "flights" / "records").glob("*.json"))


def told(record: Record, cell: Cell) -> str:
    kept = Kept([record], [cell])
    assert list(kept) == [record]
    return kept.told()


def test_records_of_other_code_are_known_by_their_digests() -> None:
    record = Store.read(Store(RECORD.parent.parent), RECORD)
    cell = record.trial.cell
    today = {
        "method_code": plugins.code_of_class("methods", plugins.plugin("methods", cell.method)),
        "backbone_code": plugins.code_of_class("backbones", plugins.plugin("backbones", cell.backbone)),
        "training_code": training_code(),
    }
    same = replace(record, fingerprints={**record.fingerprints, **today})
    assert of_other_code([same]) == [] and told(same, cell) == ""
    for what, words in zip(today, (f"method {cell.method}", f"backbone {cell.backbone}", "training"), strict=True):
        other = replace(same, fingerprints={**same.fingerprints, what: "other"})
        assert of_other_code([other]) == [other]
        assert told(other, cell) == f"1 record(s) here are of other code than today's ({words}), and kept; --renew trains them again"
        assert told(other, replace(cell, scale=3)) == told(replace(other, status="failed"), cell) == ""
        assert told(replace(other, fingerprints={}), cell) == ""
    stranger = replace(same.trial, cell=replace(cell, method="nobody_has_this"))
    assert of_other_code([replace(same, trial=stranger, fingerprints={})]) == []


def test_a_training_that_is_two_cells_goes_for_both() -> None:
    """The twin tells the code of its own method, and has the numbers of the other's."""
    record = Store.read(Store(RECORD.parent.parent), RECORD)
    cell, twin_cell = (replace(record.trial.cell, method=method) for method in ("single_embedding", "multi_embedding"))
    source = replace(record, trial=replace(record.trial, cell=cell), fingerprints=fingerprints_of(cell))
    trial = replace(record.trial, cell=twin_cell)
    assert to_renew([source, twin_of(source, trial)], [cell, twin_cell]) == []
    source = replace(source, fingerprints={**source.fingerprints, "method_code": "other"})
    twin = twin_of(source, trial)
    assert of_other_code([source, twin]) == [source]
    assert to_renew([source, twin], [cell, twin_cell]) == to_renew([twin, source], [cell, twin_cell]) == [source, twin]
    assert to_renew([source, twin], [twin_cell]) == [twin] and to_renew([source, twin], [cell]) == [source]


def test_finals_go_with_the_draws_that_chose_their_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A seed was added after the code had changed: of today's code itself, it would keep the old draws' winner for good."""
    standin.install(monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "log"))
    here, there, empty = tmp_path / "here", tmp_path / "there", tmp_path / "empty"
    suite = standin.suite(methods=("standin_tuned",), backbones=("standin_flat",), trials=3, seeds=2)
    for folder in (here, there):
        count = run_suite(suite, folder, "local", train=standin.TRAIN).statuses["finished"]
        store = Store(folder)
        for record in store:
            if record.trial.stage == "final":
                store.write(replace(record, fingerprints=fingerprints_of(record.trial.cell)))
    finals = [record for record in Store(here) if record.trial.stage == "final"]
    draw = next(record for record in Store(here) if record.trial.stage == "tune")
    cell = draw.trial.cell
    assert of_other_code(finals) == to_renew(finals, [cell]) == [] and to_renew([*finals, draw], [cell]) == [*finals, draw]
    untuned = [replace(record, trial=replace(record.trial, budget=1)) for record in finals]
    assert to_renew([*untuned, draw], [cell]) == [draw]
    assert run_suite(suite, empty, "local", train=standin.TRAIN, renew=True, reuse=[there]).statuses == {"finished": count}
    assert run_suite(suite, here, "local", train=standin.TRAIN, renew=True).statuses == {"finished": count}
    assert f"{count} record(s) of other code are in" in capsys.readouterr().err


def test_what_is_of_this_code_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A cell that cannot be built, too; and a draw that failed without a word of its code, which a cell with a winner does not repeat."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    suite = Suite(
        name="two",
        datasets=("synthetic",),
        methods=("orthogonal_reg",),
        backbones=("dnn",),
        options={"datasets": {"synthetic": {"rows": 2000, "cardinalities": [3, 8, 40]}}},
    )
    assert run_suite(suite, tmp_path / "results", "local", "cpu").statuses == {"incompatible": 1}
    [record] = Store(tmp_path / "results")
    lost = replace(record, trial=replace(record.trial, stage="tune"), status="failed", reason=LOST, fingerprints={})
    Store(tmp_path / "results").write(lost)
    again = run_suite(suite, tmp_path / "results", "local", "cpu", renew=True)
    assert again.statuses == {} and "of other code" not in capsys.readouterr().err
    assert not (tmp_path / "results" / REPLACED).exists()


def test_a_run_that_is_refused_moves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "log"))
    suite = standin.suite(methods=("standin_sanity",))
    run_suite(suite, tmp_path, "local", train=standin.TRAIN)
    with pytest.raises(UserError, match="device = 'gpu'"):
        run_suite(suite, tmp_path, "local", "gpu", train=standin.TRAIN, renew=True)
    assert len(Store(tmp_path).paths()) == 1 and not (tmp_path / REPLACED).exists()


def test_a_run_trains_them_again_and_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    standin.install(monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "log"))
    results = tmp_path / "results"
    suite = standin.suite(methods=("standin_tuned", "standin_sanity"))
    run_suite(suite, results, "local", train=standin.TRAIN)
    before = {path.name: path.read_bytes() for path in Store(results).paths()}
    other = standin.suite(methods=("standin_sanity",))
    again = run_suite(other, results, "local", train=standin.TRAIN, renew=True)  # the stand-ins' records tell no code
    assert again.statuses == {"finished": 1} and "1 record(s) of other code" in capsys.readouterr().err
    [kept] = (results / REPLACED).iterdir()
    assert kept.read_bytes() == before[kept.name] and {path.name for path in Store(results).paths()} == before.keys()
    shutil.rmtree(results / REPLACED)
    run_suite(standin.suite(methods=("standin_sanity",), seeds=3), results, "local", train=standin.TRAIN)
    fewer = run_suite(other, results, "local", train=standin.TRAIN, renew=True)
    assert fewer.statuses == {"finished": 1}, "the other two seeds would be of other code than it"
    assert f"3 record(s) of other code are in {results / REPLACED} now; those that the suite asks for" in capsys.readouterr().err
    shutil.rmtree(results / REPLACED)
    assert run_suite(suite, results, "local", train=standin.TRAIN).statuses == {}
    assert not (results / REPLACED).exists()
