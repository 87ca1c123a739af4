"""Values after each epoch: mean and spread over the seeds that are at the same epoch."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from standin_records import record

from benchmark.__main__ import main
from benchmark.errors import UserError
from benchmark.records import Record, Store
from benchmark.reporting.curves import curves

MOVED = {0: (-0.1, -0.2, -0.25), 1: (-0.12, -0.26), 2: (-0.11, -0.2, -0.3, -0.31)}  # seed -> of each epoch


def trained(method: str, seed: int) -> Record:
    entries = [
        {
            "epoch": float(n),
            "valid/auc": 0.7 + n / 100,
            "model/layer0/gate_entropy_moved": value,
            "model/layer1/gate_entropy_moved": 2 * value,
        }
        for n, value in enumerate(MOVED[seed], start=1)
    ]
    return replace(record(method, seed, 0.8), curve=tuple(entries))


def test_seeds_are_compared_at_the_same_epoch_as_far_as_all_came() -> None:
    (text,) = curves([trained("roblock", seed) for seed in MOVED], "gate_entropy_moved", None, "table")
    lines = [line.split() for line in text.splitlines()[4:]]
    assert [(line[-6], *line[-5:-3]) for line in lines] == [(f"layer{layer}", str(epoch), "3") for layer in (0, 1) for epoch in (1, 2)]
    for line in lines:
        values = [(1 + ("layer1" in line[-6])) * of_seed[int(line[-5]) - 1] for of_seed in MOVED.values()]
        mean, sd = statistics.mean(values), statistics.stdev(values)
        assert line[-3:] == [f"{mean:.5f}", f"{sd:.5f}", f"{mean / sd:.1f}"]


def test_digits_stand_under_each_other() -> None:
    (text,) = curves([trained("roblock", seed) for seed in MOVED], "gate_entropy_moved", None, "table")
    lines = text.splitlines()[4:]
    assert len({len(line) for line in lines}) == 1 and len({len(line.split()[-1]) for line in lines}) > 1


def test_one_seed_has_no_spread_and_a_whole_name_is_that_curve_alone() -> None:
    (text,) = curves([trained("roblock", 0)], "model/layer1/gate_entropy_moved", None, "markdown")
    assert [[part.strip() for part in line.strip("|").split("|")][-5:] for line in text.splitlines()[4:]] == [
        [str(epoch), "1", f"{2 * value:.5f}", "-", "-"] for epoch, value in enumerate(MOVED[0], start=1)
    ]


def test_a_sanity_row_stands_by_its_name() -> None:
    curve = ({"epoch": 1.0, "valid/auc": 0.5},)
    row = replace(record("constant", cell={"backbone": "none", "depth": 0}), curve=curve)
    (text,) = curves([row], "valid/auc", None, "table")
    assert text.splitlines()[-1].split() == ["constant", "1", "1", "0.50000", "-", "-"]


def test_a_small_number_is_not_shown_as_0() -> None:
    rates = tuple({"epoch": float(n), "learning_rate": 10.0**-n} for n in (3, 5, 6, 7))
    (text,) = curves([replace(record("roblock", seed), curve=rates) for seed in (0, 1)], "learning_rate", None, "table")
    assert [line.split()[-3:-1] for line in text.splitlines()[4:]] == [[m, "0.00000"] for m in ("0.00100", "0.00001", "1e-06", "1e-07")]


def test_what_no_curve_has_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [trained("roblock", seed) for seed in MOVED]
    with pytest.raises(UserError, match="unknown curve 'gate_entropi_moved'; did you mean 'gate_entropy_moved'"):
        curves(records, "gate_entropi_moved", None, "table")
    with pytest.raises(UserError, match="no finished record has a curve"):
        curves([record("roblock", 0, 0.8)], "valid/auc", None, "table")
    store = Store(tmp_path)
    store.create()
    for one in records:
        store.write(one)
    assert main(["curves", "--results", str(tmp_path)]) == 0
    assert "valid/auc" in capsys.readouterr().out
    assert main(["curves", "--results", str(tmp_path), "--dataset", "nowhere"]) == 2
    assert "unknown data set 'nowhere'" in capsys.readouterr().err
