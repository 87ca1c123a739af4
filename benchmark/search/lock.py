"""One run at a time in a results folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import UserError

LOCK = ".lock"  # in the results folder
_held: set[int] = set()  # descriptors of locks that this process holds


def _let_go() -> None:
    """In a forked child (a data loader, say), which would keep the lock for as long as it lives, even when the run has long ended."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def only_one(results: Path) -> Iterator[None]:
    """Two runs in one folder would train the same trials twice. The system lifts the lock when the process ends, however it ends.

    Raises UserError when another run holds it.
    """
    path = results / LOCK
    try:
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _no_lock(path, error) from None
    _held.add(file)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{results}: another run is at work in this folder; wait for it, or name another with --results") from None
        except OSError as error:
            raise _no_lock(path, error) from None
        yield
    finally:
        if file in _held:  # not in a forked child, which has closed it
            _held.remove(file)
            os.close(file)


def _no_lock(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be locked ({os.strerror(error.errno or 0)}); name another folder with --results")


def at_work(results: Path) -> bool:
    """Whether a run holds the folder now. Where the file system has no locks none does: ``only_one`` refuses to begin."""
    path = results / LOCK
    if not path.is_file():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return isinstance(error, BlockingIOError)
    return False
