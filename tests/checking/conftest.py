from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("methods", "backbones", "datasets"):
        (tmp_path / kind).mkdir()
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    return tmp_path
