"""SIGTERM as an exception: a run that a scheduler or ``kill`` ends leaves as one that Ctrl-C ends does, with its processes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM has come. Whoever cleans up after Ctrl-C does so after this."""

    came = False  # since the last ``sigterm_raises`` began


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Within it SIGTERM raises Terminated in the main thread; afterwards it does what it did before. In other threads nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    Terminated.came = False
    catch_sigterm()
    try:
        yield
    except KeyboardInterrupt as error:
        if Terminated.came and not isinstance(error, Terminated):  # Ray, while it waits, makes this of whatever a handler raises
            raise Terminated from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def catch_sigterm() -> None:
    """The same for good, where a library has put a handler of its own there."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _raise)


def _raise(number: int, frame: FrameType | None) -> None:
    Terminated.came = True
    raise Terminated
