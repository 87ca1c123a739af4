"""A plan before a run: its numbers are those of the run that follows, it writes nothing, and times follow what was timed."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tqdm import tqdm

import benchmark
from benchmark import plugins
from benchmark.__main__ import main
from benchmark.config import NO_BACKBONE, Cell, Training, read_suite
from benchmark.data.batches import Rows
from benchmark.errors import UserError
from benchmark.method import assemble
from benchmark.nn.dropout import Dropout
from benchmark.records import Record, Store
from benchmark.reporting.dry_run import dry_run
from benchmark.schema import Bags, Field, Schema
from benchmark.search.cells import default_trial, expand
from benchmark.search.estimate import Estimate, estimate
from benchmark.search.run import run_suite
from benchmark.search.step_times import SCORING, StepTimes, spread, step_of
from benchmark.training.fit import make_optimizers, train_epoch
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
    assert "a trial may take" not in dry_run("tiny", before, 2, False, needed(model) / 1e9)
    assert "GB (--memory-per-trial): it cannot be trained" in dry_run("tiny", before, 2, False, (needed(model) - 1) / 1e9)
    assert not results.exists() and before.epochs["synthetic"][0] == 3 and before.bytes > 0
    assert sum(line.tune for line in before.lines) == 2 + 2 * 2 and sum(line.final for line in before.lines) == 2 * 2
    assert 0 < before.seconds < 600 and before.timed == 2
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
    assert main(["run", str(path), "--dry-run", "--renew", "--results", str(results), "--executor", "local"]) == 0
    assert f"tiny: 2 cells; 2 trainings to come (0 of tuning, 2 final), {before.left - 2} recorded" in capsys.readouterr().out
    for record in finals:
        Store(results).write(replace(record, fingerprints={**record.fingerprints, "method_code": "other"}))
    assert main(["run", str(path), "--dry-run", "--renew", "--results", str(results), "--executor", "local"]) == 0
    text = capsys.readouterr().out
    assert f"4 trainings to come (0 of tuning, 4 final), {before.left - 4} recorded" in text, "as the run with --renew does"
    assert "2 record(s) of other code would be moved into replaced" in text and "and kept" not in text
    assert main(["run", str(path), "--dry-run", "--results", str(results), "--executor", "local"]) == 0
    assert "2 record(s) here are of other code than today's (method " in capsys.readouterr().out, "as a run says"
    for record in finals:
        Store(results).write(
            replace(record, environment={**record.environment, "device": "another"}, cost={**record.cost, "wall_seconds": 1e6})
        )
    elsewhere = now()
    assert elsewhere.seconds < 1e6 and elsewhere.elsewhere == len(finals)
    assert "2 recorded trainings are of another device or processor" in dry_run("tiny", elsewhere, 2, False)
    for record in finals:  # killed in the last epoch
        last_part = {**record.environment, "went_on_after_epoch": "2"}
        Store(results).write(replace(record, environment=last_part, cost={**record.cost, "wall_seconds": 1e6}))
    assert now().seconds < 1e6 and now().elsewhere == 0


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    """Eight methods, three backbones, four scales and two data sets: names, nothing is built."""
    methods = ("single_embedding", "roblock", "multi_embedding", "vicreg", "iternorm", "layer_norm", "rank_one", "barlow")
    suite = replace(read_suite("standard"), datasets=("synthetic",), methods=methods, backbones=("dnn", "dcnv2", "ipnn"))
    some = [cell for cell in expand(suite) if cell.backbone != NO_BACKBONE]
    return some + [replace(cell, dataset="flights") for cell in some]


def like(cells: list[Cell], seconds: Callable[[Cell], float], timed: Callable[[Cell], bool]) -> StepTimes:
    """Times of those cells that were ``timed``."""
    times = StepTimes(torch.device("cpu"), 1, lambda _: 1024, fields={"synthetic": 12, "flights": 6})
    times.timed = {cell.key: (cell, seconds(cell)) for cell in cells if timed(cell)}
    return times


def by_row(times: StepTimes, cell: Cell) -> float | None:
    return times.training(cell, {"train": 1, "valid": 0, "test": 0}, 1.0, False)


def test_factors_of_backbone_method_and_scale_are_found_again(cells: list[Cell]) -> None:
    """Where a time is a product of them, of cells that were not timed too; from a quarter of all cells, and of two scales of four."""

    def seconds(cell: Cell) -> float:
        backbone = {"dnn": 1e-5, "dcnv2": 2e-5, "ipnn": 3e-5}[cell.backbone] * (2 if cell.dataset == "flights" else 1)
        return backbone * (3.0 * math.sqrt(cell.scale) if cell.method == "roblock" else 1.0) * math.pow(cell.scale, 0.6)

    quarter = {cell.key for cell in list(spread(cells))[: len(cells) // 4]}
    times = like(cells, seconds, lambda cell: cell.key in quarter)
    assert {cell.scale for cell, _ in times.timed.values()} == {1, 10}
    ratios = [found / seconds(cell) for cell in cells if (found := by_row(times, cell)) is not None]
    assert len(ratios) == len(cells) and np.std(np.log(ratios)) < 0.1 and max(np.abs(np.log(ratios))) < 0.5
    assert sum(map(seconds, cells)) == pytest.approx(sum(by_row(times, cell) or 0 for cell in cells), rel=0.1)
    assert all(by_row(times, cell) == value for cell, value in times.timed.values()), "what was timed is as it was"


def test_of_what_nothing_was_timed_the_width_is_what_counts(cells: list[Cell]) -> None:
    first = next(cell for cell in cells if cell.scale == 1 and cell.dataset == "synthetic")
    times = like(cells, lambda _: 1e-5, lambda cell: cell is first)
    wider, elsewhere = replace(first, scale=4), replace(first, dataset="flights")
    assert by_row(times, wider) == pytest.approx(4e-5, rel=0.01), "in proportion"
    assert by_row(times, elsewhere) == pytest.approx(0.5e-5, rel=0.01), "by the number of fields"
    assert by_row(times, replace(first, backbone=NO_BACKBONE)) is None, "a sanity row is like no other"
    times = like(cells, lambda _: 1e-5, lambda _: False)
    assert by_row(times, first) is None


def test_a_training_is_its_rows_and_those_that_are_scored(cells: list[Cell]) -> None:
    times = like(cells, lambda _: 2.0, lambda _: True)
    rows = {"train": 100, "valid": 10, "test": 4}
    assert times.training(cells[0], rows, 3, False) == 2 * 3 * (100 + SCORING * 10)
    assert times.training(cells[0], rows, 3, True) == 2 * (3 * (100 + SCORING * 10) + SCORING * 4)


def test_what_is_timed_is_spread_over_all_there_is(cells: list[Cell]) -> None:
    order = list(spread(cells))
    assert sorted(cell.key for cell in order) == sorted(cell.key for cell in cells) and order == list(spread(cells))
    methods = {cell.method for cell in cells}
    some = order[: len(methods)]
    assert {cell.method for cell in some} == methods
    for level in ("dataset", "backbone", "scale"):
        counts = Counter(getattr(cell, level) for cell in some).values()
        assert max(counts) - min(counts) <= 2, f"{level}: {counts}"


def test_a_timed_step_is_one_of_training() -> None:
    """The same gradients and, where those are more than rounding, the same parameters after it."""
    suite = replace(read_suite("quick"), methods=("vicreg",), scales=(2,), backbones=("dcnv2",))
    (cell,) = expand(suite)
    schema = Schema((Field("a", 9), Field("b", 5), Field("c", 30)), 0.5)
    random = np.random.default_rng(0)
    local = random.integers(0, 5, (64, 3)).astype(np.int32)
    rows = Rows(local, random.integers(0, 2, 64).astype(np.uint8), np.array([0, 9, 14]), torch.device("cpu"), resident=True)
    method, recipe = plugins.make("methods", cell.method, {}), plugins.make("backbones", cell.backbone, {"depth": 2})
    one = assemble(method, recipe, schema, cell.scale, cell.dimension)
    training = Training(embedding_l2=0.0, batch_size=64)
    take = step_of(one, training, torch.device("cpu"))
    for module in one.modules():
        if isinstance(module, Dropout):
            module.rate = 0.0
    other = copy.deepcopy(one)
    assert rows.ids is not None
    take(rows.ids, rows.labels)
    with tqdm(disable=True) as bar:
        train_epoch(other, make_optimizers(other, training), rows, training, torch.Generator().manual_seed(0), bar, epoch=2)
    for value, expected in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(value.grad, expected.grad, atol=1e-6, rtol=1e-3)
        if value.grad is not None:
            sure = value.grad.abs() > 1e-5  # Adam's first step divides a gradient by its size
            torch.testing.assert_close(value[sure], expected[sure], atol=1e-6, rtol=1e-4)


def test_timing_makes_no_optimiser_of_torch(cells: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    """Making one would load torch.compile, which takes longer than the timing."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(torch.optim.Optimizer, "__init__", refuse)
    some = [cell for cell in cells if cell.scale == 1 and cell.backbone == "dnn" and cell.dataset == "flights"][:3]
    times = StepTimes(torch.device("cpu"), 1, lambda _: 1024)
    times.measure(some, {"flights": Schema((Field("a", 9), Field("b", 5)), 0.5)}, 0.3)
    assert times.timed and all(value > 0 for _, value in times.timed.values())


def test_a_step_on_bags_is_timed(tmp_path: Path) -> None:
    """A field may have far fewer bags than rows of the table, and the ids drawn for the timing are those of bags."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    cells = [cell for cell in expand(read_suite(str(path))) if cell.method == "single_embedding"][:1]
    bags = Bags(np.array([1, 1, 4], np.int32), np.array([0, 1, 2, 9, 9, 40], np.int32))
    schema = Schema((Field("tags", 50, bags=3), Field("b", 9)), 0.5, bags=bags)
    times = StepTimes(torch.device("cpu"), 1, lambda _: 1024)
    times.measure(cells, {"synthetic": schema}, 0.2)
    assert len(times.timed) == 1


def test_each_cell_is_timed_for_the_batch_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``[[also]]`` gives one pair of data set and method several sizes."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.toml"
    path.write_text(f"{TINY}[[also]]\ntraining = {{ batch_size = 64 }}\n")
    asked: dict[int, int] = {}

    def measure(times: StepTimes, cells: list[Cell], *_: object) -> None:
        asked.update((cell.training["batch_size"], times.batch_of(cell)) for cell in cells if cell.method == "single_embedding")

    monkeypatch.setattr(StepTimes, "measure", measure)
    estimate(read_suite(str(path)), Store(tmp_path / "results"), "cpu", 1)
    assert asked == {512: 512, 64: 64}


def test_draws_that_stop_early_take_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4 draws with rungs after 1 and 2 of 3 epochs, at a second an epoch: 4 + 2 seconds, and no repeats."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.toml"
    path.write_text("rungs = [1, 2]" + TINY.replace("trials = 2", "trials = 4").replace(', "constant"', ""))
    monkeypatch.setattr(StepTimes, "measure", lambda *_: None)
    monkeypatch.setattr(StepTimes, "training", lambda _times, _cell, _rows, epochs, final: 0.0 if final else epochs)
    found = estimate(read_suite(str(path)), Store(tmp_path / "results"), "cpu", 1)
    assert found.seconds == pytest.approx(4 + 2)


def test_of_a_grid_each_cell_counts_its_own_combinations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 8 with rungs after 1 and 2 of 3 epochs: 8 + 4 + 2, and two repeats of both that are left; of 2: 2 seconds and no more."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.toml"
    grid = "[grid]\nlearning_rate = [1e-4, 1e-3]\n[grid.methods.embedding_dropout]\nrate = [0.1, 0.2, 0.3, 0.4]\n"
    methods = TINY.replace("trials = 2", "").replace('"constant"', '"embedding_dropout"')
    path.write_text("rungs = [1, 2]" + methods.replace("[training]", f"{grid}[training]"))
    monkeypatch.setattr(StepTimes, "measure", lambda *_: None)
    monkeypatch.setattr(StepTimes, "training", lambda _times, _cell, _rows, epochs, final: 0.0 if final else epochs)
    found = estimate(read_suite(str(path)), Store(tmp_path / "results"), "cpu", 1)
    assert found.seconds == pytest.approx(2 + 8 + 4 + 2 + 4 * 3)


def test_what_the_run_refuses_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of the user's that does not fit a cell, which is seen when its model is built."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.toml"
    path.write_text("scales = [2]" + TINY.replace("constant", "multi_embedding") + "[options.methods.multi_embedding]\nsets = 3\n")
    monkeypatch.setattr(StepTimes, "measure", lambda *_: None)
    suite, results = read_suite(str(path)), tmp_path / "results"
    with pytest.raises(UserError, match=r"width 20 .* is not divisible by 3 sets") as refused:
        run_suite(suite, results, "local")
    with pytest.raises(UserError) as caught:
        estimate(suite, Store(results), "cpu", 1)
    assert str(caught.value) == str(refused.value)


def test_of_a_folder_it_says_what_the_run_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no record is named, and one that the system does not give ends both."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    path, store = tmp_path / "tiny.toml", Store(tmp_path / "results")
    path.write_text(TINY)
    monkeypatch.setattr(StepTimes, "measure", lambda *_: None)
    store.create()
    (store.folder / "half.json").write_text("{")
    assert estimate(read_suite(str(path)), store, "cpu", 1).left == 2 + 2 * 2 + 2 * 2
    assert f"error: {store.folder}/half.json: not a record" in capsys.readouterr().err
    (store.folder / "folder.json").mkdir()
    with pytest.raises(UserError, match=r"folder\.json: not a readable record") as refused:
        run_suite(read_suite(str(path)), store.folder.parent, "local")
    with pytest.raises(UserError) as caught:
        estimate(read_suite(str(path)), store, "cpu", 1)
    assert str(caught.value) == str(refused.value)


def test_each_cell_counts_the_epochs_that_its_own_settings_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of at most 3 and of 1 epochs, two seeds each, at a second an epoch; then with a record of one of them."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    path, store = tmp_path / "tiny.toml", Store(tmp_path / "results")
    blocks = "".join(f"[[also]]\ntraining = {{ {said} }}\n" for said in ("epochs = 1", "patience = 1"))
    path.write_text(TINY.replace("trials = 2", "trials = 1").replace(', "constant"', "") + blocks)
    monkeypatch.setattr(StepTimes, "measure", lambda *_: None)
    monkeypatch.setattr(StepTimes, "training", lambda _times, _cell, _rows, epochs, final: epochs)
    suite = read_suite(str(path))
    before = estimate(suite, store, "cpu", 1)
    assert before.seconds == pytest.approx(2 * (3 + 1 + 3))
    keys = ["synthetic, at most 3 with patience 2", "synthetic, at most 1 with patience 2", "synthetic, at most 3 with patience 1"]
    assert list(before.epochs) == keys and "Epochs of synthetic, at most 1 with patience 2: 1.0, the most" in dry_run("t", before, 1, False)
    store.create()
    store.write(Record(trial=default_trial(expand(suite)[0], "final", 0, 1), status="finished", cost={"epochs": 2.5}))
    store.write(Record(trial=default_trial(expand(suite)[2], "final", 0, 1), status="finished", cost={"epochs": 2.0}))
    after = estimate(suite, store, "cpu", 1)
    assert dict(after.epochs) == {keys[0]: (2.5, 1), keys[1]: (1.0, 2), keys[2]: (2.0, 1)}
    assert after.seconds == pytest.approx(2.5 + 2 * 1 + 2), "of the others no training is longer than it may be"


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2.0), (5, 2.5)])
def test_without_records_epochs_are_those_of_reference_records_of_the_nearest_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int, epochs: float
) -> None:
    """On a sixteenth of flights trainings take 3 epochs with patience 1, and with patience 3 and an L2 by grid 14."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("benchmark.search.estimate.USUAL_EPOCHS", {"synthetic": {1: 2.0, 3: 2.5}})
    monkeypatch.setattr(StepTimes, "measure", lambda *_: None)
    path = tmp_path / "tiny.toml"
    path.write_text(TINY.replace("epochs = 3", f"epochs = 3\npatience = {patience}"))
    found = estimate(read_suite(str(path)), Store(tmp_path / "results"), "cpu", 1)
    nearest = 1 if patience == 1 else 3
    assert found.epochs["synthetic"] == (epochs, f"the mean of the project's reference records with patience {nearest}")


def test_epochs_to_choose_from_count_as_the_most_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.toml"
    path.write_text(
        TINY.replace("trials = 2", "trials = 1").replace("epochs = 3", "").replace("[training]", "[grid]\nepochs = [2, 4]\n[training]")
    )
    monkeypatch.setattr(StepTimes, "measure", lambda *_: None)
    assert estimate(read_suite(str(path)), Store(tmp_path / "results"), "cpu", 1).epochs["synthetic"][0] == 4
