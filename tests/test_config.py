"""Settings: unknown keys, wrong types and wrong values are named; identities are stable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmark.config import SUITES, Cell, Suite, Training, Trial, read_suite
from benchmark.errors import UserError
from benchmark.values import canonical, from_dict, from_text, one_of, to_dict, typed

CELL = Cell(dataset="d", data="0", backbone="b", method="m", scale=2, depth=1)


def trial(**changes: Any) -> Trial:
    return Trial(**{"cell": CELL, "stage": "final", "training": Training(), "backbone": {"x": (1, 2)}, "method": {}, **changes})


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.toml")), ids=lambda p: p.stem)
def test_the_suites_that_come_along_are_valid(path: Path) -> None:
    suite = read_suite(path.stem)
    assert suite.name == path.stem and suite.summary


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('datasets = ["synthetic"]\nscale = [1]', "unknown key 'scale'; did you mean 'scales'"),
        ('datasets = ["synthetic"]\nseeds = "3"', "seeds = '3'; it must be of type int"),
        ('datasets = ["synthetic"]\nseeds = 0', "seeds = 0; it must be at least 1"),
        ('datasets = ["synthetic"]\nseeds = 1000000', "seeds = 1000000; it must be at most 10000"),
        ('datasets = ["synthetic"]\nscales = [0]', "scales has 0"),
        ("scales = [1]", "datasets missing"),
        ('[training]\nepochs = 3\ndatasets = ["synthetic"]', "datasets missing; datasets belongs above the first [section]"),
        ('datasets = ["synthetic"]\n[training]\nseeds = 2', "[training]: unknown key 'seeds'; seeds belongs above the first [section]"),
        ("datasets = []", "datasets is empty"),
        ('datasets = ["synthetic"]\n[training]\nepoch = 3', "unknown key 'epoch'; did you mean 'epochs'"),
        ('datasets = ["synthetic"]\n[options.method.roblock]\nstrength = 1.0', "unknown kind of plug-in 'method'; did you mean 'methods'"),
        ("datasets = [", "not valid TOML"),
        (f"datasets = {'[' * 5000}", "nested too deeply"),
        (
            'datasets = ["synthetic"]\n[training]\nepochs = [1979-05-27]',
            "training.epochs = datetime.date(1979, 5, 27); it must be a number",
        ),
        ('datasets = ["synthetic"]\n[options.datasets.mine]\nx = [1979-05-27]', "options.datasets.mine.x = datetime.date(1979, 5, 27)"),
        ('datasets = ["synthetic"]\n[options.methods.mine]\nx = { y = nan }', "mine.x.y = nan; it must be a finite number"),
        ('datasets = ["synthetic"]\nscales = [1]\n[[also]]\nscales = [0]', "suite mine, [[also]]: suite mine: scales has 0"),
        ('datasets = ["synthetic"]\nname = "other"\nseeds = 0', "mine.toml: suite other: seeds = 0"),
        ('datasets = ["synthetic"]\n[options.methods.mine]\n"a\\nb" = nan', "mine.a b = nan"),
        ('datasets = ["synthetic"]\nname = "a\\nb"\nseeds = 0', "suite a b: seeds = 0"),
        (f'datasets = ["synthetic"]\nscales = [0x{"F" * 5000}]', "scales = …; it must be a finite number"),
        (f'datasets = ["synthetic"]\n[options.methods.mine]\nx = {"9" * 400}', f"mine.x = {'9' * 100}…; it must be a finite number"),
        (f'datasets = ["synthetic"]\nscales = [{"9" * 5000}]', "mine.toml: cannot be read as a suite file: Exceeds the limit"),
        (f'datasets = ["synthetic"]\nseeds = "{"9" * 5000}"', f"seeds = '{'9' * 99}…; it must be of type int"),
        (f'datasets = ["synthetic"]\noptions.methods.mine.{"a." * 500}a = 1', "a.a.a: nested too deeply"),
        (f'datasets = ["synthetic"]\nseeds.{"a." * 900}a = 1', "seeds = "),
        ('datasets = ["synthetic"]\rseeds = 2', "not valid TOML"),
    ],
)
def test_a_wrong_suite_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_suite(str(path))
    assert words in str(caught.value) and "mine" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_suite_file_may_begin_with_the_mark_that_editors_of_windows_write(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('datasets = ["synthetic"]\n\tscales = [1]\r\n', encoding="utf-8-sig", newline="")
    assert read_suite(str(path)) == Suite(name="mine", datasets=("synthetic",), scales=(1,))


def test_a_missing_suite_is_named() -> None:
    with pytest.raises(UserError, match="unknown suite 'quik'; did you mean 'quick'"):
        read_suite("quik")
    with pytest.raises(UserError, match=r"nothing\.toml: no such suite file"):
        read_suite("nothing.toml")


def test_a_suite_file_without_its_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").touch()
    (tmp_path / "plain").touch()
    with pytest.raises(UserError, match=r"did you mean the file 'mine\.toml'"):
        read_suite("mine")
    for reference in ("plain", "./no/such"):
        with pytest.raises(UserError, match=r"must end in \.toml"):
            read_suite(reference)


@pytest.mark.parametrize(("name", "value"), [("learning_rate", 0.0), ("epochs", 0), ("embedding_l2", -1.0), ("plateau_factor", 2.0)])
def test_impossible_training_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match=f"{name} = "):
        from_dict(Training, {name: value}, "here")


def test_a_trial_survives_json_with_its_id() -> None:
    one = trial()
    other = from_dict(Trial, to_dict(one), "here")
    assert other.trial_id == one.trial_id and to_dict(other) == to_dict(one)


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"stage": "tune"}, {"budget": 8}, {"method": {"y": 1}}, {"training": Training(epochs=2)}, {"backbone": {}}]
)
def test_every_part_of_a_trial_is_part_of_its_id(changes: dict[str, Any]) -> None:
    assert trial(**changes).trial_id != trial().trial_id


def test_canonical_json_knows_no_order() -> None:
    assert canonical({"a": 1, "b": {"d": 2, "c": 3}}) == canonical({"b": {"c": 3, "d": 2}, "a": 1})


def test_known_lists_the_choices_when_nothing_is_near() -> None:
    with pytest.raises(UserError, match="known: one, two"):
        one_of("thing", "zzz", ["two", "one"], "here")


def test_known_lists_not_thousands_of_choices() -> None:
    with pytest.raises(UserError, match=r"known: 0000.* and 1960 more") as caught:
        one_of("column", "zzzz", [f"{number:04}" for number in range(2000)], "here")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (int, "3", 3),
        (float, "1e-3", 1e-3),
        (bool, "true", True),
        (str, "x", "x"),
        (int | None, "none", None),
        (int | None, "4", 4),
        (tuple[int, ...], "400,400", (400, 400)),
        (tuple[str, ...], "", ()),
    ],
)
def test_flags_are_read_by_their_type(hint: Any, text: str, value: object) -> None:
    assert from_text(hint, text, "--flag") == value


@pytest.mark.parametrize(
    ("hint", "text"), [(int, "3.5"), (float, "much"), (float, "nan"), (float, "inf"), (bool, "yes"), (tuple[int, ...], "4,x")]
)
def test_a_wrong_flag_is_named(hint: Any, text: str) -> None:
    with pytest.raises(UserError, match="--flag"):
        from_text(hint, text, "--flag")


def test_suites_are_products() -> None:
    with pytest.raises(UserError, match="methods is empty"):
        Suite(name="s", datasets=("d",), methods=())


def test_many_numbers_at_once_are_finite_one_by_one() -> None:
    """Where only their sum is infinite they are taken; where infinities cancel they are refused."""
    large = {"a": 1.7e308, "b": 1.7e308}
    assert typed(Mapping[str, float], large, "here") == large
    for numbers in ({"a": math.inf, "b": -math.inf}, {"a": 0.5, "b": math.nan}):
        with pytest.raises(UserError, match="must be a finite number"):
            typed(Mapping[str, float], numbers, "here")


def test_none_is_a_word_in_a_suite_file_as_on_a_command_line() -> None:
    for read in (typed, from_text):
        assert read(float | None, "none", "x") is None and read(int | None, "None", "x") is None
    assert typed(str | None, "none", "x") == "none", "a text of its own"
    with pytest.raises(UserError, match="must be of type float"):
        typed(float, "none", "x")
