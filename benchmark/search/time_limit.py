"""A limit on the time of a trial, held by a thread beside it: an endless loop in a plug-in costs that trial, and not the run."""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.search.raising import Raiser

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
    seconds, ended, tell = 60 * minutes, threading.Event(), Raiser(OutOfTime)

    def watch() -> None:
        wait = seconds
        while not ended.wait(wait):
            if not tell():
                return
            wait = AGAIN

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        if ends_process:
            faulthandler.dump_traceback_later(seconds + grace, exit=True, file=nowhere)
        try:
            threading.Thread(target=watch, name="time limit", daemon=True).start()
            yield
        finally:
            tell.is_over = True
            while True:
                try:
                    tell.settle()
                    if ends_process:
                        faulthandler.cancel_dump_traceback_later()
                    ended.set()
                    break
                except OutOfTime:  # it came when all was done: then it is not the next trial's
                    continue
