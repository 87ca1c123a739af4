"""Records from before a method had all of its settings: found again by a suite that pins what was the default then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmark import plugins
from benchmark.config import Cell, Suite, Training, Trial
from benchmark.records import Record
from benchmark.search.cells import default_trial
from benchmark.search.former import in_todays_words
from benchmark.search.plan import Pause, Plan
from benchmark.values import to_dict

WITH_FORMER = [name for name in plugins.names("methods") if plugins.plugin("methods", name).former]
PIN = {"weight": 1e-3, "weighs": "absolute"}


def cell(**changes: Any) -> Cell:
    place: dict[str, Any] = {"dataset": "toy", "data": "f" * 12, "backbone": "dcnv2", "method": "vicreg", "scale": 1, "depth": 3}
    return Cell(**(place | changes))


def old(seed: int = 0, **changes: Any) -> Trial:
    """As it was written before ``weighs`` was a setting."""
    return Trial(cell=cell(**changes), stage="final", training=Training(), backbone={"depth": 3}, method={"weight": 1e-3}, seed=seed)


def test_it_is_what_a_suite_says_now() -> None:
    found = in_todays_words(old())
    assert found == replace(old(), cell=cell(method_options=PIN), method=PIN) and in_todays_words(found) == found


def test_what_was_not_the_default_is_not_pinned() -> None:
    """A tuned weight was not fixed by its cell; an option stays as it was given."""
    tuned = in_todays_words(replace(old(), method={"weight": 3e-3}))
    assert tuned.cell.method_options == {"weighs": "absolute"} and tuned.method == {"weight": 3e-3, "weighs": "absolute"}
    given = replace(old(method_options={"weight": 3e-3}), method={"weight": 3e-3})
    assert in_todays_words(given).cell.method_options == {"weight": 3e-3, "weighs": "absolute"}


@pytest.mark.parametrize("grid", [{}, {"method.weight": [1e-3, 3e-3]}])
def test_draws_of_a_cell_stay_together(grid: dict[str, Any]) -> None:
    """One of them, and the winner perhaps, has the weight that was the default then; another has not."""
    draws = [replace(old(grid=grid), stage=stage, budget=8, method={"weight": w}) for stage in ("tune", "final") for w in (1e-3, 3e-3)]
    found = [in_todays_words(draw) for draw in draws]
    assert {trial.cell.key for trial in found} == {cell(method_options={"weighs": "absolute"}, grid=grid).key}
    assert [trial.method["weight"] for trial in found] == [1e-3, 3e-3, 1e-3, 3e-3]
    of_another = in_todays_words(replace(old(grid={"training.epochs": [1, 2]}), budget=2))
    assert of_another.cell.method_options == PIN, "what the grid did not name was not chosen"


@pytest.mark.parametrize("name", ["single_embedding", "of_another_machine"])
def test_a_trial_that_lacks_nothing_stays_as_it_is(name: str) -> None:
    assert in_todays_words(old(method=name)) == old(method=name)


def test_a_preset_of_that_time_is_found_too() -> None:
    former = {"gate_sharpness": 4.0, "gate_scores": "raw", "gate_rate": 1.0, "first_state": "table"}
    now = to_dict(plugins.make("methods", "roblock:no_hsic", former))
    then = {name: value for name, value in now.items() if name not in ("gate_scores", "gate_rate", "first_state")}
    found = in_todays_words(replace(old(method="roblock:no_hsic"), method=then))
    assert found.method == now and found.cell.method_options == former


@pytest.mark.parametrize("name", WITH_FORMER)
def test_former_names_a_preset_that_says_what_has_changed(name: str) -> None:
    owner = plugins.plugin("methods", name)
    assert owner.former in owner.presets
    made = plugins.make("methods", name, {})
    assert all(getattr(made, key) != value for key, value in owner.presets[owner.former].items())


def test_a_plan_counts_the_record_for_the_pinned_cell_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = Suite(name="test", datasets=("toy",), methods=("vicreg",), backbones=("dcnv2",))
    pinned, present = cell(method_options=PIN), cell()
    monkeypatch.setattr("benchmark.search.cells._published", lambda *of: {})
    backbone = default_trial(pinned, "final", 0, 1).backbone
    record = Record(trial=replace(old(), backbone=backbone), status="finished")
    assert Plan(suite, [pinned], [record]).ask() is Pause.DONE
    asked = Plan(suite, [present], [record]).ask()
    assert isinstance(asked, Trial) and asked.method["weighs"] == "share"
