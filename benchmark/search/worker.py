"""One trial on a worker: a function found by name, and a record whatever happens in it."""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace

from benchmark.config import NO_BACKBONE, Trial
from benchmark.errors import UserError
from benchmark.faults import blamed, frames, in_words
from benchmark.record import LONGEST_REASON, Record
from benchmark.search import memory_limit, time_limit
from benchmark.surroundings import as_they_were

TRAIN = "benchmark.training.trial:run_trial"  # the function that trains; named, since names cross the border of processes
LAZY = "torch._dynamo"  # imported with the first optimiser
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
    with as_they_were() as changed:
        record = _attempt(train, trial, report, device, threads, minutes, gigabytes, ends_process)
        told = changed()
    if not told:
        return record
    who = trial.cell.method if trial.cell.backbone == NO_BACKBONE else f"{trial.cell.method} (or its backbone, {trial.cell.backbone})"
    return replace(record, notes=(*record.notes, f"{who} changes {told} of the process; it was put back for the other trials"))


def _attempt(
    train: str,
    trial: Trial,
    report: Report,
    device: str,
    threads: int | None,
    minutes: float | None,
    gigabytes: float | None,
    ends_process: bool,
) -> Record:
    try:
        module, name = train.split(":")
        function: Train = typing.cast(Train, getattr(importlib.import_module(module), name))
        if train == TRAIN:  # before the limits: a module whose import they end stays half there, for every trial of this process
            importlib.import_module(LAZY)
        with time_limit.time_limit(minutes, ends_process), memory_limit.memory_limit(gigabytes):
            record = function(trial, report, device, threads)
    except time_limit.OutOfTime as error:
        place = blamed(error)
        return Record(trial=trial, status="failed", reason=f"{place}{place and ': '}{time_limit.words(minutes or 0)}", frames=frames(error))
    except UserError as error:
        return failed(trial, str(error))
    except (Exception, SystemExit) as error:
        record = Record(trial=trial, status="failed", reason=in_words(error), frames=frames(error))
    if gigabytes is None or record.status != "failed" or not memory_limit.is_out_of_memory(record.reason):
        return record
    said = f"; {memory_limit.words(gigabytes)}"  # whoever reads it, and ``hit_a_limit``, must find it at the end
    return replace(record, reason=f"{record.reason[: LONGEST_REASON - len(said)]}{said}")


def hit_a_limit(record: Record) -> bool:
    """Whether ``attempt`` ended the trial for its time or memory."""
    return record.status == "failed" and record.reason.endswith((f"({time_limit.OPTION})", f"({memory_limit.OPTION})"))


def failed(trial: Trial, reason: str) -> Record:
    """The record of a trial that gave none itself."""
    return Record(trial=trial, status="failed", reason=reason)
