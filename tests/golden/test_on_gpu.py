"""Where there is a GPU: every method with every backbone computes there what it computes on the CPU, and trains to a whole record.

Parameters and table are drawn on the CPU, and dropout is off. What draws random numbers of its own in a training step (the devices have
different generators) is known by two runs on the CPU that differ: of it only evaluation before training is compared.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from golden import DATA, batch, methods
from torch import Tensor
from torch.nn import functional

from benchmark import plugins
from benchmark.config import Suite
from benchmark.errors import Incompatible
from benchmark.method import assemble
from benchmark.nn.precision import float32
from benchmark.search.cells import default_trial, expand
from benchmark.training.doses import calibrate
from benchmark.training.fit import make_optimizers
from benchmark.training.resolved import resolved
from benchmark.training.trial import run_trial

if not torch.cuda.is_available():
    pytest.skip("torch sees no GPU", allow_module_level=True)

CPU, GPU = torch.device("cpu"), torch.device("cuda")
RELATIVE, ABSOLUTE = 2e-3, 2e-4  # after a training step: Adam turns a gradient's rounding near zero into a whole step
PAIRS = [(method, backbone) for method in methods() for backbone in plugins.names("backbones")]


def trial_of(method: str, backbone: str) -> Any:
    settings = plugins.plugin("backbones", backbone).__dataclass_fields__
    options: dict[str, Any] = {"datasets": {"synthetic": DATA}}
    if "dropout" in settings:
        options["backbones"] = {backbone: {"dropout": 0.0}}
    suite = Suite(name="gpu", datasets=("synthetic",), methods=(method,), backbones=(backbone,), scales=(2,), dimension=4, options=options)
    [cell] = expand(suite)
    return default_trial(cell, "final", 0, 1)


def step(trial: Any, device: torch.device, seed: int) -> list[Tensor]:
    """Logits before training, and loss, penalty and logits of the second training step. Raises Incompatible."""
    parts = resolved(trial)
    torch.manual_seed(0)
    model = assemble(parts.method, parts.backbone, parts.data.schema, trial.cell.scale, trial.cell.dimension)
    table = model.table()
    if table is not None:
        torch.nn.init.normal_(table, std=0.1, generator=torch.Generator().manual_seed(0))
    model = model.to(device)
    ids, labels = (rows.to(device) for rows in batch(parts.data.schema))
    torch.manual_seed(seed)
    with float32(device.type):
        model.eval()
        with torch.no_grad():
            before = model(ids).logits
        optimizers = make_optimizers(model, trial.training)
        model.train()
        for _ in range(2):
            output = model(ids)
            loss = functional.binary_cross_entropy_with_logits(output.logits, labels)
            calibrate(model, loss)
            if optimizers:
                model.zero_grad(set_to_none=True)
                (loss + output.penalty).backward()
            for optimizer in optimizers:
                optimizer.step()
    return [found.detach().cpu() for found in (before, loss, output.penalty, output.logits)]


@pytest.mark.parametrize(("method", "backbone"), PAIRS)
def test_a_gpu_computes_what_the_cpu_does(method: str, backbone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    trial = trial_of(method, backbone)
    try:
        expected = step(trial, CPU, 0)
    except Incompatible:
        return  # what cannot be built says so on every device (test_trial.py)
    found = step(trial, GPU, 0)
    assert all(bool(torch.isfinite(value).all()) for value in found)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-5)
    if all(torch.equal(a, b) for a, b in zip(expected, step(trial, CPU, 1), strict=True)):
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=RELATIVE, atol=ABSOLUTE)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("method", methods())
def test_a_training_on_a_gpu_gives_a_whole_record(method: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    suite = Suite(
        name="gpu",
        datasets=("synthetic",),
        methods=(method,),
        backbones=("dcnv2",),
        scales=(2,),
        dimension=4,
        options={"datasets": {"synthetic": DATA}},
        training={"epochs": 2, "precision": precision},
    )
    [cell] = expand(suite)
    record = run_trial(default_trial(cell, "final", 0, 1), lambda metrics: None, "cuda")
    assert record.status in ("finished", "incompatible"), record.reason
    if record.status == "finished":
        assert 0 < record.metrics["test/auc"] < 1 and math.isfinite(record.metrics["test/logloss"])
