"""Grids: every combination once, for all methods alike, and one clear line for what cannot be."""

from __future__ import annotations

from typing import Any

import pytest
import standin_search as standin
from test_plan import FIRST, FRESH, play

from benchmark.config import Cell, Suite, Training, Trial, read_suite
from benchmark.errors import UserError
from benchmark.search.cells import check_grid_methods, expand
from benchmark.values import from_dict, to_dict


@pytest.fixture(autouse=True)
def _standins(monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)


def test_every_cell_goes_through_the_grid_and_the_best_by_validation_is_tested() -> None:
    records = play(standin.suite(grid={"learning_rate": [3e-3, 6e-4, 1e-3], "embedding_l2": [0, 1e-4]}, seeds=2))
    assert len(records) == 5 * (6 + 3 * 2 + 2)
    for cell in expand(standin.suite(grid={"learning_rate": [3e-3, 6e-4, 1e-3], "embedding_l2": [0, 1e-4]})):
        mine = [r.trial for r in records if r.trial.cell.key == cell.key]
        points = [(t.training.learning_rate, t.training.embedding_l2) for t in mine if t.seed == FIRST]
        assert points == [(rate, l2) for rate in (3e-3, 6e-4, 1e-3) for l2 in (0.0, 1e-4)]
        finals = [t for t in mine if t.stage == "final"]
        assert {(t.training.learning_rate, t.budget, t.seed) for t in finals} == {(6e-4, 6, 0), (6e-4, 6, 1)}
        assert {t.method.get("strength") for t in mine} in ({None}, {0.5}), "what the grid does not name keeps its default"
        assert sorted({t.seed for t in mine if t.stage == "tune"}) == [FIRST, *FRESH]


def test_a_method_may_have_a_grid_of_its_own_and_is_compared_under_the_same_number() -> None:
    suite = standin.suite(grid={"embedding_l2": [0, 1e-4], "methods": {"standin_tuned": {"strength": [0.5, 0.75, 0.25]}}})
    records = play(suite)
    assert {r.trial.budget for r in records if r.trial.stage == "final"} == {6}
    draws = {m: {r.trial.draw for r in records if r.trial.cell.method == m and r.trial.seed == FIRST} for m in standin.METHODS}
    assert {m: len(found) for m, found in draws.items()} == {"standin_plain": 2, "standin_tuned": 6, "standin_sanity": 2}
    assert {r.trial.method["strength"] for r in records if r.trial.cell.method == "standin_tuned" and r.trial.stage == "final"} == {0.75}


def test_with_a_grid_of_one_method_the_others_are_trained_at_their_defaults() -> None:
    """The tuner is not asked for them in the place of a grid: only that one method's settings are open."""
    suite = standin.suite(
        grid={"methods": {"standin_tuned": {"strength": [0.5, 0.75, 0.25]}}}, methods=("single_embedding", "standin_tuned")
    )
    records = play(suite)
    assert {r.trial.training for r in records} == {Training(learning_rate=2e-3)}, "the data set's"
    stages = {m: {r.trial.stage for r in records if r.trial.cell.method == m} for m in suite.methods}
    assert stages == {"single_embedding": {"final"}, "standin_tuned": {"tune", "final"}}
    assert {r.trial.budget for r in records if r.trial.stage == "final"} == {3}, "under which they are compared"
    assert play(suite, records) == []


def test_resume_goes_on_in_the_grid_and_nothing_is_trained_twice() -> None:
    suite = standin.suite(grid={"embedding_l2": [0, 1e-4, 1e-3]}, seeds=2)
    whole = play(suite)
    for share in (0.2, 0.6, 1.0):
        known = whole[: int(share * len(whole))]
        assert {r.trial_id for r in play(suite, known)} == {r.trial_id for r in whole[len(known) :]}


def test_a_suite_may_name_the_settings_of_its_grid_in_another_order() -> None:
    """It has the same cells; what is recorded of a point counts for that point."""
    one: dict[str, Any] = {"learning_rate": [3e-3, 6e-4, 1e-3], "embedding_l2": [0, 1e-4]}
    other = dict(reversed(one.items()))
    assert [c.key for c in expand(standin.suite(grid=one))] == [c.key for c in expand(standin.suite(grid=other))]
    whole = play(standin.suite(grid=one))
    assert play(standin.suite(grid=other), whole) == []
    known = [r for r in whole if r.trial.stage == "tune" and r.trial.draw < 4]
    new = play(standin.suite(grid=other), known)
    for cell in expand(standin.suite(grid=one)):
        mine = [r.trial for r in [*known, *new] if r.trial.cell.key == cell.key]
        points = [(t.training.learning_rate, t.training.embedding_l2) for t in mine if t.seed == FIRST]
        assert len(points) == len(set(points)) == 6
        assert {t.training.learning_rate for t in mine if t.stage == "final"} == {6e-4}


def test_the_grid_is_part_of_what_a_cell_is_and_no_grid_is_as_before() -> None:
    plain = Cell(dataset="d", data="0", backbone="b", method="m", scale=2, depth=1)
    grid = Cell(dataset="d", data="0", backbone="b", method="m", scale=2, depth=1, grid={"training.embedding_l2": [0.0, 1.0]})
    assert plain.key == "1536923ca933" and plain.key != grid.key
    trial = Trial(cell=plain, stage="final", training=Training(), backbone={}, method={})
    assert trial.trial_id == "69b4caa45332"
    content = to_dict(trial)
    del content["cell"]["grid"]  # a record of before
    assert from_dict(Trial, content, "record").trial_id == trial.trial_id


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grid": {"embeding_l2": [0, 1]}}, "[grid]: unknown setting 'embeding_l2'; did you mean 'embedding_l2'"),
        ({"grid": {"embedding_l2": []}}, "[grid]: embedding_l2 is empty; name at least two"),
        ({"grid": {"embedding_l2": [0.1]}}, "[grid]: embedding_l2 has one value; name at least two"),
        ({"grid": {"embedding_l2": 0.1}}, "[grid]: embedding_l2 = 0.1; it must be a list of values"),
        ({"grid": {"embedding_l2": [0, 0.0]}}, "it has a value twice"),
        ({"grid": {"embedding_l2": [0, -1]}}, "embedding_l2 = -1.0; it must not be negative"),
        ({"grid": {"embedding_l2": ["much", 0]}}, "embedding_l2 = 'much'; it must be of type float"),
        ({"grid": {"embedding_l2": [0, 1]}, "training": {"embedding_l2": 0}}, "embedding_l2 is in [training] too; keep one of them"),
        ({"grid": {"embedding_l2": [0, 1]}, "trials": 8}, "a grid takes the tuner's place, and trials = 8 asks for the tuner"),
        ({"grid": {"methods": [1]}}, "methods must be a table"),
        ({"grid": {"methods": {"standin_tuned": [1]}}}, "methods must be a table"),
        (
            {"grid": {"methods": {"standin_tuend": {"strength": [0.1, 0.2]}}}},
            "unknown method 'standin_tuend'; did you mean 'standin_tuned'",
        ),
        (
            {"grid": {"methods": {"standin_tuned:strnog": {"strength": [0.1, 0.2]}}}},
            "[grid.methods]: method standin_tuned: unknown preset 'strnog'; did you mean 'strong'",
        ),
        ({"grid": {"methods": {"standin_tuned": {"strenght": [0.1, 0.2]}}}}, "unknown key 'strenght'; did you mean 'strength'"),
        ({"grid": {"methods": {"standin_tuned": {"strength": []}}}}, "[grid.methods.standin_tuned]: strength is empty"),
        ({"grid": {"methods": {"standin_tuned": {"strength": ["a", "b"]}}}}, "strength = 'a'; it must be of type float"),
        (
            {
                "grid": {"methods": {"standin_tuned": {"strength": [0.1, 0.2]}}},
                "options": {"methods": {"standin_tuned": {"strength": 1.0}}},
            },
            "strength is fixed too, at 1.0; keep one of them",
        ),
        (
            {"methods": ("standin_tuned:strong",), "grid": {"methods": {"standin_tuned:strong": {"strength": [0.1, 0.2]}}}},
            "is what makes standin_tuned:strong; give the grid to standin_tuned, or to another setting",
        ),
    ],
)
def test_what_cannot_be_a_grid_is_one_clear_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        expand(standin.suite(**changes))
    assert words in str(caught.value) and "suite toys" in str(caught.value) and "\n" not in str(caught.value)


def test_a_setting_that_needs_another_may_be_in_the_grid_beside_it() -> None:
    floors = [1e-5, 1e-4]
    records = play(standin.suite(grid={"cowclip_floor": floors}, training={"cowclip_base_batch": 1000}, methods=("standin_plain",)))
    tuned = [r.trial for r in records if r.trial.seed == FIRST]
    assert [t.training.cowclip_floor for t in tuned] == 2 * floors and {t.training.cowclip_base_batch for t in tuned} == {1000}


@pytest.mark.parametrize(
    ("methods", "more", "of", "words"),
    [
        (("all",), (), "standin_tuned", ""),
        (("standin_tuned:all",), (), "standin_tuned:strong", ""),
        (("standin_plain",), ("standin_tuned",), "standin_tuned", ""),  # in another product
        (("standin_tuned",), (), "standin_tuned:strong", "[grid.methods.standin_tuned:strong]: the suite does not have this method"),
        (("standin_tuned:all",), (), "standin_tuned", "[grid.methods.standin_tuned]: the suite does not have this method"),
        (("standin_plain",), (), "standin_tuned", "[grid.methods.standin_tuned]: the suite does not have this method"),
    ],
)
def test_the_grid_of_a_suite_is_of_its_own_methods(methods: tuple[str, ...], more: tuple[str, ...], of: str, words: str) -> None:
    """Its combinations are the budget of all rows, whoever is trained with them. What a command leaves out of a suite may stay."""
    also = ({"methods": list(more)},) if more else ()
    suite = standin.suite(grid={"methods": {of: {"rate": [0.1, 0.2]}}}, methods=methods, also=also)
    if not words:
        check_grid_methods(suite, standin.suite(methods=("standin_plain",)))
        return
    with pytest.raises(UserError) as caught:
        check_grid_methods(suite)
    assert f"suite toys, {words}" in str(caught.value)
    check_grid_methods(suite, standin.suite(methods=(of,)))  # a command has added it


def test_a_grid_in_a_suite_file(tmp_path: Any) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('datasets = ["toy"]\n[grid]\nembedding_l2 = [0, 1e-6, 1e-4]\n[grid.methods.standin_tuned]\nstrength = [0.5, 1]\n')
    suite = read_suite(str(path))
    assert suite.budget == 6 and Suite(name="s", datasets=("toy",), trials=4).budget == 4
