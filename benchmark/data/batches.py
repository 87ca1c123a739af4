"""Rows on a device, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.ahead import ahead

BLOCK = 1 << 20  # rows moved at once
SHARE = 0.4  # of the free memory that one part may take
WINDOW = 1 << 21  # rows shuffled together
STRIP = 1 << 12  # neighbouring rows that a window takes together


class Rows:
    """n rows of F fields for one device.

    ``ids``: int32 (n, F), global: local ids + the field's offset. They are resident on the device when they take less than SHARE of its
    free memory; otherwise ``ids`` is None, and a thread reads the memory map ahead of training, which trials on one machine share. The
    batches are the same either way. ``labels``: float32 (n,), always resident.

    Up to WINDOW rows are shuffled by one permutation. More are cut into strips of STRIP neighbours; up to 512 strips drawn at random are
    read one after the other and make up a window, whose rows are permuted. A batch has rows from everywhere in the file, each order of a
    window's rows is equally likely, and every epoch has other windows; but neighbours in the file meet in the same window, hence in the
    same batch of b rows with probability b / WINDOW instead of b / n.
    """

    def __init__(
        self,
        local: NDArray[np.int32],  # (n, F), memory-mapped
        labels: NDArray[np.uint8],  # (n,), memory-mapped
        offsets: NDArray[np.int64],  # (F,)
        device: torch.device,
        resident: bool | None = None,  # None: decided from the free memory
    ) -> None:
        self.device = device
        self._local = local
        self._offsets = offsets.astype(np.int32)
        self.labels = torch.tensor(labels, device=device).float()
        self.ids: Tensor | None = None
        if local.nbytes < SHARE * free_memory(device) if resident is None else resident:
            self.ids = torch.empty(local.shape, dtype=torch.int32, device=device)
            for start in range(0, len(local), BLOCK):
                self.ids[start : start + BLOCK] = self._read(slice(start, start + BLOCK)).to(device)

    def __len__(self) -> int:
        return len(self._local)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(ids int32 (b, F), labels float32 (b,)) in order; b = size, the last one shorter if need be."""
        blocks = [slice(start, start + size) for start in range(0, len(self), size)]
        if self.ids is not None:
            yield from ((self.ids[block], self.labels[block]) for block in blocks)
            return
        for block, ids in zip(blocks, ahead(map(self._read, blocks)), strict=True):
            yield self._moved(ids), self.labels[block]

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Every row once, in an order drawn from ``generator`` (on its device); as ``batches``.

        Batch normalisation cannot train on one row: a single row that would be left for the last batch joins the one before it.
        """
        sizes = [size] * (len(self) // size) + [len(self) % size] * (len(self) % size > 0)
        if len(sizes) > 1 < size and sizes[-1] == 1:
            sizes[-2:] = [size + 1]
        if self.ids is not None:
            for numbers, ids in self._drawn(sizes, self._windows(generator)):
                yield ids, self.labels.index_select(0, numbers)
            return
        for numbers, ids in ahead(self._drawn(sizes, ahead(self._windows(generator), 1))):
            yield self._moved(ids), self.labels.index_select(0, self._moved(numbers))

    def _drawn(self, sizes: list[int], windows: Iterator[_Window]) -> Iterator[tuple[Tensor, Tensor]]:
        """(row numbers (b,), ids (b, F)) for each size b, from one window after the other."""
        wanted = iter(sizes)
        parts: list[tuple[Tensor, Tensor]] = []
        missing = next(wanted, 0)
        for window in windows:
            start = 0
            while start < len(window.order):
                chosen = window.order[start : start + missing]
                parts.append(
                    (chosen if window.numbers is None else window.numbers.index_select(0, chosen), window.ids.index_select(0, chosen))
                )
                start += len(chosen)
                missing -= len(chosen)
                if not missing:
                    yield parts[0] if len(parts) == 1 else (torch.cat([n for n, _ in parts]), torch.cat([ids for _, ids in parts]))
                    parts, missing = [], next(wanted, 0)

    def _windows(self, generator: torch.Generator) -> Iterator[_Window]:
        """Draws from ``generator``, and reads what is not resident."""
        place = "cpu" if self.ids is None else self.device

        def permutation(count: int) -> Tensor:
            return torch.randperm(count, generator=generator, device=generator.device, dtype=torch.int32).to(place)

        if len(self) <= WINDOW:
            yield _Window(None, self._read(slice(None)) if self.ids is None else self.ids, permutation(len(self)))
            return
        for strips in permutation(-(-len(self) // STRIP)).chunk(-(-len(self) // WINDOW)):
            rows = [slice(STRIP * strip, min(STRIP * (strip + 1), len(self))) for strip in strips.tolist()]
            numbers = torch.cat([torch.arange(strip.start, strip.stop, dtype=torch.int32, device=place) for strip in rows])
            order = permutation(len(numbers))
            if self.ids is None:
                yield _Window(numbers, torch.cat([self._read(strip) for strip in rows]), order)
            else:
                yield _Window(None, self.ids, numbers.index_select(0, order))

    def _moved(self, tensor: Tensor) -> Tensor:
        """On the device; from pinned memory a copy to a GPU does not wait."""
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor

    def _read(self, rows: slice) -> Tensor:
        """Global ids of neighbouring rows."""
        return torch.from_numpy(self._local[rows] + self._offsets)


class _Window(NamedTuple):
    """Rows that are shuffled together."""

    numbers: Tensor | None  # int32, of each row of ``ids`` its number in the part; None: 0, 1, …
    ids: Tensor  # (…, F)
    order: Tensor  # (w,) int32, rows of ``ids`` in the order in which they are taken


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on the device without pushing others out. 0 where it is not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
