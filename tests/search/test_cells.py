"""Cells: the product of the axes, each name known, each option used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import standin_search as standin

from benchmark.config import Trial, canonical, from_dict, to_dict
from benchmark.contracts import UserError
from benchmark.search.cells import default_trial, expand


@pytest.fixture(autouse=True)
def _standins(monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)


def test_product_with_one_sanity_row_per_data_set() -> None:
    cells = expand(standin.suite(datasets=("toy", "other_toy"), scales=(1, 4, 1), depths=(1, 5)))
    assert len(cells) == 2 * (1 + 2 * 2 * 2 * 2) == len({cell.key for cell in cells})
    sanity = [cell for cell in cells if cell.method == "standin_sanity"]
    assert [(c.dataset, c.backbone, c.scale, c.depth, dict(c.backbone_options)) for c in sanity] == [
        ("toy", "none", 1, 0, {}),
        ("other_toy", "none", 1, 0, {}),
    ]
    assert [c.dataset for c in cells] == ["toy"] * 17 + ["other_toy"] * 17


def test_without_depths_each_backbone_has_its_own() -> None:
    options = {"backbones": {"standin_flat": {"depth": 7}}}
    for chosen, flat in (({}, 2), (options, 7)):
        depths = {c.backbone: c.depth for c in expand(standin.suite(options=chosen))}
        assert depths == {"none": 0, "standin_flat": flat, "standin_steep": 3}


def test_all_finds_the_plugins() -> None:
    cells = expand(standin.suite(methods=("all",), backbones=("all",)))
    assert set(standin.METHODS) <= {c.method for c in cells}
    assert set(standin.BACKBONES) <= {c.backbone for c in cells}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("standin_plane",)}, "did you mean 'standin_plain'"),
        ({"backbones": ("standin_flatt",)}, "did you mean 'standin_flat'"),
        ({"datasets": ("tooy",)}, "did you mean .toy."),
        ({"options": {"methods": {"standin_plane": {}}}}, "did you mean 'standin_plain'"),
        ({"methods": ("standin_plain",), "options": {"methods": {"standin_tuned": {"strength": 1.0}}}}, "unknown name 'standin_tuned'"),
        ({"options": {"methods": {"standin_tuned": {"strenght": 1.0}}}}, "did you mean 'strength'"),
        ({"options": {"backbones": {"standin_flat": {"dropout": "much"}}}}, "must be of type float"),
        ({"options": {"backbones": {"standin_flat": {"depth": 3}}}, "depths": (2,)}, "keep one of them"),
    ],
)
def test_bad_suites_are_one_clear_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        expand(standin.suite(**changes))
    assert "\n" not in str(caught.value)


def test_a_plugin_that_does_not_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "standin_broken.py").write_text("import no_such_module\n")
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    with pytest.raises(UserError, match="does not import"):
        expand(standin.suite(methods=("standin_broken",), backbones=("all",)))


def test_default_trial_is_complete_and_survives_json() -> None:
    suite = standin.suite(
        depths=(5,),
        training={"epochs": 3},
        options={"methods": {"standin_tuned": {"strength": 1}}, "backbones": {"standin_flat": {"dropout": 0}}},
    )
    cell = next(c for c in expand(suite) if c.method == "standin_tuned" and c.backbone == "standin_flat")
    trial = default_trial(cell, "final", seed=2, budget=8)
    assert (trial.training.learning_rate, trial.training.epochs, trial.training.batch_size) == (2e-3, 3, 4096)  # data set, suite, general
    assert trial.backbone == {"depth": 5, "dropout": 0.0}
    assert trial.method == {"strength": 1.0, "kind": "soft", "sizes": [4, 2]}
    again = from_dict(Trial, json.loads(canonical(to_dict(trial))), "test")
    assert again == trial and again.trial_id == trial.trial_id
    sanity = next(c for c in expand(suite) if c.method == "standin_sanity")
    default = default_trial(sanity, "tune", 0, 1)
    assert (default.backbone, default.training.learning_rate, default.training.epochs) == ({}, 5e-3, 3)  # method, suite
