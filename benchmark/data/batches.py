"""Rows on a device, in batches."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.prefetch import in_threads, prefetched

Wanted = TypeVar("Wanted", slice, Tensor)
BLOCK = 1 << 20  # rows moved at once
SHARE = 0.4  # of a GPU's free memory that one part may take
SMALL = 1 << 28  # bytes that one part may take on the CPU: every trial has its own, while mapped rows are all trials'
WINDOW = 1 << 21  # rows shuffled together
STRIP_BITS = 12  # 2^12 = 4,096 neighbouring rows make a strip, which a window takes together
PIECE = 1 << 15  # row numbers computed at once


class TrainingRows(Protocol):
    """What a model is trained on: ``Rows``, or ``streamed.Streamed``."""

    device: torch.device

    def __len__(self) -> int: ...

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]: ...


class Rows:
    """n rows of F fields for one device.

    ``ids``: int32 (n, F), global: local ids + the field's offset. They are resident on a GPU when they take less than SHARE of its free
    memory, on the CPU when they are SMALL; otherwise ``ids`` is None, and threads read the memory map, which trials on one machine share,
    ahead of training. The batches are the same either way. ``labels``: float32 (n,), always resident, as are ``probabilities``, float64
    (n,): of label 1, where they are known, else None.

    Up to WINDOW rows are shuffled by one permutation. More are cut into strips of 2^STRIP_BITS neighbours; up to 512 strips drawn at random
    make up a window of w rows (at least WINDOW / 2), which are permuted. A batch has rows from everywhere in the file, each order of a
    window's rows is equally likely, and every epoch has other windows; but neighbours in the file meet in the same window, hence in the
    same batch of b rows with probability b / w instead of b / n.
    """

    def __init__(
        self,
        local: NDArray[np.int32],  # (n, F), memory-mapped
        labels: NDArray[np.uint8],  # (n,), memory-mapped
        offsets: NDArray[np.int64],  # (F,)
        device: torch.device,
        resident: bool | None = None,  # None: decided from their size
        probabilities: NDArray[np.float64] | None = None,  # (n,), memory-mapped
    ) -> None:
        self.device = device
        self._local = local
        self._offsets = offsets.astype(np.int32)
        self.labels = torch.tensor(labels, device=device).float()
        self.probabilities = None if probabilities is None else torch.tensor(probabilities, device=device)
        self.ids: Tensor | None = None
        if local.nbytes < room(device) if resident is None else resident:
            self.ids = torch.empty(local.shape, dtype=torch.int32, device=device)
            same = np.broadcast_to(self._offsets, (BLOCK, len(offsets)))
            for start in range(0, len(local), BLOCK):
                self.ids[start : start + BLOCK] = self._read(slice(start, start + BLOCK), same).to(device)

    def __len__(self) -> int:
        return len(self._local)

    def sample(self, count: int) -> Rows:
        """``count`` rows drawn at random, the same each time, in random order; where there are fewer, all. The rows of a file may stand in
        order of time or of label, so that its first ones are no sample.
        """
        return self._at(np.random.default_rng(0).choice(len(self), min(count, len(self)), replace=False))

    def block(self, index: int, size: int) -> Rows:
        """Block ``index`` of as many equal ones as have at least ``size`` rows each, counted anew after the last; of fewer rows all."""
        blocks = max(1, len(self) // size)
        start, stop = (len(self) * place // blocks for place in (index % blocks, index % blocks + 1))
        return self._at(slice(start, stop))

    def _at(self, chosen: NDArray[np.int64] | slice) -> Rows:
        known = None if self.probabilities is None else self.probabilities.cpu().numpy()[chosen]
        local, labels = np.asarray(self._local)[chosen], self.labels.cpu().numpy()[chosen].astype(np.uint8)
        return Rows(local, labels, self._offsets.astype(np.int64), self.device, True, known)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(ids int32 (b, F), labels float32 (b,)) in order; b = size, the last one shorter if need be."""
        blocks = [slice(start, start + size) for start in range(0, len(self), size)]
        if self.ids is not None:
            yield from ((self.ids[block], self.labels[block]) for block in blocks)
            return
        for block, ids in self._read_ahead(blocks, size):
            yield ids.to(self.device, non_blocking=True), self.labels[block]

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Every row once, in an order drawn from ``generator`` (on its device); as ``batches``. Mapped rows are drawn ahead: after an
        epoch that is broken off the generator has gone on by an unknown amount.

        The sizes are those of ``batch_sizes``.
        """
        sizes = batch_sizes(len(self), size)
        if self.ids is not None:
            drawn = _cut(self._windows(generator), sizes)
            yield from ((self.ids.index_select(0, numbers), self.labels.index_select(0, numbers)) for numbers in drawn)
            return
        for numbers, ids in self._read_ahead(_cut(prefetched(self._windows(generator), 1), sizes), size + 1):
            there = numbers.to(self.device, non_blocking=True)
            yield ids.to(self.device, non_blocking=True), self.labels.index_select(0, there)

    def _read_ahead(self, wanted: Iterable[Wanted], size: int) -> Iterator[tuple[Wanted, Tensor]]:
        """Each, of up to ``size`` rows, with its ids, read by as many threads as PyTorch's operations have here, while the taker trains."""
        offsets = np.tile(self._offsets, (min(size, len(self)), 1))  # adding like arrays is faster than a row to each row

        def read(rows: Wanted) -> tuple[Wanted, Tensor]:
            return self._pinned(rows), self._pinned(self._read(rows, offsets))

        threads = torch.get_num_threads()
        with ThreadPoolExecutor(threads) as pool:
            yield from in_threads(pool, read, wanted, depth=threads + 1)

    def _windows(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Row numbers, int32, of one window after the other in the order in which they are taken. Tells the system what will be read."""
        device = "cpu" if self.ids is None else self.device

        def permutation(count: int) -> Tensor:
            return torch.randperm(count, generator=generator, device=generator.device, dtype=torch.int32).to(device)

        strip = 1 << STRIP_BITS
        if len(self) <= WINDOW:
            self._expect(range(0, len(self), strip))
            yield permutation(len(self))
            return
        for strips in permutation(-(-len(self) // strip)).chunk(-(-len(self) // WINDOW)):
            starts = strip * strips.sort().values  # in the file's order: the last strip of all, which may be shorter, comes last
            first_rows = starts.tolist()
            self._expect(first_rows)
            numbers = permutation(strip * len(first_rows) - max(0, first_rows[-1] + strip - len(self)))
            for done in range(0, len(numbers), PIECE):  # in place: new memory for 2 million numbers costs more time than the sums
                piece = numbers[done : done + PIECE]
                first = starts.index_select(0, piece >> STRIP_BITS)
                piece.bitwise_and_(strip - 1).add_(first)
            yield numbers

    def _expect(self, starts: Iterable[int]) -> None:
        """Have the system read the strips of the map that start at these rows while others are at work: rows that are drawn one by one
        would wait for the disk.

        Not the map's madvise: Python would hold its lock meanwhile, and all threads wait.
        """
        if self.ids is None and isinstance(self._local, np.memmap):
            size = self._local.itemsize * self._local.shape[1]
            # Where another file took this one's place meanwhile, the system reads ahead in vain, and nothing else comes of it.
            with contextlib.suppress(OSError), open(str(self._local.filename), "rb") as file:
                for start in starts:
                    first = self._local.offset + size * start
                    end = self._local.offset + size * min(start + (1 << STRIP_BITS), len(self))
                    if not (_in_memory(file, first) and _in_memory(file, end - 1)):
                        os.posix_fadvise(file.fileno(), first, end - first, os.POSIX_FADV_WILLNEED)

    def _pinned(self, rows: Wanted) -> Wanted:
        """For a GPU in memory from which a copy does not wait."""
        return rows.pin_memory() if isinstance(rows, Tensor) and self.device.type == "cuda" else rows

    def _read(self, rows: slice | Tensor, offsets: NDArray[np.int32]) -> Tensor:
        """Global ids (b, F) of those rows; ``offsets`` (at least b, F)."""
        local = np.asarray(self._local)
        # Not torch.index_select: its threads and those of the model's operations would wait for each other.
        ids = local[rows].copy() if isinstance(rows, slice) else np.take(local, rows.numpy(), axis=0)
        ids += offsets[: len(ids)]  # in place, for the reason in _windows
        return torch.from_numpy(ids)


def _in_memory(file: IO[bytes], offset: int) -> bool:
    """Whether the system has this byte: asking for what it has would take longer, as it looks at every page."""
    try:
        return os.preadv(file.fileno(), [bytearray(1)], offset, os.RWF_NOWAIT) == 1
    except OSError:  # it would have to wait; or this file system cannot say
        return False


def batch_sizes(rows: int, size: int) -> list[int]:
    """Of the batches of an epoch: ``size``, the last one less if need be.

    Batch normalisation cannot train on one row: a single row that would be left for the last batch joins the one before it.
    """
    sizes = [size] * (rows // size) + [rows % size] * (rows % size > 0)
    if len(sizes) > 1 < size and sizes[-1] == 1:
        sizes[-2:] = [size + 1]
    return sizes


def room(device: torch.device) -> float:
    """Bytes that one part may take on the device."""
    return SMALL if device.type == "cpu" else SHARE * torch.cuda.mem_get_info(device)[0]


def _cut(windows: Iterable[Tensor], sizes: Iterable[int]) -> Iterator[Tensor]:
    """The windows' row numbers, in pieces of these sizes."""
    wanted = iter(sizes)
    parts: list[Tensor] = []
    missing = next(wanted, 0)
    for window in windows:
        start = 0
        while start < len(window):
            parts.append(window[start : start + missing])
            start += len(parts[-1])
            missing -= len(parts[-1])
            if not missing:
                yield parts[0] if len(parts) == 1 else torch.cat(parts)
                parts, missing = [], next(wanted, 0)
