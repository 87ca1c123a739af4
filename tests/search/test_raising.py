"""Exceptions from another thread: a run under a profiler, coverage or a debugger goes on, and ends, as one alone does."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import standin_search as standin

from benchmark.search.raising import Raiser

TRACED = """
import cProfile, queue, signal, sys, threading, time
from benchmark.search import time_limit, watchdog
from benchmark.signals import Terminated, sigterm_raises

def run():
    with watchdog.watched(watchdog.Silence()), time_limit.time_limit(1):
        pass
    with sigterm_raises():
        try:
            signal.raise_signal(signal.SIGTERM)
        except Terminated:
            print("terminated")

def out_of_time(what):
    try:
        with time_limit.time_limit(0.002):
            what()
    except time_limit.OutOfTime:
        print("ended")

def busy():
    while True:
        pass

def waits():
    things = queue.Queue(1)
    def make():
        for thing in range(40):
            time.sleep(0.01)
            things.put(thing)
    threading.Thread(target=make, daemon=True).start()
    while True:
        things.get()

def function(*_):
    return function

HOW
"""
BY = {
    "cProfile": 'cProfile.run("run(); out_of_time(busy)")',
    "settrace": "sys.settrace(function); run()",
    "setprofile": "sys.setprofile(function); run()",
    "traced threads": "time_limit.AGAIN = 0.2; threading.settrace(function); run(); out_of_time(waits)",
}


@pytest.mark.parametrize("by", BY)
def test_what_is_traced_ends(by: str) -> None:
    """Without this Python 3.11 stays at the start of a function for ever, and no signal but SIGKILL ends it."""
    code = TRACED.replace("HOW", BY[by])
    done = subprocess.run([sys.executable, "-c", code], cwd=standin.ROOT, capture_output=True, text=True, timeout=60)
    said = [line for line in done.stdout.splitlines() if line in ("terminated", "ended")]
    assert (done.returncode, said) == (0, ["terminated"] + ["ended"] * ("out_of_time" in BY[by])), done.stderr


class _Told(BaseException):
    pass


def test_nothing_comes_after_the_end() -> None:
    """Whenever it is raised: during the work, while that ends, or later."""
    for delay in (0.0, 1e-4, 1e-3, 3e-3):
        tell = Raiser(_Told)

        def late(tell: Raiser = tell, delay: float = delay) -> None:
            time.sleep(delay)
            tell()

        teller = threading.Thread(target=late)
        try:
            teller.start()
            time.sleep(1e-3)
        except _Told:
            pass
        finally:
            tell.is_over = True
            while True:
                try:
                    tell.settle()
                    break
                except _Told:
                    continue
        teller.join(timeout=5)
        assert not teller.is_alive() and not tell()
