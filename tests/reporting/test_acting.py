"""Doses on a board: which is shown, when a row is inert, and what is known of records without them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from standin_records import record

from benchmark.errors import UserError
from benchmark.records import Store
from benchmark.reporting.acting import acts, inert
from benchmark.reporting.board import View
from benchmark.reporting.columns import COLUMNS
from benchmark.reporting.groups import groups
from benchmark.reporting.leaderboard import leaderboard, render, rows

DEEP = {"scale": 4, "dimension": 10}


def test_the_largest_dose_at_the_best_epoch_is_the_rows() -> None:
    others = {"dose/first/penalty": 0.9, "dose/best/penalty": 0.004, "dose/knockout/gates/auc": -0.3}
    [group] = groups([record("gated", seed, metrics={**others, "dose/best/layer1/gates": d}) for seed, d in enumerate((0.01, 0.03))])
    assert acts(group) == pytest.approx(0.02) and not inert(group)


@pytest.mark.parametrize(
    ("dose", "shown", "known"), [(0.0099, "inert", True), (0.0, "inert", True), (0.01, "0.01", False), (7.0, "1", False)]
)
def test_below_a_hundredth_a_row_is_inert(dose: float, shown: str, known: bool) -> None:
    records = [record(), record("penalised", metrics={"dose/best/penalty": dose})]
    found = {group.cell.method: group for group in groups(records)}
    assert inert(found["penalised"]) is known and acts(found["single_embedding"]) is None and not inert(found["single_embedding"])
    table = render(rows(records), "markdown").splitlines()
    assert any("penalised" in line and f" {shown} |" in line for line in table)
    seeds = [
        record(method, seed, metrics=metrics)
        for seed in (0, 1)
        for method, metrics in (("single_embedding", {}), ("penalised", dict(records[1].metrics)))
    ]
    verdicts = {row.method: next(c for c in COLUMNS if c.key == "verdict").text(row) for row in rows(seeds)}
    assert (verdicts["penalised"] == "inert") is known and verdicts["single_embedding"] == "-"
    content = {row["method"]: row for row in json.loads(render(rows(records), "json"))}
    assert content["single_embedding"]["acts"] is None and content["penalised"]["acts"] == pytest.approx(min(dose, 1.0))


def test_knock_outs_stand_below_the_board() -> None:
    metrics = {"dose/best/layer0/maps": 0.2, "dose/knockout/maps/auc": -0.00123, "dose/knockout/maps/logloss": 0.00456}
    text = render(rows([record("block", metrics=metrics), record()]), "table")
    assert "Knock-outs" in text and "-0.00123 +0.00456" in text
    assert "Knock-outs" not in render(rows([record()]), "table")


def test_knock_outs_fit_the_terminal() -> None:
    parts = ("maps", "basis", "gates", "gate_input", "rebalancing")
    found = rows([record("block", metrics={f"dose/knockout/{part}/auc": -0.00123 for part in parts})])
    lines = render(found, "table", View(width=80)).splitlines()
    told = lines[next(index for index, line in enumerate(lines) if line.startswith("Knock-outs")) :]
    assert max(map(len, told)) <= 80
    assert all(any(part.replace("_", " ") in line for line in told) for part in parts)


def test_without_doses_the_rebalancing_says_its_own() -> None:
    """ε σ_1/‖X‖_F with ‖X‖_F = √D σ_rms."""
    metrics = {f"model/layer{l}/{name}": v for l in (0, 1) for name, v in (("deflation", 0.3 + l / 10), ("leading_over_rms_before", 4.0))}
    [group] = groups([record("block", cell=DEEP, metrics=metrics)])
    assert acts(group) == pytest.approx(0.4 * 4 / math.sqrt(40))


def test_an_audit_beside_the_records_is_taken_where_they_have_no_doses(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create()
    old, new = record("old"), record("new", metrics={"dose/best/penalty": 0.5})
    for one in (old, new, record()):
        store.write(one)
    (tmp_path / "doses.json").write_text(json.dumps({one.trial.cell.key: {"acts": 1e-4} for one in (old, new)}))
    assert {g.cell.method: acts(g) for g in groups(store)} == {"old": 1e-4, "new": 0.5, "single_embedding": None}
    assert "inert" in leaderboard(store, None, "table")
    for wrong in ("[1]", "", *(json.dumps({old.trial.cell.key: {"acts": dose}}) for dose in (math.nan, math.inf, -0.1, True, "0.5"))):
        (tmp_path / "doses.json").write_text(wrong)
        with pytest.raises(UserError, match="not the doses of an audit"):
            groups(store)
    with pytest.raises(UserError, match=r"doses\.json/records: the records cannot be read"):
        leaderboard(Store(tmp_path / "doses.json"), None, "table")
