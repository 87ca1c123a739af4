"""Blocks of records: every record once, with its own numbers, and boards that do not depend on how the records came."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from standin_records import record

from benchmark.blocks import blocks_of_records
from benchmark.config import TUNING_SEEDS, Training
from benchmark.packing import is_headline
from benchmark.record import record_from_json
from benchmark.records import Record, Status, Store
from benchmark.reporting.groups import groups
from benchmark.reporting.leaderboard import render, rows

REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "collapse" / "records"
OTHER = Training(learning_rate=0.002)


def made() -> Iterable[Record]:
    """Seeds that differ in what a board shows: outcome, notes, names of metrics, hyper-parameters; and draws."""
    for seed in (10, 2, 1, 0):
        yield record(seed=seed, auc=0.8 + seed / 1e4, notes=("of the data",), cost={"parameters_table": 10.0})
        yield record("m", seed, 0.81 - seed / 1e4, metrics={"dose/best/gates": seed / 100} if seed else {"model/layer0/gate": 1.0})
        lost: Status = "failed" if seed == 2 else "finished"
        yield record("n", seed, None if seed == 1 else 0.82 + seed / 1e5, status=lost, reason="lost" if seed == 2 else "")
    yield record("m", 3, 0.9, training=OTHER)
    for draw in range(3):
        for seed in TUNING_SEEDS[: 3 if draw == 1 else 1]:
            failed: Status = "failed" if draw == 2 else "finished"
            yield record("m", seed, 0.7 + draw / 10, stage="tune", draw=draw, status=failed, reason="no memory" if draw == 2 else "")
    yield record("m", 0, 0.8, budget=3)
    yield record("m", 5, 0.8, budget=3, training=OTHER)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    found = Store(tmp_path_factory.mktemp("blocks"))
    found.create()
    for each in made():
        found.write(each)
    for path in sorted(REFERENCE.glob("*.json"))[::30]:
        shutil.copy(path, found.folder)
    for path in found.paths():
        os.utime(path, ns=(10**18, 10**18))
    list(found)
    return found


@pytest.fixture(scope="module")
def files(store: Store) -> list[Record]:
    return [record_from_json(path.read_text(), path.name) for path in store.paths()]


def shared(record: Record) -> object:
    trial = record.trial
    place = trial.cell, trial.stage, trial.budget, trial.settings, trial.draw
    return *place, record.status, record.reason, record.notes, record.fingerprints, list(record.headlines)


def test_each_record_is_in_one_block_with_its_own_numbers(store: Store, files: list[Record]) -> None:
    known = sorted({name for each in files for name in each.metrics})
    names = ["test/auc", "dose/best/gates", "none", *known[::40]]  # also such as the index does not have
    assert not all(map(is_headline, names))
    for blocks in (store.blocks(), blocks_of_records(store), blocks_of_records(files)):
        assert sorted(r.trial_id for block in blocks for r in block.records) == [r.trial_id for r in files]
        assert len(blocks) < len(files)
        for block in blocks:
            assert [r.trial.seed for r in block.records] == list(block.seeds) == sorted(block.seeds)
            assert block.first.trial_id == block.records[0].trial_id
            assert all(shared(r) == shared(block.first) for r in block.records)
            for name in names:
                assert block.metrics.of(name) == {r.trial.seed: r.metrics[name] for r in block.records if name in r.metrics}, name
            for name in ("parameters_table", "none"):
                assert block.cost.of(name) == {r.trial.seed: r.cost[name] for r in block.records if name in r.cost}


def test_records_that_are_alike_are_in_one_block(store: Store) -> None:
    blocks = store.blocks()
    assert len({repr(shared(block.first)) for block in blocks}) == len(blocks)


def test_of_several_records_of_one_trial_the_last_one_counts() -> None:
    """Two folders of which somebody makes one list: a training is in both, and ended otherwise or had other code."""
    later = record(auc=0.9)
    for first in (record(auc=None, status="failed"), replace(record(), fingerprints={"method_code": "another"})):
        [block] = blocks_of_records([first, later])
        assert block.seeds == [0] and block.records == (later,)
        [row] = rows([first, later])
        assert (row.seeds, row.status, row.test_auc_mean) == (1, "finished", 0.9)


def test_boards_do_not_depend_on_how_the_records_came(store: Store, files: list[Record]) -> None:
    expected = render(rows(files), "json")
    assert render(rows(store), "json") == render(rows(list(store)), "json") == expected
    assert '"n"' in expected and "failed for good" in expected and "with other hyper-parameters" in expected


def test_groups_give_their_records_in_the_order_of_seeds(store: Store) -> None:
    found = {(g.cell.method, g.budget): g for g in groups(store) if g.label == "toy"}
    assert [r.trial.seed for r in found["n", 1].records] == [0, 1, 2, 10]
    assert [r.trial.seed for r in found["n", 1].finished] == [0, 1, 10] and found["n", 1].finished_count == 3
    assert found["n", 1].metric("test/auc") == {r.trial.seed: r.metrics["test/auc"] for r in found["n", 1].finished if r.trial.seed != 1}
    assert list(found["n", 1].metric("test/auc")) == [0, 10]
