"""What Tune is handed while workers start and when one becomes free; without Ray's processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import standin_search as standin

from benchmark.records import Store
from benchmark.search import ray_tune
from benchmark.search.cells import expand
from benchmark.search.listeners import Listeners
from benchmark.search.plan import Pause, Plan
from benchmark.search.ray_presence import Presence

PLACES = 3


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ray_tune._Driver:
    standin.install(monkeypatch)
    monkeypatch.setattr(ray_tune, "slots_of", lambda share: PLACES)
    suite = standin.suite(methods=("standin_plain",), seeds=40, trials=1)
    store = Store(tmp_path)
    store.create()
    return ray_tune._Driver(Plan(suite, expand(suite)), store, Listeners([]), {"CPU": 1.0}, None, Presence(None))


def asked(driver: ray_tune._Driver, first: int) -> list[str]:
    """The ids of the trials that are given out until there is none."""
    ids: list[str] = []
    for number in range(first, first + 20):
        if driver.ask(str(number)) is Pause.WAITING:
            return ids
        ids.append(str(number))
    raise AssertionError("there is no end")


def end(driver: ray_tune._Driver, ray_id: str) -> None:
    """Its record comes, and then its worker is free."""
    driver.finish(ray_id, standin.record_of(driver.running[ray_id]))
    assert driver.ask("none") is Pause.WAITING, "a trial that comes before its worker is free would have another one started"
    driver.leave(ray_id)
    driver.free += 1


def test_while_workers_start_each_that_becomes_free_finds_one_new_trial(driver: ray_tune._Driver) -> None:
    """Tune gives a free worker to a trial that has none on its way, if there is one, before it takes that of another."""
    assert asked(driver, 0) == ["0", "1", "2"]
    driver.begin("0")
    for number in range(3, 9):  # the others' workers are still being started
        assert driver.ask("none") is Pause.WAITING
        latest = next(iter(driver.begun))
        end(driver, latest)
        assert asked(driver, number) == [str(number)]
        driver.begin(str(number))
    assert {"1", "2"} <= driver.running.keys() - driver.begun


def test_once_all_have_begun_one_more_trial_waits(driver: ray_tune._Driver) -> None:
    for ray_id in asked(driver, 0):
        driver.begin(ray_id)
    assert asked(driver, 3) == ["3"]
    end(driver, "1")
    assert asked(driver, 4) == []  # it has the one that waits
    driver.begin("3")
    assert asked(driver, 4) == ["4"]


def test_of_many_places_few_are_started_at_once(driver: ray_tune._Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_tune, "slots_of", lambda share: 64)
    ids = asked(driver, 0)
    assert len(ids) == ray_tune.STARTING
    driver.begin(ids[0])
    assert len(asked(driver, 30)) == 1
    end(driver, ids[0])
    assert len(asked(driver, 40)) == 1, "the free worker would take the trial of one that is being started"
