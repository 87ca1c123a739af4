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
from benchmark.faults import ContractError, place_of
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
        """(ids int32 (b, F), labels float32 (b,)), b as of ``Rows.shuffled``. Raises ContractError for what are no rows.

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
            values, labels = drawn_of(self._stream, seed, block)
            return torch.from_numpy(values + self._offsets), torch.from_numpy(labels).float()

        threads = torch.get_num_threads()
        with ThreadPoolExecutor(threads) as pool:
            yield from in_threads(pool, drawn, count(), depth=threads + 1)

    def _moved(self, rows: Tensor) -> Tensor:
        """To a GPU from memory from which a copy does not wait."""
        return rows.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else rows


def drawn_of(stream: Stream, seed: int, block: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """What ``draw`` gives. Raises ContractError where these are no rows: a value that its column has no count of would be an id of the next
    field, and of blocks without rows there would be no end.
    """
    values, labels = stream.draw(seed, block)
    sizes = [len(counts) for counts in stream.counts]
    if values.ndim != 2 or values.shape[1] != len(sizes) or labels.shape != (len(values),) or not len(values):
        found = f"values {values.shape} and labels {labels.shape}"
        raise ContractError(f"draw() gives {found}; the contract wants (n, {len(sizes)}) and (n,), n at least 1", _place(stream))
    outside = np.flatnonzero((values.max(0) >= sizes) | (values.min(0) < 0))
    if len(outside):
        one = int(outside[0])
        found = f"values {values[:, one].min()} to {values[:, one].max()} in column {one}"
        raise ContractError(f"draw() gives {found}, which has counts of 0 to {sizes[one] - 1}", _place(stream))
    return values, labels


def _place(stream: Stream) -> str:
    return place_of(type(stream), "draw")


def first_epoch(stream: Stream) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Local ids (rows, F) and labels (rows,) of an epoch, the one of seed 0. Raises ContractError."""
    ids, labels = [], []
    missing = stream.rows
    for block in count():
        values, ones = drawn_of(stream, 0, block)
        ids.append(values[:missing] + np.int32(FIRST))
        labels.append(ones[:missing])
        missing -= len(labels[-1])
        if not missing:
            return np.concatenate(ids), np.concatenate(labels)
    raise AssertionError("a count has no end")
