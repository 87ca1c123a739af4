"""How long a board takes until its verdicts are there: as it was, and with draws that stop early and seeds where verdicts are open.

Each is a run of its own, one after the other, in this process's place: `run SUITE --executor local`. Before: another checkout or this one,
every draw to its end and every seed. Now: this checkout, the suite's rungs and `--until-decided` with `--futility`. A side that ended
leaves in its folder what it took (`took.json`), so that one may be measured today and the other tomorrow, or both at once on two cores.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from tabulate import tabulate

from benchmark.config import CONTROL, Suite
from benchmark.discovery import PACKAGE
from benchmark.errors import UserError
from benchmark.metrics.statistics import mean_sd
from benchmark.records import Record, Store

Place = tuple[str, str, int, int, str]  # data set, backbone, depth, scale, method
Side = Literal["before", "now"]
TOOK = "took.json"
FUTILITY = 0.05  # of the now side: no more seeds for a row that its last one would hardly decide
TWICE = 1.96  # standard errors: a difference of means within them is the seeds' noise


@dataclass(frozen=True)
class Run:
    """One run: seconds from its start to its end, of processors, epochs trained in tuning and by finals, and its board."""

    seconds: float
    cpu: float
    tune: int
    final: int
    finals: Mapping[Place, Sequence[Record]]  # that finished
    verdicts: Mapping[Place, str]


def measure(suite: Suite, before: Path | None, out: Path, device: str, side: Side | None = None) -> str:
    """The table. ``before``: another checkout; ``out``: a folder for the records; ``side``: the only one to run.

    A side that an earlier call has measured there is not run again. Raises UserError where a run fails, or where a folder's records are of
    a run that did not end or of another suite.
    """
    runs = {
        "before": (dataclasses.replace(suite, rungs=()), before or PACKAGE.parent, ["--seeds", str(suite.seeds)]),
        "now": (suite, PACKAGE.parent, ["--until-decided", "--max-seeds", str(suite.seeds), "--futility", str(FUTILITY)]),
    }
    taken = {name: _run(run, checkout, out / name, device, more) for name, (run, checkout, more) in runs.items() if side in (None, name)}
    if side is not None:
        run = taken[side]
        return f"{side}: {run.seconds:.0f} seconds, {run.cpu:.0f} of processors, {run.tune + run.final} epochs; without --side: the table"
    return report(taken["before"], taken["now"])


def report(old: Run, new: Run) -> str:
    """Rows side by side, and the sums."""
    lines, agree, alike = [], [], []
    both = sorted(old.finals.keys() & new.finals.keys(), key=lambda key: (*key[:4], key[4] != CONTROL, key[4]))
    varied = [place for place in (0, 2) if len({key[place] for key in both}) > 1]  # a column that says the same everywhere is left out
    for key in both:
        a, b = old.finals[key], new.finals[key]
        same = a[0].trial.settings == b[0].trial.settings
        near = same or _near(_aucs(a), _aucs(b))
        alike.append(near)
        one, other = old.verdicts.get(key, "-"), new.verdicts.get(key, "-")
        if key[4] != CONTROL:
            agree.append(one == other)
        winner = "the same" if same else "within seed noise" if near else "another"
        lines.append([*(str(key[place]) for place in (4, 1, 3, *varied)), _auc(a), one, _auc(b), other, winner])
    named = ["method", "backbone", "scale", *({0: "data set", 2: "depth"}[place] for place in varied)]
    headers = [*named, "before: test AUC", "verdict", "now: test AUC", "verdict", "settings that won"]
    table = tabulate(lines, headers=headers, disable_numparse=True)
    sums = [
        ["seconds", f"{old.seconds:.0f}", f"{new.seconds:.0f}", f"{new.seconds / old.seconds:.2f}"],
        ["CPU seconds", f"{old.cpu:.0f}", f"{new.cpu:.0f}", f"{new.cpu / old.cpu:.2f}"],
        ["epochs of tuning", str(old.tune), str(new.tune), f"{new.tune / max(old.tune, 1):.2f}"],
        ["epochs of finals", str(old.final), str(new.final), f"{new.final / max(old.final, 1):.2f}"],
        ["epochs", str(old.tune + old.final), str(new.tune + new.final), f"{(new.tune + new.final) / max(old.tune + old.final, 1):.2f}"],
    ]
    counted = f"{sum(agree)} of {len(agree)} verdicts and {sum(alike)} of {len(alike)} winners are the same, or within seed noise"
    return "\n\n".join([table, tabulate(sums, headers=["", "before", "now", "ratio"], disable_numparse=True), counted])


def _run(suite: Suite, checkout: Path, results: Path, device: str, more: Sequence[str]) -> Run:
    path, took = results / f"{suite.name}.toml", results / TOOK
    if took.exists():
        if not path.exists() or path.read_text(encoding="utf-8") != as_toml(suite):
            raise UserError(f"{results}: what was measured there is not of suite {suite.name} as it is now; name another folder with --out")
        seconds, cpu = _taken(took, checkout)
    elif any(results.glob("records/*.json")):
        raise UserError(
            f"{results}: there are records of a run that was not measured to its end; remove the folder, or name another one with --out"
        )
    else:
        results.mkdir(parents=True, exist_ok=True)
        path.write_text(as_toml(suite), encoding="utf-8")
        code = _code(checkout)  # what the run imports when it starts
        seconds, cpu = _train(path, checkout, results, device, more)
        measured = {"checkout": str(checkout), "code": code, "seconds": seconds, "cpu_seconds": cpu}
        took.write_text(json.dumps(measured), encoding="utf-8")
    return _read(results, seconds, cpu)


def _taken(path: Path, checkout: Path) -> tuple[float, float]:
    try:
        took = json.loads(path.read_text(encoding="utf-8"))
        measured, code, seconds, cpu = str(took["checkout"]), str(took["code"]), float(took["seconds"]), float(took["cpu_seconds"])
    except (OSError, ValueError, TypeError, KeyError):
        raise UserError(f"{path}: it does not say what a run took; remove its folder, or name another one with --out") from None
    if measured != str(checkout):
        raise UserError(
            f"{path}: measured there was {measured}, not {checkout}; name the same with --against, or another folder with --out"
        )
    if code != _code(checkout):
        raise UserError(f"{path}: the code of {checkout} is another now than when it was measured; name another folder with --out")
    return seconds, cpu


def _code(checkout: Path) -> str:
    """Differs when any of the checkout's source files does."""
    total = hashlib.sha256()
    for folder in ("benchmark", "methods", "datasets"):
        for path in sorted((checkout / folder).rglob("*.py")):
            total.update(f"{path.relative_to(checkout)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return total.hexdigest()[:12]


def _train(path: Path, checkout: Path, results: Path, device: str, more: Sequence[str]) -> tuple[float, float]:
    """Seconds, and those of processors, of `run` in another process. Raises UserError where it trains no final to its end."""
    where = [str(path), "--results", str(results), "--device", device]
    command = [sys.executable, "-m", "benchmark", "run", *where, "--executor", "local", "--no-track", "--cpus-per-trial", "1", *more]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=checkout, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    # 1: a training failed, which its board says. Anything else is a run that was stopped, or never began.
    if process.returncode not in (0, 1) or not any(record.trial.stage == "final" for record in Store(results)):
        raise UserError(f"{checkout}: the run did not come to its end (exit status {process.returncode}); what it said stands above")
    return seconds, used.ru_utime + used.ru_stime


def _read(results: Path, seconds: float, cpu: float) -> Run:
    records = list(Store(results))
    finals: dict[Place, list[Record]] = defaultdict(list)
    for record in records:
        cell = record.trial.cell
        if record.trial.stage == "final" and record.status == "finished":
            finals[cell.dataset, cell.backbone, cell.depth, cell.scale, cell.method].append(record)
    trained = [record for record in records if not record.is_shared]
    spent = {stage: sum(round(r.cost.get("epochs", 0)) for r in trained if r.trial.stage == stage) for stage in ("tune", "final")}
    return Run(seconds, cpu, spent["tune"], spent["final"], finals, _verdicts(results))


def _verdicts(results: Path) -> dict[Place, str]:
    """As this version's board has them."""
    command = [sys.executable, "-m", "benchmark", "leaderboard", "--format", "json", "--results", str(results)]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{results}: no board could be made: {done.stderr.strip()[-300:]}")
    rows = json.loads(done.stdout)
    return {(row["dataset"], row["backbone"], row["depth"], row["scale"], row["method"]): row["verdict"] or "-" for row in rows}


def as_toml(suite: Suite) -> str:
    """A suite file that older versions read too: only what is not a default."""
    told = {f.name: getattr(suite, f.name) for f in dataclasses.fields(suite) if f.name != "name"}
    defaults = {f.name: f.default if f.default is not dataclasses.MISSING else {} for f in dataclasses.fields(suite)}
    return "".join(f"{name} = {_toml(value)}\n" for name, value in told.items() if value and value != defaults[name])


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(key))} = {_toml(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _near(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the mean test AUC of two winners differs by no more than seeds make it differ; by the larger of the two deviations."""
    sd = max(mean_sd(one)[1] or 0.0, mean_sd(other)[1] or 0.0)
    error: float = sd * (1 / len(one) + 1 / len(other)) ** 0.5
    return abs(fmean(one) - fmean(other)) <= TWICE * error


def _aucs(finals: Sequence[Record]) -> list[float]:
    return [record.metrics["test/auc"] for record in finals]


def _auc(finals: Sequence[Record]) -> str:
    mean, sd = mean_sd(_aucs(finals))
    return f"{mean:.5f}{'' if sd is None else f' ± {sd:.5f}'} ({len(finals)})"
