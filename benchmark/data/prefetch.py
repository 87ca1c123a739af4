"""Work ahead of the one who takes the results, in other threads, in bounded memory."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetched(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """``items``, made by a thread that is at most ``depth`` of them ahead. What making one raises is raised here, in its place.

    When the taker stops early, the thread ends at its next item.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def offer(entry: tuple[T | None, BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                return ready.put(entry, timeout=0.1)
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                offer((item, None))
                if stopped.is_set():
                    return
            offer((None, StopIteration()))
        except BaseException as error:
            offer((None, error))

    maker = threading.Thread(target=make, daemon=True)
    maker.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]  # None only beside an error
    finally:
        stopped.set()
        maker.join()


def in_threads(pool: Executor, work: Callable[[T], R], items: Iterable[T], depth: int) -> Iterator[R]:
    """``work`` of each item in the threads of ``pool``, at most ``depth`` at once, in the order of the items."""
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) >= depth:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
