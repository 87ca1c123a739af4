"""Rows on a device, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 1 << 20  # rows moved at once
SHARE = 0.4  # of the free memory that one part may take


class Rows:
    """n rows of F fields for one device.

    ``ids``: int32 (n, F), global: local ids + the field's offset. They are resident on the device when they take less than SHARE of its
    free memory; otherwise ``ids`` is None, and each batch is gathered from the memory map and moved. The batches are the same either way.
    ``labels``: float32 (n,), always resident.
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
                self.ids[start : start + BLOCK] = self._read(slice(start, start + BLOCK))

    def __len__(self) -> int:
        return len(self._local)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(ids int32 (b, F), labels float32 (b,)) in order; b = size, the last one shorter if need be."""
        for start in range(0, len(self), size):
            block = slice(start, start + size)
            yield self._read(block) if self.ids is None else self.ids[block], self.labels[block]

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Every row once, in the order of a permutation drawn from ``generator`` (on its device); as ``batches``.

        Batch normalisation cannot train on one row: a single row that would be left for the last batch joins the one before it.
        """
        order = torch.randperm(len(self), generator=generator, device=generator.device, dtype=torch.int32)
        starts = range(0, len(self), size)
        if len(self) % size == 1 and len(starts) > 1 < size:
            starts = starts[:-1]
        order = order.to("cpu" if self.ids is None else self.device)
        for start in starts:
            chosen = order[start : len(self) if start == starts[-1] else start + size]
            ids = self._read(chosen.numpy()) if self.ids is None else self.ids.index_select(0, chosen)
            yield ids, self.labels.index_select(0, chosen.to(self.device))

    def _read(self, chosen: slice | NDArray[np.int32]) -> Tensor:
        return torch.from_numpy(self._local[chosen] + self._offsets).to(self.device)


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on the device without pushing others out. 0 where it is not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
