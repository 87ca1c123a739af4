"""A training that is killed goes on after its last whole epoch and gives the same record, whatever the method keeps to itself."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import plugins
from benchmark.config import Suite, Trial
from benchmark.records import Record, Store
from benchmark.search.cells import default_trial, expand
from benchmark.training import checkpoint
from benchmark.training.trial import run_trial

BACKBONES = plugins.names("backbones")
METHODS = [n for name in plugins.names("methods") for n in (name, *(f"{name}:{p}" for p in plugins.plugin("methods", name).presets))]
OWN_STATE = ("vicreg", "adaptive_decay", "factorised_table", "embedding_reset")  # in generators, attributes, optimisers
DATA: dict[str, Any] = {"rows": 2000, "cardinalities": [3, 8, 40, 90]}
TIMES = ("samples_per_second", "seconds", "memory")


class Killed(BaseException):
    """What SIGKILL is to a process."""


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(checkpoint.Checkpoint, "every", 0.0)
        patch.setattr(checkpoint.Checkpoint.__init__, "__defaults__", (0.0,))
        yield


def trial(method: str, backbone: str = "dcnv2", **training: Any) -> Trial:
    suite = Suite(
        name="test",
        datasets=("synthetic",),
        methods=(method,),
        backbones=(backbone,),
        scales=(2,),
        dimension=4,
        training={"epochs": 4, "patience": 2, "batch_size": 800, "learning_rate": 0.05, **training},
        options={"datasets": {"synthetic": DATA}},
    )
    [cell] = expand(suite)
    return default_trial(cell, "tune", 0, 1)


def told(record: Record) -> tuple[Any, ...]:
    """All of it but times."""
    curve = [{k: v for k, v in entry.items() if k not in TIMES} for entry in record.curve]
    return record.status, record.metrics, curve, {k: v for k, v in record.cost.items() if not any(t in k for t in TIMES)}


def killed_in(epoch: int, wanted: Trial) -> None:
    def report(metrics: Mapping[str, float]) -> None:
        if metrics["epoch"] == epoch:
            raise Killed

    with pytest.raises(Killed):
        run_trial(wanted, report, "cpu", 1)
    assert checkpoint.path_of(wanted.trial_id).exists()


def check_that_it_goes_on(method: str, backbone: str, **training: Any) -> bool:
    """False: there was nothing to train, or it was over before it could be killed."""
    wanted = trial(method, backbone, **training)
    whole = run_trial(wanted, lambda metrics: None, "cpu", 1)
    checkpoint.forget(wanted.trial_id)
    if whole.status == "incompatible" or len(whole.curve) < 3:
        return False
    killed_in(2, wanted)  # after one epoch is kept
    killed_in(3, wanted)  # and once more
    torch.manual_seed(1234)
    again = run_trial(wanted, lambda metrics: None, "cpu", 1)
    assert again.environment["went_on_after_epoch"] == "2" and "went_on_after_epoch" not in whole.environment
    assert told(again) == told(whole)
    checkpoint.forget(wanted.trial_id)
    assert not checkpoint.path_of(wanted.trial_id).exists()
    return True


@pytest.mark.parametrize("method", OWN_STATE)
def test_it_goes_on_to_the_same_record(method: str) -> None:
    check_that_it_goes_on(method, "dcnv2")


def test_it_goes_on_by_the_rules_for_large_batches() -> None:
    """Killed in the second epoch, after the one of the warm-up."""
    assert check_that_it_goes_on("single_embedding", "dcnv2", cowclip_base_batch=200)


@pytest.mark.long
@pytest.mark.parametrize(("method", "backbone"), [*((m, "dcnv2") for m in METHODS), *(("roblock", b) for b in BACKBONES)])
def test_every_method_and_every_backbone_goes_on_to_the_same_record(method: str, backbone: str) -> None:
    check_that_it_goes_on(method, backbone)


OF_NUMPY = """
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from benchmark.method import CTRModel, Method, Parts, TableRule


@dataclass(frozen=True, kw_only=True)
class OfNumpy(Method):
    summary = "for a test"
    source = "a test"

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(transform=Scaled(), table_rule=Counted())


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return x * self.gain

    def curve(self):
        return {"gain": np.float32(self.gain.item())}


class Counted(TableRule):
    count = np.float64(0)

    def epoch_starts(self, epoch, table, optimizer):
        self.count = self.count + 1

    def dose(self, table, optimizer):
        return np.float64(self.count / 10)
"""


def test_numbers_of_numpy_that_a_plugin_says_are_no_loss_of_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "of_numpy.py").write_text(OF_NUMPY, encoding="utf-8")
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    assert check_that_it_goes_on("of_numpy", "dcnv2", patience=4)


def test_another_training_does_not_go_on_from_it() -> None:
    wanted = trial("single_embedding")
    killed_in(2, wanted)
    path = checkpoint.path_of(wanted.trial_id)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "made_by": "other code, data, threads or PyTorch"}, path)
    assert "went_on_after_epoch" not in run_trial(wanted, lambda metrics: None, "cpu", 1).environment
    other = replace(wanted, seed=1)
    assert "went_on_after_epoch" not in run_trial(other, lambda metrics: None, "cpu", 1).environment


def test_a_damaged_one_is_no_reason_to_fail() -> None:
    wanted = trial("single_embedding", learning_rate=0.01)
    killed_in(2, wanted)
    path = checkpoint.path_of(wanted.trial_id)
    path.write_bytes(path.read_bytes()[:-1000])
    again = run_trial(wanted, lambda metrics: None, "cpu", 1)
    assert again.status == "finished" and "went_on_after_epoch" not in again.environment


def test_trainings_of_seconds_keep_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    monkeypatch.setattr(checkpoint.Checkpoint.__init__, "__defaults__", (checkpoint.EVERY,))
    run_trial(trial("single_embedding"), lambda metrics: None, "cpu", 1)
    assert not (tmp_path / "checkpoints").exists()


DRIVER = """
import sys
from pathlib import Path
from benchmark.config import read_suite
from benchmark.search.run import run_suite
from benchmark.training import checkpoint
checkpoint.Checkpoint.__init__.__defaults__ = (0.0,)
run_suite(read_suite(sys.argv[1]), Path(sys.argv[2]), "local", "cpu")
"""
TOML = """
datasets = ["synthetic"]
methods = ["multi_embedding"]
backbones = ["dcnv2"]
scales = [2]
seeds = 1
trials = 1
[training]
epochs = 8
patience = 8
batch_size = 200
[options.datasets.synthetic]
rows = 20000
cardinalities = [3, 8, 40, 90]
"""


@pytest.mark.long
def test_a_run_killed_at_any_moment_ends_with_the_same_record(tmp_path: Path) -> None:
    suite = tmp_path / "tiny.toml"
    suite.write_text(TOML)

    def started(results: str, cache: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", DRIVER, str(suite), str(tmp_path / results)]
        environment = {**os.environ, "BENCHMARK_CACHE": str(tmp_path / cache)}
        return subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment, stderr=subprocess.DEVNULL)

    assert started("whole", "cache").wait(timeout=120) == 0
    dice, kills = random.Random(0), 0
    for _ in range(3):
        process = started("killed", "cache")
        folder, limit = tmp_path / "cache" / "checkpoints", time.monotonic() + 60
        before = {path: path.stat().st_mtime_ns for path in folder.glob("*.pt")}
        while process.poll() is None and time.monotonic() < limit:
            if any(before.get(path) != path.stat().st_mtime_ns for path in folder.glob("*.pt")):
                time.sleep(dice.uniform(0, 0.3))
                kills += process.poll() is None
                process.kill()
                break
            time.sleep(0.01)
        process.wait(timeout=60)
    assert started("killed", "cache").wait(timeout=120) == 0
    [whole], [killed] = Store(tmp_path / "whole"), Store(tmp_path / "killed")
    assert kills and "went_on_after_epoch" in killed.environment
    assert told(killed) == told(whole)
    assert not list((tmp_path / "cache" / "checkpoints").iterdir())


@pytest.mark.parametrize("method", ["factorised_table", *(pytest.param(name, marks=pytest.mark.long) for name in ("roblock", "vicreg"))])
def test_a_draw_that_pauses_goes_on_to_the_record_of_one_that_did_not(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a rung there is a checkpoint, however short the training was. Where it is gone, the training begins anew, to the same record."""
    monkeypatch.setattr(checkpoint.Checkpoint.__init__, "__defaults__", (3600.0,))
    wanted = trial(method)
    whole = run_trial(wanted, lambda metrics: None, "cpu", 1)
    assert whole.status == "finished" and len(whole.curve) > 2 and not checkpoint.path_of(wanted.trial_id).exists()
    seen: list[float] = []
    for until, lost in ((1, False), (2, False), (0, False), (2, True)):
        one = replace(wanted, until=until)
        assert one.trial_id == wanted.trial_id
        if lost:
            checkpoint.forget(wanted.trial_id)
        record = run_trial(one, lambda metrics: seen.append(metrics["epoch"]), "cpu", 1)
        if not until:
            assert told(record) == told(whole)
            continue
        assert (record.status, record.reason) == ("stopped", f"after epoch {until} by successive halving at epoch {until}")
        assert told(record)[2] == told(whole)[2][:until] and "test/auc" not in record.metrics
        assert record.metrics["valid/auc"] == max(entry["valid/auc"] for entry in record.curve)
    checkpoint.forget(wanted.trial_id)
    assert seen == [*range(1, len(whole.curve) + 1), 1, 2], "each epoch once"
