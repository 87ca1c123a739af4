"""Who wants to know how a run goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from benchmark.config import Trial
from benchmark.records import Record


class Listener(Protocol):
    """Is called in the driver process only, after the fact: ``finished`` comes when the record is stored already."""

    def started(self, trial: Trial) -> None: ...

    def epoch(self, trial: Trial, metrics: Mapping[str, float]) -> None: ...

    def finished(self, record: Record) -> None: ...


class Tracker(Listener, Protocol):
    """A listener that keeps a view of the folder, and has to be told that the run is over."""

    def close(self) -> None:
        """Bring the view up to the records."""

    def leave(self) -> None:
        """The same, as far as it takes no time."""


@contextmanager
def followed(tracker: Tracker | None) -> Iterator[None]:
    """Within it the tracker follows a run, and is told of its end: to do it at once where somebody waits for that (Ctrl-C, SIGTERM)."""
    at_once = False
    try:
        yield
    except KeyboardInterrupt:
        at_once = True
        raise
    finally:
        if tracker is not None:
            (tracker.leave if at_once else tracker.close)()


class Listeners:
    """Several as one."""

    def __init__(self, members: Sequence[Listener]) -> None:
        self._members = tuple(members)

    def started(self, trial: Trial) -> None:
        for member in self._members:
            member.started(trial)

    def epoch(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        for member in self._members:
            member.epoch(trial, metrics)

    def finished(self, record: Record) -> None:
        for member in self._members:
            member.finished(record)
