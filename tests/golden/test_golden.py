"""No change moves the numbers of a method with a backbone unseen (golden.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden import entry, methods, moved, recorded

from benchmark import plugins


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data are prepared once for all methods."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("method", [pytest.param(name, marks=[pytest.mark.long] if ":" in name else []) for name in methods()])
def test_the_numbers_of_a_method_are_where_they_were(method: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(cache))
    old = recorded()
    lines = [
        line
        for backbone in plugins.names("backbones")
        if (method, backbone) in old
        for line in moved(old[method, backbone], entry(method, backbone), exactly=False)
    ]
    assert not lines, "\n".join(["moved (python tests/golden/golden.py shows all of it):", *lines])


def test_none_of_the_recorded_pairs_has_gone() -> None:
    assert recorded().keys() <= {(m, b) for m in methods() for b in plugins.names("backbones")}
