from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmark.data import encode as encoding
from benchmark.data.encode import encode
from benchmark.data.store import open_prepared
from benchmark.data.vocabulary import Categories
from benchmark.errors import UserError
from benchmark.schema import Field
from benchmark.sources import Column, Source

IDENTITY = {"name": "toy", "dataset": "synthetic", "options": {}}


def source(train: Mapping[str, Any], valid: Mapping[str, Any] | None = None, numeric: tuple[str, ...] = (), **more: Any) -> Source:
    parts = {"train": train, "valid": valid or train, "test": train}
    return Source(
        parts={part: pl.LazyFrame(rows, strict=False) for part, rows in parts.items()},
        label="y",
        columns=tuple(Column(name, "numeric" if name in numeric else "categorical") for name in train if name != "y"),
        **more,
    )


def local(folder: Path, part: str = "train") -> list[list[int]]:
    ids: list[list[int]] = np.load(folder / f"{part}.ids.npy").tolist()
    return ids


def test_ids_are_missing_unseen_then_values_in_text_order(tmp_path: Path) -> None:
    train = {"y": [0, 1, 0, 1, 1, 0], "a": ["1", "01", None, "", "1e1", "9"]}
    valid = {"y": [0, 1, 1, 1], "a": ["10", "9", None, "1"]}
    encode(source(train, valid), tmp_path / "toy", IDENTITY)
    assert [i for [i] in local(tmp_path / "toy")] == [3, 2, 0, 0, 4, 5]  # "01" < "1" < "1e1" < "9"
    assert [i for [i] in local(tmp_path / "toy", "valid")] == [1, 5, 0, 3]
    prepared = open_prepared(tmp_path / "toy")
    assert prepared.schema.fields == (Field("a", 6),)
    assert prepared.rows == {"train": 6, "valid": 4, "test": 6}
    assert prepared.schema.positive_rate == 0.5
    [counts] = prepared.value_counts()
    assert counts.tolist() == [2, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("length", [3, 8, 12])
def test_values_are_in_the_order_of_their_bytes(length: int) -> None:
    """Also such as are alike up to their eighth byte, end early or have bytes of 0 and above 127."""
    draw = random.Random(length)
    texts = {"".join(draw.choices("aab\0\x7fé😀", k=draw.randint(1, length))) for _ in range(400)}
    distinct = ["", *texts]
    learned = Categories.learn(pl.Series(distinct), np.ones(len(distinct), np.int64), 1)
    ordered = sorted(texts, key=str.encode)
    assert learned.ids_of.tolist() == [0, *(2 + ordered.index(text) for text in texts)]


def test_rare_values_are_unseen(tmp_path: Path) -> None:
    train = {"y": ["0", "1", "0", "1"], "a": ["x", "x", "rare", "y"], "b": ["p", "p", "p", "q"]}
    encode(source(train, min_count=2), tmp_path / "toy", IDENTITY)
    assert local(tmp_path / "toy") == [[2, 2], [2, 2], [1, 2], [1, 1]]
    assert [c.tolist() for c in open_prepared(tmp_path / "toy").value_counts()] == [[0, 2, 2], [0, 1, 3]]


def test_values_of_validation_do_not_enter_the_vocabulary(tmp_path: Path) -> None:
    train = {"y": [0, 1], "a": ["x", "y"]}
    encode(source(train, {"y": [0, 1], "a": ["z", "x"]}), tmp_path / "toy", IDENTITY)
    assert open_prepared(tmp_path / "toy").schema.values == 4


@pytest.mark.parametrize("buckets", [4, 32])
def test_numbers_fall_into_equally_frequent_buckets(tmp_path: Path, buckets: int) -> None:
    rows = buckets * 50
    numbers = np.random.default_rng(0).permutation(rows) - 10.0
    train = {"y": [n % 2 for n in range(rows)], "x": [str(n) for n in numbers]}
    valid = {"y": [0, 1, 0, 1], "x": ["-1e9", "1e9", None, ""]}
    encode(dataclasses.replace(source(train, valid, numeric=("x",)), buckets=buckets), tmp_path / "toy", IDENTITY)
    [counts] = open_prepared(tmp_path / "toy").value_counts()
    assert counts.tolist() == [0, 0] + [50] * buckets
    ids = np.array(local(tmp_path / "toy"))[:, 0]
    assert (np.diff(ids[np.argsort(numbers)]) >= 0).all()
    assert [i for [i] in local(tmp_path / "toy", "valid")] == [2, buckets + 1, 0, 0]


@pytest.mark.parametrize(
    ("cells", "ids"), [(["7", "7", "7", ""], [2, 2, 2, 0]), ([None] * 4, [0] * 4), (["0", "0", "0", "5"], [2, 2, 2, 3])]
)
def test_ties_and_gaps_leave_no_empty_bucket(tmp_path: Path, cells: list[str | None], ids: list[int]) -> None:
    encode(source({"y": [0, 1, 0, 1], "x": cells}, numeric=("x",)), tmp_path / "toy", IDENTITY)
    assert [i for [i] in local(tmp_path / "toy")] == ids


@pytest.mark.parametrize("labels", [["0", "1"], ["0.0", "1.0"], [0, 1], [0.0, 1.0]])
def test_labels_may_be_spelled_as_integers_or_floats(tmp_path: Path, labels: list[Any]) -> None:
    encode(source({"y": labels, "a": ["x", "y"]}), tmp_path / "toy", IDENTITY)
    assert np.load(tmp_path / "toy" / "train.labels.npy").tolist() == [0, 1]


@pytest.mark.parametrize(
    ("train", "valid", "numeric", "said"),
    [
        ({"y": [0, 1, 2], "a": ["x"] * 3}, None, (), "train: row 3, column 'y': '2' is no label"),
        ({"y": ["0", "1", ""], "a": ["x"] * 3}, None, (), "train: row 3, column 'y': an empty cell is no label"),
        ({"y": ["0", "1", "yes"], "a": ["x"] * 3}, None, (), "train: row 3, column 'y': 'yes' is no label"),
        ({"y": [0, 1], "a": ["x"] * 2}, {"y": [0, None], "a": ["x"] * 2}, (), "valid: row 2, column 'y': an empty cell is no label"),
        ({"y": [0, 0], "a": ["x"] * 2}, None, (), "train: every label is 0"),
        ({"y": [0, 1], "a": ["x"] * 2}, {"y": [1, 1], "a": ["x"] * 2}, (), "valid: every label is 1"),
        ({"y": [0, 1], "a": ["x"] * 2}, {"y": [], "a": []}, (), "valid: the part is empty"),
        ({"y": [0, 1], "a": ["1", "one"]}, None, ("a",), "train: row 2, column 'a': 'one' is not a number"),
        ({"y": [0, 1], "a": ["1", "inf"]}, None, ("a",), "train: row 2, column 'a': 'inf' is not a number"),
        ({"y": [0, 1], "a": ["x"] * 2}, {"y": [0, 1], "b": ["x"] * 2}, (), "valid: unknown column 'a'"),
    ],
)
def test_bad_rows_are_named_and_nothing_is_left(
    tmp_path: Path, train: Mapping[str, Any], valid: Mapping[str, Any] | None, numeric: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        encode(source(train, valid, numeric), tmp_path / "toy", IDENTITY)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def random_source() -> Source:
    random = np.random.default_rng(1)
    rows = 3000
    columns = {f"c{k}": [str(v) for v in random.zipf(1.5, rows) % 10**k] for k in range(1, 5)}
    return source(
        {"y": random.integers(0, 2, rows).tolist(), **columns, "x": random.normal(size=rows).tolist()}, numeric=("x",), min_count=2
    )


def test_the_same_rows_give_the_same_bytes_whatever_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(random_source(), tmp_path / "one", IDENTITY)
    monkeypatch.setattr(encoding, "BLOCK", 257)
    encode(random_source(), tmp_path / "two", IDENTITY)
    names = sorted(path.name for path in (tmp_path / "one").glob("[!.]*"))
    assert names == sorted([f"{p}.{w}.npy" for p in ("train", "valid", "test") for w in ("ids", "labels")] + ["counts.npy", "schema.json"])
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    def fingerprint(name: str, train: Mapping[str, Any], **more: Any) -> str:
        encode(source(train, **more), tmp_path / name, IDENTITY)
        return str(json.loads((tmp_path / name / "schema.json").read_text())["fingerprint"])

    base = fingerprint("base", {"y": [0, 1], "a": ["x", "y"]})
    assert len(base) == 12
    assert fingerprint("note", {"y": [0, 1], "a": ["x", "y"]}, notes=("a note",)) == base
    others = [{"y": [1, 0], "a": ["x", "y"]}, {"y": [0, 1], "a": ["x", "x"]}, {"y": [0, 1], "b": ["x", "y"]}]
    assert len({base, *(fingerprint(f"other{k}", other) for k, other in enumerate(others))}) == 4


def test_counts_are_the_training_occurrences(tmp_path: Path) -> None:
    encode(random_source(), tmp_path / "toy", IDENTITY)
    prepared = open_prepared(tmp_path / "toy")
    ids = np.array(local(tmp_path / "toy"))
    for field, counts in enumerate(prepared.value_counts()):
        assert len(counts) == prepared.schema.fields[field].cardinality
        assert counts.tolist() == [int((ids[:, field] == value).sum()) for value in range(len(counts))]
        assert (counts[2:] >= (1 if field == 4 else 2)).all()


def test_edges_are_exact_order_statistics(tmp_path: Path) -> None:
    """25 distinct numbers in 25 buckets: one each. Quantiles at i/25 in floating point would skip one."""
    train = {"y": [n % 2 for n in range(25)], "x": [str(n) for n in range(25)]}
    encode(dataclasses.replace(source(train, numeric=("x",)), buckets=25), tmp_path / "toy", IDENTITY)
    assert [i for [i] in local(tmp_path / "toy")] == list(range(2, 27))


def test_a_scaled_number_must_fit_float32(tmp_path: Path) -> None:
    rows = {"y": [0, 1, 1], "x": ["0.5", None, "-3"]}
    scaled = dataclasses.replace(source(rows), columns=(Column("x", "scaled"),))
    encode(scaled, tmp_path / "toy", IDENTITY)
    prepared = open_prepared(tmp_path / "toy")
    assert local(tmp_path / "toy") == [[2], [0], [1]] and prepared.schema.factors is not None
    assert prepared.schema.factors.tolist() == [0.0, -3.0, 0.5] and [c.tolist() for c in prepared.value_counts()] == [[2]]
    with pytest.raises(UserError, match="row 3, column 'x': '1e39' is not a number"):
        encode(dataclasses.replace(scaled, parts=source({**rows, "x": ["0.5", None, "1e39"]}).parts), tmp_path / "other", IDENTITY)


def test_a_scaled_number_is_never_unseen(tmp_path: Path) -> None:
    """Its first number has the id that stands for unseen values in other fields."""
    rows = {"y": [0, 1] * 50, "x": ["0.5"] * 100, "a": ["v"] * 100}
    columns = (Column("x", "scaled"), Column("a"))
    made = source(rows, {**rows, "a": ["w"] * 100})
    encode(dataclasses.replace(made, columns=columns, examined=True), tmp_path / "toy", IDENTITY)
    notes = open_prepared(tmp_path / "toy").notes
    assert "valid has values that training has not seen in most rows: a 100.0%" in notes
