"""A class of one's own in the place of a plug-in: its failures name its lines, and its record the digest of its code."""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from standin_method import Halved, trained

from benchmark.provenance import UNKNOWN, class_digest


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_a_failure_is_a_record_that_names_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = inspect.getsourcelines(Halved.build)[1] + 4
    record = trained(Halved(fails="out of luck"))
    assert record.status == "failed" and record.reason == f"standin_method.py:{line}, in build: RuntimeError: out of luck"
    assert record.frames[-1] == f"standin_method.py:{line}, in build"
    assert (trained(Halved(fails="incompatible")).status, trained(Halved(fails="incompatible")).reason) == (
        "incompatible",
        "it was told to",
    )
    shown = capsys.readouterr()
    assert not shown.out and not shown.err, "nothing is printed"


def in_a_notebook(cells: list[str]) -> dict[str, Any]:
    """The names after the cells ran as a notebook runs them: from no file, their sources known to linecache alone."""
    module = type(sys)("notebook")
    sys.modules["notebook"] = module
    for number, cell in enumerate(cells):
        name = f"<cell {number} {abs(hash(cell))}>"
        linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
        exec(compile(cell, name, "exec", dont_inherit=True), vars(module))
    return vars(module)


CELLS = [
    "from dataclasses import dataclass\nfrom benchmark.method import Method\nfrom benchmark.nn.covariance import by_field\nHALF = 0.5",
    "def penalty(ids, output):\n    return HALF * by_field(output.states[0]).square().mean()",
    "@dataclass(frozen=True, kw_only=True)\nclass Mine(Method):\n    'Text.'\n    summary = 'x'\n    source = 'x'\n"
    "    def build(self, parts):\n        return parts.model(penalty=(1.0, penalty))",
]


@pytest.mark.parametrize(
    ("cell", "old", "new", "moves"),
    [
        (2, "1.0", "2.0", True),  # the class
        (1, "mean()", "sum()", True),  # a function that it names
        (0, "HALF = 0.5", "HALF = 0.25", True),  # a number that this function names
        (0, "HALF = 0.5", "HALF = 0.5\nOTHER = 3", False),  # what nobody names
        (1, "    return", "    # why\n    return", False),
        (2, "'Text.'", "'Other text.'", False),
    ],
)
def test_the_digest_of_a_notebook_s_class_moves_with_what_it_is_made_of(cell: int, old: str, new: str, moves: bool) -> None:
    before = class_digest(in_a_notebook(CELLS)["Mine"])
    changed = [text.replace(old, new) if number == cell else text for number, text in enumerate(CELLS)]
    assert changed != CELLS
    after = class_digest(in_a_notebook(changed)["Mine"])
    assert UNKNOWN not in (before, after) and (before != after) == moves


def test_a_class_without_source_says_so_and_a_failure_in_a_notebook_names_the_cell_s_line() -> None:
    namespace: dict[str, Any] = {"__name__": "nowhere"}
    exec(compile("\n".join(CELLS), "<nowhere>", "exec", dont_inherit=True), namespace)
    record = trained(namespace["Mine"]())
    assert record.status == "finished" and record.fingerprints["method_code"] == UNKNOWN
    broken = in_a_notebook([*CELLS[:1], "def penalty(ids, output):\n    return 1 / 0", CELLS[2]])["Mine"]
    record = trained(broken())
    assert record.reason == "notebook cell:2, in penalty: ZeroDivisionError: division by zero"
    assert len(record.fingerprints["method_code"]) == 12
