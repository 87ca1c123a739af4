"""A limit on the memory of a trial, which the kernel holds: a model that grows without bounds costs that trial, and not its neighbours."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from benchmark.errors import UserError
from benchmark.training.memory import data_of_this_process, total

OPTION = "--memory-per-trial"
# What PyTorch (which raises RuntimeError) and C++ say when the system gives no memory, and the error of Python and NumPy; torch's
# OutOfMemoryError is of a GPU.
SAID = re.compile(r"can't allocate memory|bad_alloc|Cannot allocate memory|(?<!OutOf)MemoryError")


def words(gigabytes: float) -> str:
    return f"it needs more than the {gigabytes:.3g} GB of memory that a trial may take ({OPTION})"


def place_of_machine(places: int) -> float | None:
    """GB of this machine's memory for each of so many trials at once. None where it cannot be read."""
    memory = total()
    return None if memory is None else memory / 1e9 / places


def is_out_of_memory(reason: str) -> bool:
    """Whether a training failed for want of the machine's memory, not of a GPU's; ``reason``: as its record says why."""
    return SAID.search(reason) is not None


@contextmanager
def memory_limit(gigabytes: float | None) -> Iterator[None]:
    """Within it this process gets no more than so many GB (10⁹ bytes) beyond what it held before its first trial; None: no limit.

    Held by RLIMIT_DATA: private memory that can be written, asked for rather than used. A limit that is lower already stays. Raises
    UserError where the system has none of that kind (Linux has).
    """
    if gigabytes is None:
        yield
        return
    if not sys.platform.startswith("linux"):
        raise UserError(f"run: {OPTION} needs Linux; leave it out")
    import resource  # only where there is one

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _before_any_trial() + int(gigabytes * 1e9)
    lower = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *lower]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@cache
def _before_any_trial() -> int:
    """Bytes of this process alone. What a trial frees stays in the process, for the next one (``keep_freed_memory``): that is not added."""
    return data_of_this_process() or 0
