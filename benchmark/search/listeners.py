"""Who wants to know how a run goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from benchmark.config import Trial
from benchmark.errors import UserError
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
def followed(tracker: Tracker | None, has_begun: Callable[[], bool]) -> Iterator[None]:
    """Within it the tracker follows a run, and is told of its end: to do it at once where somebody waits for that (Ctrl-C, SIGTERM).
    Of a run that is refused (UserError) before anything of it has begun, for want of a GPU or a cluster say, it is told nothing.
    """
    at_once = refused = False
    try:
        yield
    except KeyboardInterrupt:
        at_once = True
        raise
    except UserError:
        refused = not has_begun()
        raise
    finally:
        if tracker is not None and not refused:
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
