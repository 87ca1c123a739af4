"""The rows of a frame after they are read and before their ids are known: in temporary files, one for each block of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Block(NamedTuple):
    """Rows on their way, a column after the other."""

    codes: NDArray[np.int32]  # (text columns, n)
    numbers: NDArray[np.float64]  # (numeric and scaled columns, n), NaN where missing
    labels: NDArray[np.uint8]  # (n,)
    by: NDArray[np.uint32]  # (n,) codes of the division's column, or (0,)


class Staged:
    """Blocks are put one after the other. A column's place: first those of texts are counted, then those of numbers."""

    def __init__(self, folder: Path, texts: int) -> None:
        """``folder`` is made. texts: how many text columns."""
        folder.mkdir()
        self.starts = [0]  # the first row of each block; at the end, the number of rows
        self.labels = np.empty(0, np.uint8)  # (rows,) once the last block was put, and so is the
        self.part: NDArray[np.uint8] | int = 0  # of each row, or of all; see division.LEFT_OUT
        self._folder, self._texts = folder, texts

    def put(self, block: Block) -> None:
        """Keep its codes and numbers."""
        with self._file(len(self.starts) - 1).open("wb") as file:
            file.write(block.codes.data)
            file.write(block.numbers.data)
        self.starts.append(self.starts[-1] + len(block.labels))

    def blocks(self) -> range:
        return range(len(self.starts) - 1)

    def rows(self, block: int) -> slice:
        return slice(self.starts[block], self.starts[block + 1])

    def column(self, block: int, place: int) -> NDArray[Any]:
        """(n,) codes or numbers of one column."""
        count = self.starts[block + 1] - self.starts[block]
        before = 4 * min(place, self._texts) + 8 * max(place - self._texts, 0)  # bytes of a row
        # Read, not mapped: pages of a map count as this process's memory for as long as the system finds no other use for them.
        return np.fromfile(self._file(block), np.int32 if place < self._texts else np.float64, count, offset=count * before)

    def occurrences(self, block: int, place: int, part: int, size: int) -> NDArray[np.int64]:
        """(k,), k at most ``size``: how often each code occurs in the rows of the part, in a column of codes, all below ``size``."""
        codes = self.column(block, place)
        if isinstance(self.part, np.ndarray):
            # Rows of other parts get a code more, which is left out: choosing rows takes as long again as counting them.
            codes = np.maximum(codes, (self.part[self.rows(block)] != part) * np.int32(size))
        elif self.part != part:
            codes = codes[:0]
        return np.bincount(codes)[:size]

    def drop(self, block: int) -> None:
        """Its columns are read no more. The system takes their memory for the files that are being written: other memory costs it more."""
        self._file(block).unlink()

    def of_part(self, block: int, part: int) -> NDArray[np.bool_] | slice:
        """Which rows of the block belong to the part."""
        if isinstance(self.part, np.ndarray):
            mine: NDArray[np.bool_] = self.part[self.rows(block)] == part
            return mine
        return slice(None) if self.part == part else slice(0)

    def count(self, part: int) -> int:
        """How many rows belong to the part."""
        if isinstance(self.part, np.ndarray):
            return int(np.count_nonzero(self.part == part))
        return len(self.labels) if self.part == part else 0

    def _file(self, block: int) -> Path:
        return self._folder / f"{block}.rows"
