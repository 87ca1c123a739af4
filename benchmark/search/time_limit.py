"""A limit on the time of a trial, held by a thread beside it: an endless loop in a plug-in costs that trial, and not the run."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

OPTION = "--trial-minutes"
AGAIN = 2.0  # seconds: code that catches everything is told again
GRACE = 60.0  # seconds after the limit until a process that has not listened is ended


class OutOfTime(BaseException):
    """The trial has taken longer than it may. No Exception: training and plug-ins catch those."""


def words(minutes: float) -> str:
    return f"it took longer than {minutes:g} minutes ({OPTION})"


@contextmanager
def time_limit(minutes: float | None, ends_process: bool = False, grace: float = GRACE) -> Iterator[None]:
    """Within it OutOfTime is raised in this thread when the time is over; None: never.

    Python raises it between two instructions: code that stays inside one call into C is not reached. ``ends_process``: after ``grace``
    seconds more the whole process ends, which nothing inside it can prevent.
    """
    if minutes is None:
        yield
        return
    seconds, thread = 60 * minutes, threading.get_ident()
    state, ended, raising = _State(), threading.Event(), threading.Lock()

    def watch() -> None:
        wait = seconds
        while not ended.wait(wait):
            with raising:
                if state.is_over:
                    return
                _raise_in(thread, OutOfTime)
            wait = AGAIN

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        if ends_process:
            faulthandler.dump_traceback_later(seconds + grace, exit=True, file=nowhere)
        try:
            threading.Thread(target=watch, name="time limit", daemon=True).start()
            yield
        finally:
            state.is_over = True  # an assignment, which the exception that may be on its way cannot come before, as it can before a call
            while True:
                try:
                    with raising:  # whoever was just about to raise it has
                        _raise_in(thread, None)
                    if ends_process:
                        faulthandler.cancel_dump_traceback_later()
                    ended.set()
                    break
                except OutOfTime:  # it came when all was done: then it is not the next trial's
                    continue


class _State:
    is_over = False


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error))
