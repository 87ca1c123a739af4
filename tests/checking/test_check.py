"""The contract's tests, as ``python -m benchmark check`` runs them, on every plug-in found."""

from __future__ import annotations

import pytest

from benchmark import plugins
from benchmark.checking.check import check
from benchmark.discovery import KINDS, Kind


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in plugins.names(kind)])
def test_every_plugin_keeps_its_contract(kind: Kind, name: str) -> None:
    """A method with every backbone; a backbone with single embedding alone, since each method's own test has it with the others.

    Presets are trained in tests/training, and a measured time proves nothing on a busy machine.
    """
    beside = ("single_embedding",) if kind == "backbones" else None
    found = list(check(name, kind, beside=beside, presets=False, cost=False))
    assert not [str(one) for one in found if one.verdict == "FAILED"]
    assert len(found) >= 3 and {one.verdict for one in found} <= {"ok", "note"}
