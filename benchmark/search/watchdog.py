"""A thread beside a run: says what nothing has been heard of, and ends a run that cannot go on. Knows no executor."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from benchmark.config import Trial
from benchmark.errors import UserError
from benchmark.records import Record
from benchmark.search.raising import Raiser

EVERY = 2.0  # seconds between two looks
QUIET = 600.0  # seconds without a word of a trial, at least, until it is said
LONGER = 5.0  # times the longest pause between two words of any trial so far
PATIENCE = 20.0  # seconds for the run to end by itself, after which its process is ended


class Silence:
    """Listener that knows when each running trial was last heard of."""

    def __init__(self, quiet: float = QUIET, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet, self._clock = quiet, clock
        self._heard: dict[str, tuple[Trial, float]] = {}
        self._limits: dict[str, float] = {}  # trial id -> the silence after which it is said next
        self._longest = 0.0

    def started(self, trial: Trial) -> None:
        self._heard[trial.trial_id] = trial, self._clock()
        self._limits.pop(trial.trial_id, None)

    def epoch(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        if trial.trial_id in self._heard:
            self._longest = max(self._longest, self._clock() - self._heard[trial.trial_id][1])
        self.started(trial)

    def finished(self, record: Record) -> None:
        self._heard.pop(record.trial_id, None)
        self._limits.pop(record.trial_id, None)

    def said(self) -> list[str]:
        """A line for each trial that has been silent for long, again when it has been for twice as long."""
        lines = []
        for key, (trial, when) in list(self._heard.items()):  # another thread changes it
            silent = self._clock() - when
            if silent >= self._limits.get(key, max(self._quiet, LONGER * self._longest)):
                self._limits[key] = 2 * silent
                what = f"tuning {trial.draw}" if trial.stage == "tune" else f"seed {trial.seed}"
                lines.append(
                    f"note: nothing heard of {trial.cell}, {what} for {silent / 60:.0f} min; a trial that hangs is ended by --trial-minutes"
                )
        return lines


class _Ended(BaseException):
    """Raised in the run's thread by the watchdog. No Exception: what runs there catches those."""


@contextmanager
def watched(
    silence: Silence, gone: Callable[[], str] = lambda: "", tend: Callable[[], None] = lambda: None, every: float = EVERY
) -> Iterator[None]:
    """Within it a thread looks after the run that this thread does.

    gone: what the run cannot go on without and has lost, in words; empty as long as all is there. tend: called at every look. Raises
    UserError when something is gone. A run that does not let itself be ended within ``PATIENCE`` seconds, since it waits inside a library
    for what will not come, is ended with its process, exit status 2.
    """
    stop, end = threading.Event(), Raiser(_Ended)
    lost: list[str] = []

    def look() -> None:
        while not stop.wait(every):
            for line in silence.said():
                print(line, file=sys.stderr, flush=True)
            try:
                tend()
                words = gone()
            except Exception:  # of a library that is just being started or ended: the next look will tell
                continue
            if words:
                lost.append(words)
                if end() and not stop.wait(PATIENCE):
                    print(f"error: {words}", file=sys.stderr, flush=True)
                    os._exit(2)
                return

    watcher = threading.Thread(target=look, name="watchdog", daemon=True)
    watcher.start()
    try:
        try:
            yield
        finally:
            end.is_over = True
            while True:
                try:
                    stop.set()
                    end.settle()
                    break
                except _Ended:  # it came when all was done: the run has its end already
                    continue
    except (_Ended, Exception):
        if lost:  # whatever else came of the loss
            raise UserError(lost[0]) from None
        raise
