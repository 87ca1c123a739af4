"""What the command ``speed`` measures, by its flags."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from benchmark import plugins
from benchmark.config import CONTROL, read_suite
from benchmark.discovery import KINDS
from benchmark.errors import UserError
from benchmark.metrics.looks import FIRST_LOOK
from benchmark.speed.compare import methods, peers, step, stream
from benchmark.speed.parts import parts
from benchmark.speed.workload import SHAPES, Workload
from benchmark.training.trial import choose_device

# Batches of a turn: of a stream so many that its first block, which is waited for, weighs as little as in an epoch of half a million rows.
BATCHES, STREAMED = 6, 120

TRAINED = ("peers", "step", "parts", "methods", "scale", "stream")
# Flags of `speed` that not all of its measurements have.
SPEED_ONLY = {
    "backbones": (*TRAINED, "verdict"),
    "dimensions": TRAINED,
    "batch": TRAINED,
    "batches": TRAINED,
    "shape": TRAINED[:-1],
    "threads": (*TRAINED, "data"),
    "rounds": (*TRAINED, "data"),
    "device": ("step", "parts", "methods", "scale", "stream", "verdict", "gpu"),
    "methods": ("step", "methods", "parts", "stream", "verdict"),
    "compile": ("step",),
    "scale": ("step", "methods", "parts", "scale", "stream"),
    "precision": ("step", "methods", "parts", "scale", "stream"),
    "out": ("scale", "gpu", "verdict"),
    "rows": ("data",),
    "no_peers": ("data",),
    "count": ("records",),
    "against": ("records", "verdict"),
    "suite": ("verdict",),
    "datasets": ("verdict",),
    "scales": ("verdict",),
    "trials": ("verdict",),
    "seeds": ("verdict",),
    "side": ("verdict",),
}
DEFAULTS: dict[str, Any] = {"dimensions": [10], "batch": 4096, "shape": "small", "threads": 2, "rounds": 5, "device": "auto"}


def speed(parsed: argparse.Namespace) -> None:
    """Measures and prints. Raises UserError for a flag that the measurement does not have."""
    for name, kinds in SPEED_ONLY.items():
        if getattr(parsed, name) not in (None, False) and parsed.what not in kinds:
            flag = name.replace("_", "-")
            raise UserError(f"speed {parsed.what}: --{flag} is for {', '.join(kinds)} only; leave it out")
    parsed = argparse.Namespace(**{name: DEFAULTS.get(name) if value is None else value for name, value in vars(parsed).items()})
    for name in ("scale", "batch", "batches", "rounds", "count"):
        if getattr(parsed, name) is not None and getattr(parsed, name) < 1:
            raise UserError(f"speed: --{name} {getattr(parsed, name)}; it must be at least 1")
    if min(parsed.dimensions) < 1:
        raise UserError(f"speed: --dimensions {min(parsed.dimensions)}; it must be at least 1")
    if parsed.what == "records":
        from benchmark.speed.records import measure as measure_records

        print(measure_records(parsed.count or 2000, parsed.against))
        return
    if parsed.what == "gpu":
        from benchmark.speed.gpu import measure as measure_gpu

        print(measure_gpu(choose_device(parsed.device), parsed.out or Path("gpu.json")))
        return
    if parsed.what == "data":
        from benchmark.speed.data import measure

        print(measure(parsed.rows or [1_000_000], parsed.threads, parsed.rounds, peers=not parsed.no_peers))
        return
    if parsed.what == "verdict":
        print(_verdict(parsed))
        return
    base = Workload(
        batch=parsed.batch,
        batches=parsed.batches or (STREAMED if parsed.what == "stream" else BATCHES),
        threads=parsed.threads,
        precision=parsed.precision or "fp32",
        cardinalities=SHAPES[parsed.shape],
        scale=parsed.scale or (4 if parsed.what == "methods" else 1),
    )
    few = {"methods": ["dcnv2"], "scale": ["dcnv2"], "stream": ["dnn", "dcnv2"]}
    backbones = parsed.backbones or few.get(parsed.what, ["dcnv2", "xdeepfm", "finalmlp"])
    workloads = [
        dataclasses.replace(base, backbone=backbone, dimension=dimension) for backbone in backbones for dimension in parsed.dimensions
    ]
    if parsed.what == "peers":
        print(peers(workloads, parsed.rounds))
        return
    device = choose_device(parsed.device)
    named = [one for name in parsed.methods or () for one in plugins.spelled_out(name)]
    several = [dataclasses.replace(workload, method=method) for workload in workloads for method in named or [CONTROL]]
    if parsed.what == "step":
        print(step(several, device, parsed.rounds, parsed.compile))
        return
    if parsed.what == "parts":
        print(parts(several, device, parsed.rounds))
        return
    if parsed.what == "stream":
        print(stream(several, device, parsed.rounds))
        return
    if parsed.what == "methods":
        every = [name for name in plugins.names("methods") if plugins.plugin("methods", name).uses_backbone]
        print(methods(workloads, named or every, device, parsed.rounds))
        return
    from benchmark.speed.scaling import axes, study  # draws, so it is imported where it is needed only

    for workload in workloads:
        path = (parsed.out or Path("results/figures")) / f"speed-scale-{workload.backbone}-{workload.dimension}.png"
        print(study(axes(workload), device, parsed.rounds, path))
        print(f"figure: {path}")


def _verdict(parsed: argparse.Namespace) -> str:
    from benchmark.search.cells import covers
    from benchmark.speed.verdict import measure

    suite = read_suite(parsed.suite or "verdict")
    axes: dict[str, Any] = {
        name: tuple(value) for name in ("datasets", "backbones", "methods", "scales") if (value := getattr(parsed, name))
    }
    counts: dict[str, Any] = {name: value for name in ("trials", "seeds") if (value := getattr(parsed, name)) is not None}
    if counts.get("seeds", suite.seeds) < FIRST_LOOK:
        raise UserError(f"speed verdict: --seeds must be at least {FIRST_LOOK}: one seed gives no verdict")
    if suite.also:
        raise UserError(f"speed verdict: suite {suite.name} has [[also]], which is not measured; name a suite without it")
    options: dict[str, Any] = dict(suite.options)
    for kind in (kind for kind in KINDS if kind in axes and kind in options):
        options[kind] = {name: value for name, value in options[kind].items() if covers(kind, axes[kind], name)}
    suite = dataclasses.replace(suite, **axes, **counts, options=options)
    if parsed.side and parsed.out is None:
        raise UserError("speed verdict: --side leaves what it measures in a folder; name it with --out")
    with tempfile.TemporaryDirectory() as scratch:
        return measure(suite, parsed.against, (parsed.out or Path(scratch)).absolute(), parsed.device, parsed.side)
