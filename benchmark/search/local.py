"""The whole plan in this process, one trial after another: for debugging, notebooks, and machines without Ray."""

from __future__ import annotations

from functools import partial

from benchmark.config import Trial
from benchmark.records import Store
from benchmark.search.listeners import Listener
from benchmark.search.plan import Plan
from benchmark.search.twins import take_in
from benchmark.search.worker import TRAIN, attempt


def run_local(
    plan: Plan,
    store: Store,
    listener: Listener,
    device: str = "auto",
    threads: int | None = None,
    train: str = TRAIN,
    minutes: float | None = None,
    gigabytes: float | None = None,
) -> None:
    """Train until the plan is done. Every record is stored before the plan hears of it. ``minutes``, ``gigabytes``: of a trial at most."""
    while isinstance(trial := plan.ask(), Trial):
        listener.started(trial)
        record = plan.stamped(attempt(train, trial, partial(listener.epoch, trial), device, threads, minutes, gigabytes))
        take_in(record, plan, store, listener)
