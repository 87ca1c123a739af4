"""Rules of the house roster: what every method and backbone of this project has besides its file.

They bind what git tracks. A file that is not tracked breaks no rule: the end of the tests' output says what to add when it is to stay.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from backbone_references import REFERENCES
from tracked import is_tracked, own

from benchmark import plugins
from benchmark.discovery import Kind, file_of
from benchmark.method import Penalised
from benchmark.settings import Range, search_space

METHODS = (Path(__file__).parents[1] / "docs" / "methods.md").read_text(encoding="utf-8")
# Of the first three, which have theirs in tests/methods/test_references.py, tests/nn/test_layers_parity.py.
REFERENCES_ELSEWHERE = {"dcnv2", "xdeepfm", "finalmlp"}
Keep = Callable[[Kind, str, str], None]


@pytest.fixture
def keep(remarks: list[str]) -> Keep:
    """Fails for what is missing of a tracked plug-in; of another one it is said at the end."""

    def kept(kind: Kind, name: str, missing: str) -> None:
        if not missing:
            return
        if is_tracked(kind, name):
            pytest.fail(f"{file_of(kind, name)}: {missing}")
        remarks.append(f"{file_of(kind, name)}: git does not track it; before it does, {missing}")

    return kept


@pytest.mark.parametrize("name", own("methods"))
def test_a_method_has_its_row_in_the_table_of_methods(name: str, keep: Keep) -> None:
    there = f"| `{name}`" in METHODS or f", `{name}`" in METHODS
    keep("methods", name, "" if there else "add a row to the table in docs/methods.md")


@pytest.mark.parametrize("name", own("methods"))
def test_search_spaces_are_of_about_equal_size(name: str, keep: Keep) -> None:
    """A budget of trials means the same for every method: at most two settings of its own, weights over four decades about the default,
    but for a penalty's share of the gradient, whose range is the contract's.
    """
    made = plugins.make("methods", name, {})
    space = search_space(type(made))
    keep("methods", name, "" if len(space) <= 2 else f"tune at most two settings, not {', '.join(space)}")
    if "weight" in space and not isinstance(made, Penalised):
        search, low, high = space["weight"], made.weight / 100, made.weight * 100
        ends = [search.low, search.high] if isinstance(search, Range) and search.log else []
        equal = ends == pytest.approx([low, high])
        keep("methods", name, "" if equal else f"tune weight over four decades about the default: low={low:g}, high={high:g}, log=True")


@pytest.mark.parametrize("name", own("backbones"))
def test_a_backbone_has_an_independent_reference(name: str, keep: Keep) -> None:
    there = name in REFERENCES or name in REFERENCES_ELSEWHERE
    keep("backbones", name, "" if there else "write its formula as plain loops into tests/backbone_references.py")


def test_the_house_is_found() -> None:
    """Or none of these rules would bind anything."""
    assert is_tracked("methods", "roblock") and is_tracked("backbones", "dcnv2") and is_tracked("datasets", "synthetic")
