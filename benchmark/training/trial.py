"""One trial, from its description to its record."""

from __future__ import annotations

import math
import os
import platform
import resource
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark import plugins
from benchmark.config import NO_BACKBONE, Trial
from benchmark.contracts import CTRModel, Method
from benchmark.data.resolve import resolve
from benchmark.data.store import Prepared
from benchmark.errors import Incompatible, UserError
from benchmark.faults import frames, in_words
from benchmark.ops.dispatch import without
from benchmark.parts import assemble
from benchmark.records import Record, Status
from benchmark.schema import Schema
from benchmark.training.evaluate import NotFinite, score, spectra
from benchmark.training.fit import Diverged, Fitted, Report, fit
from benchmark.training.memory import keep_freed_memory


def build(trial: Trial, schema: Schema) -> CTRModel:
    """The untrained model of a trial. Raises Incompatible and UserError."""
    method: Method = plugins.make("methods", trial.cell.method, dict(trial.method))
    named = trial.cell.backbone
    backbone = None if named == NO_BACKBONE else plugins.make("backbones", named, dict(trial.backbone))
    return assemble(method, backbone, schema, trial.cell.scale, trial.cell.dimension)


def check(trial: Trial) -> str | None:
    """Why the trial's method cannot work in its cell, or None. Builds the model without memory. Raises UserError.

    None also where foreign code fails in another way: that is the trial's failure, and no reason to stop the other cells.
    """
    schema = resolve(trial.cell.dataset, trial.cell.dataset_options).schema
    try:
        with torch.device("meta"):
            build(trial, schema)
    except Incompatible as error:
        return str(error)
    except UserError:
        raise
    except (Exception, SystemExit):
        return None
    return None


def run_trial(trial: Trial, report: Report, device: str = "auto", threads: int | None = None, interactive: bool = False) -> Record:
    """Train, and in the stage "final" test, one trial. ``report`` gets the curve's entry after each epoch.

    Always returns a record: what goes wrong inside the training is its status. Raises UserError for what the user can mend
    before any training: a data set that is not prepared, an impossible setting, no such device. ``interactive``: show a bar where stderr
    is a terminal, and the traceback of an error.
    """
    started = time.perf_counter()
    place = choose_device(device)
    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    prepared = resolve(trial.cell.dataset, trial.cell.dataset_options)
    if prepared.fingerprint != trial.cell.data:
        name, have, want = trial.cell.dataset, prepared.fingerprint, trial.cell.data
        raise UserError(f"{name}: the prepared data {have} is not the trial's {want}; start the run again")
    fixed: dict[str, Any] = {
        "trial": trial,
        "environment": environment(place),
        "fingerprints": fingerprints(trial, prepared),
        "notes": prepared.notes,
    }

    cost: dict[str, float] = {}

    def record(status: Status, reason: str = "", **parts: Any) -> Record:
        cost["wall_seconds"] = time.perf_counter() - started
        return Record(status=status, reason=reason, cost=_finite(cost), **fixed, **parts)

    try:
        torch.manual_seed(trial.seed)
        model = build(trial, prepared.schema).to(place)
        table = model.table()
        if table is not None:
            # From a generator of its own: methods of one width start from the same table, however many numbers their layers drew.
            torch.nn.init.normal_(table, std=trial.training.embedding_std, generator=torch.Generator(place).manual_seed(trial.seed))
        cost = parameter_cost(model)
        if place.type == "cuda":
            torch.cuda.reset_peak_memory_stats(place)
        fold = prepared.fold(place)
        generator = torch.Generator(place).manual_seed(trial.seed + 2**31)  # of batches: not the table's numbers again
        fitted = fit(model, fold, prepared.schema.positive_rate, trial.training, generator, report, interactive and sys.stderr.isatty())
        metrics = {"valid/auc": fitted.valid["auc"], "valid/logloss": fitted.valid["logloss"], "best_epoch": float(fitted.best_epoch)}
        cost |= running_cost(model, prepared, fitted, place)
        if trial.stage == "final":
            named = trial.cell.backbone
            recipe = None if named == NO_BACKBONE else plugins.plugin("backbones", named)
            metrics |= spectra(model, fold.valid, prepared.schema, prepared.value_counts(), recipe)
            metrics |= {f"model/{name}": value for name, value in model.diagnostics().items()}
            metrics |= {f"test/{name}": value for name, value in score(model, prepared.test(place)).items()}
            metrics |= prepared.known
        return record("finished", metrics=_finite(metrics), curve=fitted.curve)
    except Diverged as error:
        return record("diverged", str(error), curve=error.curve)
    except NotFinite:
        return record("diverged", "scores are not finite")
    except Incompatible as error:
        return record("incompatible", str(error))
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a method is foreign code; its failure is a result, and the other cells go on
        if interactive:
            traceback.print_exc()
        return record("failed", in_words(error), frames=frames(error))


def choose_device(name: str) -> torch.device:
    """The GPU where there is one, for "auto". Raises UserError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine's torch sees no GPU; use --device cpu or auto")
    return torch.device(name)


def parameter_cost(model: CTRModel) -> dict[str, float]:
    table = model.table()
    in_table = 0 if table is None else table.numel()
    return {"parameters_table": float(in_table), "parameters_dense": float(sum(p.numel() for p in model.parameters()) - in_table)}


def running_cost(model: CTRModel, prepared: Prepared, fitted: Fitted, device: torch.device) -> dict[str, float]:
    """samples_per_second of training, flops_per_sample of a forward pass (matrix products only, 2 per multiply-add), peak memory."""
    count = 64
    ids = torch.zeros(count, len(prepared.schema.fields), dtype=torch.int64, device=device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(ids)
    # Linux counts the largest resident set in KiB, and for the whole life of the process: an upper bound where trials share one.
    peak = (
        torch.cuda.max_memory_allocated(device) / 2**20
        if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    )
    return {
        "samples_per_second": fitted.samples_per_second,
        "flops_per_sample": counter.get_total_flops() / count,
        "peak_memory_mb": peak,
        "fit_seconds": fitted.seconds,
        "evaluation_seconds": fitted.evaluation_seconds,
        "epochs": float(len(fitted.curve)),
    }


def environment(device: torch.device) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cpu": processor(),
        "threads": str(torch.get_num_threads()),
        "cores": str(os.cpu_count()),
        "host": socket.gethostname(),
        "without": ",".join(without()),  # optimisations that were switched off
    }


def processor() -> str:
    """The CPU's name and the instructions that torch uses of it: times of different ones do not compare."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def fingerprints(trial: Trial, prepared: Prepared) -> dict[str, str]:
    """What the record was made from: the encoded data and the plug-ins' source files."""
    found = {"data": prepared.fingerprint, "method": plugins.code_of("methods", trial.cell.method)}
    if trial.cell.backbone != NO_BACKBONE:
        found["backbone"] = plugins.code_of("backbones", trial.cell.backbone)
    return found


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}
