"""A method with nothing to search beyond the common space. It is never built: the tests' training function stands in."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.method import CTRModel, Incompatible, Method, Parts


@dataclass(frozen=True, kw_only=True)
class Plain(Method):
    summary = "stand-in"
    source = "tests"

    def build(self, parts: Parts) -> CTRModel:
        raise Incompatible("a stand-in")
