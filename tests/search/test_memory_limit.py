"""What a trial may take of the machine's memory."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import standin_search as standin
import torch

from benchmark.config import Suite
from benchmark.faults import in_words
from benchmark.records import Store
from benchmark.search import memory_limit
from benchmark.search.cells import default_trial, expand
from benchmark.search.run import run_suite
from benchmark.search.worker import TRAIN, attempt, hit_a_limit
from benchmark.training.memory import data_of_this_process, free, total

NOW = resource.getrlimit(resource.RLIMIT_DATA)


def test_more_than_the_limit_is_refused_and_afterwards_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = data_of_this_process()
    assert now is not None
    monkeypatch.setattr(memory_limit, "_before_any_trial", lambda: now)
    with memory_limit.memory_limit(0.4):
        torch.empty(25_000_000)  # 100 MB
        left = free(torch.device("cpu"))
        assert left is not None and 0.2e9 < left <= 0.4e9, "what is free is what the limit leaves"
        with pytest.raises(RuntimeError) as of_torch:
            torch.empty(250_000_000)
        with pytest.raises(MemoryError) as of_python:
            bytearray(10**9)
    for error in (of_torch.value, of_python.value):
        assert memory_limit.is_out_of_memory(in_words(error))
    assert not memory_limit.is_out_of_memory("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
    assert resource.getrlimit(resource.RLIMIT_DATA) == NOW
    assert len(torch.empty(250_000_000)) == 250_000_000


def test_a_lower_limit_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (3 * 10**9, 5 * 10**9))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: told.append(limits))
    monkeypatch.setattr(memory_limit, "_before_any_trial", lambda: 10**9)
    for gigabytes in (1, 7):
        with memory_limit.memory_limit(gigabytes):
            pass
    assert told == [(2 * 10**9, 5 * 10**9), (3 * 10**9, 5 * 10**9), (3 * 10**9, 5 * 10**9), (3 * 10**9, 5 * 10**9)]


def test_a_trial_that_needs_more_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("STANDIN_GREEDY", "standin_tuned")
    suite = standin.suite(methods=("standin_tuned", "standin_sanity"), seeds=1)
    summary = run_suite(suite, tmp_path, "local", train=standin.TRAIN, gigabytes=1.5)
    assert summary.statuses == {"finished": 1, "failed": 2}
    reasons = {record.reason for record in Store(tmp_path) if record.status == "failed"}
    assert reasons == {"MemoryError; it needs more than the 1.5 GB of memory that a trial may take (--memory-per-trial)"}


@pytest.mark.parametrize("error", [MemoryError("x" * 600), RuntimeError(f"{'y' * 300} can't allocate memory {'z' * 600}")])
def test_a_real_training_says_the_limit_too(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes a record of what goes wrong in it by itself."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    suite = Suite(name="tiny", datasets=("synthetic",), methods=("constant",), options={"datasets": {"synthetic": {"rows": 600}}})
    trial = default_trial(expand(suite)[0], "final", 0, 1)

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("benchmark.training.trial.assemble", refuse)
    record = attempt(TRAIN, trial, lambda metrics: None, "cpu", 1, gigabytes=100)
    assert record.reason.endswith("; it needs more than the 100 GB of memory that a trial may take (--memory-per-trial)")
    assert hit_a_limit(record)
    assert not hit_a_limit(attempt(TRAIN, trial, lambda metrics: None, "cpu", 1))


def test_each_place_has_its_share_of_what_the_machine_or_its_group_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 30000000 kB\nMemFree: 1 kB\n")
    (tmp_path / "groups").write_text("0::/job\n")
    (tmp_path / "tree" / "job").mkdir(parents=True)
    places = (tmp_path / "meminfo", tmp_path / "groups", tmp_path / "tree")
    assert total(*places) == 30_000_000 * 1024
    for name, text in (("memory.max", "24000000000\n"), ("memory.current", "23000000000\n")):
        (tmp_path / "tree" / "job" / name).write_text(text)
    assert total(*places) == 24_000_000_000, "what is taken of it already does not count"
    for known, share in ((total(*places), 8.0), (None, None)):
        monkeypatch.setattr(memory_limit, "total", lambda known=known: known)
        assert memory_limit.place_of_machine(3) == share
