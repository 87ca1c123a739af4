"""Where and of which code a record is made: what of it can differ between two records of one trial."""

from __future__ import annotations

import os
import platform
import socket
from datetime import UTC, datetime
from pathlib import Path

import numpy
import torch

from benchmark import plugins
from benchmark.config import NO_BACKBONE, Cell
from benchmark.ops.dispatch import without
from benchmark.provenance import code_digest
from benchmark.training.resolved import Resolved

WENT_ON = "went_on_after_epoch"  # in the environment of a training that was killed, or had paused: the epoch that it went on after


def environment(device: torch.device) -> dict[str, str]:
    """Asked for when a training begins."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
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


def training_code() -> str:
    """The digest of the training loop and of all that it imports."""
    return code_digest("benchmark.training.fit", Path(__file__).with_name("fit.py"))


def fingerprints(found: Resolved) -> dict[str, str]:
    """Of the encoded data, and of the code of method, backbone and training loop (``provenance``).

    Records of older versions have ``method`` and ``backbone``: digests of the plug-ins' files as they were, comments included.
    """
    return _fingerprints(found.data.fingerprint, type(found.method), None if found.backbone is None else type(found.backbone))


def fingerprints_of(cell: Cell) -> dict[str, str]:
    """The same of a cell's plug-ins, by their names. Raises UserError."""
    backbone = None if cell.backbone == NO_BACKBONE else plugins.plugin("backbones", cell.backbone)
    return _fingerprints(cell.data, plugins.plugin("methods", cell.method), backbone)


def _fingerprints(data: str, method: type, backbone: type | None) -> dict[str, str]:
    prints = {"data": data, "method_code": plugins.code_of_class("methods", method), "training_code": training_code()}
    return prints if backbone is None else {**prints, "backbone_code": plugins.code_of_class("backbones", backbone)}
