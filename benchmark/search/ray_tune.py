"""The whole plan as one Ray Tune run. Nothing but this file, ray_start.py and ray_presence.py imports ray, and this one first.

The plan is Tune's searcher. Names and JSON are all that crosses the border of processes; workers find plug-ins by name, report each
epoch, and last the record. The driver alone writes, since workers may be on nodes that do not see the results folder.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

# Before the import: Ray reads its environment then. A user's own setting goes first.
for _name, _value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # silences a warning about a future default
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output is a callback, for which _Teller stands in; the new one cannot be silenced
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files per trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the run; records are whole at any time
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a lost trial is a record with a reason, not a traceback
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),  # Tune's own state is of no use: records are what a run resumes from
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "30",  # how long a reused worker may take to leave the trial before
}.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.experiment import Trial as RayTrial  # noqa: E402
from ray.tune.progress_reporter import TrialProgressCallback  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402

from benchmark.config import Trial  # noqa: E402
from benchmark.errors import UserError  # noqa: E402
from benchmark.records import LOST, Record, Store, record_from_json  # noqa: E402
from benchmark.search import ray_start  # noqa: E402
from benchmark.search.leftovers import scratch  # noqa: E402
from benchmark.search.listeners import Listener  # noqa: E402
from benchmark.search.memory_limit import place_of_machine  # noqa: E402
from benchmark.search.plan import Pause, Plan  # noqa: E402
from benchmark.search.ray_presence import Presence, nodes, slots_of  # noqa: E402
from benchmark.search.time_limit import words  # noqa: E402
from benchmark.search.twins import take_in  # noqa: E402
from benchmark.search.watchdog import Silence, watched  # noqa: E402
from benchmark.search.worker import TRAIN, attempt, failed, hit_a_limit  # noqa: E402
from benchmark.signals import catch_sigterm, sigterm_raises  # noqa: E402
from benchmark.values import canonical, from_dict, to_dict  # noqa: E402

EPOCH, RECORD = "epoch_json", "record_json"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
STARTING = 8  # workers that may be starting up at the same time


def run_ray(
    plan: Plan,
    store: Store,
    listener: Listener,
    device: str = "auto",
    address: str | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
    train: str = TRAIN,
    minutes: float | None = None,
    gigabytes: float | None = None,
    most_cpus: int | None = None,
    most_gpus: int | None = None,
    silence: Silence | None = None,
) -> int:
    """Train until the plan is done, on this machine or on the cluster at ``address``. Every record is stored before the plan hears of it.
    Returns how many trials had room at once (at the end, where nodes came and went). ``minutes``, ``gigabytes``: of a trial at most; the
    latter None: this machine's memory over the trials that have room at once; no limit on a cluster, or with a GPU.
    ``most_cpus``, ``most_gpus``: of this machine. ``silence``: one of the listeners, for a watchdog.

    gpus_per_trial: None is one where the cluster has any and ``device`` allows it. Raises UserError for a cluster that cannot be
    reached, has no room for a trial, or goes away.
    """
    presence = Presence(minutes)
    with sigterm_raises(), watched(silence or Silence(), presence.gone, presence.tend), ExitStack() as stack:
        try:
            stack.enter_context(ray_start.connected(address, most_cpus, most_gpus))
            catch_sigterm()  # in the place of Ray's own handler, which ends the driver in the middle of its work
            gpus = _gpus(device, gpus_per_trial)
            share = {name: amount for name, amount in (("CPU", cpus_per_trial), ("GPU", gpus)) if amount}
            if not slots_of(share):  # Tune would wait for ever
                wanted = " and ".join(f"{amount:g} {name}" for name, amount in share.items())
                raise UserError(f"no node has the {wanted} that a trial asks for; lower --cpus-per-trial or --gpus-per-trial")
            os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", str(slots_of(share) + STARTING))  # no bound: _Driver.ask is one
            presence.share = share
            driver = _Driver(plan, store, listener, share, minutes, presence)
            if gigabytes is None and address is None and not gpus:  # what CUDA takes of a process's address space was not tried
                gigabytes = place_of_machine(slots_of(share))
            limits = {"minutes": minutes, "gigabytes": gigabytes}
            space = {"train": train, "device": device, "threads": max(1, int(cpus_per_trial)), **limits}
            with scratch() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Ray's own deprecations
                tuner = tune.Tuner(
                    tune.with_resources(_work, {"cpu": cpus_per_trial, "gpu": gpus}),
                    param_space=space,
                    tune_config=tune.TuneConfig(
                        search_alg=_Asker(driver),
                        num_samples=-1,
                        reuse_actors=True,  # a fresh worker imports torch for seconds; a trial may be shorter
                        trial_name_creator=_name_of,
                        trial_dirname_creator=_name_of,
                    ),
                    run_config=tune.RunConfig(name="run", storage_path=folder, verbose=0, callbacks=[_Teller(driver)]),
                )
                try:
                    tuner.fit()
                except Exception:
                    if driver.fault is not None:  # Tune has made one error with a traceback for a text of it
                        raise driver.fault from None
                    raise
            slots = slots_of(share)
        finally:
            presence.is_over = True
            ray.shutdown()
    if plan.ask() is not Pause.DONE:
        raise UserError("the Ray run stopped before the last trial; type the same command again to go on")
    return slots


def _work(config: dict[str, Any]) -> None:
    """On a worker: train, report, and hand over the record, of whatever status."""
    trial = from_dict(Trial, json.loads(config["trial"]), "trial")

    def report(metrics: Mapping[str, float]) -> None:
        tune.report({EPOCH: json.dumps(dict(metrics))})

    limits = (config["minutes"], config["gigabytes"])
    record = attempt(config["train"], trial, report, config["device"], config["threads"], *limits, ends_process=True)
    tune.report({RECORD: record.to_json()})  # comes back when the driver has it
    if hit_a_limit(record):  # wherever it was, in the middle of an import perhaps: no process for another trial
        os._exit(0)


class _Driver:
    """The plan and who listens to it, shared by Tune's searcher and callback."""

    def __init__(
        self, plan: Plan, store: Store, listener: Listener, share: Mapping[str, float], minutes: float | None, presence: Presence
    ) -> None:
        self.plan, self.store, self.listener, self.share, self.minutes = plan, store, listener, share, minutes
        self.presence = presence
        self.running: dict[str, Trial] = {}  # Ray's id -> trial that waits for a worker, or has one
        self.begun: set[str] = set()  # those of them that have one
        self.recorded: set[str] = set()  # those of these whose record is stored; the worker is about to be free
        self.free = 0  # workers that became free and were given nothing since
        self.fault: Exception | None = None  # what ends the run

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        # Tune pickles its set-up for Tuner.restore, which nobody calls: what must survive is in the records.
        return _nothing, ()

    def __deepcopy__(self, memo: dict[int, Any]) -> _Driver:
        return self

    def ask(self, ray_id: str) -> Trial | Pause:
        """One more than there is room for, so that no worker waits; not more, since a draw asked later knows more.

        While workers are being started, no more than there is room for: Tune gives a worker that becomes free to any trial that waits and
        ends the worker that is being started for that one, so trials that are shorter than a start would never see a second worker. Here
        it finds a new trial, for which none is.
        """
        places, waiting = slots_of(self.share), len(self.running) - len(self.begun)
        room = places + (len(self.begun) >= places)
        if len(self.running) >= room or waiting >= STARTING + self.free:
            return Pause.WAITING
        trial = self.plan.ask()
        if isinstance(trial, Trial):
            self.running[ray_id] = trial
            self.free = max(self.free - 1, 0)
        return trial

    def begin(self, ray_id: str) -> Trial:
        self.begun.add(ray_id)
        return self.running[ray_id]

    def leave(self, ray_id: str) -> None:
        """The trial has ended, and its worker with it or not."""
        self.running.pop(ray_id, None)
        self.begun.discard(ray_id)
        self.recorded.discard(ray_id)

    def finish(self, ray_id: str, record: Record) -> None:
        self.recorded.add(ray_id)
        self.presence.finished(ray_id)
        try:
            take_in(self.plan.stamped(record), self.plan, self.store, self.listener)
        except Exception as error:
            self.fault = error
            raise


def _nothing() -> None:
    """What is left of a pickled driver."""


class _Asker(Searcher):
    """Tune's searcher interface over the plan's ``ask``."""

    def __init__(self, driver: _Driver) -> None:
        super().__init__()
        self._driver = driver

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        return True  # there is nothing to set: metric and spaces are the plan's

    # Ray declares a dict; it documents and expects Searcher.FINISHED, too.
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        trial = self._driver.ask(trial_id)
        if trial is Pause.DONE:
            return str(Searcher.FINISHED)
        if trial is Pause.WAITING:
            return None
        return {"trial": canonical(to_dict(trial))}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass  # _Teller sees what came with the trial, here only its id is known

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a run resumes from its records")


class _Teller(TrialProgressCallback):
    """Tune's callback interface over the plan's ``tell``, in the place of Tune's own terminal output, which prints every result."""

    def __init__(self, driver: _Driver) -> None:
        super().__init__()
        self._driver = driver

    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:
        self._driver.presence.started(trial)
        self._driver.listener.started(self._driver.begin(trial.trial_id))

    def on_trial_result(self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **info: Any) -> None:
        if EPOCH in result:
            self._driver.listener.epoch(self._driver.running[trial.trial_id], json.loads(result.pop(EPOCH)))
        elif RECORD in result:
            text = result.pop(RECORD)  # out of Tune's hands, which keep every result until the end
            self._driver.finish(trial.trial_id, record_from_json(text, "worker"))

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:
        if trial.trial_id in self._driver.recorded:
            self._driver.leave(trial.trial_id)
            self._driver.free += 1

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:
        pass

    def on_step_end(self, iteration: int, trials: list[RayTrial], **info: Any) -> None:
        # Not in on_trial_error: Tune does not call that for every way a worker can be lost.
        lost = [t for t in trials if t.status in (RayTrial.ERROR, RayTrial.TERMINATED) and t.trial_id in self._driver.running]
        for trial in lost:
            if trial.trial_id not in self._driver.recorded:
                self._driver.finish(trial.trial_id, failed(self._driver.running[trial.trial_id], self._reason(trial)))
            self._driver.leave(trial.trial_id)

    def _reason(self, trial: RayTrial) -> str:
        """A worker that ended itself over the time is not lost: its trial is at fault."""
        limit = self._driver.minutes
        over = limit is not None and self._driver.presence.is_overdue(trial.trial_id)
        return f"{words(limit)}, and its process had to be ended" if over and limit is not None else _reason(trial)


def _reason(trial: RayTrial) -> str:
    # get_error looks into the storage folder, where this file is copied only at the end.
    text = Path(trial.error_file).read_text(encoding="utf-8").split("\n", 1)[-1] if trial.error_file else "it ended without a record"
    text = COLOUR.sub("", text)
    return f"{LOST} (killed, or out of memory?): {text.split('The actor is dead because', 1)[-1]}"


def _name_of(trial: RayTrial) -> str:
    return str(trial.trial_id)


def _gpus(device: str, gpus_per_trial: float | None) -> float:
    there = sum(node["Resources"].get("GPU", 0.0) for node in nodes())
    if device == "cuda" and not there:
        raise UserError("--device cuda: Ray sees no GPU; use --device cpu or auto")
    if device == "cpu":
        return 0.0
    if gpus_per_trial is None:
        return 1.0 if there else 0.0
    return gpus_per_trial
