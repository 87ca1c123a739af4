"""Ten thousand inputs that nobody would think of, the same ones each time; `make fuzz` tries a million."""

from __future__ import annotations

import pytest
from drawn import Kind
from fuzz import KINDS, Tally, scratch

COUNTS = {"suite files": 2600, "records": 350, "tables": 350, "command lines": 6700}  # by what an input of the kind takes


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_it_survives(kind: Kind) -> None:
    tally = Tally(kind, COUNTS[kind.name])
    with scratch() as folder:
        tally.search(folder, tally.wanted)
    assert not tally.wrong, tally.wrong[0]
    assert not tally.left
    assert min(tally.counted["accepted"], tally.counted["refused"]) > tally.wanted / 50, "most inputs say nothing"
