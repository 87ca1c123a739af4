"""What a GPU does with this suite, measured in one call and written as one JSON file; a table of it besides.

Parts, each of which fails alone: the machine; the training step over methods, backbones, batches and precisions; an epoch of rows resident
in the device's memory; evaluation; the step as a captured CUDA graph. On a CPU all but the last run with sizes that it can bear.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch.nn import functional

from benchmark.config import Precision
from benchmark.data.batches import Rows
from benchmark.errors import UserError
from benchmark.speed.contestants import Ours
from benchmark.speed.machine import measure as measure_machine
from benchmark.speed.workload import SHAPES, Workload
from benchmark.training.evaluate import score
from benchmark.training.fit import precision

WARM_UP = 3  # steps before a capture, and before a timing: the first ones choose kernels and get memory


@dataclass(frozen=True)
class Sizes:
    """How much is measured. ``rows``: of the epoch; ``scored``: of the evaluation; ``batches``: of a timed turn."""

    cardinalities: tuple[int, ...]
    batches: int
    rounds: int
    rows: int
    scored: int
    batch: int
    other_batches: tuple[int, ...]
    backbones: tuple[str, ...] = ("dcnv2", "xdeepfm", "finalmlp")
    models: tuple[tuple[str, int], ...] = (("single_embedding", 1), ("single_embedding", 4), ("multi_embedding", 4), ("roblock", 4))
    precisions: tuple[Precision, ...] = ("fp32", "tf32", "bf16")


# Criteo's: 39 fields with two million values, 33 million training rows, 4.6 million test rows (BARS, Criteo_x1).
FULL = Sizes(SHAPES["criteo"], 20, 3, 33_000_000, 4_587_000, 16_384, (4_096, 65_536))
SMALL = Sizes(
    SHAPES["small"], 2, 1, 2_048, 1_024, 256, (128,), ("dcnv2",), (("single_embedding", 1), ("multi_embedding", 2)), ("fp32", "bf16")
)


def measure(device: torch.device, out: Path, sizes: Sizes | None = None, said: Callable[[str], None] = print) -> str:
    """Everything, into ``out`` after each part, so that what was measured is there if the time is cut short. Returns the tables.

    Raises UserError where ``out`` cannot be written.
    """
    sizes = sizes or (FULL if device.type == "cuda" else SMALL)
    started = time.perf_counter()
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "sizes": asdict(sizes),
        "step": [],
        "graph": [],
    }
    _write(out, found)
    for name, what, part in _parts(device, sizes):
        try:
            result: Any = part()
        except Exception as error:  # one part that fails must not cost the others
            result = {**what, "failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        if name in ("step", "graph"):
            found[name].append(result)
        else:
            found[name] = result
        found["seconds"] = time.perf_counter() - started
        _write(out, found)
        said(f"{found['seconds']:5.0f} s  {name}: {result}")
    return tables(found)


def _write(out: Path, found: dict[str, Any]) -> None:
    try:
        out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    except OSError as error:
        raise UserError(f"speed gpu: {out} cannot be written: {error}; name another file with --out") from None


def tables(found: dict[str, Any]) -> str:
    """The measured file, to be read."""
    captured = {_key(one): one for one in found["graph"]}
    rows = []
    for one in (one for one in found["step"] if "failed" not in one):
        graph = captured.get(_key(one), {})
        as_graph = graph.get("failed") or (f"{graph['samples_per_second']:,.0f}" if graph else "–")
        memory = f"{one['memory_mib']:,.0f}" if "memory_mib" in one else "–"
        rows.append([one["model"], one["batch"], one["precision"], f"{one['samples_per_second']:,.0f}", as_graph, memory])
    headers = ["model, width", "batch", "precision", "samples/s", "as a CUDA graph", "MiB"]
    lines = [tabulate(rows, headers=headers, disable_numparse=True, colalign=("left", "right", "left", "right", "right", "right")), ""]
    lines += [f"{name}: {found[name]}" for name in ("device", "torch", "machine", "epoch", "evaluation", "seconds") if name in found]
    lines += [f"failed: {one}" for one in found["step"] if "failed" in one]
    return "\n".join(lines)


def _key(measured: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(measured.get(name) for name in ("model", "batch", "precision"))


def _parts(device: torch.device, sizes: Sizes) -> Iterator[tuple[str, dict[str, Any], Callable[[], Any]]]:
    """Name, what of it is measured, and how."""
    yield "machine", {}, lambda: asdict(measure_machine(device, torch.get_num_threads()))
    first = Workload(cardinalities=sizes.cardinalities, batch=sizes.batch, batches=sizes.batches, threads=torch.get_num_threads())
    models = [replace(first, backbone=b, method=method, scale=scale) for b in sizes.backbones for method, scale in sizes.models]
    workloads = [replace(one, precision=p) for one in models for p in sizes.precisions]
    workloads += [replace(first, batch=batch, precision=p) for batch in sizes.other_batches for p in sizes.precisions]
    for workload in workloads:
        yield "step", _named(workload), _step(workload, device, sizes)
    yield "epoch", {}, lambda: _epoch(first, device, sizes)
    yield "evaluation", {}, lambda: _evaluation(first, device, sizes)
    if device.type == "cuda":  # last: what cannot be captured may leave the device in a state in which nothing after it can
        for workload in sorted(workloads, key=lambda one: one.method == "roblock"):
            if workload.precision == "tf32":
                yield "graph", _named(workload), _graph(workload, device, sizes)


def _step(workload: Workload, device: torch.device, sizes: Sizes) -> Callable[[], dict[str, Any]]:
    """Samples per second of the project's own training loop, median of the turns after one that does not count; memory at its peak."""

    def timed() -> dict[str, Any]:
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        ours = Ours("as it is", workload, device)
        ours.turn()
        found = {**_named(workload), "samples_per_second": workload.rows / median(ours.turn() for _ in range(sizes.rounds))}
        if device.type == "cuda":
            found["memory_mib"] = torch.cuda.max_memory_allocated(device) / 2**20
        return found

    return timed


def _named(workload: Workload) -> dict[str, Any]:
    model = f"{workload.method} · {workload.backbone}, {workload.scale * workload.dimension}"
    return {"model": model, "batch": workload.batch, "precision": workload.precision}


def _graph(workload: Workload, device: torch.device, sizes: Sizes) -> Callable[[], dict[str, Any]]:
    return lambda: {**_named(workload), "samples_per_second": _captured(Ours("captured", workload, device), workload, device, sizes)}


def _captured(ours: Ours, workload: Workload, device: torch.device, sizes: Sizes) -> float:
    """Samples per second of the whole training step, forward, backward and Adam, as one captured graph; new rows are copied in before it.

    No part of training yet: what it would bring, and which models can be captured at all.
    """
    ids = torch.from_numpy(workload.ids + np.cumsum([0, *workload.cardinalities[:-1]]).astype(np.int32)).to(device)
    labels = torch.from_numpy(workload.labels).to(device).float()
    model, optimizers, training = ours.model, ours.optimizers, ours.training
    ours.turn()
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["capturable"] = True
        for state in optimizer.state.values():
            state["step"] = state["step"].to(device)
    held_ids, held_labels = ids[: workload.batch].clone(), labels[: workload.batch].clone()
    model.train()

    def one() -> None:
        with forward_pass:
            output = model(held_ids)
        loss = functional.binary_cross_entropy_with_logits(output.logits.to(held_labels.dtype), held_labels)
        (loss + output.penalty).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)

    with precision(training, device) as forward_pass:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                one()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            one()
        seconds = []
        for _ in range(sizes.rounds + 1):
            torch.cuda.synchronize(device)
            started = time.perf_counter()
            for start in range(0, workload.rows, workload.batch):
                held_ids.copy_(ids[start : start + workload.batch])
                held_labels.copy_(labels[start : start + workload.batch])
                graph.replay()
            torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - started)
    return workload.rows / median(seconds[1:])


def _epoch(first: Workload, device: torch.device, sizes: Sizes) -> dict[str, Any]:
    """Training on ``sizes.rows`` rows that lie in the device's memory, shuffled anew: the project's own loop, first and second epoch."""
    one: Precision = "tf32" if device.type == "cuda" else "fp32"
    workload = replace(first, precision=one, batches=1)
    rows = _rows(workload, device, sizes.rows)
    ours = Ours("epoch", workload, device, rows=rows)
    seconds = [ours.turn() for _ in range(2)]
    return {
        "rows": len(rows),
        "resident": rows.ids is not None,
        "precision": one,
        "seconds": seconds,
        "samples_per_second": len(rows) / seconds[-1],
    }


def _evaluation(first: Workload, device: torch.device, sizes: Sizes) -> dict[str, Any]:
    """Scoring, AUC and logloss of ``sizes.scored`` rows in float32."""
    rows = _rows(first, device, sizes.scored)
    ours = Ours("evaluation", replace(first, batches=1), device)
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        score(ours.model, rows)
        seconds.append(time.perf_counter() - started)
    return {"rows": len(rows), "seconds": seconds, "samples_per_second": len(rows) / seconds[-1]}


def _rows(workload: Workload, device: torch.device, count: int) -> Rows:
    """Rows as ``Workload.ids`` are drawn, but on the device: a CPU would take a minute for 33 million."""
    generator = torch.Generator(device).manual_seed(0)
    sizes = torch.tensor(workload.cardinalities, device=device, dtype=torch.float64)
    local = np.empty((count, len(sizes)), np.int32)
    for start in range(0, count, 1 << 20):
        part = local[start : start + (1 << 20)]
        drawn = torch.rand(part.shape, generator=generator, device=device, dtype=torch.float64)
        part[:] = torch.minimum((sizes + 1) ** drawn - 1, sizes - 1).int().cpu().numpy()
    labels = (np.random.default_rng(1).random(count) < workload.schema.positive_rate).astype(np.uint8)
    return Rows(local, labels, np.cumsum([0, *workload.cardinalities[:-1]]), device)
