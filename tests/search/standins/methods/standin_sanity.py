"""A sanity row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmark.method import CTRModel, Incompatible, Method, Parts


@dataclass(frozen=True, kw_only=True)
class Sanity(Method):
    summary = "stand-in"
    source = "tests"
    uses_backbone = False
    training: ClassVar = {"learning_rate": 5e-3, "epochs": 9}

    def build(self, parts: Parts) -> CTRModel:
        raise Incompatible("a stand-in")
