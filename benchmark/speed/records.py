"""What thousands of records cost: the board, MLflow's store, and a run that finds them there. Each measured as a process of its own.

Records are made from those of results/reference by varying seed and dimension, which gives other trials and other cells; test AUC moves a
little with both. Nothing is trained.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as counting
from itertools import islice
from pathlib import Path

from tabulate import tabulate

from benchmark.config import identified
from benchmark.discovery import PACKAGE
from benchmark.errors import UserError
from benchmark.record import Record
from benchmark.records import Store
from benchmark.values import digest

REFERENCE = PACKAGE.parent / "results" / "reference"
SEEDS = 5  # of a reference cell
TRIALS = 1000  # of which the driver's part is measured
AGED = 3600  # seconds since the records were written: an index trusts a file that has lain still


def make(results: Path, count: int, plain: bool = False) -> None:
    """Write ``count`` records into a results folder; ``plain``: in the form of versions up to 0.1, which those can read, too.

    Raises UserError where there are no reference records.
    """
    store = Store(results)
    store.create()
    old = time.time() - AGED
    for trial_id, text in islice(_varied(plain), count):
        path = store.path(trial_id)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (old, old))


def _varied(plain: bool) -> Iterator[tuple[str, str]]:
    """Trial id and JSON, without end: ten seeds of a cell, then the next dimension."""
    records = [record for folder in sorted(REFERENCE.glob("*/records")) for record in Store(folder.parent)]
    if not records:
        raise UserError(f"{REFERENCE}: no reference records there; they come with the project's checkout")
    contents = [json.loads(record.to_json()) for record in records]
    templates = [_template(record, plain) for record in records]
    for turn in counting():
        for content, template in zip(contents, templates, strict=True):
            trial, metrics = content["trial"], content["metrics"]
            cell = {**trial["cell"], "dimension": trial["cell"]["dimension"] + turn // 2}
            trial = {**trial, "cell": cell, "seed": trial["seed"] + SEEDS * (turn % 2)}
            auc = metrics.get("test/auc", 0.5) - 1e-5 * (turn % 7)
            metrics = {**metrics, **({"test/auc": auc} if "test/auc" in metrics else {})}
            trial_id = digest(identified(trial))
            filled = {**content, "trial_id": trial_id, "trial": trial, "metrics": metrics}
            del filled["digest"]
            written = digest(filled)
            dimension, seed = cell["dimension"], trial["seed"]
            yield trial_id, template % {"id": trial_id, "dimension": dimension, "seed": seed, "auc": repr(auc), "digest": written}


def _template(record: Record, plain: bool) -> str:
    """The JSON with places for what varies: packing each record anew would take most of the time."""
    content = json.loads(record.to_json() if plain else record.packed())
    content["trial_id"], content["digest"] = "\0id\0", "\0digest\0"
    content["trial"]["cell"]["dimension"], content["trial"]["seed"] = "\0dimension\0", "\0seed\0"
    if plain:
        del content["digest"]
        content["trial"] = identified(content["trial"])
    if "test/auc" in content["metrics"]:
        content["metrics"]["test/auc"] = "\0auc\0"
    text = (json.dumps(content, indent=1) if plain else json.dumps(content)).replace("%", "%%")
    for name in ("id", "digest"):
        text = text.replace(f'"\\u0000{name}\\u0000"', f'"%({name})s"')
    for name in ("dimension", "seed", "auc"):
        text = text.replace(f'"\\u0000{name}\\u0000"', f"%({name})s")
    return text


@dataclass(frozen=True)
class Cost:
    seconds: float
    peak_mb: float


def measure(count: int, against: Path | None) -> str:
    """A table: this checkout, and ``against``, another one, on the same records in turns. Raises UserError."""
    builds = {"this build": PACKAGE.parent, **({} if against is None else {"against": against})}
    if against is not None and not (against / "benchmark" / "__main__.py").is_file():
        raise UserError(f"--against {against}: no checkout of this project there")
    found: dict[str, dict[str, str]] = {name: {} for name in builds}
    with tempfile.TemporaryDirectory(prefix="benchmark-records-") as folder:
        source = Path(folder) / "source"
        make(source, count, plain=against is not None)
        size = sum(path.stat().st_size for path in Store(source).paths())
        for name, checkout in builds.items():
            results = Path(folder) / name.replace(" ", "-")
            shutil.copytree(source, results)
            board = ("leaderboard", "--format", "json")
            steps: Sequence[tuple[str, Sequence[str]]] = (
                ("board, no index", board),
                ("board", board),
                ("track", ("track",)),
                ("track again", ("track",)),
            )
            for step, command in steps:
                cost = _run([*command, "--results", str(results)], checkout)
                found[name][step] = f"{cost.seconds:.2f} s, {cost.peak_mb:.0f} MB"
            found[name]["first training"] = f"{_first_training(results, checkout):.2f} s"
            trials = min(count, TRIALS)
            seconds = _driver(source, Path(folder) / f"{results.name}-driver", checkout, trials)
            found[name][f"a trial in the driver, of {trials}"] = f"{1000 * seconds:.1f} ms"
            database = results / "mlflow.db"
            found[name]["mlflow.db"] = f"{database.stat().st_size / 1e6:.1f} MB"
            shutil.rmtree(results)
    rows = [[step, *(found[name][step] for name in builds)] for step in found["this build"]]
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    heading = f"{count} records of {size / count / 1000:.1f} kB; load of the machine {load}"
    return heading + "\n\n" + tabulate(rows, headers=["", *builds], disable_numparse=True)


def _run(arguments: Sequence[str], checkout: Path) -> Cost:
    """A command of that checkout, alone: seconds from start to end, and the most memory it had."""
    before = time.perf_counter()
    done = subprocess.Popen([sys.executable, "-m", "benchmark", *arguments], cwd=checkout, env=_environment(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(done.pid, 0)
    done.returncode = os.waitstatus_to_exitcode(status)
    if done.returncode:
        raise UserError(f"{checkout}: `{' '.join(arguments)}` ended with {done.returncode}")
    return Cost(time.perf_counter() - before, usage.ru_maxrss / 1024)


FIRST = """
import sys, time
started = time.perf_counter()
from pathlib import Path
from benchmark.config import read_suite
from benchmark.search import run
def begun(*_):
    print(time.perf_counter() - started, flush=True)
    sys.stdout.close()
    import os
    os._exit(0)
run.run_local = begun
run.run_suite(read_suite("quick"), Path(sys.argv[1]), executor="local", device="cpu")
"""


DRIVER = """
import sys, time
from pathlib import Path
from benchmark.records import Store
from benchmark.tracking.mlflow_store import Tracker
source, results, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
records = [Store(source).read(path) for path in Store(source).paths()[:count]]
store, tracker = Store(results), Tracker(results)
store.create()
started = time.perf_counter()
for record in records:
    tracker.started(record.trial)
    for entry in record.curve:
        tracker.epoch(record.trial, entry)
    store.write(record)
    tracker.finished(record)
getattr(tracker, "close", bool)()
print((time.perf_counter() - started) / len(records))
"""


def _driver(source: Path, results: Path, checkout: Path, count: int) -> float:
    """Seconds that the driver spends on a trial, of its start, its epochs and its end: record, index and MLflow."""
    return _printed(DRIVER, [str(source), str(results), str(count)], checkout)


def _first_training(results: Path, checkout: Path) -> float:
    """Seconds from the start of Python's work to the first training of the quick suite in the folder, which has none of it."""
    return _printed(FIRST, [str(results)], checkout)


def _printed(program: str, arguments: Sequence[str], checkout: Path) -> float:
    """The number that a program prints last. Raises UserError."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=checkout, env=_environment(), capture_output=True, text=True, check=False)
    try:
        return float(done.stdout.split()[-1])
    except (ValueError, IndexError):
        raise UserError(f"{checkout}: the measurement failed: {done.stderr.strip()[-300:]}") from None


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "PYTHONPATH")}
