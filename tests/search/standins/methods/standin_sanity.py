"""A sanity row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.contracts import Backbone, CTRModel, Incompatible, Method, Schema


@dataclass(frozen=True, kw_only=True)
class Sanity(Method):
    summary: ClassVar[str] = "stand-in"
    source: ClassVar[str] = "tests"
    uses_backbone: ClassVar[bool] = False
    training: ClassVar[Mapping[str, Any]] = {"learning_rate": 5e-3, "epochs": 9}

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        raise Incompatible("a stand-in")
