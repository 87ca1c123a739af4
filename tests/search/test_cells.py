"""Cells: the product of the axes, each name known, each option used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import standin_search as standin

from benchmark import plugins
from benchmark.config import SUITES, Trial, read_suite
from benchmark.errors import UserError
from benchmark.search.cells import default_trial, expand
from benchmark.search.tuner import space
from benchmark.values import canonical, from_dict, to_dict


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
        (
            {"methods": ("standin_plain",), "options": {"methods": {"standin_tuned": {"strength": 1.0}}}},
            "standin_tuned is not among the suite's methods",
        ),
        ({"methods": ("standin_plain",), "options": {"methods": {"standin_tund": {}}}}, "unknown name 'standin_tund'"),
        ({"options": {"methods": {"standin_tuned": {"strenght": 1.0}}}}, "did you mean 'strength'"),
        ({"options": {"backbones": {"standin_flat": {"dropout": "much"}}}}, "must be of type float"),
        ({"options": {"backbones": {"standin_flat": {"depth": 3}}}, "depths": (2,)}, "keep one of them"),
        ({"depths": (2, 2**31 - 2)}, "at most 1000"),
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


def test_a_preset_is_a_method_of_its_own_name() -> None:
    cells = expand(standin.suite(methods=("standin_tuned", "standin_tuned:weak"), backbones=("standin_flat",)))
    settings = {c.method: default_trial(c, "tune", 0, 1).method["strength"] for c in cells}
    assert settings == {"standin_tuned": 0.5, "standin_tuned:weak": 0.0}
    every = expand(standin.suite(methods=("standin_tuned:all",), backbones=("standin_flat",)))
    assert {c.method for c in every} == {"standin_tuned:weak", "standin_tuned:strong"}
    with pytest.raises(UserError, match="unknown preset 'week'; did you mean 'weak'"):
        expand(standin.suite(methods=("standin_tuned:week",)))
    with pytest.raises(UserError, match="standin_plain: it has no presets"):
        expand(standin.suite(methods=("standin_plain:all",)))
    with pytest.raises(UserError, match="unknown preset 'weak'"):
        expand(standin.suite(methods=("standin_plain:weak",)))


def test_what_a_preset_fixes_is_not_searched() -> None:
    cells = expand(standin.suite(methods=("standin_tuned", "standin_tuned:weak"), backbones=("standin_flat",)))
    searched = {c.method: "method.strength" in space(c) for c in cells}
    assert searched == {"standin_tuned": True, "standin_tuned:weak": False}


def test_also_adds_products_and_shares_the_rest() -> None:
    also = ({"methods": ["standin_tuned"], "scales": [8]}, {"scales": [1]})
    cells = expand(standin.suite(methods=("standin_plain",), backbones=("standin_flat",), scales=(4,), also=also))
    assert [(c.method, c.scale) for c in cells] == [("standin_plain", 4), ("standin_tuned", 8), ("standin_plain", 1)]
    options = {"methods": {"standin_tuned": {"strength": 1.0}}}  # of a method that only an entry of also names
    found = expand(standin.suite(methods=("standin_plain",), backbones=("standin_flat",), also=also, options=options))
    assert {dict(c.method_options).get("strength") for c in found if c.method == "standin_tuned"} == {1.0}
    for entry, words in (
        ({"seeds": 3}, "unknown axis 'seeds'"),
        ({"scales": [0]}, "at least 1"),
        ({"scale": [1]}, "did you mean 'scales'"),
        ({"training": {"epoch": 1}}, r"\[\[also\]\]: .*unknown key 'epoch'; did you mean 'epochs'"),
        ({"training": 4}, r"\[\[also\]\]: training = 4; it must be a table"),
    ):
        with pytest.raises(UserError, match=words):
            standin.suite(also=(entry,))


def test_an_entry_of_also_replaces_single_settings_of_training() -> None:
    also = ({"training": {"batch_size": 64}}, {"training": {"batch_size": 64, "epochs": 2}, "scales": [8]})
    found = expand(standin.suite(methods=("standin_plain",), backbones=("standin_flat",), training={"epochs": 1}, also=also))
    assert [(c.scale, dict(c.training)) for c in found] == [
        (1, {"epochs": 1}),
        (1, {"epochs": 1, "batch_size": 64}),
        (8, {"epochs": 2, "batch_size": 64}),
    ]
    assert len({c.key for c in found}) == 3


def test_what_a_method_says_of_training_is_the_methods_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    [cell] = expand(standin.suite(methods=("standin_plain",), backbones=("standin_flat",), training={"epochs": 1}))
    monkeypatch.setattr(plugins.plugin("methods", "standin_plain"), "training", {"lr": 0.1})
    with pytest.raises(UserError, match=r"methods/standin_plain\.py:\d+: training: unknown key 'lr'"):
        default_trial(cell, "final", 0, 1)
    with pytest.raises(UserError, match="unknown key 'lr'"):
        default_trial(replace(cell, training={"epochs": 0}), "final", 0, 1)


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.toml")), ids=lambda p: p.stem)
def test_the_suites_that_come_along_name_what_exists(path: Path) -> None:
    for product in read_suite(path.stem).products():
        for name in product.methods:
            if name != "all":
                assert plugins.plugin("methods", name.removesuffix(":all"))
        for name in product.backbones:
            if name != "all":
                assert plugins.plugin("backbones", name)
