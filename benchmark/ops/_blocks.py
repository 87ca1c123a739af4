"""Blocks of work on the threads of a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

import torch
from torch import Tensor


def map_blocks(action: Callable[[int], Tensor], count: int) -> Iterable[Tensor]:
    """action(0) … action(count − 1) in order, without gradients, on as many threads as torch has, each action in one of them.

    Torch divides every operation among its threads, which then wait for each other: for blocks that fit the cache that costs more than
    the second thread brings. Actions write to places of their own and return what is to be summed, so that the order of sums is fixed.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        return map(action, range(count))
    return _workers(threads).map(torch.no_grad()(action), range(count))


def _single_threaded() -> None:
    torch.get_num_threads()  # a thread's first call sets its number to the process's: not after the next line
    torch.set_num_threads(1)


@cache
def _workers(threads: int) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(threads, thread_name_prefix="benchmark-block", initializer=_single_threaded)
    started = Barrier(threads)
    list(pool.map(lambda _: started.wait(), range(threads)))  # every worker, not the first for all
    torch.set_num_threads(threads)  # a worker's own number is also the default of threads to come
    return pool
