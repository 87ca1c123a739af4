"""Blocks of work on the threads of a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

import torch
from torch import Tensor


def map_blocks(action: Callable[[int], Tensor], count: int) -> Iterable[Tensor]:
    """The results of action(0) … action(count − 1), in this order, without gradients. One action runs in one thread, and as many run at
    once as torch has threads.

    Torch itself would divide each operation of an action among its threads. On blocks that fit the cache, waiting for the slowest thread
    after every operation costs more than the other threads save. An action writes its results into rows that no other writes; what is
    to be summed over actions it returns, and the caller adds in order, so that sums do not depend on which thread was first.
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
