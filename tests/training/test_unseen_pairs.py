"""Test AUC over the rows whose pair of values no training row has: what a memory of pairs is worth there, and when there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from benchmark import api
from benchmark.contracts import CTRModel, Output, no_penalty
from benchmark.data.frame import prepare_frame
from benchmark.data.store import Prepared
from benchmark.records import Record
from benchmark.training.evaluate import score_test

OPTIONS = {"label": "click", "split_column": "part", "pair": ["user", "item"]}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))


def frame(rows: int = 3000) -> pl.DataFrame:
    """Labels that belong to the pair: those of pairs seen in training can be learned by heart, those of others cannot."""
    draw = np.random.default_rng(0)
    user, item = draw.integers(0, 40, rows), draw.integers(0, 60, rows)
    return pl.DataFrame(
        {
            "user": user,
            "item": item,
            "click": draw.integers(0, 2, (40, 60))[user, item],
            "part": np.where(np.arange(rows) < rows // 2, "train", np.where(np.arange(rows) % 2, "valid", "test")),
        }
    ).cast({"user": pl.String, "item": pl.String})


class Memory(CTRModel):
    """Scores a row by the mean label of its pair in training, and by the mean of all where there is none."""

    def __init__(self, data: Prepared) -> None:
        super().__init__()
        self.sizes = [field.cardinality for field in data.schema.fields]
        rates = torch.full((self.sizes[0], self.sizes[1]), 0.5)
        ids, labels = data.arrays("train")
        for pair in np.unique(ids, axis=0):
            rates[tuple(pair)] = float(labels[(ids == pair).all(1)].mean())
        self.rates = rates

    def forward(self, ids: Tensor) -> Output:
        scores = self.rates[ids[:, 0].long(), ids[:, 1].long() - self.sizes[0]]
        return Output(scores, (), no_penalty(scores))

    def table(self) -> nn.Parameter | None:
        return None


def test_a_memory_of_pairs_is_worth_nothing_there() -> None:
    data = prepare_frame(frame(), "mine", OPTIONS)
    unseen = data.unseen_pairs()
    assert unseen is not None
    found, notes = score_test(Memory(data), data.test(torch.device("cpu")), unseen)
    labels = data.arrays("test")[1]
    assert found["auc"] > 0.6 and found["auc_unseen_pairs"] == 0.5 and notes == ()
    assert (found["rows_unseen_pairs"], found["positives_unseen_pairs"]) == (unseen.sum(), labels[unseen].sum())
    assert 0 < unseen.sum() < len(unseen)


def test_a_part_of_one_class_has_no_auc_but_a_note() -> None:
    data = prepare_frame(frame(), "mine", OPTIONS)
    labels = data.arrays("test")[1]
    rows = data.test(torch.device("cpu"))
    found, [note] = score_test(Memory(data), rows, labels == 1)
    assert "auc_unseen_pairs" not in found and found["rows_unseen_pairs"] == found["positives_unseen_pairs"] == labels.sum()
    assert note == f"no AUC on unseen pairs: of the test rows whose pair no training row has {labels.sum()} are positive and 0 negative"
    found, [note] = score_test(Memory(data), rows, np.zeros(len(labels), np.bool_))
    assert "auc_unseen_pairs" not in found and found["rows_unseen_pairs"] == 0 and "0 are positive and 0 negative" in note
    assert score_test(Memory(data), rows, None)[0].keys() == {"auc", "logloss"}


@pytest.mark.parametrize(("pair", "there"), [([], False), (["user", "item"], True)])
def test_records_have_it_where_a_pair_is_named_and_trials_are_the_same(pair: list[str], there: bool) -> None:
    def record(**options: Any) -> Record:
        data = api.dataset(frame(600), name="mine", label="click", split_column="part", **options)
        return api.train("logistic_regression", data=data, training={"epochs": 1})

    found = record(pair=pair)
    assert found.status == "finished", found.reason
    names = {"test/auc_unseen_pairs", "test/rows_unseen_pairs", "test/positives_unseen_pairs"}
    assert names & found.metrics.keys() == (names if there else set())
    assert found.trial_id == record().trial_id and not any("unseen_pairs" in name for name in found.curve[0])
