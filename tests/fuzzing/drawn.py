"""Choices out of a string of bytes, and the verdict on what became of them.

Hypothesis draws the bytes, one draw an input, and makes them shorter and smaller where something is wrong: zeros, and bytes that are used
up, choose the first of everything, so what it prints is the simplest input. A draw for every choice would take most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmark.errors import UserError

T = TypeVar("T")
SHOWN = 600  # characters of an input in a message


class Wrong(AssertionError):
    """An input that was neither taken rightly nor refused in one line."""


class Drawn:
    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def below(self, limit: int) -> int:
        """0 … limit - 1"""
        size = 1 if limit <= 256 else 2
        found = int.from_bytes(self._data[self._place : self._place + size], "big")
        self._place += size
        return found % limit

    def of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def once_in(self, times: int) -> bool:
        return self.below(times) == times - 1

    def place(self, length: int) -> int:
        """0 … length, whatever the length: from either end more often than from the middle."""
        near = self.below(256)
        return min(near, length) if near < 96 else max(length - (near - 96), 0) if near < 192 else length * self.below(256) // 256


@dataclass(frozen=True)
class Kind:
    """``check`` makes an input of bytes and hands it to the product: True where it was taken, False where it was refused as it should be.
    It raises ``Wrong`` otherwise. ``around`` holds for many inputs.
    """

    name: str
    check: Callable[[bytes, Path], bool]  # (bytes, a folder of its own)
    size: int  # bytes at most
    share: int  # of all inputs, in hundredths
    around: Callable[[Path], AbstractContextManager[None]] = lambda folder: nullcontext()


def judged(shown: Callable[[], str], named: Sequence[str], attempt: Callable[[], T]) -> T | None:
    """What ``attempt`` gives; None where it refuses in one line that has all of ``named`` in it. Raises Wrong, with the input ``shown``."""
    try:
        return attempt()
    except UserError as error:
        refused(str(error), shown, named)
        return None
    except Exception as error:
        raise Wrong(f"{type(error).__name__}: {str(error)[:SHOWN]}\n{cut(shown())}") from error


def refused(line: str, shown: Callable[[], str], named: Sequence[str]) -> None:
    """Raises Wrong for a refusal that is not one line, or does not name what it is about."""
    if not line.isprintable():
        raise Wrong(f"the refusal is not one line of text: {line[:SHOWN]!r}\n{cut(shown())}")
    missing = [name for name in named if name not in line]
    if missing:
        raise Wrong(f"the refusal does not name {', '.join(map(repr, missing))}: {line[:SHOWN]}\n{cut(shown())}")


def cut(shown: str) -> str:
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}… ({len(shown)} characters)"
