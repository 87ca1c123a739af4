"""A training part that is drawn while a model trains: which rows come, in which batches, and what of it is prepared."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmark import plugins
from benchmark.data.ensure import ensure_prepared
from benchmark.data.prepare import prepare
from benchmark.data.streamed import Streamed, first_epoch
from benchmark.errors import UserError
from benchmark.faults import ContractError
from benchmark.sources import Stream

CPU = torch.device("cpu")


class Counting(Stream):
    """Row r of a block has the values (r % 3, r) and the label r % 2; the block and the seed are in the third value."""

    positive_rate = 0.5
    counts = tuple(np.ones(size, np.int64) for size in (3, 40, 1000))

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def draw(self, seed: int, block: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        rows = np.arange(40, dtype=np.int32)
        third = np.full(40, (seed + block) % 1000, np.int32)
        return np.stack([rows % 3, rows, third], 1), (rows % 2).astype(np.uint8)


def epoch(rows: int, size: int, generator: torch.Generator) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(Streamed(Counting(rows), np.array([0, 5, 47]), CPU).shuffled(size, generator))


@pytest.mark.parametrize(("rows", "size", "sizes"), [(100, 30, [30, 30, 30, 10]), (91, 30, [30, 30, 31]), (90, 30, [30] * 3), (7, 30, [7])])
def test_an_epoch_has_its_rows_in_batches_as_other_rows_have(rows: int, size: int, sizes: list[int]) -> None:
    found = epoch(rows, size, torch.Generator().manual_seed(0))
    assert [len(labels) for _, labels in found] == sizes
    ids, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    assert (ids.dtype, labels.dtype) == (torch.int32, torch.float32)
    numbers = torch.arange(rows) % 40
    assert torch.equal(ids[:, 0].long(), 2 + numbers % 3) and torch.equal(ids[:, 1].long(), 5 + 2 + numbers)
    assert torch.equal(labels.long(), numbers % 2)
    assert ids[:, 2].diff().abs().count_nonzero() == (rows - 1) // 40  # block after block


@pytest.mark.parametrize(
    ("values", "labels", "words"),
    [
        (np.full((4, 3), 3), np.zeros(4), r"draw\(\) gives values 3 to 3 in column 0, which has counts of 0 to 2"),
        (np.full((4, 3), -1), np.zeros(4), "values -1 to -1 in column 0"),
        (np.zeros((4, 2)), np.zeros(4), r"values \(4, 2\) and labels \(4,\); the contract wants \(n, 3\) and \(n,\)"),
        (np.zeros((4, 3)), np.zeros(3), r"values \(4, 3\) and labels \(3,\)"),
        (np.zeros((0, 3)), np.zeros(0), r"values \(0, 3\) and labels \(0,\)"),
    ],
)
def test_what_a_stream_draws_must_be_rows(values: NDArray[Any], labels: NDArray[Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "draw", lambda *_: (values.astype(np.int32), labels.astype(np.uint8)))
    with pytest.raises(ContractError, match=words):
        epoch(40, 30, torch.Generator())
    with pytest.raises(ContractError, match=words):
        first_epoch(Counting(40))


def test_rows_follow_the_generator_and_no_epoch_is_like_another() -> None:
    def rows(seed: int, size: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return [torch.cat([ids[:, 2] for ids, _ in epoch(100, size, generator)]).tolist() for _ in range(2)]

    assert rows(1, 30) == rows(1, 64) != rows(2, 30)
    assert rows(1, 30)[0] != rows(1, 30)[1]


def test_who_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    for _ in Streamed(Counting(1000), np.array([0, 5, 47]), CPU).shuffled(10, torch.Generator().manual_seed(0)):
        break
    assert threading.active_count() == before


def test_the_first_epoch_as_arrays() -> None:
    ids, labels = first_epoch(Counting(90))
    assert ids.shape == (90, 3) and ids.dtype == np.int32 and labels.dtype == np.uint8
    assert ids[:, 1].tolist() == [2 + r % 40 for r in range(90)]


TINY: dict[str, Any] = {"rows": 3000, "valid_rows": 1500, "test_rows": 2500, "cardinalities": [3, 20, 400], "patterns": 1, "pairs": 3}


def test_a_streamed_data_set_is_prepared_without_its_training_part(cache: Path) -> None:
    prepared = ensure_prepared("teacher", TINY)
    assert not list(prepared.folder.glob("train.*"))
    assert prepared.rows == {"train": 3000, "valid": 1500, "test": 2500}
    assert [field.cardinality for field in prepared.schema.fields] == [5, 22, 402] and prepared.schema.positive_rate == 0.2
    counts = prepared.value_counts()
    assert all(c[:2].sum() == 0 and c[2:].min() >= 1 for c in counts)
    fold = prepared.fold(CPU)
    assert len(fold.train) == 3000 and fold.valid.probabilities is not None and len(fold.valid.probabilities) == 1500
    ids, labels = prepared.arrays("train")
    drawn = plugins.make("datasets", "teacher", TINY).stream().draw(0, 0)
    assert np.array_equal(ids, drawn[0][:3000] + 2) and np.array_equal(labels, drawn[1][:3000])
    # Value k has the same local id in what is drawn and in what is prepared: the same frequencies of each.
    test, _ = prepared.arrays("test")
    for field, size in enumerate((5, 22)):
        shares = [np.bincount(part[:, field], minlength=size) / len(part) for part in (ids, test)]
        assert np.abs(shares[0] - shares[1]).max() < 0.05
    assert prepare("teacher", TINY, None, force=True).fingerprint == prepared.fingerprint


@pytest.mark.parametrize(
    ("stream", "load", "words"),
    [
        ("return 3", "", "stream() must return None, or a Stream"),
        ("raise ValueError('no')", "", "in stream: ValueError: no"),
        ("own = Own(1); own.counts = (np.ones(2),); return own", "", "counts of its stream must be arrays of int64"),
        ("own = Own(1); own.counts = (np.zeros(2, int),); return own", "", "one number of at least 1 for each value"),
        ("return Own(2)", "", "with a stream every column of its Source must be categorical, and have its counts"),
        ("return Own(1)", "frames['train'] = frames['valid']", "the parts valid and test, each a LazyFrame: its training part is a stream"),
    ],
)
def test_a_wrong_stream_is_named(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str, load: str, words: str) -> None:
    (tmp_path / "datasets").mkdir()
    name = f"streaming_{len(stream + load)}"  # a module is imported once
    (tmp_path / "datasets" / f"{name}.py").write_text(f"""
from dataclasses import dataclass
import numpy as np
import polars as pl
from benchmark.sources import Column, DataSet, Source, Stream

class Own(Stream):
    rows, positive_rate = 100, 0.5
    def __init__(self, columns):
        self.counts = (np.ones(2, np.int64),) * columns
    def draw(self, seed, block):
        return np.zeros((10, 1), np.int32), np.zeros(10, np.uint8)

@dataclass(frozen=True, kw_only=True)
class Streaming(DataSet):
    summary = "x"
    source = "x"
    embedded = True
    def stream(self):
        {stream}
    def load(self, origin, allow_checksum_mismatch=False):
        frames = {{part: pl.LazyFrame({{"label": [0, 1], "a": [0, 1]}}) for part in ("valid", "test")}}
        {load}
        return Source(parts=frames, label="label", columns=(Column("a"),))
""")
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    with pytest.raises(UserError) as caught:
        ensure_prepared(name, {})
    assert words in str(caught.value)
