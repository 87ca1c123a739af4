"""One run at a time in a results folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import UserError


@contextmanager
def only_one(results: Path) -> Iterator[None]:
    """Two runs in one folder would train the same trials twice. The system lifts the lock when the process ends, however it ends.

    Raises UserError when another run holds it.
    """
    path = results / ".lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{results}: another run is at work in this folder; wait for it, or name another with --results") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be locked ({os.strerror(error.errno or 0)}); name another folder with --results") from None
        yield


def at_work(results: Path) -> bool:
    """Whether a run holds the folder now."""
    path = results / ".lock"
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
