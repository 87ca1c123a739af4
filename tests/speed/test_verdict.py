"""`speed verdict`: what is put side by side. What it takes is not tested."""

from __future__ import annotations

import dataclasses
import subprocess
import tomllib
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.config import Cell, Suite, Training, Trial, read_suite
from benchmark.discovery import PACKAGE
from benchmark.errors import UserError
from benchmark.records import Record, Store
from benchmark.speed import verdict
from benchmark.speed.verdict import Run, as_toml, report
from benchmark.values import from_dict


def finals(method: str, *aucs: float, rate: float = 1e-3, dataset: str = "d") -> list[Record]:
    cell = Cell(dataset=dataset, data="f", backbone="dnn", method=method, scale=1, depth=1)
    trial = Trial(cell=cell, stage="final", training=Training(learning_rate=rate), backbone={}, method={}, budget=8)
    return [
        Record(trial=dataclasses.replace(trial, seed=seed), status="finished", metrics={"test/auc": auc}) for seed, auc in enumerate(aucs)
    ]


def run(seconds: float, epochs: int, said: str, *of: list[Record]) -> Run:
    places = {(one[0].trial.cell.dataset, "dnn", 1, 1, one[0].trial.cell.method): one for one in of}
    return Run(seconds, seconds, epochs, epochs, places, dict.fromkeys(places, said))


def test_rows_side_by_side() -> None:
    old = run(90, 60, "above", finals("single_embedding", 0.70, 0.71), finals("roblock", 0.72, 0.73), finals("other", 0.60, 0.61))
    new = run(
        30,
        20,
        "undecided",
        finals("single_embedding", 0.80, 0.81),  # the same settings: whatever came out
        finals("roblock", 0.721, 0.732, rate=2e-3),
        finals("other", 0.70, 0.71, rate=2e-3),
    )
    text = report(old, new)
    told = {line.split()[0]: " ".join(line.split()) for line in text.splitlines() if line.strip()}
    assert told["single_embedding"].endswith("the same") and told["roblock"].endswith("within seed noise")
    assert told["other"].endswith("another") and "0.60500 ± 0.00707 (2)" in told["other"]
    assert told["seconds"] == "seconds 90 30 0.33" and "0 of 2 verdicts and 2 of 3 winners are the same" in text


def test_two_data_sets_are_not_one_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [*finals("single_embedding", 0.70, 0.71), *finals("single_embedding", 0.90, 0.91, dataset="other")]

    def ran(command: list[str], **_: object) -> subprocess.Popen[bytes]:
        store = Store(tmp_path)
        store.create()
        for record in records:
            store.write(record)
        return popen(["true"])

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", ran)
    monkeypatch.setattr(verdict, "_verdicts", lambda results: {})
    found = verdict._run(read_suite("verdict"), tmp_path, tmp_path, "cpu", [])
    rows = [line.split()[:6] for line in report(found, found).splitlines() if line.startswith("single_embedding")]
    assert rows == [["single_embedding", "dnn", "1", "d", "0.70500", "±"], ["single_embedding", "dnn", "1", "other", "0.90500", "±"]]


def test_the_suite_as_an_older_version_reads_it() -> None:
    suite = read_suite("verdict")
    assert suite.rungs and suite.trials == 8 and suite.seeds == 5
    before = dataclasses.replace(suite, rungs=())
    content = tomllib.loads(as_toml(before))
    assert "rungs" not in content and "grid" not in content
    assert from_dict(Suite, {"name": "verdict", **content}, "file") == before
    assert from_dict(Suite, {"name": "verdict", **tomllib.loads(as_toml(suite))}, "file") == suite


def test_a_folder_with_records_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("it ran"))
    store = Store(tmp_path / "before")
    store.create()
    store.write(finals("roblock", 0.7)[0])
    with pytest.raises(UserError, match="not measured to its end"):
        verdict.measure(read_suite("verdict"), None, tmp_path, "cpu")


def test_each_side_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run_of(path: Path, checkout: Path, results: Path, device: str, more: list[str]) -> tuple[float, float]:
        ran.append(f"{results.name} of {checkout}: {' '.join(more)}")
        store = Store(results)
        store.create()
        for record in finals("single_embedding", 0.7, 0.71):
            store.write(record)
        return (90.0, 80.0) if results.name == "before" else (30.0, 20.0)

    monkeypatch.setattr(verdict, "_train", run_of)
    monkeypatch.setattr(verdict, "_verdicts", lambda results: {})
    old = tmp_path / "old"
    (old / "methods").mkdir(parents=True)
    (old / "methods" / "mine.py").write_text("A = 1\n")
    suite = read_suite("verdict")
    assert "before: 90 seconds, 80 of processors" in verdict.measure(suite, old, tmp_path, "cpu", "before")
    assert ran == [f"before of {old}: --seeds 5"]
    with pytest.raises(UserError, match=f"measured there was {old}, not /other"):
        verdict.measure(suite, Path("/other"), tmp_path, "cpu")
    table = verdict.measure(suite, old, tmp_path, "cpu")
    assert ran[1:] == [f"now of {PACKAGE.parent}: --until-decided --max-seeds 5 --futility 0.05"]
    assert [line.split() for line in table.splitlines() if "seconds" in line] == [
        ["seconds", "90", "30", "0.33"],
        ["CPU", "seconds", "80", "20", "0.25"],
    ]
    with pytest.raises(UserError, match="not of suite verdict as it is now"):
        verdict.measure(dataclasses.replace(suite, trials=4), old, tmp_path, "cpu")
    (old / "methods" / "mine.py").write_text("A = 2\n")
    with pytest.raises(UserError, match=f"the code of {old} is another now than when it was measured"):
        verdict.measure(suite, old, tmp_path, "cpu")
    (old / "methods" / "mine.py").write_text("A = 1\n")
    (tmp_path / "now" / verdict.TOOK).write_text("{}")
    with pytest.raises(UserError, match="does not say what a run took"):
        verdict.measure(suite, old, tmp_path, "cpu")
    assert len(ran) == 2


@pytest.mark.parametrize(
    ("script", "match"), [("kill -TERM $$", "exit status -15"), ("exit 2", "exit status 2"), ("exit 0", "exit status 0")]
)
def test_a_run_that_was_stopped_leaves_no_time(script: str, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: popen(["sh", "-c", script]))
    with pytest.raises(UserError, match=match):
        verdict.measure(read_suite("verdict"), None, tmp_path, "cpu")
    assert not (tmp_path / "before" / verdict.TOOK).exists()


def test_options_stay_where_the_command_line_has_all_and_what_is_not_measured_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[Suite] = []
    monkeypatch.setattr(verdict, "measure", lambda suite, *_: measured.append(suite))
    path = tmp_path / "mine.toml"
    path.write_text('datasets = ["synthetic"]\nseeds = 2\n[options.methods]\nroblock = { weight = 0.5 }\nvicreg = { weight = 0.5 }\n')
    for methods in (["all"], ["vicreg"]):
        assert main(["speed", "verdict", "--suite", str(path), "--methods", *methods]) == 0
    assert [[*suite.options["methods"]] for suite in measured] == [["roblock", "vicreg"], ["vicreg"]]
    path.write_text('datasets = ["synthetic"]\nseeds = 2\n[[also]]\nscales = [2]\n')
    assert main(["speed", "verdict", "--suite", str(path)]) == 2
    assert "suite mine has [[also]], which is not measured" in capsys.readouterr().err
    assert main(["speed", "verdict", "--side", "now"]) == 2
    assert "name it with --out" in capsys.readouterr().err
