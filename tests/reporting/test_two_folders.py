"""Two results folders, cell by cell: which cells are the same, what is paired, and what is said to differ."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest
from standin_records import record

from benchmark.config import MAX_SEEDS, Training
from benchmark.errors import UserError
from benchmark.metrics.statistics import paired_difference
from benchmark.records import Record
from benchmark.reporting.board import View
from benchmark.reporting.two_folders import Row, compare_folders, rows

NAMES = ("here", "there")
METHODS = ("single_embedding", "roblock:no_regeneration", "multi_embedding_shared")


def side(shift: float = 0.0, seeds: range = range(3), **more: Any) -> list[Record]:
    places = [{"backbone": b, "scale": s} for b in ("dcnv2", "rankelastor") for s in (1, 4)]
    found = [record(m, n, 0.8 + n / 300 + shift * (n + 1), cell=place, **more) for m in METHODS for place in places for n in seeds]
    return [*found, *(record("constant", n, 0.5, cell={"backbone": "none", "depth": 0}) for n in seeds)]


def only(found: list[Row]) -> Row:
    [row] = found
    return row


def shown(a: list[Record], b: list[Record], format: Any = "table", width: int | None = None) -> str:
    return compare_folders(a, b, NAMES, None, format, View(width=width))


def test_a_folder_is_its_own_equal() -> None:
    found = rows(side(), side())
    assert len(found) == 13 and {(r.found_in, r.equal, r.seeds, r.delta_auc, r.delta_logloss) for r in found} == {
        ("both", "yes", "3", 0, 0)
    }
    assert not any(r.differs for r in found)


def test_what_both_have_is_paired_by_seed_and_means_are_of_each_side() -> None:
    a, b = {0: 0.70, 1: 0.72, 2: 0.75}, {1: 0.73, 2: 0.755, 3: 0.9}
    left, right = ([record("m", seed, auc) for seed, auc in values.items()] for values in (a, b))
    row = only(rows(left, right))
    expected = paired_difference(b, a)
    assert expected is not None
    assert (row.delta_auc, row.delta_auc_low, row.delta_auc_high) == expected[:3]
    assert row.delta_logloss == pytest.approx(-expected.mean) and row.delta_logloss_low == pytest.approx(-(expected.high or 0))
    assert row.auc_a == pytest.approx(fmean(a.values())) and row.auc_b == pytest.approx(fmean(b.values()))
    assert (row.seeds, row.equal) == ("2, +1 A, +1 B", "no")
    back = only(rows(right, left))
    assert back.delta_auc == -expected.mean and back.seeds_only_a == row.seeds_only_b


def test_equal_is_to_the_last_digit() -> None:
    one = [record("m", seed, 0.7, metrics={"best_epoch": 3.0, "dose/x": 0.5}) for seed in (0, 1)]
    close = [one[0], replace(one[1], metrics={**one[1].metrics, "test/auc": 0.7 + 2**-52})]
    assert only(rows(one, close)).equal == "1 of 2"
    other = [replace(r, metrics={**r.metrics, "best_epoch": 4.0}) for r in one]
    assert only(rows(one, other)).equal == "scores"
    older = [replace(r, metrics={k: v for k, v in r.metrics.items() if k != "dose/x"}) for r in one]
    assert only(rows(one, older)).equal == "yes", "a metric that an older version did not have is no difference"


def test_up_to_how_many_seeds_rows_were_looked_at_is_no_metric_of_their_trainings() -> None:
    """It makes other verdicts of the same numbers, and is said beside them."""
    one, other = ([record("m", n, 0.8 + n / 300, metrics={MAX_SEEDS: most}) for n in range(3)] for most in (8.0, 12.0))
    row = only(rows(one, other))
    assert row.equal == "yes" and row.differs == {"verdict by": tuple(f"looks after each seed, up to {most}" for most in (8, 12))}
    row = only(rows([record("m", n, 0.8 + n / 300) for n in range(3)], other))
    assert row.equal == "yes" and row.differs == {"verdict by": ("one test of all seeds", "looks after each seed, up to 12")}


def test_cells_are_told_apart_by_all_but_the_data() -> None:
    base = [record("m", 0, 0.7)]
    for other in ({"scale": 2}, {"dimension": 4}, {"method_options": {"a": 1}}, {"training": {"epochs": 1}}, {"dataset": "another"}):
        assert [r.found_in for r in rows(base, [record("m", 0, 0.7, cell=other)])].count("both") == 0, other
    assert {r.found_in for r in rows(base, [record("m", 0, 0.7, budget=8)])} == {"A", "B"}
    row = only(rows(base, [record("m", 0, 0.7, cell={"data": "e" * 12})]))
    assert row.found_in == "both" and row.differs == {"data": ("f" * 12, "e" * 12)}
    # Of two versions of the data on one side, that of the other side is the same cell.
    both = rows(base, [record("m", 0, 0.7, cell={"data": "e" * 12}), *base])
    assert [(r.found_in, dict(r.differs)) for r in both] == [("both", {}), ("B", {})]
    # Of many the order is that of their fingerprints, and not another one each time.
    many = [record("m", 0, 0.7 + n / 100, cell={"data": f"{n:x}" * 12}) for n in range(12)]
    assert [r.auc_a for r in rows(many[::-1], many)] == [r.metrics["test/auc"] for r in many]


def test_rows_that_differ_in_settings_or_data_alone_say_in_what() -> None:
    cells: list[dict[str, Any]] = [{}, {"method_options": {"a": 1}}, {"data": "e" * 12}]
    found = [record("m", 0, 0.7 + n / 100, cell=cell) for n, cell in enumerate(cells)]
    for text in (shown(found, found), shown(found, found, "markdown")):
        [line] = [line for line in text.splitlines() if "protocol " in line and ": method.a=1" in line]
        digits = line.split("protocol ")[1].split(":")[0]
        rest = [re.sub(r"[| ]+", " ", line).strip() for line in text.splitlines() if line.strip("| ").startswith("m ")]
        assert sorted(line.split()[4:7] for line in rest) == sorted(
            [["-", "f" * 12, "0.70000"], [digits, "f" * 12, "0.71000"], ["-", "e" * 12, "0.72000"]]
        )
    made = record("m", 1, 0.9)
    both = [replace(made, trial=replace(made.trial, method=method)) for method in ({"a": 1}, {"a": 1, "b": 2})]
    assert sorted(r.overrides for r in rows(both, both)) == ["", "before b"], "and which row is of before a method had a setting"
    assert "protocol" not in shown(found[:1], found[:1]) and "f" * 12 not in shown(found[:1], found[:1])
    assert [entry["data"] for entry in json.loads(shown(found, found, "json"))].count("e" * 12) == 1


def test_what_means_the_same_in_todays_words_is_not_left_out() -> None:
    """Trained before RoBlock's gates had a rate, and before they had any of their present settings: two rows of one cell."""

    def roblock(auc: float, **method: Any) -> Record:
        made = record("roblock", 0, auc)
        return replace(made, trial=replace(made.trial, method=method))

    old, older = roblock(0.8, gate_sharpness=4.0, gate_scores="raw", first_state="table"), roblock(0.7, gate_sharpness=4.0)
    assert sorted((r.found_in, r.auc_a) for r in rows([old, older], [])) == [("A", 0.7), ("A", 0.8)]
    for side in ([old, older], [older, old]):
        assert sorted((r.found_in, r.auc_a) for r in rows(side, [old])) == [("A", 0.7), ("both", 0.8)], "in whatever order"


def test_what_differs_beside_the_numbers_is_said() -> None:
    def made(cpu: str, code: str, **more: Any) -> list[Record]:
        environment = {"torch": "2.9", "cpu": cpu, "host": cpu, "started": cpu, **more}
        return [
            replace(r, environment=environment, fingerprints={"data": "x", "method_code": f"{code}{r.trial.cell.method[:2]}"})
            for r in side()
        ]

    a, b = made("EPYC", "1"), made("Xeon", "2", without="cin")
    assert {frozenset(r.differs) for r in rows(a, b)} == {frozenset({"cpu", "code method_code", "without"})}
    text = shown(a, b)
    assert "cpu: EPYC in A, Xeon in B (13 of 13 cells)" in text and "without: not recorded in A, cin in B" in text
    assert "code method_code differs in 13 of 13 cells: " in text and " and 5 more" in text and "torch" not in text
    tuned = [record("m", 0, 0.7, training=Training(learning_rate=0.003))]
    assert only(rows([record("m", 0, 0.7)], tuned)).differs == {"training.learning_rate": ("0.001", "0.003")}
    failed = [record("m", 0, None, status="failed", reason="x")]
    assert only(rows([record("m", 0, 0.7)], failed)).differs == {"status": ("finished", "failed")}


def test_cells_of_one_side_are_counted_and_named() -> None:
    text = shown([*side(), record("extra", 0, 0.9)], side())
    assert (
        "toy: 13 cells in both, 1 only in A, 0 only in B" in text
        and "only in A: extra dcnv2 1× depth 3" in text
        and "only in B:" not in text
    )
    nothing = shown([record("a", 0, 0.9)], [record("b", 0, 0.9)])
    assert "0 cells in both" in nothing and "only in B: b" in nothing


def test_cells_of_one_side_say_what_tells_them_from_others_of_the_same_name() -> None:
    def of(*settings: str, budget: int = 1, **cell: Any) -> list[Record]:
        made = record("multi_embedding", 0, 0.8, cell=cell, budget=budget)
        return [replace(made, trial=replace(made.trial, method=dict.fromkeys(settings, 2)))]

    text, name = shown(of("sets", "gone"), of("sets")), "multi_embedding dcnv2 1× depth 3"
    assert f"only in A: {name} (when it had gone)\n" in text and text.endswith(f"only in B: {name}")
    assert f"only in A: {name} (before sets)\n" in shown(of(), of("sets"))
    text = shown(of("sets", method_options={"sets": 2}), of("sets", budget=3))
    assert f"only in A: {name} (method.sets=2, 1 trial)\n" in text and text.endswith(f"only in B: {name} (3 trials)")
    assert shown(of("sets"), []).endswith(f"only in A: {name}"), "there is nothing to tell it from, and no table to explain"
    cells: list[Any] = [{"training": {"epochs": n, "patience": 4, "learning_rate": 0.01}} for n in (5, 6)]
    text, rows_of = shown(of("sets", **cells[0]), of("sets", **cells[1])), rows(of("sets", **cells[0]), of("sets", **cells[1]))
    for row in rows_of:
        assert f"only in {row.found_in}: {name} (protocol {row.protocol})\n" in text
        assert f"protocol {row.protocol}: {row.overrides}" in text, "of many settings a line of their own"


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_the_terminal(width: int) -> None:
    text = shown(side(), side(0.0001, range(1, 4)), width=width)
    assert max(map(len, text.splitlines())) <= width
    # What there is no room for is said, with where it stands.
    said = " ".join(text.split()).partition(f"left out at {width} columns: ")[2].partition(";")[0]
    assert said == ("AUC B, " if width == 80 else "") + "logloss A, logloss B, logloss, B − A ± 95 %"
    assert "left out" not in shown(side(), side(0.0001, range(1, 4)), width=None)
    assert "rankelastor · scale 4 · depth 3" in text if width == 80 else "rankelastor" in text
    assert "2, +1 A, +1 B" in text and "+0.00025 ± 0.00064" in text


def test_other_formats_have_every_number() -> None:
    a, b = side(), side(1e-4)
    expected = rows(a, b)
    content = json.loads(shown(a, b, "json"))
    assert [entry["delta_auc_high"] for entry in content] == [r.delta_auc_high for r in expected] and content[0]["differs"] == {}
    table = list(csv.DictReader(io.StringIO(shown(a, b, "csv"))))
    assert [float(entry["logloss_b"]) for entry in table] == [r.logloss_b for r in expected] and list(table[0]) == list(content[0])
    assert "| method" in shown(a, b, "markdown")


def test_without_anything_to_compare() -> None:
    with pytest.raises(UserError, match="neither here nor there has a final training"):
        shown([record(stage="tune")], [])
    with pytest.raises(UserError, match="unknown data set 'tay'; did you mean 'toy'"):
        compare_folders(side(), side(), NAMES, "tay", "table", View())
