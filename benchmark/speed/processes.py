"""Whole processes, one at a time: how long each ran and how much memory it and its descendants had."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark.errors import UserError

BEAT = 0.1  # seconds between two looks at the memory of what runs


@dataclass(frozen=True)
class Workspace:
    """Where the measured processes run and write, and on which cores."""

    folder: Path
    cores: frozenset[int]

    @property
    def prepared(self) -> Path:
        return self.folder / "cache" / "datasets" / "speed"

    @property
    def environment(self) -> dict[str, str]:
        own = {"BENCHMARK_CACHE": str(self.folder / "cache"), "RAY_TMPDIR": str(self.folder), "RAY_USAGE_STATS_ENABLED": "0"}
        return {**os.environ, **own, "OMP_NUM_THREADS": str(len(self.cores)), "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True)
class Contestant:
    name: str
    command: Sequence[str]
    writes: Path | None = None  # a folder, removed before each turn


@dataclass(frozen=True)
class Measured:
    """One run of a contestant's process. Memory in bytes."""

    seconds: float  # from its start to its end
    peak: int  # resident in this process alone, mapped files included
    private: int  # of it and its descendants together, without mapped files: see ``_watch``
    told: Mapping[str, float]  # what it says itself


def measure_process(workspace: Workspace, contestant: Contestant, bar: tqdm[Any]) -> Measured:
    """Run a contestant's process to its end. Raises UserError when it fails."""
    bar.set_description(contestant.name)
    if contestant.writes is not None:
        shutil.rmtree(contestant.writes, ignore_errors=True)
    os.sync()  # what the one before has written must not slow this one down
    with (workspace.folder / "stdout").open("w+") as said, (workspace.folder / "stderr").open("w+") as errors:
        with _on(workspace.cores):
            started = time.perf_counter()
            process = subprocess.Popen(
                contestant.command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=errors,
                env=workspace.environment,
                start_new_session=True,  # Ctrl-C is for this process, which then ends that one
            )
        try:
            private = _watch(process.pid)
            seconds = time.perf_counter() - started
        finally:
            _end(process)
        said.seek(0)
        errors.seek(0)
        answers = [line for line in said if line.startswith("SPEED ")]
        if process.returncode or not answers:
            ended = f"was killed by signal {-process.returncode}" if process.returncode < 0 else "failed"
            short = " (9: perhaps for want of memory)" if process.returncode == -signal.SIGKILL else ""
            raise UserError(f"{contestant.name}: {ended}{short}: {' '.join(errors.read().split())[-300:]}")
    shutil.rmtree(workspace.folder / "ray", ignore_errors=True)
    bar.update()
    told = json.loads(answers[-1].removeprefix("SPEED "))
    return Measured(seconds, told["peak"], private, told)


@contextlib.contextmanager
def _on(cores: frozenset[int]) -> Iterator[None]:
    """What is started meanwhile has these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _watch(process: int) -> int:
    """Wait for the end of a process. Returns its peak memory in bytes, its descendants included.

    Counted is what each of them has for itself, plus shared memory once (the largest share that one of them has). Mapped files are left
    out: the system drops their pages when it needs room.
    """
    ended = os.pidfd_open(process)
    try:
        most, looks, all_of_them = 0, 0, [process]
        while not select.select([ended], [], [], BEAT)[0]:
            if looks % 10 == 0:  # going through all processes takes longer than a look at a few
                all_of_them = _family(process)
            looks += 1
            seen = [status(one) for one in all_of_them]
            most = max(most, sum(one.get("RssAnon", 0) for one in seen) + max(one.get("RssShmem", 0) for one in seen))
        return most
    finally:
        os.close(ended)


def _family(process: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parent = (path / "stat").read_bytes().rpartition(b")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(path.name))
    found = [process]
    for one in found:
        found += children.get(one, [])
    return found


def status(process: int | str = "self") -> dict[str, int]:
    """The sizes in /proc/PID/status, in bytes; empty for a process that has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines) if rest.endswith(" kB")}


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all its descendants, if it runs still."""
    if process.poll() is None:
        for one in _family(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
    process.wait()
