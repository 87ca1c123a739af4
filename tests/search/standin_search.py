"""Stand-ins for the floors below: a data set that is only a fingerprint, and a training of milliseconds. Workers import this by name."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmark.config import Suite, Trial
from benchmark.errors import UserError
from benchmark.records import Record

if TYPE_CHECKING:
    import pytest

TRAIN = "standin_search:run_trial"
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
METHODS = ("standin_plain", "standin_tuned", "standin_sanity")
BACKBONES = ("standin_flat", "standin_steep")


def ensure_prepared(name: str, options: Mapping[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(name=name, options=options, recorded=options, fingerprint=f"print of {name}", training={"learning_rate": 2e-3})


def install(patch: pytest.MonkeyPatch) -> None:
    """Put the stand-ins in place, for this process and for what it starts."""
    from benchmark.search import cells, run, twins  # not above: a worker needs none of them

    patch.setenv("BENCHMARK_PLUGINS", str(HERE / "standins"))
    patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(ROOT)]))
    patch.setattr(cells, "ensure_prepared", ensure_prepared)
    patch.setattr(cells, "ensure_recorded", ensure_prepared)
    patch.setattr(cells, "prepared_names", lambda: ["toy", "other_toy"])
    patch.setattr(run, "check", lambda trial: None)
    patch.setattr(twins, "model_of", lambda trial, exact: None)
    cells._published.cache_clear()


def suite(**changes: Any) -> Suite:
    content: dict[str, Any] = {"name": "toys", "datasets": ("toy",), "methods": METHODS, "backbones": BACKBONES} | changes
    return Suite(**content)


def auc(trial: Trial) -> float:
    """A validation AUC that depends on the settings, best at learning_rate .0005 and strength 1."""
    return 0.9 - 100 * abs(trial.training.learning_rate - 5e-4) + 0.05 * float(trial.method.get("strength", 0))


def record_of(trial: Trial) -> Record:
    metrics = {"valid/auc": auc(trial), "valid/logloss": 0.4}
    if trial.stage == "final":
        noise = random.Random(trial.trial_id).gauss(0, float(os.environ.get("STANDIN_NOISE", "0")))
        metrics["test/auc"] = auc(trial) - 0.01 + 0.001 * trial.seed + noise
    curve = ({"epoch": 1.0, "train/loss": 0.5, "valid/auc": auc(trial) - 0.1}, {"epoch": 2.0, "train/loss": 0.4, "valid/auc": auc(trial)})
    if trial.until == 1:
        return Record(trial=trial, status="stopped", reason="at a rung", metrics={"valid/auc": auc(trial) - 0.1}, curve=curve[:1])
    return Record(trial=trial, status="finished", metrics=metrics, curve=curve, cost={"wall_seconds": 0.1})


def run_trial(trial: Trial, report: Callable[[Mapping[str, float]], None], device: str = "auto", threads: int | None = None) -> Record:
    """Leaves a line in $STANDIN_LOG for each training begun. On standin_flat a strength of .125 kills the process with seed 1, once."""
    with open(os.environ["STANDIN_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{trial.trial_id} {os.getpid()}\n")
    begun = Path(os.environ["STANDIN_LOG"]).read_text(encoding="utf-8").count(trial.trial_id)
    if trial.method.get("strength") == 0.125 and trial.cell.backbone == "standin_flat" and trial.seed == 1 and begun == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if trial.cell.method == "standin_plain" and trial.seed == 2:
        raise UserError("seed: not this one")
    if trial.cell.method == os.environ.get("STANDIN_GREEDY"):
        bytearray(10**12)
    if os.environ.get("STANDIN_ENDLESS") and trial.cell.backbone == "standin_flat":
        never_end(tries=3 if os.environ["STANDIN_ENDLESS"] == "swallows" else 1)
    record = record_of(trial)
    for entry in record.curve:
        time.sleep(float(os.environ.get("STANDIN_EPOCH_SECONDS", "0")))
        report(entry)
    return record


def never_end(tries: int) -> None:
    """Foreign code that catches whatever it is told, so many times but once."""
    for left in reversed(range(tries)):
        try:
            while True:
                pass
        except BaseException:
            if not left:
                raise


def main() -> None:
    """A driver that a test can kill: RESULTS EXECUTOR TRIALS SEEDS STRENGTH RUNGS…"""
    import pytest

    from benchmark.search.run import run_suite

    results, executor, trials, seeds, strength, *rungs = sys.argv[1:]
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        options = {"methods": {"standin_tuned": {"strength": float(strength)}}}
        toys = suite(trials=int(trials), seeds=int(seeds), options=options, rungs=tuple(map(int, rungs)))
        run_suite(toys, Path(results), "ray" if executor == "ray" else "local", train=TRAIN)
    print(" ".join(sorted({"ray", "mlflow"} & set(sys.modules))))


if __name__ == "__main__":
    main()
