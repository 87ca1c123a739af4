"""What a trial names, as objects: looked up once, then handed on."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark import plugins
from benchmark.config import NO_BACKBONE, Trial
from benchmark.contracts import Backbone
from benchmark.data.ensure import ensure_recorded
from benchmark.data.store import Prepared
from benchmark.method import Method


@dataclass(frozen=True)
class Resolved:
    """The method and the backbone with the trial's settings, and its prepared data."""

    method: Method
    backbone: Backbone | None  # None for a sanity row
    data: Prepared


def resolved(trial: Trial) -> Resolved:
    """By the names in the trial. Raises UserError: unknown name, impossible setting, data that is not prepared."""
    cell = trial.cell
    method: Method = plugins.make("methods", cell.method, dict(trial.method))
    backbone: Backbone | None = None if cell.backbone == NO_BACKBONE else plugins.make("backbones", cell.backbone, dict(trial.backbone))
    return Resolved(method, backbone, ensure_recorded(cell.dataset, cell.dataset_options))
