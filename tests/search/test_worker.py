"""What one trial leaves in its process for the next."""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import standin_search as standin

from benchmark.config import Trial
from benchmark.records import Record
from benchmark.search import memory_limit, time_limit
from benchmark.search.cells import default_trial, expand
from benchmark.search.raising import Raiser
from benchmark.search.worker import attempt, failed, hit_a_limit
from benchmark.surroundings import OF_POLARS

Report = Callable[[Mapping[str, float]], None]


@pytest.fixture(autouse=True)
def standins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    standin.install(monkeypatch)
    monkeypatch.chdir(tmp_path)


def adds(trial: Trial, report: Report, device: str, threads: int | None) -> Record:
    os.environ["ADDED_BY_A_LIBRARY"] = "1"
    os.environ[OF_POLARS] += ",its own"
    return standin.record_of(trial)


def changes(trial: Trial, report: Report, device: str, threads: int | None) -> Record:
    os.environ["PYTHONPATH"] = "elsewhere"
    del os.environ["BENCHMARK_PLUGINS"]
    os.chdir("/")
    return adds(trial, report, device, threads)


def fails(trial: Trial, report: Report, device: str, threads: int | None) -> Record:
    changes(trial, report, device, threads)
    raise RuntimeError("no")


def trial_of(backbone: bool) -> Trial:
    cells = expand(standin.suite(methods=("standin_plain" if backbone else "standin_sanity",)))
    return default_trial(cells[0], "final", 0, 1)


@pytest.mark.parametrize("backbone", [True, False])
def test_environment_and_folder_are_put_back(backbone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OF_POLARS, "of the driver")
    environment, folder, trial = dict(os.environ), os.getcwd(), trial_of(backbone)
    records = [attempt(f"{__name__}:{name}", trial, lambda metrics: None, "cpu", 1) for name in ("adds", "changes", "fails")]
    assert dict(os.environ) == environment and os.getcwd() == folder
    who = "standin_plain (or its backbone, standin_flat)" if backbone else "standin_sanity"
    what = "the environment (BENCHMARK_PLUGINS, PYTHONPATH) and the working folder of the process"
    note = f"{who} changes {what}; it was put back for the other trials"
    wanted = standin.record_of(trial)
    assert records[:2] == [wanted, replace(wanted, notes=(note,))], "what a library adds is nobody's fault"
    assert (records[2].status, records[2].reason, records[2].notes) == ("failed", "RuntimeError: no", (note,))


def test_a_limit_that_comes_as_a_trial_ends_is_not_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exception may be on its way when all is done: it is taken, and nothing of the limit is left behind."""
    calls: list[Raiser] = []
    cancelled: list[bool] = []

    def late(raiser: Raiser) -> None:
        calls.append(raiser)
        if len(calls) == 1:
            raise time_limit.OutOfTime

    monkeypatch.setattr(Raiser, "settle", late)
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda *_, **__: None)
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: cancelled.append(True))
    before = threading.active_count()
    with time_limit.time_limit(10, ends_process=True):
        pass
    assert [raiser.is_over for raiser in calls] == [True, True] and cancelled == [True]
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before, "who would raise it has ended"


def test_who_hit_a_limit_is_known_by_the_reason() -> None:
    trial = trial_of(True)
    for reason in (time_limit.words(3), f"RuntimeError: no; {memory_limit.words(2)}"):
        assert hit_a_limit(failed(trial, reason))
    assert not hit_a_limit(failed(trial, "RuntimeError: no")) and not hit_a_limit(standin.record_of(trial))
