"""The board: order, pairing, what is never mixed, and its four formats."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from standin_records import record

from benchmark.config import Training
from benchmark.errors import UserError
from benchmark.records import Record, Status, Store
from benchmark.reporting.board import View
from benchmark.reporting.leaderboard import Row, leaderboard, render, rows
from benchmark.reporting.reproduction import find

KEYS = [
    "rank",
    "method",
    "backbone",
    "dataset",
    "scale",
    "depth",
    "status",
    "seeds",
    "test_auc_mean",
    "test_auc_sd",
    "delta_auc",
    "test_logloss_mean",
    "information_abundance",
    "effective_rank_table",
    "effective_rank_last",
    "parameters_table",
    "parameters_dense",
    "samples_per_second",
]


def by_method(records: list[Record]) -> dict[str, Row]:
    found = rows(records)
    assert len({row.method for row in found}) == len(found)
    return {row.method: row for row in found}


def test_best_mean_first_and_unfinished_last() -> None:
    found = rows(
        [
            record("diverges", 0, None, status="diverged", reason="training loss nan in epoch 1"),
            record("lucky", 0, 0.99),
            record("lucky", 1, 0.10, status="diverged", reason="training loss 1e9 in epoch 2"),
            record("second", 0, 0.82),
            record("first", 0, 0.80),
            record("first", 1, 0.90),
            record("breaks", 0, None, status="failed", reason="RuntimeError: no"),
        ]
    )
    assert [(r.rank, r.method, r.status) for r in found] == [
        (1, "first", "finished"),
        (2, "second", "finished"),
        (None, "breaks", "failed"),
        (None, "diverges", "diverged"),
        (None, "lucky", "diverged"),
    ]
    assert (found[4].seeds, found[4].test_auc_mean, found[4].reason) == (1, 0.99, "training loss 1e9 in epoch 2")


def test_a_worse_status_wins_the_group() -> None:
    statuses: tuple[Status, ...] = ("finished", "diverged", "failed", "incompatible")
    [row] = rows([record("m", seed, None, status=s, reason=s) for seed, s in enumerate(statuses)])
    assert (row.status, row.reason, row.seeds) == ("failed", "failed", 1)


def test_a_finished_record_without_test_auc_is_no_seed() -> None:
    [row] = rows([record("m", 0, 0.8), record("m", 1, None), record("m", 2, 0.9)])
    assert row.seeds == 2 and row.test_auc_mean == pytest.approx(0.85)
    assert any("1 finished record(s) without test/auc do not count as seeds" in note for note in row.notes)


def test_equal_auc_equal_rank() -> None:
    found = rows([record("a", auc=0.7), record("b", auc=0.9), record("c", auc=0.9)])
    assert [(r.rank, r.method) for r in found] == [(1, "b"), (1, "c"), (3, "a")]


def test_mean_and_sample_sd() -> None:
    [row] = rows([record("m", 0, 0.7), record("m", 1, 0.8), record("m", 2, 0.9)])
    assert (row.seeds, row.test_auc_mean, row.test_auc_sd) == pytest.approx((3, 0.8, 0.1))
    [single] = rows([record("m", 0, 0.7)])
    assert single.test_auc_sd is None


def test_delta_is_paired_by_seed() -> None:
    control = [record("single_embedding", seed, auc) for seed, auc in ((0, 0.80), (1, 0.70), (2, 0.90))]
    other = [record("roblock", seed, auc) for seed, auc in ((0, 0.81), (2, 0.92), (7, 0.10))]
    found = by_method(control + other)
    row = found["roblock"]
    assert (row.delta_auc, row.delta_seeds) == pytest.approx((0.015, 2))
    assert row.delta_auc is not None
    assert row.delta_auc_low is not None and row.delta_auc_high is not None
    assert row.delta_auc_high - row.delta_auc == pytest.approx(12.7062047 * 0.005, rel=1e-6)
    assert row.delta_auc - row.delta_auc_low == pytest.approx(12.7062047 * 0.005, rel=1e-6)
    assert found["single_embedding"].delta_auc is None
    fewer = by_method(control[:1] + other)["roblock"]  # drop seeds of the control: only seed 0 is left to pair
    assert (fewer.delta_auc, fewer.delta_seeds) == pytest.approx((0.01, 1))
    assert fewer.delta_auc_low is None and fewer.delta_auc_high is None
    assert by_method(control[1:2] + other)["roblock"].delta_auc is None


@pytest.mark.parametrize(
    "other",
    [
        {"scale": 2},
        {"depth": 4},
        {"backbone": "xdeepfm"},
        {"dimension": 4},
        {"dataset": "other"},
        {"data": "0" * 12},
        {"dataset_options": {"rows": 5}},
        {"training": {"epochs": 3}},
        {"backbone_options": {"units": 3}},
    ],
)
def test_delta_needs_equal_conditions(other: dict[str, object]) -> None:
    assert next(r for r in rows([record(auc=0.7, cell=other), record("m", auc=0.8)]) if r.method == "m").delta_auc is None
    together = rows([record(auc=0.7, cell=other), record("m", auc=0.8, cell=other)])
    assert next(r for r in together if r.method == "m").delta_auc == pytest.approx(0.1)


def test_ablations_are_compared_with_the_plain_control() -> None:
    found = rows(
        [
            record(auc=0.7),
            record(auc=0.1, cell={"method_options": {"odd": True}}),
            record("m", auc=0.8, cell={"method_options": {"without": "gates"}}),
            record("m", auc=0.9),
        ]
    )
    assert [r.delta_auc for r in found if r.method == "m"] == [pytest.approx(0.2), pytest.approx(0.1)]
    assert len({r.protocol for r in found if r.method == "m"}) == 2
    assert 'method.without="gates"' in render(found, "table")


def test_budgets_are_never_mixed() -> None:
    found = rows([record(auc=0.7), record(auc=0.72, budget=8), record("m", auc=0.8, budget=8), record("n", auc=0.8)])
    assert [(r.method, r.tuning_trials, r.seeds) for r in found] == [
        ("m", 8, 1),
        ("n", 1, 1),
        ("single_embedding", 8, 1),
        ("single_embedding", 1, 1),
    ]
    assert [r.delta_auc for r in found[:2]] == [pytest.approx(0.08), pytest.approx(0.1)]
    assert "trials" in render(found, "table").split("method")[1]


def test_versions_of_a_data_set_have_boards_of_their_own() -> None:
    found = rows([record(auc=0.7), record("m", auc=0.8), record("m", auc=0.9, cell={"data": "0" * 12})])
    assert [(r.dataset, r.rank) for r in found] == [("toy@000000000000", 1), ("toy@ffffffffffff", 1), ("toy@ffffffffffff", 2)]
    assert rows([record()])[0].dataset == "toy"


def test_tuning_records_are_not_on_the_board() -> None:
    assert rows([record(stage="tune", auc=0.9)]) == []


def test_a_cell_tuned_twice_counts_a_seed_once() -> None:
    first = [record("m", seed, 0.7) for seed in (0, 1)]
    again = [record("m", 0, 0.9, training=Training(learning_rate=0.002))]
    [row] = rows(first + again)
    assert (row.seeds, row.test_auc_mean) == pytest.approx((2, 0.7))
    assert any("left out" in note for note in row.notes)
    better = [record("m", seed, 0.6, training=Training(learning_rate=0.002), metrics={"valid/auc": 0.95}) for seed in (0, 1)]
    [row] = rows(first + better)
    assert row.test_auc_mean == pytest.approx(0.6)  # chosen on validation data, whatever the test data say
    for rates in ((1e-3, 2e-3), (2e-3, 1e-3)):  # none has finished: the one that is not to be trained again, with which a run goes on
        diverged, failed = (record("m", 0, None, training=Training(learning_rate=rate), status="diverged") for rate in rates)
        assert [row.status for row in rows([diverged, replace(failed, status="failed")])] == ["diverged"]


def test_metrics_and_cost_of_a_row() -> None:
    metrics = {
        "spectral/table/information_abundance": 3.0,
        "spectral/table/effective_rank": 5.0,
        "spectral/layer0/batch/effective_rank": 6.0,
        "spectral/layer2/batch/effective_rank": 7.0,
        "spectral/layer10/batch/effective_rank": 8.0,
        "test/bayes_auc": 0.85121,
        "test/bayes_logloss": 0.44104,
    }
    cost = {
        "parameters_table": 1_230_000.0,
        "parameters_dense": 999_900.0,
        "samples_per_second": 54_321.0,
        "flops_per_sample": 9.0,
        "peak_memory_mb": 4.0,
    }
    [row] = found = rows([record(metrics=metrics, cost=cost, notes=("train differs from the official file",))])
    assert (row.information_abundance, row.effective_rank_table, row.effective_rank_last) == (3, 5, 8)
    assert (row.parameters_table, row.parameters_dense, row.samples_per_second) == (1_230_000, 999_900, 54_321)
    assert (row.flops_per_sample, row.peak_memory_mb) == (9, 4)
    for text in (render(found, "table"), render(found, "markdown")):
        for part in (
            "1.23M",
            "1M",
            "54.3k",
            "0.80000 (1)",
            "Bayes optimum: AUC 0.85121, logloss 0.44104",
            "train differs from the official",
        ):
            assert part in text


def test_auc_on_unseen_pairs_is_shown_where_a_row_has_it() -> None:
    counts = {"test/rows_unseen_pairs": 20_516.0, "test/positives_unseen_pairs": 1_192.0}
    found = [record(seed=seed, metrics={**counts, "test/auc_unseen_pairs": 0.7 + seed / 50}) for seed in (0, 1)]
    board = rows([*found, record("older")])
    for text in (render(board, "table"), render(board, "markdown")):
        assert "unseen" in text and "0.71000" in text
        assert "AUC unseen pairs: over 20,516 test rows, 1,192 of them positive" in text
    second, first = sorted(json.loads(render(board, "json")), key=lambda row: row["method"])
    assert first["test_auc_unseen_pairs_mean"] == pytest.approx(0.71) and first["test_auc_unseen_pairs_sd"] == pytest.approx(0.01 * 2**0.5)
    assert (first["unseen_pairs_rows"], first["unseen_pairs_positives"]) == (20_516, 1_192)
    assert second["test_auc_unseen_pairs_mean"] is None and second["unseen_pairs_rows"] is None
    assert "unseen" not in render(rows([record("older")]), "table")


def test_json_keys_in_their_order_and_null_where_unknown() -> None:
    content = json.loads(render(rows([record(), record("m", auc=None, status="failed", reason="why")]), "json"))
    for entry in content:
        assert list(entry)[: len(KEYS)] == KEYS
        assert entry["parameters_table"] is None and entry["test_auc_sd"] is None
        assert entry["notes"] == []
    assert content[1]["rank"] is None and content[1]["reason"] == "why"


def test_csv_keeps_integers_beside_gaps() -> None:
    text = render(rows([record(cost={"parameters_table": 7.0}), record("m", auc=None, status="failed")]), "csv")
    first, second = csv.DictReader(io.StringIO(text))
    assert list(first)[: len(KEYS)] == KEYS
    assert (first["rank"], first["parameters_table"], second["rank"], second["parameters_table"]) == ("1", "7", "", "")


def realistic() -> list[Record]:
    found = [record("constant", cell={"backbone": "none", "depth": 0}, auc=0.5, notes=("train differs from the official file",))]
    for b, backbone in enumerate(("dcnv2", "finalmlp", "xdeepfm")):
        for m, method in enumerate(("single_embedding", "multi_embedding_shared", "roblock")):
            for seed in range(3):
                auc = 0.98 + 0.0003 * m - 0.002 * b + 0.0004 * ((seed * 7 + m) % 3)
                cost = {"parameters_table": 219_160.0, "parameters_dense": 1_234_567.0, "samples_per_second": 123_456.0}
                metrics = {"spectral/table/information_abundance": 17.345, "spectral/table/effective_rank": 30.1}
                found.append(record(method, seed, auc, cell={"backbone": backbone, "scale": 4}, cost=cost, metrics=metrics))
    return [*found, record("roblock", 0, None, cell={"backbone": "dcnv2"}, status="diverged", reason="training loss nan in epoch 3")]


def test_table_is_readable() -> None:
    text = render(rows(realistic()), "table")
    assert max(map(len, text.splitlines())) <= 200
    assert text.count("note: train differs") == 1
    assert "diverged: roblock, dcnv2, scale 1, depth 3: training loss nan in epoch 3" in text
    assert "sanity rows" in text and "sanity rows" not in render(rows([record()]), "table")


def test_markdown_is_one_table_a_board() -> None:
    text = render(rows([*realistic(), record(cell={"dataset": "other"})]), "markdown")
    boards = [part for part in text.split("### ") if part]
    assert [b.split(":")[0] for b in boards] == ["other", "toy"]
    table = [line for line in boards[1].splitlines() if line.startswith("|")]
    assert len(table) == 2 + 11 and len({line.count("|") for line in table}) == 1


def stored(folder: Path, records: list[Record]) -> Store:
    store = Store(folder)
    store.create()
    for entry in records:
        store.write(entry)
    return store


def test_leaderboard_of_a_store(tmp_path: Path) -> None:
    store = stored(tmp_path, [record(), record("m", auc=0.9), record(cell={"dataset": "frappe_x1"})])
    assert [entry["dataset"] for entry in json.loads(leaderboard(store, None, "json"))] == ["frappe_x1", "toy", "toy"]
    assert [entry["rank"] for entry in json.loads(leaderboard(store, "toy", "json"))] == [1, 2]


def test_leaderboard_of_a_version(tmp_path: Path) -> None:
    store = stored(tmp_path, [record(), record(cell={"data": "0" * 12})])
    assert len(json.loads(leaderboard(store, "toy", "json"))) == 2
    assert len(json.loads(leaderboard(store, "toy@ffffffffffff", "json"))) == 1


def test_nothing_to_show_is_said_in_one_line(tmp_path: Path) -> None:
    draws = stored(tmp_path, [record(stage="tune")])
    for store, words in (
        (Store(tmp_path / "nowhere"), r"no final training is recorded in .* run `python -m benchmark run quick` first"),
        (draws, r"1 draw of tuning, no final training yet; the `run` that made it, given again, goes on from there"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            leaderboard(store, None, "table")
        assert "\n" not in str(caught.value)


def test_unknown_data_set_gets_the_nearest_name(tmp_path: Path) -> None:
    store = stored(tmp_path, [record(cell={"dataset": "frappe_x1"})])
    with pytest.raises(UserError, match="did you mean 'frappe_x1'"):
        leaderboard(store, "frappe", "table")


def test_what_models_say_of_themselves_stands_under_the_board() -> None:
    inner = {"model/layer10/gate_entropy": 0.3, "model/layer2/gate_entropy": 0.2, "model/criterion": 1.5}
    found = rows([record("roblock", seed, 0.8, metrics={k: v + seed for k, v in inner.items()}) for seed in (0, 1)] + [record("plain")])
    state = {row.method: row.internal_state for row in found}
    assert state == {"roblock": {"layer10/gate_entropy": 0.8, "layer2/gate_entropy": 0.7, "criterion": 2.0}, "plain": {}}
    assert "say of themselves" not in render(found, "table")
    text = render(found, "table", View(details=True)).split("say of themselves")[1]
    assert "gate entropy" in text and "0.7 0.8" in text and "plain" not in text.split("Ranked by")[0]
    assert json.loads(next(csv.DictReader(io.StringIO(render(found, "csv"))))["internal_state"]) == state[found[0].method]


def test_rows_lead_to_their_records(tmp_path: Path) -> None:
    made = [record("m", 2), record("m", 0), record("m", 1, None, status="failed"), record("m", 3, 0.7, stage="tune"), record()]
    ids = {(r.trial.cell.method, r.trial.seed): r.trial_id for r in made}
    store = stored(tmp_path, made)
    for records in (store, made):
        found = {row["method"]: row["trial_ids"] for row in json.loads(render(rows(records), "json"))}
        assert found == {"m": [ids["m", seed] for seed in range(3)], "single_embedding": [ids["single_embedding", 0]]}
        assert {row["method"]: row["trial_ids"].split(" ") for row in csv.DictReader(io.StringIO(render(rows(records), "csv")))} == found
    for trial_id in found["m"]:
        recorded, _ = find(trial_id, tmp_path)
        assert recorded.trial_id == trial_id, "it is what reproduce is called with"
