"""Whether Ray is there, what has room on it, and how to end a worker that does not end itself.

Imported after ray_tune.py has set the environment that Ray reads.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.tune.experiment import Trial as RayTrial

from benchmark.search.time_limit import GRACE

NEEDED = ("gcs_server", "raylet")
EMPTY = 120.0  # seconds without room for any trial until a cluster counts as gone
SLACK = 30.0  # seconds beyond the time limit's own grace, until a worker is ended from here
GO_ON = "what is recorded stays: type the same command again to go on"


class Presence:
    """For the watchdog: whether Ray is still there, and workers that are over their time and do not end themselves.

    share: CPU and GPU of a trial, set when Ray has been reached. is_over: set when it is being shut down, so that its processes may go.
    """

    def __init__(self, minutes: float | None) -> None:
        self._minutes = minutes
        self.share: Mapping[str, float] | None = None
        self.is_over = False
        self._running: dict[str, tuple[RayTrial, float]] = {}  # Ray's id -> when it began
        self._empty_since: float | None = None
        self._ended: set[str] = set()

    def started(self, trial: RayTrial) -> None:
        self._running[trial.trial_id] = trial, time.monotonic()

    def finished(self, ray_id: str) -> None:
        self._running.pop(ray_id, None)

    def is_overdue(self, ray_id: str, slack: float = 0.0) -> bool:
        """Whether the trial has taken longer than it may, by more than ``slack`` seconds."""
        return self._minutes is not None and ray_id in self._running and self._seconds(ray_id) > 60 * self._minutes + slack

    def gone(self) -> str:
        """What of Ray has gone, in words."""
        if self.share is None or self.is_over:
            return ""
        dead = _dead_processes()
        if dead and not self.is_over:
            return f"Ray on this machine has lost {' and '.join(dead)} (killed, or out of memory?); {GO_ON}"
        if slots_of(self.share):
            self._empty_since = None
            return ""
        self._empty_since = self._empty_since or time.monotonic()
        if time.monotonic() - self._empty_since < EMPTY or self.is_over:
            return ""
        return f"no node of the Ray cluster has had room for a trial for {EMPTY:.0f} s; {GO_ON}"

    def tend(self) -> None:
        """End workers that time_limit.py should have ended, and could not: stopped ones."""
        for ray_id, (trial, _) in list(self._running.items()):
            if self.is_overdue(ray_id, GRACE + SLACK) and ray_id not in self._ended and not self.is_over:
                self._ended.add(ray_id)
                _end_worker(trial)

    def _seconds(self, ray_id: str) -> float:
        return time.monotonic() - self._running[ray_id][1]


def _dead_processes() -> list[str]:
    """The names of Ray's own processes on this machine that this driver started and that are gone."""
    node = ray._private.worker._global_node
    try:
        return sorted({f"its {name}" for name, _ in node.dead_processes() if name in NEEDED}) if node is not None else []
    except RuntimeError:  # they are being started or ended just now
        return []


def _end_worker(trial: RayTrial) -> None:
    """SIGKILL where the worker is on this machine: one that was stopped listens to nothing else."""
    actor = trial.temporary_state.ray_actor
    if actor is None:
        return
    told = ray._private.state.actors(actor._actor_id.hex())
    if told.get("Pid") and told.get("Address", {}).get("NodeID") == ray.get_runtime_context().get_node_id():
        with contextlib.suppress(ProcessLookupError):
            os.kill(told["Pid"], signal.SIGKILL)
    else:
        ray.kill(actor)


def slots_of(share: Mapping[str, float]) -> int:
    """How many trials have room at once; nodes of a cluster may come and go."""
    rooms = (node["Resources"] for node in nodes())
    return sum(min(int(room.get(name, 0.0) / amount + 1e-9) for name, amount in share.items()) for room in rooms)


def nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
