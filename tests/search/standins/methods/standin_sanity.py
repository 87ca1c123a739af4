"""A sanity row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmark.contracts import Backbone, CTRModel, Incompatible, Method, Schema


@dataclass(frozen=True, kw_only=True)
class Sanity(Method):
    summary: ClassVar[str] = "stand-in"
    source: ClassVar[str] = "tests"
    uses_backbone: ClassVar[bool] = False

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        raise Incompatible("a stand-in")
