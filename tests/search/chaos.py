"""`make chaos`: kills whatever a run consists of, starts it again, and counts what came of it. Not a test: some ten minutes.

Trainings are the stand-ins of the tests (milliseconds, and a record that is a function of the trial), all else is real: processes, Ray,
signals, files. An undisturbed run of the same suite says which trials there must be.

survived: the run went on, or ended with at most one line that says why, and never hung.  lost: trials without a record after the same
command was given again.  doubled: trained again although recorded.  changed: records that are not what their trial gives. Methods that
misbehave (misbehaviour.py) are trained for real, beside twelve that do not: of these none may be lost or changed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import standin_search as standin
from damage import in_cache, in_records
from misbehaviour import KINDS, misbehaved
from places import TOKEN, ThreeNodes, mlflow_server, small_disk
from tabulate import tabulate

from benchmark.records import Record, Store

SEEDS, DRAWS = 2, 2
HANGS = 150.0  # seconds after the fault until a run that neither ends nor goes on counts as hanging
AT_ONCE = 5.0  # seconds for a run to end after SIGINT or SIGTERM
FILLER = "filler"
PLUGINS = f"a method that does what none should ({len(KINDS)} kinds)"
MARK = "BENCHMARK_CHAOS"  # in the environment of every process of a run


@dataclass
class Outcome:
    survived: bool
    lost: int = 0
    doubled: int = 0
    changed: int = 0
    said: list[str] = field(default_factory=list)


def standins(log: Path) -> dict[str, str]:
    """The environment of their trainings."""
    return {"STANDIN_LOG": str(log), "STANDIN_EPOCH_SECONDS": "0.12"}


@dataclass
class Run:
    """One driver, with everything that it has started."""

    results: Path
    log: Path
    arguments: Sequence[str]
    stages: Mapping[str, str] = field(default_factory=dict)  # trial id -> stage
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        token = TOKEN if "--address" in self.arguments else {}
        environment = {**os.environ, **token, **standins(self.log), MARK: self.mark}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--drive", str(self.results), *self.arguments],
            cwd=standin.ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def processes(self) -> Iterator[tuple[int, str]]:
        """Process id and command line of all that carry the mark, the driver left out."""
        for folder in Path("/proc").iterdir():
            try:
                if (
                    folder.name.isdigit()
                    and int(folder.name) != self.process.pid
                    and self.mark.encode() in (folder / "environ").read_bytes()
                ):
                    yield int(folder.name), (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue

    def named(self, *parts: str) -> list[int]:
        return [pid for pid, command in self.processes() if any(part in command for part in parts)]

    def workers(self) -> list[int]:
        """Of those that have begun a trial, the ones that are alive, the driver left out."""
        begun = {int(line.split()[1]) for line in self.log.read_text().splitlines()} if self.log.exists() else set()
        return [pid for pid, _ in self.processes() if pid in begun]

    def training(self) -> str:
        """The stage of the trial that was begun last, unless it is recorded."""
        begun = [line.split()[0] for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return self.stages[begun[-1]] if begun and not (self.results / "records" / f"{begun[-1]}.json").exists() else ""

    def records(self) -> int:
        return len(list(self.results.glob("records/*.json")))

    def wait_for(self, ready: Callable[[], object], seconds: float = 120.0) -> bool:
        limit = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None or time.monotonic() > limit:
                return False
            time.sleep(0.02)
        return True

    def end(self, seconds: float) -> tuple[float | None, str]:
        """Seconds until it ended, None where it had to be ended; and what it said on standard error."""
        begun = time.monotonic()
        try:
            _, said = self.process.communicate(timeout=seconds)
            return time.monotonic() - begun, said
        except subprocess.TimeoutExpired:
            self.kill_all()
            return None, self.process.communicate()[1]

    def kill_all(self) -> None:
        for pid in [self.process.pid, *(pid for pid, _ in self.processes())]:
            kill(pid)


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


Act = Callable[[Run], bool]  # does the fault; False where there was no chance to


@dataclass(frozen=True)
class Fault:
    name: str
    executor: str
    act: Act
    ends_at_once: bool = False  # as asked: within AT_ONCE, in one line, and leaves no process
    minutes: float | None = None
    on: Literal["", "cluster", "server", "small disk"] = ""


def at(count: int, act: Callable[[Run], None]) -> Act:
    """When so many records are there."""

    def acted(run: Run) -> bool:
        if not run.wait_for(lambda: run.records() >= count):
            return False
        act(run)
        return True

    return acted


def kill_named(*parts: str) -> Act:
    def acted(run: Run) -> bool:
        if not run.wait_for(lambda: run.records() >= 2):
            return False
        pids = run.named(*parts)
        for pid in pids:
            kill(pid)
        return bool(pids)

    return acted


def kill_worker(stage: str, number: int = signal.SIGKILL) -> Act:
    """While it trains a trial of the stage."""

    def acted(run: Run) -> bool:
        if not run.wait_for(lambda: run.records() and run.training() == stage and run.workers()):
            return False
        kill(run.workers()[-1], number)
        return True

    return acted


def kill_node(run: Run) -> bool:
    if not run.wait_for(lambda: run.records() >= 3):
        return False
    kill(int(run.arguments[-1]))
    return True


def kill_server(run: Run) -> bool:
    if not run.wait_for(lambda: run.records() >= 3):
        return False
    os.killpg(int(run.arguments[-1]), signal.SIGKILL)
    return True


def fill(run: Run) -> bool:
    """The disk with the results, to the last byte; ``suffer`` makes room again when the run has ended."""
    if not run.wait_for(lambda: run.records() >= 2):
        return False
    with suppress(OSError), (run.results / FILLER).open("wb", buffering=0) as file:
        while file.write(bytes(1 << 12)):
            pass
    return True


def faults() -> list[Fault]:
    dice = random.Random(0)
    driver = [Fault("driver, SIGKILL", "local", at(dice.randint(1, 12), lambda run: kill(run.process.pid))) for _ in range(4)]
    return [
        *driver,
        Fault("driver, SIGKILL", "ray", at(3, lambda run: kill(run.process.pid))),
        Fault("driver and all its processes, SIGKILL", "ray", at(4, Run.kill_all)),
        Fault("worker in a tuning draw, SIGKILL", "ray", kill_worker("tune")),
        Fault("worker in a final, SIGKILL", "ray", kill_worker("final")),
        Fault("worker, SIGSTOP (--trial-minutes)", "ray", kill_worker("final", signal.SIGSTOP), minutes=0.1),
        Fault("raylet, SIGKILL", "ray", kill_named("/raylet/raylet ")),
        Fault("GCS, SIGKILL", "ray", kill_named("gcs_server")),
        Fault("raylet's agents, SIGKILL", "ray", kill_named("runtime_env/agent", "dashboard/agent")),
        Fault("a node of three, SIGKILL", "ray", kill_node, on="cluster"),
        Fault("the MLflow server, SIGKILL", "local", kill_server, on="server"),
        Fault("disk full", "local", fill, on="small disk"),
        Fault("disk full", "ray", fill, on="small disk"),
        *(
            Fault(number.name, executor, at(2, partial(signalled, number=number)), ends_at_once=True)
            for executor in ("local", "ray")
            for number in (signal.SIGINT, signal.SIGTERM)
        ),
    ]


def signalled(run: Run, number: int) -> None:
    kill(run.process.pid, number)


def undisturbed(folder: Path) -> dict[str, Record]:
    run = Run(folder / "whole", folder / "whole.log", ["local"])
    took, said = run.end(HANGS)
    assert took is not None and run.process.returncode == 0, said
    return {record.trial_id: record for record in Store(folder / "whole")}


def suffer(fault: Fault, wanted: dict[str, Record], folder: Path) -> Outcome | None:
    """The fault, and the same command until everything is recorded. None where this user cannot do it."""
    arguments = [fault.executor, *([] if fault.minutes is None else ["--minutes", str(fault.minutes)])]
    with ExitStack() as stack:
        if fault.on == "cluster":
            cluster = ThreeNodes(os.environ | TOKEN | standins(folder / "log"))
            stack.callback(cluster.end)
            arguments += ["--address", cluster.address, "--node", str(cluster.raylet)]
        elif fault.on == "server":
            address, leader = stack.enter_context(mlflow_server(folder))
            arguments += ["--track", address, "--node", str(leader)]
        elif fault.on == "small disk" and not stack.enter_context(small_disk(folder / "results")):
            return None
        return _suffered(fault, wanted, folder, arguments)


def _suffered(fault: Fault, wanted: dict[str, Record], folder: Path, arguments: Sequence[str]) -> Outcome:
    results, log = folder / "results", folder / "log"
    stages = {trial_id: record.trial.stage for trial_id, record in wanted.items()}
    run = Run(results, log, arguments, stages)
    said: list[str] = []
    if not fault.act(run):
        run.kill_all()
        return Outcome(False, said=["the fault could not be done: " + run.process.communicate()[1][-200:]])
    recorded = {path.stem for path in results.glob("records/*.json")}
    trained = log.read_text().splitlines()
    took, words = run.end(HANGS)
    survived = took is not None and "Traceback" not in words
    said += [line for line in words.splitlines() if not line.startswith("[")]
    left = list(run.processes())
    survived &= len(said) <= 1
    if fault.ends_at_once and took is not None:
        survived &= took <= AT_ONCE and not left
        said += [f"ended after {took:.1f} s"] + ([f"left: {', '.join(command[:60] for _, command in left)}"] if left else [])
    run.kill_all()
    (results / FILLER).unlink(missing_ok=True)
    for _ in range(3):
        failed = any(record.status != "finished" for record in Store(results))  # such are tried again
        if run.process.returncode != 0 or failed:
            run = Run(results, log, arguments)
            took, words = run.end(HANGS)
            said += [] if took is not None else ["the same command hung"]
            survived &= took is not None
            run.kill_all()
    again = [line.split()[0] for line in log.read_text().splitlines()[len(trained) :]]
    found = {record.trial_id: record for record in Store(results)}
    changed = sum(record != wanted[key] for key, record in found.items() if key in wanted) + len(found.keys() - wanted.keys())
    return Outcome(survived, len(wanted.keys() - found.keys()), len(recorded & set(again)), changed, said)


def drive(results: Path, executor: str, minutes: float | None, address: str | None, track: str | None) -> int:
    """What is killed: a run of the stand-ins, on this machine one trial at a time. What is drawn does not depend on the order."""
    import pytest

    from benchmark.__main__ import main as command
    from benchmark.commands import COMMANDS
    from benchmark.search import ray_presence, time_limit
    from benchmark.search.run import run_suite

    def work(*_: object) -> int:
        toys = standin.suite(methods=("standin_tuned", "standin_sanity"), trials=DRAWS, seeds=SEEDS)
        cpus = float(os.cpu_count() or 1) if address is None else 1.0
        which: Literal["ray", "local"] = "ray" if executor == "ray" else "local"
        listeners = []
        if track is not None:
            from benchmark.tracking.mlflow_store import Tracker

            os.environ["MLFLOW_TRACKING_URI"] = track
            listeners = [Tracker(results)]
        run_suite(toys, results, which, address=address, train=standin.TRAIN, cpus_per_trial=cpus, minutes=minutes, listeners=listeners)
        for listener in listeners:
            listener.close()
        return 0

    with pytest.MonkeyPatch.context() as patch:
        standin.install(patch)
        for module in (time_limit, ray_presence):
            patch.setattr(module, "GRACE", 2.0)
        patch.setattr(ray_presence, "SLACK", 2.0)
        patch.setitem(COMMANDS, "run", work)
        return command(["run", "quick"])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--drive", nargs=2, metavar=("RESULTS", "EXECUTOR"))
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--address")
    parser.add_argument("--track", help="address of an MLflow server")
    parser.add_argument("--node", help="process id of the raylet, or the server, that is to be killed; the driver has no use for it")
    parser.add_argument("--only", default="", help="faults whose name has this in it")
    parser.add_argument("--executor", choices=["local", "ray"])
    given = parser.parse_args()
    if given.drive:
        return drive(Path(given.drive[0]), given.drive[1], given.minutes, given.address, given.track)
    begun = time.monotonic()
    counts: dict[tuple[str, str], list[int]] = {}
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        wanted = undisturbed(folder)
        for number, fault in enumerate(faults()):
            if given.only not in fault.name or given.executor not in (None, fault.executor):
                continue
            place = folder / str(number)
            place.mkdir()
            found = suffer(fault, wanted, place)
            if found is None:
                print(f"{fault.name}, {fault.executor}: not done, it takes the right to mount a file system", file=sys.stderr)
                continue
            bad = not found.survived or found.lost or found.doubled or found.changed
            told = f": {'; '.join(found.said)[:300]}" if found.said else ""
            print(f"{fault.name}, {fault.executor}: {'BAD' if bad else 'good'}{told}", file=sys.stderr, flush=True)
            row = counts.setdefault((fault.name, fault.executor), [0] * 5)
            for column, value in enumerate((1, found.survived, found.lost, found.doubled, found.changed)):
                row[column] += int(value)
            shutil.rmtree(place, ignore_errors=True)
        others: dict[tuple[str, str], Callable[[], tuple[int, int, int, int, list[str]]]] = {
            (PLUGINS, "ray"): lambda: misbehaved(folder / "plug-ins"),
            ("a bit of a record turned over", "-"): lambda: (300, 300, 0, in_records(wanted, folder / "records", 300), []),
            ("a bit of the prepared data turned over", "-"): lambda: (100, 100, 0, in_cache(folder / "cache", 100), []),
        }
        for names, suffered in others.items():
            if given.only in names[0] and given.executor in (None, names[1]):
                times, survived, lost, changed, said = suffered()
                counts[names] = [times, survived, lost, 0, changed]
                verdict = "BAD" if survived < times or lost or changed else "good"
                print("\n".join([f"{names[0]}: {verdict}", *said]), file=sys.stderr, flush=True)
    table = [[*names, *row] for names, row in counts.items()]
    print(tabulate(table, headers=["fault", "executor", "times", "survived", "lost", "doubled", "changed"]))
    print(f"{time.monotonic() - begun:.0f} s")
    return int(any(row[0] != row[1] or any(row[2:]) for row in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
