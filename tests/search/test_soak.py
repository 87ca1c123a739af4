"""`make soak` is no test, but it has to start."""

from __future__ import annotations

import soak


def test_without_arguments_both_parts_are_meant() -> None:
    assert soak.parser().parse_args([]).part is None and soak.parser().parse_args(["flat"]).part == "flat"
