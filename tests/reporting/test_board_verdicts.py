"""Verdicts, the noise, the winner's curse and a grid's choice as a board shows them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from standin_records import record

from benchmark.config import TUNING_SEEDS, Training
from benchmark.record import DOSES
from benchmark.records import Record, Status
from benchmark.reporting.comparison import compare
from benchmark.reporting.export import export
from benchmark.reporting.leaderboard import render, rows
from benchmark.reporting.power import power
from benchmark.reporting.verdicts import noise


def cell_of_five(shifts: dict[str, float], seeds: int = 6, **others: Any) -> list[Record]:
    """Methods that are so far from the control, with noise of sd 1.4e-4 that differs by method and seed, and effects of seeds."""
    found = []
    for m, (method, shift) in enumerate({"single_embedding": 0.0, **shifts}.items()):
        noise = np.random.default_rng(m).normal(size=seeds)
        noise = 1.4e-4 * (noise - noise.mean()) / noise.std()
        found += [record(method, seed, 0.9 + shift + noise[seed] + 0.003 * (seed % 3), **others) for seed in range(seeds)]
    return found


def test_verdicts_stand_on_the_board_in_words_and_as_keys() -> None:
    records = cell_of_five({"better": 2e-3, "worse": -2e-3, "level": 0.0, "doubtful": 1.6e-4})
    records += [record("constant", seed, 0.5, cell={"backbone": "none", "depth": 0}) for seed in range(6)]
    records += [record("broken", 0, None, status="failed", reason="no memory")]
    found = {row.method: row for row in rows(records)}
    expected = {"better": "above", "worse": "below", "level": "equal", "doubtful": "undecided"}
    assert {m: row.verdict for m, row in found.items() if row.verdict} == expected
    assert found["doubtful"].more_seeds is not None and found["level"].more_seeds is None
    row = found["better"]
    assert row.delta_auc is not None and row.delta_auc_pooled_low is not None and row.delta_auc_pooled_high is not None
    assert row.delta_auc_pooled_low < row.delta_auc < row.delta_auc_pooled_high and row.delta_df == 4 * 5
    keys = {"verdict", "more_seeds", "equal_within", "p_difference", "p_equal", "delta_auc_pooled_low", "delta_auc_pooled_high", "delta_sd"}
    for entry in json.loads(render(list(found.values()), "json")):
        assert keys < entry.keys() and entry["verdict"] == expected.get(entry["method"])
    for text in (render(list(found.values()), "table"), render(list(found.values()), "markdown")):
        assert "equal within ±0.0003" in text and f"undecided: about {found['doubtful'].more_seeds} more" in text
        assert "noise: sd of a paired difference" in text and "over the 4 comparisons" in text
    verdicts = [line["verdict"] for line in csv.DictReader(io.StringIO(render(list(found.values()), "csv")))]
    assert set(verdicts) == {*expected.values(), ""}
    wide = {row.method: row.verdict for row in rows(records, 1e-3)}
    assert (wide["doubtful"], wide["better"]) == ("equal", "above")


def test_a_tuned_board_says_what_its_verdicts_are_on() -> None:
    said = "tuned: verdicts are on the settings that won"
    for budget, expected in ((1, False), (8, True)):
        assert (said in render(rows(cell_of_five({"better": 2e-3}, budget=budget)), "table")) is expected
    alone = [r for r in cell_of_five({}, budget=8) if r.trial.cell.method == "single_embedding"]
    assert said not in render(rows(alone), "table"), "nothing is compared"


def test_a_method_before_and_after_it_got_a_setting_has_a_verdict_of_each() -> None:
    """They are two rows of one cell; the verdict of one is not the other's."""

    def with_settings(of: Record, **settings: Any) -> Record:
        return dataclasses.replace(of, trial=dataclasses.replace(of.trial, method=settings))

    before, after = (cell_of_five({"method": shift}) for shift in (-2e-3, 2e-3))
    records = [with_settings(r) for r in before] + [with_settings(r, rate=10.0) for r in after if r.trial.cell.method == "method"]
    found: list[tuple[Any, Any]] = [(row.verdict, row.delta_auc) for row in rows(records) if row.method == "method"]
    assert found == [
        ("above", pytest.approx(2e-3)),
        ("below", pytest.approx(-2e-3)),
    ]
    compared, table = compare(records, "single_embedding", None, "table"), export(records, "latex")
    for text in (compared, table):
        assert "method (before rate)" in text
    assert re.search(r"method +\+0\.002", compared) and re.search(r"method \(before rate\) +-0\.002", compared)
    said = render(rows(records), "table")
    [old] = [row for row in rows(records) if row.method == "method" and row.verdict == "below"]
    which = f"its row with test AUC {old.test_auc_mean:.5f}"
    assert f"note: toy dcnv2 scale 1 depth 3 method: {which} is from before the method had rate" in said


def test_a_method_that_has_lost_a_setting_is_not_said_to_be_of_before_it_had_it() -> None:
    """The plug-in of today says which of two versions is its own; a setting with another name since is one lost and one got."""

    def of(auc: float, *settings: str) -> list[Record]:
        made = [record("multi_embedding", seed, auc + seed / 100) for seed in range(2)]
        return [dataclasses.replace(r, trial=dataclasses.replace(r.trial, method=dict.fromkeys(settings, 1))) for r in made]

    control = [record(seed=seed, auc=0.8 + seed / 100) for seed in range(2)]
    today, lost = "sets", "from when the method had gone, as it has no more"
    for old, name, said in (
        (("gone", today), "when it had gone", lost),
        (
            ("gone",),
            "before sets, when it had gone",
            "from before the method had sets and from when the method had gone, as it has no more",
        ),
        ((), "before sets", "from before the method had sets"),
    ):
        records = [*control, *of(0.82, *old), *of(0.85, today)]
        compared = compare(records, "single_embedding", None, "table")
        assert re.search(r"^multi_embedding +\+0\.05", compared, re.MULTILINE)
        assert re.search(rf"^multi_embedding \({name}\) +\+0\.02", compared, re.MULTILINE)
        board = render(rows(records), "table")
        assert f"note: toy dcnv2 scale 1 depth 3 multi_embedding: its row with test AUC 0.82500 is {said}\n" in board
        assert board.count("its row with") == 1
        lost_all = [dataclasses.replace(r, trial=dataclasses.replace(r.trial, method={"gone": 1})) for r in control]
        assert "single_embedding (when it had gone)" in compare([*control, *lost_all], "single_embedding", None, "table"), (
            "today it has none"
        )
        only = compare([*control, *of(0.82, *old)], "single_embedding", None, "table")
        assert name not in only, "beside no other there is nothing to tell it from"


def test_seeds_of_a_suite_that_pins_former_defaults_are_of_the_row_that_had_them() -> None:
    """And of no other: today's default is a row of its own, and so is another value of the setting that came later."""

    def seed(number: int, method: dict[str, Any], options: dict[str, Any]) -> Record:
        made = record("vicreg", seed=number, metrics={"test/auc": 0.8})
        return dataclasses.replace(
            made,
            trial=dataclasses.replace(made.trial, method=method, cell=dataclasses.replace(made.trial.cell, method_options=options)),
        )

    former, other = {"weight": 1e-3, "weighs": "absolute"}, {"weight": 1e-2, "weighs": "absolute"}
    board = rows(
        [
            *(seed(n, {"weight": 1e-3}, {}) for n in range(2)),
            seed(2, former, former),
            seed(3, other, other),
            seed(4, {"weight": 0.1, "weighs": "share"}, {}),
        ]
    )
    assert sorted((row.seeds, row.overrides) for row in board) == [
        (1, ""),
        (1, 'method.weighs="absolute", method.weight=0.01'),
        (3, ""),
    ]
    said = render(board, "table")
    assert said.count("some of its seeds are from before the method had weighs") == 1
    # Whichever has the first seeds, each row keeps its own verdict.
    far = [0.0, 1e-5, 3e-5, 1e-5, 0.0, 2e-5]
    known = [record(seed=n, auc=0.8 + n / 1000) for n in range(6)]
    for n, odd in enumerate(far):
        above, below = ({"test/auc": 0.8 + n / 1000 + shift + odd} for shift in (0.01, -0.01))
        known.append(dataclasses.replace(seed(n, former, former) if n < 3 else seed(n, {"weight": 1e-3}, {}), metrics=above))
        known.append(dataclasses.replace(seed(n, {"weight": 0.1, "weighs": "share"}, {}), metrics=below))
    assert [(row.verdict, row.seeds) for row in rows(known) if row.method == "vicreg"] == [("above", 6), ("below", 6)]


def test_a_seed_that_failed_before_its_method_had_a_setting_is_trained_again_in_the_words_of_today() -> None:
    """That is another record, beside which the failed one says nothing; of a seed that finished in both words there are two rows."""
    former = {"weight": 1e-3, "weighs": "absolute"}

    def seed(number: int, method: dict[str, Any], status: Status = "finished") -> Record:
        made = record(
            "vicreg", number, None if status == "failed" else 0.8, status=status, reason="no memory" if status == "failed" else ""
        )
        cell = dataclasses.replace(made.trial.cell, method_options=former if len(method) > 1 else {})
        return dataclasses.replace(made, trial=dataclasses.replace(made.trial, method=method, cell=cell))

    def told(*records: Record) -> list[tuple[str, int]]:
        return [(row.status, row.seeds) for row in rows(records)]

    old, new = {"weight": 1e-3}, former
    first = [seed(0, old, "failed"), seed(1, old, "failed"), seed(2, old)]
    assert told(*first, seed(0, new)) == [("failed", 2)], "seed 1 still is to come"
    assert told(*first, seed(0, new), seed(1, new)) == [("finished", 3)]
    assert told(*first, seed(0, new, "failed"), seed(1, new)) == [("failed", 2)]
    assert told(seed(0, old), seed(1, old), seed(1, new, "failed")) == [("finished", 2)]
    assert sorted(told(*first, seed(2, new))) == [("failed", 1), ("finished", 1)]
    [row] = rows([*first[:2], seed(0, new), seed(1, new)])
    assert (row.status, row.seeds, row.notes) == ("finished", 2, ()) and "weighs" in row.overrides, "nothing is left of the older ones"


def test_holm_goes_over_the_whole_board() -> None:
    def p(cells: int) -> float:
        records = [r for scale in range(1, cells + 1) for r in cell_of_five({"m": 2e-4, "n": 0}, cell={"scale": scale})]
        found = next(row.p_difference for row in rows(records) if row.method == "m" and row.scale == 1)
        assert found is not None
        return found

    assert p(3) > p(1)


def test_a_row_that_was_looked_at_needs_more_to_be_decided() -> None:
    plain = cell_of_five({"m": 2.5e-4}, seeds=4)
    looked = cell_of_five({"m": 2.5e-4}, seeds=4, metrics={"design/max_seeds": 20.0})
    once, often = (next(row for row in rows(records) if row.method == "m") for records in (plain, looked))
    assert (once.max_seeds, often.max_seeds) == (None, 20)
    assert once.p_difference is not None and often.p_difference is not None and often.p_difference > 2 * once.p_difference


def test_more_seeds_than_were_looked_at_are_no_number() -> None:
    """About 9,000 are needed for .0003: more than 8,192, and not more than 9,999."""
    sd = 0.01016
    assert 8192 < 2.802**2 * (sd / 0.0003) ** 2 < 9999
    [line] = noise([sd], 1)
    assert "for 0.001, " in line and line.endswith("over 8192 for 0.0003")
    told = "".join(power(1, 1, 2, sd, 0.001, 0.0003, 0.05, 10, 0))
    assert re.search(r"^0.0003 +over 8192", told, re.MULTILINE) and "10000" not in told


def test_unequal_noise_is_said() -> None:
    """Of a method far out of line by its name, and it is judged by its own pairs; of a cell in which two are loud as a whole."""

    def loud(name: str, times: float) -> list[Record]:
        zigzag = {"loud": [1, -1, 1, 0, -2, 1], "too": [0, 2, -1, -2, 0, 1]}[name]
        return [record(name, seed, 0.9 + 0.003 * (seed % 3) + times * one) for seed, one in enumerate(zigzag)]

    plain = cell_of_five(dict.fromkeys("mnop", 0.0))
    [note] = {note for row in rows(plain + loud("loud", 0.02)) for note in row.notes}
    assert "loud is noisier than the rest, and judged by its own pairs, the others without it" in note
    found = {row.method: row for row in rows(plain + loud("loud", 0.02))}
    assert {name for name, row in found.items() if row.own_noise} == {"loud"} and found["loud"].delta_df == 5
    assert {name: (row.delta_sd, row.verdict) for name, row in found.items() if name in "mnop"} == {
        row.method: (row.delta_sd, row.verdict) for row in rows(plain) if row.method in "mnop"
    }
    assert "sd of a paired difference" in (told := render(list(found.values()), "table")) and "in the cells" not in told
    [note] = {
        note for row in rows(cell_of_five(dict.fromkeys("mn", 0.0)) + loud("loud", 0.0006) + loud("too", 0.0006)) for note in row.notes
    }
    assert "the methods differ in noise (Bartlett" in note and "noisier" not in note
    assert not {note for row in rows(cell_of_five({"m": 0.0, "n": 0.0})) for note in row.notes}


@pytest.mark.parametrize(("apart", "own"), [(1e-6, True), (6e-5, False)])
def test_a_row_that_shares_its_control_s_noise_is_said(apart: float, own: bool) -> None:
    """One that changes little of a training is nearly its control at every seed. It is judged by its own pairs, or they are pointed at."""
    plain = cell_of_five(dict.fromkeys("mnop", 0.0))
    control = {r.trial.seed: r.metrics["test/auc"] for r in plain if r.trial.cell.method == "single_embedding"}
    light = [record("light", seed, auc + apart * (seed % 3)) for seed, auc in control.items()]
    found = {row.method: row for row in rows(plain + light)}
    [note] = found["light"].notes
    judged = "the pairs of light vary far less than the rest's: it is judged by its own pairs"
    assert (judged if own else "the own pairs of light vary less than the noise that verdicts take; read its interval, too") in note
    assert found["light"].own_noise == own and (found["light"].delta_sd != found["m"].delta_sd) == own


def test_rows_with_too_little_noise_and_with_too_much_are_named_apart() -> None:
    plain = cell_of_five(dict.fromkeys("mnop", 0.0))
    auc = {
        method: {r.trial.seed: r.metrics["test/auc"] for r in plain if r.trial.cell.method == method}
        for method in ("single_embedding", "m")
    }
    near = [
        record(name, seed, one + by * (seed % 3))
        for name, by in (("q", 1e-6), ("r", -1e-6))
        for seed, one in auc["single_embedding"].items()
    ]
    loud = [record("loud", seed, one + 0.02 * (-1) ** seed) for seed, one in auc["m"].items()]
    [note] = {note for row in rows(plain + near + loud) for note in row.notes}
    assert note.endswith(
        ": loud is noisier than the rest, and judged by its own pairs, the others without it; "
        "the pairs of q, r vary far less than the rest's: they are judged by their own pairs"
    )
    more = [record(name, seed, one + 0.0006 * (-1) ** (seed // of)) for name, of in (("a", 1), ("b", 2)) for seed, one in auc["m"].items()]
    [note] = {note for row in rows(plain + near + more) for note in row.notes}
    assert "noisier" not in note and "q, r vary far less" in note and "; the others differ in noise (Bartlett, p = " in note
    many = [
        record(f"q{place}", seed, one + place * 1e-6 * (place * seed % 3))
        for place in (1, 2, 4, 5, 7, 8, 10, 11)
        for seed, one in auc["single_embedding"].items()
    ]
    [note] = {note for row in rows(plain + many) for note in row.notes}
    assert "q10, q11" in note and "Bartlett" not in note, "residuals that are their control's would count as often as there are rows"


def test_a_control_far_noisier_than_the_rest_leaves_every_row_its_own_pairs() -> None:
    records = [r for r in cell_of_five(dict.fromkeys("mnop", 0.0)) if r.trial.cell.method != "single_embedding"]
    control = [record("single_embedding", seed, 0.9 + 0.05 * one) for seed, one in enumerate([1, -1, 1, 0, -2, 1])]
    found = rows(records + control)
    assert {row.own_noise for row in found if row.verdict} == {True}
    assert any("single_embedding is noisier than the rest: every row is judged by its own pairs" in note for note in found[0].notes)


def test_rows_without_a_verdict_say_nothing_of_the_noise_of_those_that_have_one() -> None:
    """Inert ones have nearly their control's numbers, and no noise of their own; sanity rows are compared with nothing."""
    records = cell_of_five({"m": 0.0, "n": 0.0, "o": 0.0}, seeds=8)
    control = [r for r in records if r.trial.cell.method == "single_embedding"]
    chance = np.random.default_rng(0)
    quiet = [
        record(f"quiet{number}", r.trial.seed, r.metrics["test/auc"] + chance.normal(0, 1e-6), metrics={f"{DOSES}penalty": 1e-5})
        for number in range(5)
        for r in control
    ]
    sanity = [
        record(f"sanity{number}", seed, 0.5 + chance.normal(0, sd), cell={"backbone": "none", "depth": 0})
        for number, sd in enumerate((1e-4, 1e-4, 1e-4, 1e-2))
        for seed in range(8)
    ]
    notes = {name: {note for row in rows([*records, *more]) for note in row.notes} for name, more in (("quiet", quiet), ("sanity", sanity))}
    assert notes == {"quiet": set(), "sanity": set()}


@pytest.mark.parametrize("blind", [False, True])
def test_a_row_that_shares_no_seed_with_its_control_has_no_verdict_and_is_no_comparison(blind: bool) -> None:
    """One that was trained with other seeds, and one of which nobody has a test AUC, as of test data of one class."""
    records = cell_of_five({"m": 2e-4, "n": 0.0})
    alone = {row.method: (row.verdict, row.p_difference) for row in rows(records)}
    more = [record("other", seed, None if blind else 0.95, metrics={"valid/auc": 0.9}) for seed in range(10, 14)]
    found = {row.method: (row.verdict, row.p_difference) for row in rows([*records, *more])}
    assert found.pop("other") == (None, None) and found == alone
    assert "over the 2 comparisons" in render(rows([*records, *more]), "table")


def test_the_winners_curse_is_said() -> None:
    records = cell_of_five({}, seeds=2, budget=3)
    for draw, values in enumerate([(0.8, 0.79, 0.77), (0.7, 0.7, 0.7), (0.6,)]):
        for seed, value in zip(TUNING_SEEDS, values, strict=False):
            records.append(record(stage="tune", seed=seed, draw=draw, metrics={"valid/auc": value}))
    [row] = rows(records)
    assert any("winner's curse of 3 tuning trials" in note and "+0.02000, over 1 tuned cell" in note for note in row.notes)
    untuned = [row for row in rows([*records, *cell_of_five({}, seeds=2)]) if row.tuning_trials == 1]
    assert [row.notes for row in untuned] == [()], "the defaults, in a folder where the cell was tuned, too"
    old = [*cell_of_five({}, seeds=2, budget=3), *(record(stage="tune", seed=0, draw=draw) for draw in range(3))]
    assert any("seed that is also a final one" in note for note in rows(old)[0].notes)
    assert not any("curse" in note for note in rows(cell_of_five({}))[0].notes)


def test_the_draws_of_a_method_before_and_after_it_got_a_setting_are_of_a_row_each() -> None:
    """Both have the cell and the numbers of the draws in common."""

    def draws(values: tuple[float, float], curse: float, **settings: Any) -> list[Record]:
        tuned = [
            record("m", seed, stage="tune", draw=draw, metrics={"valid/auc": value - (curse if seed != TUNING_SEEDS[0] else 0)})
            for draw, value in enumerate(values)
            for seed in TUNING_SEEDS
        ]
        lost = record("m", TUNING_SEEDS[0], None, stage="tune", draw=2, status="failed" if settings else "finished")
        found = [record("m", budget=3), lost, *tuned]
        return [dataclasses.replace(r, trial=dataclasses.replace(r.trial, method=settings)) for r in found]

    found = rows([*draws((0.8, 0.7), 0.01), *draws((0.6, 0.9), 0.03, rate=1.0)])
    assert all(any("+0.02000 ± 0.01000 (standard error), over 2 tuned cells" in note for note in row.notes) for row in found)
    assert sorted((row.draws_lost, any("before the method" in note for note in row.notes)) for row in found) == [(0, True), (1, False)]


def test_the_points_of_a_grid_are_the_same_in_whatever_order_its_settings_are_named() -> None:
    """Two suites with one grid have one cell, and count its points each in their own order."""
    grids = [{"training.epochs": [5, 6], "training.patience": [1, 2, 3]}, {"training.patience": [1, 2, 3], "training.epochs": [5, 6]}]

    def point(epochs: int, patience: int, order: int, seed: int, auc: float | None) -> Record:
        draw = (epochs - 5) * 3 + patience - 1 if order == 0 else (patience - 1) * 2 + epochs - 5
        status: Status = "failed" if auc is None else "finished"
        chosen, metrics = Training(epochs=epochs, patience=patience), {} if auc is None else {"valid/auc": auc}
        place = {"grid": grids[order]}
        return record("m", seed, None, cell=place, training=chosen, stage="tune", draw=draw, metrics=metrics, status=status)

    first, *fresh = TUNING_SEEDS
    tuned = [point(epochs, patience, 0, first, 0.9 if (epochs, patience) == (5, 3) else 0.8) for epochs in (5, 6) for patience in (1, 2, 3)]
    tuned += [point(5, 3, 1, seed, 0.88) for seed in fresh] + [point(6, 1, 1, seed, 0.7) for seed in fresh]
    tuned += [point(6, 2, 0, fresh[0], None), point(6, 2, 1, fresh[0], 0.8)]
    for known in (tuned, tuned[::-1]):
        [row] = rows([*known, record("m", cell={"grid": grids[0]}, budget=6, training=Training(epochs=5, patience=3))])
        assert any("+0.02000, over 1 tuned cell" in note for note in row.notes) and row.draws_lost == 0


def test_a_board_names_what_won_at_the_end_of_a_grid() -> None:
    """One value more might have won there. Not beyond 0, not of two values, of which each is an end, and not of words."""
    grid = {
        "training.embedding_l2": [0.0, 0.01, 0.2],
        "training.learning_rate": [1e-3, 5e-4, 2e-3],
        "training.epochs": [5, 6],
        "training.precision": ["bf16", "fp32", "tf32"],
    }

    def row(method: str, l2: float, rate: float) -> list[Record]:
        training = Training(embedding_l2=l2, learning_rate=rate, epochs=6, precision="fp32")
        return [record(method, seed, 0.8 + seed / 100, cell={"grid": grid}, budget=9, training=training) for seed in range(2)]

    found = {r.method: r for r in rows([*row("single_embedding", 0.2, 1e-3), *row("low", 0.0, 5e-4), *row("both", 0.2, 2e-3)])}
    assert {name: of.won_at_end for name, of in found.items()} == {
        "single_embedding": ("training.embedding_l2",),
        "low": ("training.learning_rate",),
        "both": ("training.embedding_l2", "training.learning_rate"),
    }
    shown = render(list(found.values()), "table")
    cell = "dcnv2 1× depth 3"
    assert f"an end of the grid's embedding_l2, 0.2, won, and none beyond it was tried: both, single_embedding ({cell})" in shown
    assert f"an end of the grid's learning_rate, 0.0005, won, and none beyond it was tried: low {cell}" in shown
    assert "by grid: verdicts are on the values that won" in shown and "what the luck of the draws" not in shown
    assert json.loads(render([found["low"]], "json"))[0]["won_at_end"] == ["training.learning_rate"]
    assert next(csv.DictReader(io.StringIO(render([found["both"]], "csv"))))["won_at_end"] == " ".join(found["both"].won_at_end)


def test_what_won_of_a_grid_stands_on_the_board() -> None:
    grid = {"training.embedding_l2": [0.0, 1e-6]}
    chosen = record(cell={"grid": grid}, budget=2, training=Training(embedding_l2=1e-6))
    assert "tuning trials per cell: 2\n" in render(rows([chosen]), "table")
    chosen = dataclasses.replace(chosen, trial=dataclasses.replace(chosen.trial, budget=4))  # of the method with most
    own = record("m", auc=0.7, budget=4, cell={"grid": {**grid, "method.weight": [1, 2]}})
    found = rows([chosen, dataclasses.replace(own, trial=dataclasses.replace(own.trial, method={"weight": 2}))])
    assert [row.won for row in found] == [{"training.embedding_l2": 1e-6}, {"training.embedding_l2": 1e-5, "method.weight": 2}]
    assert "embedding_l2=1e-06" in render(found, "table") and "grid.training.embedding_l2=[0.0,1e-06]" in found[0].overrides
    assert found[1].delta_auc == pytest.approx(-0.1), "a grid of the method's own is part of the method"
    assert [row.grid_points for row in found] == [2, 4] and "tuning trials per cell: up to 4\n" in render(found, "table")
    assert rows([record()])[0].won == {} and " won " not in render(rows([record()]), "table")


def test_logloss_at_its_own_epoch_stands_beside_the_other_where_it_is_known() -> None:
    known = rows([record(auc=0.9, metrics={"test/logloss_own_epoch": 0.31}), record("m")])
    assert [row.test_logloss_own_epoch_mean for row in known] == [0.31, None]
    assert "0.31000" in render(known, "table") and "own" not in render(rows([record()]), "table").split("Ranked")[0]


def test_draws_that_were_lost_are_said() -> None:
    def draw(number: int, status: Status, seed: int = TUNING_SEEDS[0]) -> Record:
        return record("m", seed, None, stage="tune", draw=number, status=status, reason="RuntimeError: no" if status == "failed" else "")

    tried = [draw(0, "finished"), draw(1, "failed"), draw(1, "finished"), draw(2, "failed"), draw(3, "diverged"), draw(9, "failed")]
    tried += [draw(3, "failed", TUNING_SEEDS[1])]
    found = rows([*tried, record("m", 0, 0.8, budget=4), record("n", 0, 0.8, budget=4)])
    assert {row.method: row.draws_lost for row in found} == {"m": 2, "n": 0}
    text = render(found, "table")
    assert "tuning trials per cell: 4, draws lost: 2" in text
    assert "toy dcnv2 scale 1 depth 3 m: 2 of its tuning trainings failed for good, the first of them: RuntimeError: no" in text
    assert "lost" not in render(rows([*tried[:1], record("m", 0, 0.8, budget=4)]), "table")
    both = rows([*tried, *(record("m", 0, 0.8, budget=budget) for budget in (4, 10)), record("m", cell={"scale": 2}, budget=4)])
    assert {(row.scale, row.tuning_trials): row.draws_lost for row in both} == {(1, 4): 2, (1, 10): 3, (2, 4): 0}
    assert "draws lost: 3" in render(both, "table"), "a budget of ten has the draws of one of four"
