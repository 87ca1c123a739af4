"""A plan before a run: its numbers are those of the run that follows, it writes nothing, and times lie between what was timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import benchmark
from benchmark.__main__ import main
from benchmark.config import read_suite
from benchmark.records import Store
from benchmark.reporting.dry_run import dry_run
from benchmark.schema import Bags, Field, Schema
from benchmark.search.cells import expand
from benchmark.search.estimate import Estimate, estimate
from benchmark.search.run import run_suite
from benchmark.search.step_times import StepTimes
from benchmark.training.memory import needed

TINY = """
datasets = ["synthetic"]
methods = ["single_embedding", "constant"]
backbones = ["dnn"]
trials = 2
seeds = 2
[training]
epochs = 3
batch_size = 512
[options.datasets.synthetic]
rows = 2000
cardinalities = [3, 8, 40]
[options.backbones.dnn]
depth = 1
hidden = [16]
"""


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_it_says_what_the_run_then_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    path, results = tmp_path / "tiny.toml", tmp_path / "results"
    path.write_text(TINY)
    suite = read_suite(str(path))

    def now() -> Estimate:
        return estimate(suite, Store(results), "cpu", 1, seconds=0.5)

    before = now()
    data = benchmark.prepared("synthetic", suite.options["datasets"]["synthetic"])
    model = benchmark.build("single_embedding", "dnn", data, backbone_options=suite.options["backbones"]["dnn"])
    assert before.memory is not None and before.memory.needed == needed(model) and before.memory.cell.method == "single_embedding"
    for free, said in (
        (2 * needed(model), "now\n"),
        (2 * needed(model) - 1, "enough for 2 at a time"),
        (needed(model) - 1, "cannot be trained"),
    ):
        assert said in dry_run("tiny", replace(before, memory=replace(before.memory, free=free)), 2, False)
    assert not results.exists() and before.epochs["synthetic"][0] == 3 and before.bytes > 0
    assert sum(line.tune for line in before.lines) == 2 * (2 + 2 * 2) and sum(line.final for line in before.lines) == 2 * 2
    assert 0 < before.seconds < 600 and before.places == (2, 2)
    summary = run_suite(suite, results, "local", "cpu")
    assert sum(summary.statuses.values()) == before.left
    finals = [r for r in Store(results) if r.trial.stage == "final"]
    for record in finals[:]:
        if record.trial.seed == 1:
            Store(results).path(record.trial_id).unlink()
            finals.remove(record)
    there = files(results)
    rest = now()
    assert [(line.tune, line.final) for line in rest.lines] == [(0, 1), (0, 1)]
    assert sum(line.recorded for line in rest.lines) == before.left - 2
    expected = sum(r.cost["wall_seconds"] for r in finals)
    assert rest.seconds == pytest.approx(expected), "what is recorded of a cell is what its next training takes"
    capsys.readouterr()
    assert main(["run", str(path), "--dry-run", "--results", str(results), "--executor", "local"]) == 0
    text = capsys.readouterr().out
    assert f"tiny: 2 cells; 2 trainings to come (0 of tuning, 2 final), {before.left - 2} recorded already" in text
    assert "synthetic: train 1,600, valid 200, test 200 rows" in text and "How: " in text
    assert files(results) == there


def test_times_lie_between_what_was_timed() -> None:
    times = StepTimes(torch.device("cpu"), 1, steps={("d", "b", 1): (1.0, 0.1), ("d", "b", 4): (2.0, 0.4)})
    assert times._step(("d", "b", 2)) == pytest.approx((4 / 3, 0.2))
    assert times._step(("d", "b", 4)) == (2.0, 0.4)
    assert times._step(("d", "b", 8)) == pytest.approx((4.0, 0.8))
    assert times._step(("d", "other", 8)) == pytest.approx((4.0, 0.8)), "like the mean of other backbones"
    times.fields = {"d": 10, "e": 20}
    assert times._step(("e", "b", 1)) == (2.0, 0.2), "like another data set, by the number of fields"
    times.steps["e", "none", 1] = (0.0, 0.0)
    assert times._step(("e", "b", 1)) == (2.0, 0.2), "a sanity row says nothing of a backbone"
    assert times._step(("d", "none", 1)) is None
    assert StepTimes(torch.device("cpu"), 1)._step(("d", "b", 1)) is None


def test_a_method_counts_as_where_it_was_timed() -> None:
    """A method takes three times the step of single embedding at scale 1, and five times at 4."""
    steps = {("d", "b", 1): (1.0, 0.1), ("d", "b", 4): (2.0, 0.4), ("d", "c", 4): (2.0, 0.4)}
    of_method = {("d", "b", 1): (3.0, 0.3), ("d", "b", 4): (10.0, 2.0)}
    times = StepTimes(torch.device("cpu"), 1, steps=steps, methods={"single_embedding": steps, "m": of_method})
    assert times._factor("m", ("d", "b", 1), 100) == pytest.approx(3) and times._factor("m", ("d", "b", 4), 100) == pytest.approx(5)
    assert times._factor("m", ("d", "c", 4), 100) == pytest.approx(5), "another backbone: as at that scale"
    assert times._factor("m", ("d", "b", 2), 100) == pytest.approx(4), "another scale: as in the mean"
    assert times._factor("other", ("d", "b", 1), 100) == pytest.approx(2), "a method that was not timed: as the mean of those that were"
    of_method["d", "b", 1] = (23.0, 0.1)
    assert times._factor("m", ("d", "b", 1), 100) == pytest.approx(3), "what a step costs by itself"
    assert times._factor("m", ("d", "b", 1), 10**6) == pytest.approx(1, abs=1e-3), "weighs less in large batches"


def test_a_step_on_bags_is_timed(tmp_path: Path) -> None:
    """A field may have far fewer bags than rows of the table, and the ids drawn for the timing are those of bags."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    cells = [cell for cell in expand(read_suite(str(path))) if cell.method == "single_embedding"][:1]
    bags = Bags(np.array([1, 1, 4], np.int32), np.array([0, 1, 2, 9, 9, 40], np.int32))
    schema = Schema((Field("tags", 50, bags=3), Field("b", 9)), 0.5, bags=bags)
    times = StepTimes(torch.device("cpu"), 1)
    times.measure(cells, {"synthetic": schema}, 0.2)
    assert len(times.steps) == 1
