"""Trainings that other results folders have are copied, and not made again: which ones, as they are, and with nothing else written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import standin_search as standin

from benchmark.__main__ import main
from benchmark.config import Suite
from benchmark.errors import UserError
from benchmark.records import REPLACED, Store
from benchmark.search.run import Summary, run_suite
from benchmark.search.until_decided import UntilDecided

BOTH = {"methods": ("standin_tuned", "standin_sanity"), "backbones": ("standin_flat", "standin_steep")}


@pytest.fixture(autouse=True)
def standins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "log"))


def trained(suite: Suite, results: Path, *reuse: Path, **more: Any) -> Summary:
    return run_suite(suite, results, "local", train=standin.TRAIN, reuse=reuse, **more)


def files(results: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (results / "records").iterdir()}


def test_what_another_folder_has_is_copied_byte_for_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tuned suite: of two backbones one stands there already, with its draws; the rest is trained."""
    there, here = tmp_path / "there", tmp_path / "here"
    one, other = (standin.suite(**BOTH | {"backbones": names}, trials=3, seeds=2) for names in (BOTH["backbones"][:1], BOTH["backbones"]))
    trained(one, there)
    before, around = files(there), sorted(path.name for path in there.iterdir())
    whole = trained(other, tmp_path / "whole")
    capsys.readouterr()
    summary = trained(other, here, there)
    assert f"{len(before)} record(s) of these cells are copied from {there}" in capsys.readouterr().err
    assert files(here) == files(tmp_path / "whole") and before.items() <= files(here).items()
    assert summary.recorded_before == len(before) and summary.statuses == {"finished": whole.statuses["finished"] - len(before)}
    assert files(there) == before and sorted(path.name for path in there.iterdir()) == around
    again = trained(other, here, there)
    assert again.statuses == {} and "copied" not in capsys.readouterr().err


def test_only_seeds_draws_and_cells_that_the_suite_asks_for_and_none_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    trained(standin.suite(**BOTH, seeds=4), there)
    lost = next(record for record in Store(there) if record.trial.seed == 0 and record.trial.cell.method == "standin_tuned")
    Store(there).write(replace(lost, status="failed", reason="no memory"))
    suite = standin.suite(methods=("standin_tuned",), backbones=("standin_flat", "standin_steep"), seeds=2)
    summary = trained(suite, here, there)
    assert summary.recorded_before == 3 and summary.statuses == {"finished": 1}
    assert len(files(here)) == 4 and files(here).keys() <= files(there).keys()
    tuned = standin.suite(methods=("standin_tuned",), backbones=("standin_flat",), seeds=2, trials=2)
    capsys.readouterr()
    assert trained(tuned, tmp_path / "tuned", there).recorded_before == 0, "of another budget"
    said = capsys.readouterr().err
    assert f"none of the records in {there} is copied: " in said and "4 of other seeds or another number of tuning trials" in said
    assert "8 of other cells: another data set, backbone, size, method or setting" in said


def test_seeds_until_decided_are_taken_up_to_the_last_look(tmp_path: Path) -> None:
    there = tmp_path / "there"
    suite = standin.suite(methods=("single_embedding", "standin_tuned"), backbones=("standin_flat",), seeds=5)
    trained(suite, there)
    trained(replace(suite, seeds=3), tmp_path / "here", there, until=UntilDecided(max_seeds=4, delta=0.0003))
    assert sorted(record.trial.seed for record in Store(tmp_path / "here")) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_renew_takes_nothing_that_other_code_has_made(tmp_path: Path) -> None:
    """The stand-ins' records do not tell their code."""
    there, here = tmp_path / "there", tmp_path / "here"
    suite = standin.suite(methods=("standin_tuned",), backbones=("standin_flat",), seeds=2)
    trained(suite, there)
    assert trained(suite, here, there, renew=True).statuses == {"finished": 2} and not (here / REPLACED).exists()


def test_the_first_folder_that_has_it_counts(tmp_path: Path) -> None:
    suite = standin.suite(methods=("standin_tuned",), backbones=("standin_flat",), seeds=1)
    for name in ("a", "b"):
        trained(suite, tmp_path / name)
    [record] = Store(tmp_path / "b")
    Store(tmp_path / "b").write(replace(record, notes=("of b",)))
    trained(suite, tmp_path / "here", tmp_path / "b", tmp_path / "a")
    assert files(tmp_path / "here") == files(tmp_path / "b") != files(tmp_path / "a")


def test_what_is_refused_leaves_nothing(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    suite = standin.suite(methods=("standin_tuned",), backbones=("standin_flat",), seeds=1)
    trained(suite, there)
    with pytest.raises(UserError, match="there are no records in"):
        trained(suite, here, tmp_path / "none")
    with pytest.raises(UserError, match="device = 'gpu'"):
        trained(replace(suite, seeds=2), here, there, device="gpu")
    assert not here.exists() and not (tmp_path / "none").exists()
    with pytest.raises(UserError, match="that is the run's own results folder"):
        trained(suite, there, tmp_path / "a" / ".." / "there")


def test_a_dry_run_counts_what_a_run_would_copy_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real cells on a small table, by the command; then the run."""
    monkeypatch.delenv("BENCHMARK_PLUGINS")
    monkeypatch.undo()
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(
        'datasets = ["synthetic"]\nmethods = ["constant"]\nseeds = 2\n[options.datasets.synthetic]\nrows = 600\n', encoding="utf-8"
    )
    run = ["run", "mine.toml", "--executor", "local", "--device", "cpu", "--no-track"]
    assert main([*run, "--results", "there"]) == 0
    there = files(Path("there"))
    capsys.readouterr()
    more = [*run, "--seeds", "3", "--results", "here", "--reuse", "there"]
    assert main([*more, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "2 record(s) of these cells would be copied from there" in said and "1 training to come" in said and not Path("here").exists()
    assert main(more) == 0
    assert "2 record(s) of these cells are copied from there" in capsys.readouterr().err
    assert there.items() <= files(Path("here")).items() and len(files(Path("here"))) == 3
