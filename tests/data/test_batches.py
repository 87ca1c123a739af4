from __future__ import annotations

import errno
import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data import batches
from benchmark.data.batches import Rows, room
from benchmark.data.ensure import ensure_prepared

CPU = torch.device("cpu")
DEVICES = [CPU, *([torch.device("cuda")] if torch.cuda.is_available() else [])]


def rows(n: int, device: torch.device = CPU, resident: bool | None = None) -> Rows:
    """Row r has the local ids (r % 3, r) and the label r % 2."""
    local = np.stack([np.arange(n) % 3, np.arange(n)], 1).astype(np.int32)
    return Rows(local, (np.arange(n) % 2).astype(np.uint8), np.array([0, 3]), device, resident)


def seeded(seed: int, device: torch.device = CPU) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("resident", [True, False])
def test_batches_in_order_have_global_ids(device: torch.device, resident: bool) -> None:
    part = rows(10, device, resident)
    found = list(part.batches(4))
    assert [len(labels) for _, labels in found] == [4, 4, 2]
    ids, labels = torch.cat([i for i, _ in found]), torch.cat([y for _, y in found])
    assert (ids.dtype, labels.dtype, ids.device.type) == (torch.int32, torch.float32, device.type)
    assert ids[:, 0].tolist() == [r % 3 for r in range(10)]
    assert ids[:, 1].tolist() == [3 + r for r in range(10)]
    assert labels.tolist() == [r % 2 for r in range(10)]


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_resident_and_mapped_batches_are_the_same(device: torch.device) -> None:
    both = [list(rows(1001, device, resident).shuffled(64, seeded(3, device))) for resident in (True, False)]
    assert len(both[0]) == len(both[1]) == 16
    for (ids, labels), (other_ids, other_labels) in zip(*both, strict=True):
        assert torch.equal(ids, other_ids)
        assert torch.equal(labels, other_labels)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("resident", [True, False])
def test_a_sample_is_of_rows_from_everywhere_in_random_order(device: torch.device, resident: bool) -> None:
    part = rows(1000, device, resident)
    (ids, labels), (again, _) = (next(part.sample(100).batches(100)) for _ in range(2))
    chosen = ids[:, 1] - 3
    assert len(set(chosen.tolist())) == 100 and torch.equal(ids, again) and ids.device.type == device.type
    assert torch.equal(ids[:, 0], chosen % 3) and torch.equal(labels, (chosen % 2).float())
    for half in (chosen[:50], chosen[50:]):  # of a uniform sample of 50 the mean has a standard deviation of 40
        assert abs(float(half.float().mean()) - 500) < 160
    (everything, _) = next(part.sample(10_000).batches(10_000))
    assert sorted(everything[:, 1].tolist()) == [3 + row for row in range(1000)] != everything[:, 1].tolist()


@pytest.mark.parametrize(("size", "lengths"), [(1000, [1000]), (501, [1000]), (500, [500] * 2), (300, [333, 333, 334]), (1, [1] * 1000)])
def test_blocks_are_all_rows_once(size: int, lengths: list[int]) -> None:
    part = rows(1000).sample(1000)
    whole, _ = next(part.batches(1000))
    blocks = [next(part.block(index, size).batches(1000))[0] for index in range(len(lengths))]
    assert [len(block) for block in blocks] == lengths and torch.equal(torch.cat(blocks), whole)
    assert torch.equal(next(part.block(len(lengths), size).batches(1000))[0], blocks[0])


def test_a_sample_has_its_rows_probabilities() -> None:
    part = Rows(np.arange(50, dtype=np.int32)[:, None], np.zeros(50, np.uint8), np.array([0]), CPU, None, np.arange(50) / 50)
    sample = part.sample(20)
    assert sample.probabilities is not None
    assert torch.equal(sample.probabilities, next(sample.batches(20))[0][:, 0].double() / 50)


def test_a_shuffle_has_every_row_once_with_its_label() -> None:
    part = rows(1000)
    generator = seeded(0)
    epochs = [torch.cat([torch.cat([i, y[:, None].int()], 1) for i, y in part.shuffled(64, generator)]) for _ in range(2)]
    for epoch in epochs:
        assert sorted(epoch[:, 1].tolist()) == [3 + r for r in range(1000)]
        assert ((epoch[:, 1] - 3) % 2 == epoch[:, 2]).all()
    assert not torch.equal(*epochs)
    again = torch.cat([i for i, _ in part.shuffled(64, seeded(0))])
    assert torch.equal(again, epochs[0][:, :2])


@pytest.mark.parametrize("n", [2000, 2003])  # a short last strip makes its window shorter
@pytest.mark.parametrize("resident", [True, False])
def test_many_rows_are_shuffled_in_windows_of_strips(monkeypatch: pytest.MonkeyPatch, resident: bool, n: int) -> None:
    """Every row once, batches whole across windows, neighbours together in a window, other windows in the next epoch."""
    monkeypatch.setattr(batches, "WINDOW", 256)
    monkeypatch.setattr(batches, "STRIP_BITS", 3)  # strips of 8 rows
    monkeypatch.setattr(batches, "PIECE", 50)
    part, generator = rows(n, resident=resident), seeded(0)
    epochs = []
    for _ in range(2):
        found = list(part.shuffled(100, generator))
        assert [len(y) for _, y in found] == [100] * 20 + [3] * (n > 2000)
        numbers = torch.cat([ids[:, 1] for ids, _ in found]) - 3
        assert sorted(numbers.tolist()) == list(range(n))
        assert torch.equal(torch.cat([y for _, y in found]).int(), numbers.int() % 2)
        if n == 2000:
            windows = [{place // 256 for place in (numbers // 8 == strip).nonzero().flatten().tolist()} for strip in range(250)]
            assert max(map(len, windows)) == 1
        assert (numbers[:256].diff() == 1).sum() < 20  # permuted within the window
        epochs.append(numbers)
    assert not torch.equal(*epochs)
    other = torch.cat([ids[:, 1] for ids, _ in rows(n, resident=not resident).shuffled(100, seeded(0))]) - 3
    assert torch.equal(epochs[0], other)


@pytest.mark.parametrize("n", [100, 2003])  # one window; many
@pytest.mark.parametrize("there", [True, False])
def test_the_system_is_told_to_read_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, there: bool) -> None:
    """Every byte of the rows once, and none of what it has."""
    monkeypatch.setattr(batches, "WINDOW", 256)
    monkeypatch.setattr(batches, "STRIP_BITS", 3)
    monkeypatch.setattr(batches, "_in_memory", lambda file, place: there)
    asked: list[int] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda file, start, length, advice: asked.extend(range(start, start + length)))
    np.save(tmp_path / "ids.npy", np.zeros((n, 2), np.int32))
    mapped = np.lib.format.open_memmap(tmp_path / "ids.npy", mode="r")
    list(Rows(mapped, np.zeros(n, np.uint8), np.zeros(2, np.int64), CPU, resident=False).shuffled(64, seeded(0)))
    whole = (tmp_path / "ids.npy").stat().st_size
    assert sorted(asked) == ([] if there else list(range(whole - 8 * n, whole)))


@pytest.mark.parametrize(
    ("answer", "there"),
    [(1, True), (0, False), (BlockingIOError(errno.EAGAIN, "not there"), False), (OSError(errno.EOPNOTSUPP, "cannot say"), False)],
    ids=["there", "past the end", "not there", "cannot say"],
)
def test_only_a_byte_that_can_be_read_at_once_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int | OSError, there: bool
) -> None:
    def preadv(file: int, buffers: list[bytearray], place: int, flags: int) -> int:
        assert (len(buffers[0]), place, flags) == (1, 7, os.RWF_NOWAIT)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "preadv", preadv)
    (tmp_path / "x").write_bytes(b"0123456789")
    with (tmp_path / "x").open("rb") as file:
        assert batches._in_memory(file, 7) == there


def test_a_reader_that_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    for _ in rows(1000, resident=False).shuffled(10, seeded(0)):
        break
    gc.collect()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("n", "size", "sizes"), [(9, 4, [4, 5]), (10, 4, [4, 4, 2]), (8, 4, [4, 4]), (1, 4, [1]), (3, 1, [1, 1, 1]), (3, 9, [3])]
)
def test_no_batch_of_one_row_is_left_over(n: int, size: int, sizes: list[int]) -> None:
    assert [len(y) for _, y in rows(n).shuffled(size, seeded(0))] == sizes


def test_on_the_cpu_only_small_parts_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows(1000).ids is not None  # 8,000 bytes
    monkeypatch.setattr("benchmark.data.batches.SMALL", 8_001)
    assert rows(1000).ids is not None
    monkeypatch.setattr("benchmark.data.batches.SMALL", 8_000)
    assert rows(1000).ids is None


def test_on_a_gpu_a_part_may_take_a_share_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 9000))
    assert room(torch.device("cuda")) == 400


def test_offsets_put_the_fields_side_by_side(cache: Path) -> None:
    prepared = ensure_prepared("synthetic", {"rows": 2000, "cardinalities": [3, 20, 50]})
    train = prepared.fold(CPU).train
    assert isinstance(train, Rows)
    [(batch, _)] = train.batches(2000)
    ids = batch.numpy()
    start = 0
    for field, counts in zip(prepared.schema.fields, prepared.value_counts(), strict=True):
        column = ids[:, prepared.schema.fields.index(field)]
        assert start <= column.min() <= column.max() < start + field.cardinality
        assert np.bincount(column - start, minlength=field.cardinality).tolist() == counts.tolist()
        start += field.cardinality
    assert start == prepared.schema.values
