"""The numbers of every method with every backbone, nailed down: what a change of the code's structure must not move.

    python tests/golden/golden.py            # says what moved against numbers.jsonl, to the last bit
    python tests/golden/golden.py --write    # writes it anew: for a change that is meant to move numbers, and says so in its commit

One line a pair, presets included: the id of the default trial, dense parameters, and on a fixed batch of 32 rows the loss, the penalty and
some logits of the first two training steps and of an evaluation after them. float32, CPU, one thread.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmark import plugins
from benchmark.config import Suite
from benchmark.errors import Incompatible
from benchmark.method import assemble
from benchmark.schema import Schema
from benchmark.search.cells import default_trial, expand
from benchmark.training.cost import parameter_cost
from benchmark.training.doses import calibrate
from benchmark.training.fit import make_optimizers
from benchmark.training.resolved import resolved

NUMBERS = Path(__file__).with_name("numbers.jsonl")
# Metrics of sampled labels, as when numbers.jsonl was written: no number depends on it but the trials' ids.
DATA: dict[str, Any] = {"rows": 2000, "cardinalities": [3, 8, 40, 90], "expected_metrics": False}
ROWS, SHOWN = 32, 4  # of the batch; logits of it that are written down
# Of another CPU's: its sums have another order, and a training step multiplies the difference.
RELATIVE, ABSOLUTE = 2e-3, 2e-5
# A whole parameter's gradient below this is rounding: 0 in exact arithmetic, as of RankMixer's last shift, which the batch normalisation
# behind it takes out. Adam would make a whole step of it, in a direction that each kind of CPU has for itself.
ROUNDING = 3e-7


def methods() -> list[str]:
    """Every method, each followed by its presets."""
    return [n for name in plugins.names("methods") for n in (name, *(f"{name}:{p}" for p in plugins.plugin("methods", name).presets))]


def entry(method: str, backbone: str) -> dict[str, Any]:
    """The numbers of one pair; of one that cannot be built the reason."""
    options = {"datasets": {"synthetic": DATA}}
    suite = Suite(
        name="golden", datasets=("synthetic",), methods=(method,), backbones=(backbone,), scales=(2,), dimension=4, options=options
    )
    [cell] = expand(suite)
    trial = default_trial(cell, "final", 0, 1)
    found: dict[str, Any] = {"method": method, "backbone": backbone, "trial_id": trial.trial_id}
    parts = resolved(trial)
    schema = parts.data.schema
    torch.manual_seed(0)
    try:
        model = assemble(parts.method, parts.backbone, schema, trial.cell.scale, trial.cell.dimension)
    except Incompatible as error:
        return {**found, "incompatible": str(error)}
    table = model.table()
    if table is not None:
        torch.nn.init.normal_(table, std=0.1, generator=torch.Generator().manual_seed(0))
    found["parameters_dense"] = parameter_cost(model)["parameters_dense"]
    ids, labels = batch(schema)
    optimizers = make_optimizers(model, trial.training)
    model.train()
    for step in (1, 2):
        output = model(ids)
        loss = functional.binary_cross_entropy_with_logits(output.logits, labels)
        calibrate(model, loss)
        found[f"step{step}"] = numbers(loss, output.penalty, output.logits)
        if optimizers:
            model.zero_grad(set_to_none=True)
            (loss + output.penalty).backward()
        for parameter in model.parameters():
            if parameter.grad is not None and parameter.grad.abs().max() < ROUNDING:
                parameter.grad.zero_()
        for optimizer in optimizers:
            optimizer.step()
    model.eval()
    with torch.no_grad():
        output = model(ids)
    found["evaluation"] = numbers(functional.binary_cross_entropy_with_logits(output.logits, labels), output.penalty, output.logits)
    return found


def batch(schema: Schema) -> tuple[torch.Tensor, torch.Tensor]:
    """(ROWS, F) global ids and (ROWS,) labels, the same on every machine."""
    random = np.random.default_rng(0)
    offsets = np.cumsum([0, *(field.cardinality for field in schema.fields[:-1])])
    ids = np.stack([random.integers(0, field.cardinality, ROWS) for field in schema.fields], 1) + offsets
    return torch.from_numpy(ids), torch.from_numpy(random.integers(0, 2, ROWS).astype(np.float32))


def numbers(loss: torch.Tensor, penalty: torch.Tensor, logits: torch.Tensor) -> list[float]:
    """Nine digits tell every float32 from its neighbours."""
    return [float(f"{value.item():.9g}") for value in (loss, penalty, *logits[:SHOWN])]


def moved(before: dict[str, Any], after: dict[str, Any], exactly: bool) -> list[str]:
    """What differs between two entries of a pair, in words."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        near = not exactly and isinstance(old, list) and isinstance(new, list) and _close(old, new)
        if old != new and not near:
            found.append(f"{after['method']} with {after['backbone']}: {key}: {old} became {new}")
    return found


def _close(old: list[float], new: list[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE) for a, b in zip(old, new, strict=True))


def recorded() -> dict[tuple[str, str], dict[str, Any]]:
    entries = [json.loads(line) for line in NUMBERS.read_text(encoding="utf-8").splitlines()]
    return {(e["method"], e["backbone"]): e for e in entries}


def every() -> Iterator[dict[str, Any]]:
    for method in methods():
        for backbone in plugins.names("backbones"):
            yield entry(method, backbone)


def main(arguments: list[str]) -> int:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCHMARK_CACHE"] = folder
        entries = list(every())
    if arguments == ["--write"]:
        NUMBERS.write_text("".join(json.dumps(e) + "\n" for e in entries), encoding="utf-8")
        return 0
    old = recorded()
    lines = [line for e in entries for line in moved(old.pop((e["method"], e["backbone"]), {}), e, exactly=True)]
    lines += [f"{method} with {backbone}: gone" for method, backbone in old]
    print("\n".join(lines) or f"{len(entries)} pairs, nothing moved")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
