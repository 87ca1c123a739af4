"""A method with nothing to search beyond the common space. It is never built: the tests' training function stands in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmark.contracts import Backbone, CTRModel, Incompatible, Method, Schema


@dataclass(frozen=True, kw_only=True)
class Plain(Method):
    summary: ClassVar[str] = "stand-in"
    source: ClassVar[str] = "tests"

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        raise Incompatible("a stand-in")
