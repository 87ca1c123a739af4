"""The watchdog: what is silent is said, what is gone ends the run in one line, and a run that cannot be ended is ended with its process."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import standin_search as standin

from benchmark.errors import UserError
from benchmark.search.cells import default_trial, expand
from benchmark.search.watchdog import LONGER, Silence, watched


def test_silence_is_said_once_and_again_when_it_has_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)
    first, second = (default_trial(cell, "final", 0, 1) for cell in expand(standin.suite(methods=("standin_plain",))))
    now = [0.0]
    silence = Silence(quiet=600, clock=lambda: now[0])
    silence.started(first)
    silence.started(second)
    now[0] = 599
    assert silence.said() == []
    silence.epoch(second, {})
    now[0] = LONGER * 599 + 1  # an epoch may take ten minutes: of the first more than that has passed, of the second not
    [line] = silence.said()
    assert "standin_flat" in line and "seed 0 for 50 min" in line and "--trial-minutes" in line
    assert silence.said() == []
    now[0] *= 2
    assert [str(trial.cell) in line for trial, line in zip((first, second), silence.said(), strict=True)] == [True, True]
    silence.finished(standin.record_of(first))
    silence.finished(standin.record_of(second))
    now[0] *= 10
    assert silence.said() == []


def test_what_is_gone_ends_the_run() -> None:
    begun = time.monotonic()
    with pytest.raises(UserError, match="the lake is dry"), watched(Silence(), lambda: "the lake is dry", every=0.05):
        while True:
            try:
                time.sleep(0.02)
            except Exception:  # a library that goes on whatever is raised
                pytest.fail("the end is no Exception")
    assert time.monotonic() - begun < 5
    time.sleep(0.2)
    assert not [thread for thread in threading.enumerate() if thread.name == "watchdog"]


def test_an_error_of_the_run_itself_stays_its_own() -> None:
    with pytest.raises(ValueError, match="mine"), watched(Silence(), every=0.05):
        raise ValueError("mine")


def test_a_run_that_waits_inside_a_library_ends_with_its_process() -> None:
    code = (
        "from benchmark.search import watchdog\nimport time\nwatchdog.PATIENCE = 0.3\n"
        "with watchdog.watched(watchdog.Silence(), lambda: 'all gone', every=0.05):\n    time.sleep(60)\n"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=standin.ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, "error: all gone\n") and time.monotonic() - begun < 30
