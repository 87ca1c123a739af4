"""`make soak`: how busy a cluster is kept, and what a thousand trainings in one run leave behind. Not a test: some twenty minutes.

busy: a matrix of stand-ins, which sleep, on three Ray nodes with a CPU each: of what a place had from its first training to the last
record of all, the share that it was inside trainings. flat: real trainings of a small data set, with Ray and MLflow: what each hundred of
them took, and the memory and the open files of the driver and of its workers at the end of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median

import standin_search as standin
from places import TOKEN, ThreeNodes
from tabulate import tabulate
from tqdm import tqdm

from benchmark.config import Trial
from benchmark.records import Record, Store

LOG = "SOAK_LOG"
BUSY = 0.95  # of the places' time
BLOCKS = 10
SETTLED = 3  # blocks after which nothing may grow
TIME, MEMORY, FILES = 1.15, 1.10, 3  # what the last block may take of that one: times, times (a worker's), more files
DRIVER = 0.1  # MB that the driver may grow with each training: Ray Tune keeps every trial, with what it reported, until the end
# One cell: another method would take another time.
SUITE = """
summary = "trainings of a moment"
datasets = ["synthetic"]
methods = ["multi_embedding"]
backbones = ["dnn"]
scales = [2]
seeds = {seeds}
trials = 1
options.datasets.synthetic.rows = 2000
training.epochs = 1
training.batch_size = 512
"""


def timed(trial: Trial, report: Callable[[Mapping[str, float]], None], device: str = "auto", threads: int | None = None) -> Record:
    """The stand-in, and a line that says which process was in it from when to when."""
    begun = time.time()
    try:
        return standin.run_trial(trial, report, device, threads)
    finally:
        with open(os.environ[LOG], "a", encoding="utf-8") as log:
            log.write(f"{os.getpid()} {begun} {time.time()}\n")


def busy(folder: Path, seconds: float) -> bool:
    """Prints each place's share; whether all places together reach BUSY."""
    import pytest

    from benchmark.search.run import run_suite

    environment = {**TOKEN, LOG: str(folder / "places"), "STANDIN_LOG": str(folder / "log"), "STANDIN_EPOCH_SECONDS": str(seconds / 2)}
    os.environ.update(environment)
    with pytest.MonkeyPatch.context() as patch:
        standin.install(patch)
        cluster = ThreeNodes(os.environ)
        try:
            suite = standin.suite(datasets=("toy", "other_toy"), methods=("standin_tuned",), scales=(1, 2, 4, 8, 10), trials=10, seeds=11)
            print(run_suite(suite, folder / "results", "ray", address=cluster.address, train="soak:timed", cpus_per_trial=1.0))
        finally:
            cluster.end()
    places: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in (folder / "places").read_text().splitlines():
        pid, begun, ended = line.split()
        places[pid].append((float(begun), float(ended)))
    over = max(ended for spans in places.values() for _, ended in spans)
    rows: list[tuple[str, int, float, float, float, float, float, float]] = []
    inside, all_of_it = 0.0, 0.0
    for pid, spans in places.items():
        there, spent = over - spans[0][0], sum(ended - begun for begun, ended in spans)
        inside, all_of_it = inside + spent, all_of_it + there
        gaps = [later[0] - earlier[1] for earlier, later in pairwise(spans)]
        rows.append((pid, len(spans), there, spent, there - spent, 1000 * median(gaps), 1000 * max(gaps), 100 * spent / there))
    heads = ["place", "trainings", "seconds", "inside", "idle", "median gap, ms", "longest, ms", "busy, %"]
    print(tabulate(rows, headers=heads, floatfmt=".1f"))
    print(f"{sum(row[1] for row in rows)} trainings of {seconds:g} s: {inside / all_of_it:.1%} of the places' time was inside them")
    return inside / all_of_it >= BUSY


def flat(folder: Path, count: int) -> bool:
    """Prints what each tenth of the trainings took; whether the last one took no more than the third."""
    (folder / "soak.toml").write_text(SUITE.format(seeds=count))
    results = folder / "results"
    command = [sys.executable, "-m", "benchmark", "run", str(folder / "soak.toml"), "--results", str(results)]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    with (folder / "said").open("w") as said:
        run = subprocess.Popen(command, cwd=standin.ROOT, env=environment, stdout=said, stderr=subprocess.STDOUT)
    block = count // BLOCKS
    samples: list[tuple[tuple[float, int], tuple[float, int]]] = []  # memory and files: the driver's, the most of a worker's
    with tqdm(total=count, unit="training", disable=not sys.stderr.isatty()) as bar:
        while run.poll() is None:
            bar.n = len(list(results.glob("records/*.json")))
            bar.refresh()
            if bar.n >= block * (len(samples) + 1):
                samples.append((_taken(run.pid), _most(_workers(run.pid))))
            time.sleep(0.2)
    records = sorted(Store(results), key=lambda record: record.started)
    finished = sum(record.status == "finished" for record in records)
    walls = [record.cost["wall_seconds"] for record in records if record.status == "finished"]
    rows = []
    for number, (driver, workers) in enumerate(samples):
        some, begun = walls[number * block : (number + 1) * block], records[number * block : (number + 1) * block]
        rows.append([(number + 1) * block, median(some), begun[-1].started - begun[0].started, *driver, *workers])
    heads = ["trainings", "median s", "s of all", "driver MB", "files", "worker MB", "files"]
    print(tabulate(rows, headers=heads, floatfmt=".2f"))
    print(f"{finished} of {len(records)} finished, exit status {run.returncode}")
    if finished < count or run.returncode or len(rows) < BLOCKS:
        print((folder / "said").read_text()[-2000:])
        return False
    early, last = rows[SETTLED - 1], rows[-2]  # in the last one, places wait for the end
    kept = (last[3] - early[3]) / (last[0] - early[0])
    print(f"the driver grew by {1000 * kept:.0f} KB with each training")
    files = all(last[n] <= early[n] + FILES for n in (4, 6))
    return last[1] <= TIME * early[1] and last[5] <= MEMORY * early[5] and kept <= DRIVER and files


def _taken(pid: int) -> tuple[float, int]:
    """A process's memory in MB, and how many files it has open."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
        return memory / 1000, len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, StopIteration):
        return 0.0, 0


def _most(pids: list[int]) -> tuple[float, int]:
    taken = [_taken(pid) for pid in pids]
    return max((memory for memory, _ in taken), default=0.0), max((files for _, files in taken), default=0)


def _workers(driver: int) -> list[int]:
    """Ray's workers among the driver's descendants."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found = []
    for pid in parents:
        above = pid
        while above in parents and above != driver:
            above = parents[above]
        try:
            if above == driver and Path(f"/proc/{pid}/cmdline").read_text().startswith("ray::"):
                found.append(pid)
        except OSError:
            continue
    return found


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=["busy", "flat"], help="one of them; default: both")
    parser.add_argument("--seconds", type=float, default=2.0, help="that a stand-in sleeps (busy)")
    parser.add_argument("--trainings", type=int, default=1000, help="real ones (flat)")
    return parser


def main() -> int:
    given = parser().parse_args()
    good = True
    for part in [given.part] if given.part else ["busy", "flat"]:
        with tempfile.TemporaryDirectory(prefix="soak-") as name:
            found = busy(Path(name), given.seconds) if part == "busy" else flat(Path(name), given.trainings)
            print(f"{part}: {'good' if found else 'BAD'}\n", flush=True)
            good &= found
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
