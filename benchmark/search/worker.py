"""One trial on a worker: a function found by name, and a record whatever happens in it."""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable, Mapping

from benchmark.config import Trial
from benchmark.errors import UserError
from benchmark.faults import blamed, frames, in_words
from benchmark.records import Record
from benchmark.search import memory_limit
from benchmark.search.time_limit import OutOfTime, time_limit, words

TRAIN = "benchmark.training.trial:run_trial"  # the function that trains; named, since names cross the border of processes
Report = Callable[[Mapping[str, float]], None]
Train = Callable[[Trial, Report, str, int | None], Record]


def attempt(
    train: str,
    trial: Trial,
    report: Report,
    device: str,
    threads: int | None,
    minutes: float | None = None,
    gigabytes: float | None = None,
    ends_process: bool = False,
) -> Record:
    """``train`` on the trial; a record of status failed where it raises, so that one trial cannot stop a run.

    ``minutes``, ``ends_process``: see ``time_limit``; ``gigabytes``: see ``memory_limit``.
    """
    try:
        module, name = train.split(":")
        function: Train = typing.cast(Train, getattr(importlib.import_module(module), name))
        with time_limit(minutes, ends_process), memory_limit.memory_limit(gigabytes):
            return function(trial, report, device, threads)
    except OutOfTime as error:
        place = blamed(error)
        return Record(trial=trial, status="failed", reason=f"{place}{place and ': '}{words(minutes or 0)}", frames=frames(error))
    except UserError as error:
        return failed(trial, str(error))
    except (Exception, SystemExit) as error:
        reason = in_words(error)
        if gigabytes is not None and memory_limit.is_out_of_memory(error):
            reason = f"{reason}; {memory_limit.words(gigabytes)}"
        return Record(trial=trial, status="failed", reason=reason, frames=frames(error))


def failed(trial: Trial, reason: str) -> Record:
    """The record of a trial that gave none itself."""
    return Record(trial=trial, status="failed", reason=reason)
