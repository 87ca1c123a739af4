"""The folders that Ray and Tune want for themselves, and those that killed runs have left."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "benchmark-ray-"
DAY = 24 * 3600.0


@contextmanager
def scratch(base: str | None = None) -> Iterator[str]:
    """A folder in ``base``, by default the temporary one, that is gone afterwards unless the process is killed, and that only this user
    may enter. What was left so a day ago and is nobody's goes now.
    """
    _sweep(Path(base or tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=base, ignore_cleanup_errors=True) as folder, _held(folder):
        yield folder


@contextmanager
def _held(folder: str | Path) -> Iterator[bool]:
    """Whether the folder could be locked: not while a run has it. The system lifts the lock when a process ends, however it ends."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a run's, or a file system without locks
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Only what is this user's, whatever else is in a folder that all users share."""
    with suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            with suppress(OSError):
                if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False) and _is_old(entry):
                    with _held(entry.path) as is_nobodys:
                        if is_nobodys:
                            shutil.rmtree(entry.path, ignore_errors=True)


def _is_old(entry: os.DirEntry[str]) -> bool:
    looks = entry.stat(follow_symlinks=False)
    inside = [found.stat(follow_symlinks=False).st_mtime for found in os.scandir(entry.path)]  # a version without locks may be at work
    return looks.st_uid == os.getuid() and time.time() - max([looks.st_mtime, *inside]) > DAY
