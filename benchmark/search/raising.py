"""An exception raised in one thread by another, under profilers and debuggers too."""

from __future__ import annotations

import ctypes
import sys
import threading
import time

PULSE = 0.05  # seconds that the thread has to take it, before others that are traced go on


class Raiser:
    """Raises ``error`` in the thread that makes this, from another one, until ``is_over``.

    The thread sets ``is_over``: an assignment, which an exception on its way cannot come before, as it can before a call. Then it calls
    ``settle`` until that raises nothing.

    Nothing is ever taken back with PyThreadState_SetAsyncExc(thread, NULL). In Python 3.11 that leaves a mark, that an exception is on its
    way, and with the mark there a traced thread (cProfile, coverage, a debugger) stays at the start of the next function for ever, with
    all signal handlers. While an exception is on its way to one thread the mark is there for all.
    """

    is_over = False

    def __init__(self, error: type[BaseException]) -> None:
        self._error, self._thread, self._raising, self._raised = error, threading.get_ident(), threading.Lock(), False

    def __call__(self) -> bool:
        """In another thread, which no profiler or debugger follows from here on. False: it is over, nothing is raised."""
        sys.settrace(None)
        sys.setprofile(None)
        with self._raising:
            if self.is_over:
                return False
            self._raised = True
            _set(self._thread, self._error)
        if sys.version_info < (3, 12) and (threading.gettrace() or threading.getprofile()):
            time.sleep(PULSE)
            _take_mark_away()  # the thread may wait for one that the mark holds up
        return True

    def settle(self) -> None:
        """In the thread itself, when ``is_over``: raises what may still be on its way. When it raises nothing, nothing comes later."""
        with self._raising:  # whoever was just about to raise it has
            raised, self._raised = self._raised, False
        if raised:
            _set(self._thread, self._error)  # in the place of the other: whether that has come nobody can ask
            _arrive()


class _Own(BaseException):
    """Of the thread that raises it."""


def _take_mark_away() -> None:
    """An exception that arrives takes the mark with it; the other thread's stays on its way, and comes when Python next looks there."""
    try:
        _set(threading.get_ident(), _Own)
        _arrive()
    except _Own:
        return


def _arrive() -> None:
    """A call: Python looks at its start for what is to be raised."""


def _set(thread: int, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
