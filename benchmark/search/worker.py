"""One trial on a worker: a function found by name, and a record whatever happens in it."""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable, Mapping

from benchmark.config import Trial
from benchmark.errors import UserError
from benchmark.faults import frames, in_words
from benchmark.records import Record

TRAIN = "benchmark.training.trial:run_trial"  # the function that trains; named, since names cross the border of processes
Report = Callable[[Mapping[str, float]], None]
Train = Callable[[Trial, Report, str, int | None], Record]


def attempt(train: str, trial: Trial, report: Report, device: str, threads: int | None) -> Record:
    """``train`` on the trial; a record of status failed where it raises, so that one trial cannot stop a run."""
    try:
        module, name = train.split(":")
        function: Train = typing.cast(Train, getattr(importlib.import_module(module), name))
        return function(trial, report, device, threads)
    except UserError as error:
        return failed(trial, str(error))
    except (Exception, SystemExit) as error:
        return Record(trial=trial, status="failed", reason=in_words(error), frames=frames(error))


def failed(trial: Trial, reason: str) -> Record:
    """The record of a trial that gave none itself."""
    return Record(trial=trial, status="failed", reason=reason)
