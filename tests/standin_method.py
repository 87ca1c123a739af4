"""A method of one's own, little data to train it on, and a table: what the tests of the suite from Python work with."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas
import torch

import benchmark
from benchmark.contracts import CTRModel, Incompatible, setting
from benchmark.method import Method, Parts
from benchmark.records import Record

DATA: dict[str, Any] = {"rows": 2000, "cardinalities": [3, 8, 40]}
SHORT: dict[str, Any] = {"epochs": 1, "batch_size": 800}
SMALL: dict[str, Any] = {"depth": 1, "hidden": [16]}
PENALTY = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Halved(Method):
    summary = "single embedding with a penalty on half its table"
    source = "this test"

    weight: float = setting(1.0, at_least=0)
    fails: str = setting("")

    def build(self, parts: Parts) -> CTRModel:
        if self.fails == "incompatible":
            raise Incompatible("it was told to")
        if self.fails:
            raise RuntimeError(self.fails)
        return parts.model(penalty=(self.weight * PENALTY, squares))


def squares(ids: torch.Tensor, output: Any) -> torch.Tensor:
    states: torch.Tensor = output.states[0]
    return states.square().mean()


@dataclasses.dataclass(frozen=True, kw_only=True)
class vicreg(Method):
    summary = source = "a test"

    def build(self, parts: Parts) -> CTRModel:
        return parts.model()


class Thawed(Halved):
    more: int = 1


def trained(method: str | Method, backbone: Any = "dcnv2", **more: Any) -> Record:
    """With little data, in one step of training after the other, on the CPU."""
    data = benchmark.prepared("synthetic", DATA) if "data" not in more else more.pop("data")
    options = {"backbone_options": SMALL} if isinstance(backbone, str) else {}
    settings: dict[str, Any] = {"training": SHORT, "threads": 1, "device": "cpu", **options, **more}
    return benchmark.train(method, backbone, data, **settings)


def same(one: Record, other: Record) -> bool:
    return (one.trial_id, one.metrics, one.fingerprints) == (other.trial_id, other.metrics, other.fingerprints)


def table(rows: int = 600) -> pandas.DataFrame:
    random = np.random.default_rng(0)
    numbers = {"click": random.integers(0, 2, rows), "ad": random.integers(0, 9, rows), "price": random.random(rows).round(3)}
    texts = {"place": [f"p{n}" for n in random.integers(0, 5, rows)], "ts": random.permutation(rows)}
    return pandas.DataFrame({**numbers, **texts})
