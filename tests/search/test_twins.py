"""Cells with one model are trained once, and both have the record: real models on a small table, and plans of stand-ins."""

from __future__ import annotations

import dataclasses
import functools
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import standin_search as standin
import torch
from torch import nn

from benchmark import plugins
from benchmark.config import CONTROL, NO_BACKBONE, TUNING_SEEDS, Cell, Suite, Trial
from benchmark.records import LOST, Record, Store
from benchmark.search import twins as module
from benchmark.search.cells import default_trial, expand
from benchmark.search.plan import Pause, Plan
from benchmark.search.run import run_suite
from benchmark.search.twins import TRAINED_AS, twins
from benchmark.training import unfilled
from benchmark.training.environment import fingerprints_of
from benchmark.training.resolved import resolved
from benchmark.training.trial import model_of, train

BACKBONES = ("dnn", "xdeepfm")  # of one layer, and of two
PRESETS = ("roblock:first_layer_only", "roblock:no_hsic", "roblock:no_decoupler")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterable[list[Cell]]:
    """Every method, and those presets of one that do not differ from it everywhere, on a table of 400 rows, at scales 1 and 2."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        options = {"datasets": {"synthetic": {"rows": 400}}}
        axes: dict[str, Any] = {"datasets": ("synthetic",), "methods": ("all", *PRESETS), "backbones": BACKBONES, "scales": (1, 2)}
        suite = Suite(name="small", **axes, training={"epochs": 1}, options=options)
        yield expand(suite)


def test_twins_are_trained_to_the_same_numbers(cells: list[Cell]) -> None:
    """Each that is found among all methods, by training both."""
    found = twins(cells, 1)
    by_key = {cell.key: cell for cell in cells}
    pairs = [(by_key[key], source) for key, source in found.items()]
    one_set = {(method, backbone) for method in ("multi_embedding", "ensemble") for backbone in BACKBONES}
    assert {(cell.method, cell.backbone) for cell, _ in pairs} >= one_set
    assert {(cell.scale, source.scale) for cell, source in pairs if source.method == CONTROL} == {(1, 1)}
    presets = {(cell.method, cell.backbone, cell.scale) for cell, source in pairs if source.method == "roblock"}
    assert presets == {
        *(("roblock:first_layer_only", "dnn", scale) for scale in (1, 2)),  # there is one layer
        *(("roblock:no_hsic", backbone, 1) for backbone in BACKBONES),  # there is one component
    }
    assert len(presets) + sum(source.method == CONTROL for _, source in pairs) == len(pairs)

    @functools.cache
    def trained(key: str) -> Record:
        trial = default_trial(by_key[key], "final", 0, 1)
        return train(trial, resolved(trial), lambda entry: None, "cpu", 1)

    for cell, source in pairs:
        one, other = trained(cell.key), trained(source.key)
        assert one.status == other.status == "finished"
        assert (dict(one.metrics), one.curve[0]["train/loss"]) == (dict(other.metrics), other.curve[0]["train/loss"]), str(cell)


def test_what_differs_in_anything_is_no_twin(cells: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (next(c for c in cells if (c.method, c.backbone, c.scale) == (m, "dnn", 1)) for m in (CONTROL, "multi_embedding"))
    assert twins([two, one], 8) == {two.key: one}, "single embedding is the one that is trained"
    wider = [dataclasses.replace(cell, scale=2) for cell in (one, two)]
    assert not twins(wider, 1)
    assert not twins([one, dataclasses.replace(two, training={"epochs": 2})], 1)
    assert not twins([one, dataclasses.replace(two, grid={"method.sets": [1]})], 1)
    assert not twins([one], 1)
    with monkeypatch.context() as patch:
        patch.setattr(plugins.plugin("methods", "multi_embedding"), "training", {"learning_rate": 1e-2})
        assert not twins([one, two], 1), "a method with training settings of its own"
    with monkeypatch.context() as patch:
        patch.setattr(module, "space", lambda cell: {"training.learning_rate": None, "method.sets": None})
        assert not twins([one, two], 8) and twins([one, two], 1), "a setting that is tuned may make another model"

    def hooked(trial: Trial, exact: bool) -> nn.Module | None:
        model = model_of(trial, exact)
        if model is not None and trial.cell.method != CONTROL:
            model.register_forward_hook(print)
        return model

    monkeypatch.setattr(module, "model_of", hooked)
    assert not twins([one, two], 1), "a hook is part of a model"


class Holding(nn.Module):
    """Tensors with memory, as what they are told to be."""

    def __init__(self, *tensors: torch.Tensor) -> None:
        super().__init__()
        for number, tensor in enumerate(tensors):
            self.register_buffer(f"t{number}", tensor)


def test_of_tensors_the_numbers_count_and_who_shares_them_but_no_address() -> None:
    def content(*tensors: torch.Tensor) -> bytes:
        file = io.BytesIO()
        module._Pickler(file).dump(Holding(*tensors))
        return file.getvalue()

    eye, shared = torch.eye(3), torch.arange(4.0)
    assert content(eye) == content(torch.eye(3)) and content(eye) != content(2 * eye) != content(eye.double())
    assert content(eye) != content(torch.empty(3, 3, device="meta")) and content(shared) != content(shared.view(2, 2))
    assert content(shared, shared[1:]) == content(*(lambda other: (other, other[1:]))(torch.arange(4.0)))
    assert content(shared, shared.detach()) != content(shared, shared.clone())
    assert content(shared) != content(torch.arange(4.0, requires_grad=True))


def test_a_model_whose_constants_are_left_out_is_nobodys_twin(cells: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (next(c for c in cells if (c.method, c.backbone, c.scale) == (m, "dnn", 2)) for m in ("roblock", PRESETS[0]))
    assert twins([one, two], 1) == {two.key: one}
    monkeypatch.setattr(unfilled, "LARGEST", 20**2 - 1)  # the identity that a decoupler of width 20 starts from
    assert not twins([one, two], 1) and model_of(default_trial(one, "final", 0, 1)) is not None


@pytest.fixture
def _standins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    standin.install(monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "log"))
    monkeypatch.setattr(module, "model_of", lambda trial, exact: trial.cell.backbone)  # all of a backbone are one


def trainings() -> list[str]:
    log = Path(os.environ["STANDIN_LOG"])
    return [line.split()[0] for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


@pytest.mark.usefixtures("_standins")
def test_a_run_trains_once_and_gives_both_records(tmp_path: Path) -> None:
    suite, store = standin.suite(methods=("standin_plain", "standin_tuned"), seeds=2), Store(tmp_path / "results")
    summary = run_suite(suite, store.folder.parent, "local", train=standin.TRAIN)
    assert summary.statuses == {"finished": 8} and summary.shared == 4 and "4 of them with another cell's training" in str(summary)
    assert summary.busy == pytest.approx(4 * 0.1), "time that was spent once counts once"
    by_place = {(r.trial.cell.backbone, r.trial.cell.method, r.trial.seed): r for r in store}
    assert len(trainings()) == len(set(trainings())) == 4
    for (backbone, method, seed), record in by_place.items():
        source = by_place[backbone, "standin_plain", seed]
        assert (record.trial_id in trainings()) == (method == "standin_plain") == (not record.is_shared)
        assert record.metrics == source.metrics and record.curve == source.curve
        if method == "standin_tuned":
            assert record.environment[TRAINED_AS] == source.trial_id and "wall_seconds" not in record.cost
            assert record.notes == ("standin_tuned at scale 1 is standin_plain: one training for both",)
            assert record.trial.method == default_trial(record.trial.cell, "final", 0, 1).method
    lost = by_place["standin_flat", "standin_tuned", 1]
    store.path(lost.trial_id).unlink()
    again = run_suite(suite, store.folder.parent, "local", train=standin.TRAIN)
    assert again.statuses == {"finished": 1} and len(trainings()) == 4 and store.get(lost.trial_id) == lost, "made again, not trained"
    more = run_suite(dataclasses.replace(suite, methods=("standin_tuned",), seeds=3), store.folder.parent, "local", train=standin.TRAIN)
    assert more.statuses == {"finished": 2} and not more.shared and len(trainings()) == 6, "alone it is trained like any other"


def told(plan: Plan, train: object = standin.record_of) -> list[Record]:
    """The records of all that is asked, and of their twins."""
    records: list[Record] = []
    while isinstance(trial := plan.ask(), Trial):
        record = train(trial)  # type: ignore[operator]
        plan.tell(record)
        for twin in plan.twins_of(record):
            plan.tell(twin)
            records.append(twin)
        records.append(record)
    assert plan.ask() is Pause.DONE and plan.progress()[0] == plan.progress()[1]
    return records


@pytest.fixture
def pair(_standins: None) -> tuple[Suite, list[Cell], dict[str, Cell]]:
    suite = standin.suite(methods=("standin_plain", "standin_tuned"), backbones=("standin_flat",), seeds=2, trials=4)
    plain, tuned = expand(suite)
    return suite, [tuned, plain], {tuned.key: plain}


def test_a_tuned_twin_has_the_draws_the_winner_and_the_seeds_of_the_other(pair: tuple[Suite, list[Cell], dict[str, Cell]]) -> None:
    suite, cells, of = pair
    records = told(Plan(suite, cells, (), None, of))
    settings: dict[str, set[object]] = {cell.key: set() for cell in cells}
    for record in records:
        trial = record.trial
        settings[trial.cell.key].add((trial.stage, trial.draw, trial.seed, trial.training, tuple(record.metrics.items())))
    assert settings[cells[0].key] == settings[cells[1].key] and len(settings[cells[0].key]) == 4 + 6 + 2
    assert sum(record.is_shared for record in records) == len(records) / 2
    plan = Plan(suite, cells, [record for record in records if not record.is_shared], None, of)
    assert plan.left(next(s for s in plan.states() if s.cell == cells[0])) == (0, 0) and len(plan.told_before) == 12


def test_records_of_another_budget_are_handed_on_once(pair: tuple[Suite, list[Cell], dict[str, Cell]]) -> None:
    suite, cells, of = pair
    records = told(Plan(suite, cells, (), None, of))
    for trials in (1, 3, 4):
        plan = Plan(dataclasses.replace(suite, trials=trials), cells, records, None, of)
        assert plan.told_before and not [twin for known in plan.told_before for twin in plan.twins_of(known)]


def test_a_cell_with_draws_of_its_own_keeps_to_them(pair: tuple[Suite, list[Cell], dict[str, Cell]]) -> None:
    suite, cells, of = pair
    own = told(Plan(suite, cells[:1]))
    [winner] = {record.trial.training for record in own if record.trial.stage == "final"}
    more = dataclasses.replace(suite, seeds=3)
    plan = Plan(more, cells, own, None, of)
    new = [record for record in told(plan) if record.trial.cell == cells[0]]
    assert plan.given == 0 and not any(record.is_shared for record in new)
    assert [(record.trial.stage, record.trial.seed, record.trial.training) for record in new] == [("final", 2, winner)]


def test_what_the_other_cell_does_not_give_is_trained(pair: tuple[Suite, list[Cell], dict[str, Cell]]) -> None:
    """Records of the other are there, but were not handed on: so it is with those of former settings."""
    suite, cells, of = pair
    theirs = told(Plan(suite, cells[1:]))
    plan = Plan(suite, cells, theirs, None, of)
    assert plan.given == 1
    own = told(plan)
    assert {record.trial.cell.key for record in own} == {cells[0].key} and not any(record.is_shared for record in own)


def test_failures_are_shared_and_a_lost_worker_is_waited_for(pair: tuple[Suite, list[Cell], dict[str, Cell]]) -> None:
    suite, cells, of = pair
    losses = [0]

    def train(trial: Trial) -> Record:
        if trial.stage == "tune" and trial.draw == 1 and trial.seed == TUNING_SEEDS[0] and losses[0] < 1:
            losses[0] += 1
            return Record(trial=trial, status="failed", reason=LOST)
        if trial.stage == "final" and trial.seed == 1:
            return Record(trial=trial, status="failed", reason="no memory")
        return standin.record_of(trial)

    records = told(Plan(suite, cells, (), None, of), train)
    twins_of = [record for record in records if record.is_shared]
    assert len(twins_of) == 12 and not any(record.was_lost for record in twins_of)
    [failed] = [record for record in twins_of if record.status == "failed"]
    assert failed.trial.seed == 1 and failed.reason == "as standin_plain has: no memory"


def test_a_failure_of_the_other_takes_nothing_that_is_recorded(_standins: None) -> None:
    """Its records were taken away, and on this machine it fails: the twin has its own still."""
    suite = standin.suite(methods=("standin_plain", "standin_tuned"), backbones=("standin_flat",), seeds=2)
    plain, tuned = expand(suite)
    known = [record for record in told(Plan(suite, [plain, tuned], (), None, {tuned.key: plain})) if record.is_shared]
    assert [record.trial.seed for record in known] == [0, 1]
    plan = Plan(suite, [plain, tuned], known[:1], None, {tuned.key: plain})
    for seed, twins_of in ((0, 0), (1, 1)):
        trial = plan.ask()
        assert isinstance(trial, Trial) and (trial.cell.method, trial.seed) == ("standin_plain", seed)
        plan.tell(failed := Record(trial=trial, status="failed", reason="no memory"))
        assert len(list(plan.twins_of(failed))) == twins_of, "of what is recorded of it there is no failure"


def test_a_twin_says_of_which_code_the_training_was(cells: list[Cell]) -> None:
    one, two = (next(c for c in cells if (c.method, c.backbone, c.scale) == (m, "dnn", 1)) for m in (CONTROL, "multi_embedding"))
    prints = {"data": one.data, "method_code": "of the one", "training_code": "of that day", "backbone_code": "of that day, too"}
    record = Record(trial=default_trial(one, "final", 3, 1), status="finished", metrics={"test/auc": 0.7}, fingerprints=prints)
    twin = module.twin_of(record, default_trial(two, "final", 3, 1))
    assert dict(twin.fingerprints) == {**prints, "method_code": fingerprints_of(two)["method_code"]}
    assert twin.is_shared and not record.is_shared


def test_a_sanity_row_is_nobodys_twin(_standins: None) -> None:
    [sanity] = expand(standin.suite(methods=("standin_sanity",)))
    rows = [dataclasses.replace(sanity, method=method) for method in standin.METHODS]
    assert sanity.backbone == NO_BACKBONE and not twins(rows, 1)
    assert twins([dataclasses.replace(cell, backbone="standin_flat", depth=1) for cell in rows], 1), "with a backbone they are"
