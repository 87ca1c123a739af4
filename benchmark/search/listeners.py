"""Who wants to know how a run goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from benchmark.config import Trial
from benchmark.records import Record


class Listener(Protocol):
    """Is called in the driver process only, after the fact: ``finished`` comes when the record is stored already."""

    def started(self, trial: Trial) -> None: ...

    def epoch(self, trial: Trial, metrics: Mapping[str, float]) -> None: ...

    def finished(self, record: Record) -> None: ...


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
