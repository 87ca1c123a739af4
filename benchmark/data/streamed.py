"""A training part that is drawn while a model trains, in batches."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.batches import batch_sizes
from benchmark.data.prefetch import in_threads
from benchmark.schema import FIRST
from benchmark.sources import Stream

SEEDS = 1 << 62  # that an epoch's is drawn from: two epochs of one seed need not be feared


class Streamed:
    """An epoch of ``stream.rows`` rows, other ones each time, for one device: what ``Rows`` is to rows on disk.

    Threads, as many as PyTorch's operations have, draw blocks ahead of training; which rows come does not depend on them.
    """

    def __init__(self, stream: Stream, offsets: NDArray[np.int64], device: torch.device) -> None:
        self.device = device
        self._stream = stream
        self._offsets = (offsets + FIRST).astype(np.int32)

    def __len__(self) -> int:
        return self._stream.rows

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """(ids int32 (b, F), labels float32 (b,)), b as of ``Rows.shuffled``.

        One number is drawn from ``generator``: trainings whose generators are of one seed get the same rows.
        """
        seed = int(torch.randint(SEEDS, (), generator=generator, device=generator.device))
        blocks = self._blocks(seed)
        ids = torch.empty((0, len(self._offsets)), dtype=torch.int32)
        labels = torch.empty(0)
        start = 0
        for wanted in batch_sizes(len(self), size):
            while len(labels) - start < wanted:
                more, their_labels = next(blocks)
                ids, labels, start = torch.cat([ids[start:], more]), torch.cat([labels[start:], their_labels]), 0
            batch = slice(start, start + wanted)
            start += wanted
            yield self._moved(ids[batch]), self._moved(labels[batch])
        blocks.close()

    def _blocks(self, seed: int) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Without end; whoever has enough closes it."""

        def drawn(block: int) -> tuple[Tensor, Tensor]:
            values, labels = self._stream.draw(seed, block)
            return torch.from_numpy(values + self._offsets), torch.from_numpy(labels).float()

        threads = torch.get_num_threads()
        with ThreadPoolExecutor(threads) as pool:
            yield from in_threads(pool, drawn, count(), depth=threads + 1)

    def _moved(self, rows: Tensor) -> Tensor:
        """To a GPU from memory from which a copy does not wait."""
        return rows.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else rows


def first_epoch(stream: Stream) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Local ids (rows, F) and labels (rows,) of an epoch, the one of seed 0."""
    ids, labels = [], []
    missing = stream.rows
    for block in count():
        values, ones = stream.draw(0, block)
        ids.append(values[:missing] + np.int32(FIRST))
        labels.append(ones[:missing])
        missing -= len(labels[-1])
        if not missing:
            return np.concatenate(ids), np.concatenate(labels)
    raise AssertionError("a count has no end")
