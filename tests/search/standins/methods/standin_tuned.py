"""A method with a number and a tuple to search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmark.method import CTRModel, Incompatible, Method, Parts, tuned


@dataclass(frozen=True, kw_only=True)
class Tuned(Method):
    summary = "stand-in"
    source = "tests"
    presets: ClassVar = {"weak": {"strength": 0.0}, "strong": {"strength": 1.0}}

    strength: float = tuned(0.5, low=0.0, high=1.0)
    kind: str = tuned("soft", choices=("soft", "hard"))
    sizes: tuple[int, ...] = (4, 2)

    def build(self, parts: Parts) -> CTRModel:
        raise Incompatible("a stand-in")
