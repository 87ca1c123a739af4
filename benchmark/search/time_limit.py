"""A limit on the time of a trial, held by a thread beside it: an endless loop in a plug-in costs that trial, and not the run."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN = 2.0  # seconds: code that catches everything is told again
GRACE = 60.0  # seconds after the limit until a process that has not listened is ended


class OutOfTime(BaseException):
    """The trial has taken longer than it may. No Exception: training and plug-ins catch those."""


def words(minutes: float) -> str:
    return f"it took longer than {minutes:g} minutes (--trial-minutes)"


@contextmanager
def time_limit(minutes: float | None, ends_process: bool = False, grace: float = GRACE) -> Iterator[None]:
    """Within it OutOfTime is raised in this thread when the time is over; None: never.

    Python raises it between two instructions: code that stays inside one call into C is not reached. ``ends_process``: after ``grace``
    seconds more the whole process ends, which nothing inside it can prevent.
    """
    if minutes is None:
        yield
        return
    seconds = 60 * minutes
    over, lock, thread = threading.Event(), threading.Lock(), threading.get_ident()

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            with lock:
                if not over.is_set():
                    _raise_in(thread, OutOfTime)
            wait = AGAIN

    watcher = threading.Thread(target=watch, name="time limit", daemon=True)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        if ends_process:
            faulthandler.dump_traceback_later(seconds + grace, exit=True, file=nowhere)
        watcher.start()
        try:
            yield
        finally:
            with lock:
                over.set()
                _raise_in(thread, None)  # what was on its way comes no more
            if ends_process:
                faulthandler.cancel_dump_traceback_later()
            watcher.join()


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error))
