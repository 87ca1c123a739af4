"""SIGTERM, as a scheduler sends it: one line, no process left, every record kept, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.records import Store
from benchmark.signals import Terminated, sigterm_raises

ROOT = Path(__file__).parents[1]
SUITE = """
datasets = ["synthetic"]
methods = ["constant"]
[options.datasets.synthetic]
rows = 2000
cardinalities = [3, 8, 40]
"""


def test_a_run_ends_in_one_line_and_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    suite, store = tmp_path / "suite.toml", Store(tmp_path)
    suite.write_text(SUITE)
    command = ["run", str(suite), "--executor", "local", "--no-track", "--results", str(tmp_path), "--seeds"]
    started = subprocess.Popen(
        [sys.executable, "-m", "benchmark", *command, "300"], cwd=ROOT, text=True, stderr=subprocess.PIPE, start_new_session=True
    )
    with started as process:
        try:
            limit = time.monotonic() + 60
            while len(store.paths()) < 2:
                assert process.poll() is None and time.monotonic() < limit
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 143
    last = said.splitlines()[-1]
    assert last == "terminated; what is recorded stays, the same command goes on from there" and "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    recorded = len(list(store))
    assert not list(store.folder.glob(".*")), "a record that was being written is whole or gone"
    assert main([*command, str(recorded)]) == 0
    out = capsys.readouterr().out
    assert "nothing left to train" in out and f"{recorded} recorded before" in out


def test_what_sigterm_did_before_it_does_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), sigterm_raises():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert signal.getsignal(signal.SIGTERM) == before


def test_it_stays_sigterm_where_a_library_says_ctrl_c() -> None:
    """Ray's waits raise KeyboardInterrupt whatever the handler has raised."""

    def wait(number: signal.Signals) -> None:
        with sigterm_raises():
            try:
                os.kill(os.getpid(), number)
                time.sleep(1)
            except KeyboardInterrupt:
                raise KeyboardInterrupt from None

    with pytest.raises(Terminated):
        wait(signal.SIGTERM)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests in the background has it ignored
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            wait(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not isinstance(caught.value, Terminated)
