"""Rows whose pair of values no training row has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmark import plugins
from benchmark.data import pairs
from benchmark.data.frame import prepare_frame
from benchmark.data.pairs import unseen_pairs
from benchmark.data.prepare import prepare
from benchmark.data.store import open_prepared
from benchmark.errors import UserError


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize("seed", range(4))
def test_they_are_those_of_a_set_of_pairs(monkeypatch: pytest.MonkeyPatch, seed: int, block: int) -> None:
    monkeypatch.setattr(pairs, "BLOCK", block)
    draw = np.random.default_rng(seed)
    train, rows = (draw.integers(0, (3, 12, 2, 9), (count, 4), dtype=np.int32) for count in (60, 90))
    train[:3, 1], rows[:5, 1] = 2**31 - 1, 2**31 - 1  # the largest id there can be
    known = {(row[1], row[3]) for row in train.tolist()}
    assert unseen_pairs(train, rows, (1, 3)).tolist() == [(row[1], row[3]) not in known for row in rows.tolist()]
    assert not unseen_pairs(train, train, (1, 3)).any() and unseen_pairs(train, rows + 100, (0, 2)).all()


def test_a_table_of_ones_own(cache: Path) -> None:
    """Of ids: rare values are one, whichever they are. The label of the training row does not matter, nor the validation part."""
    train = [("u1", "i1", 0), ("u1", "i1", 1), ("u2", "i2", 0), ("u2", "i2", 1), ("rare", "i1", 0)]
    valid = [("u1", "i2", 0), ("u1", "i2", 1)]
    test = [("u2", "i2", 1), ("u1", "i2", 0), ("u2", "i1", 1), ("new", "i1", 0), ("new", "i2", 1)]
    parts = [(*row, part) for part, rows in (("train", train), ("valid", valid), ("test", test)) for row in rows]
    frame = pl.DataFrame(parts, schema=("user", "item", "click", "part"), orient="row")
    options = {"label": "click", "split_column": "part", "min_count": 2}
    plain = prepare_frame(frame, "mine", options)
    assert plain.pair is None and plain.unseen_pairs() is None
    paired = prepare_frame(frame, "mine", {**options, "pair": ["user", "item"]})
    assert paired.pair == ("user", "item") and paired.fingerprint == plain.fingerprint and paired.options == {}
    unseen = paired.unseen_pairs()
    assert unseen is not None and unseen.tolist() == [False, True, True, False, True]
    assert open_prepared(paired.folder).pair == ("user", "item")


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (["user"], "name two columns"),
        (["user", "user"], "name two columns"),
        (["user", "price"], "pair names 'price', which is no categorical column; they are user, item"),
        (["user", "itme"], "pair names 'itme'"),
    ],
)
def test_a_pair_that_is_none(cache: Path, pair: list[str], said: str) -> None:
    frame = pl.DataFrame({"click": [0, 1] * 20, "user": ["a"] * 40, "item": ["b"] * 40, "price": [1.0] * 40})
    with pytest.raises(UserError, match=said):
        prepare_frame(frame, "mine", {"label": "click", "numeric": ["price"], "pair": pair})


def test_a_plug_in_whose_pair_is_not_among_its_columns(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic = plugins.plugin("datasets", "synthetic")
    made = prepare("synthetic", {"rows": 200, "cardinalities": [3, 4]}, None)
    monkeypatch.setattr(synthetic, "paired", lambda self: ("field1_3", "elsewhere"))
    with pytest.raises(UserError, match=r"paired\(\) gives field1_3, elsewhere; give two of its categorical columns: field1_3, field2_4"):
        prepare("synthetic", {"rows": 200, "cardinalities": [3, 4]}, None, force=True)
    with pytest.raises(UserError, match="pair of fields, field1_3, elsewhere, is not in it"):
        open_prepared(made.folder)


@pytest.mark.parametrize("name", plugins.names("datasets"))
def test_pairs_are_of_a_data_sets_own_columns(name: str) -> None:
    made = plugins.make("datasets", name, {"label": "click"} if name == "csv" else {})
    pair = made.paired()
    assert pair is None or set(pair) <= {column.name for column in made.columns if column.kind == "categorical"}


def test_frappe(cache: Path, shared: Path) -> None:
    """87.5 % of its test positives are pairs of training positives; a negative is never a pair of training, of either label."""
    prepared = prepare("frappe_x1", {}, shared / "frappe", allow_checksum_mismatch=True)
    unseen = prepared.unseen_pairs()
    assert unseen is not None
    labels = prepared.arrays("test")[1]
    positives, negatives = labels == 1, labels == 0
    assert (1 - unseen[positives].mean()).round(3) == 0.875
    assert unseen[negatives].all()
