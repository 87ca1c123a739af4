"""Draws that stop early, in real trainings: the same records from both executors, and from a run that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmark.records import Record, Store

SUITE = """
datasets = ["synthetic"]
methods = ["single_embedding", "multi_embedding"]
backbones = ["dnn"]
scales = [2]
seeds = 1
trials = 4
dimension = 4
rungs = [1, 2]
training = { epochs = 4, batch_size = 500 }
options.datasets.synthetic = { rows = 4000, cardinalities = [3, 8, 40, 90] }
"""
ROOT = Path(__file__).parents[2]
TIMES = ("samples_per_second", "seconds", "memory")


def started(folder: Path, results: Path, executor: str) -> subprocess.Popen[bytes]:
    suite = folder / "tiny.toml"
    suite.write_text(SUITE)
    # One worker: with more, TPE draws before it knows all of the draws before.
    room = ["--cpus", "1"] if executor == "ray" else []
    command = [sys.executable, "-m", "benchmark", "run", str(suite), "--results", str(results), "--executor", executor, "--no-track", *room]
    environment = {**os.environ, "BENCHMARK_CACHE": str(folder / "cache")}
    with (folder / "said").open("ab") as said:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said, start_new_session=True)


def told(record: Record) -> tuple[Any, ...]:
    """All of it but times and machine."""
    curve = [{k: v for k, v in entry.items() if k not in TIMES} for entry in record.curve]
    return record.trial, record.status, record.reason, dict(record.metrics), curve


def finished(folder: Path, results: Path, executor: str) -> list[tuple[Any, ...]]:
    assert started(folder, results, executor).wait() == 0, (folder / "said").read_text()
    return [told(record) for record in Store(results)]


@pytest.mark.long
def test_the_same_records_from_both_executors_and_after_a_kill(tmp_path: Path) -> None:
    whole = finished(tmp_path, tmp_path / "local", "local")
    stopped = [status for _, status, *_ in whole if status == "stopped"]
    assert stopped and not list((tmp_path / "cache" / "checkpoints").glob("*")), "nobody goes on from the checkpoints that were there"
    assert all(trial.until == 0 and status == "finished" for trial, status, *_ in whole if trial.stage == "final")
    assert finished(tmp_path, tmp_path / "ray", "ray") == whole
    killed = tmp_path / "killed"
    for records in (2, 4, 6):  # at the first rung, beyond it, and in the other cell
        run = started(tmp_path, killed, "local")
        limit = time.monotonic() + 300
        while len(list(killed.glob("records/*.json"))) < records:
            assert run.poll() is None and time.monotonic() < limit, (tmp_path / "said").read_text()
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert finished(tmp_path, killed, "local") == whole
