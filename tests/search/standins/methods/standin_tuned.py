"""A method with a number and a tuple to search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from benchmark.contracts import Backbone, CTRModel, Incompatible, Method, Schema


@dataclass(frozen=True, kw_only=True)
class Tuned(Method):
    summary: ClassVar[str] = "stand-in"
    source: ClassVar[str] = "tests"
    space: ClassVar[Mapping[str, BaseDistribution]] = {
        "strength": FloatDistribution(0.0, 1.0),
        "kind": CategoricalDistribution(("soft", "hard")),
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"weak": {"strength": 0.0}, "strong": {"strength": 1.0}}

    strength: float = 0.5
    kind: str = "soft"
    sizes: tuple[int, ...] = (4, 2)

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        raise Incompatible("a stand-in")
