"""What a plug-in sets for the whole process: ``check`` says it, judges the plug-in as a trial would, and puts it back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from benchmark.checking.check import check

METHOD = """import torch
{at_import}
from dataclasses import dataclass
from benchmark.method import CTRModel, Method, Parts

@dataclass(frozen=True, kw_only=True)
class Mine(Method):
    summary = "for a test"
    source = "a test"
    def build(self, parts: Parts) -> CTRModel:
        {in_build}
        return parts.model()
"""


@pytest.mark.parametrize(
    ("name", "at_import", "in_build", "what", "words"),
    [
        ("doubles", "torch.set_default_dtype(torch.float64)", "", "torch", "its import changes torch for the whole process: default dtype"),
        (
            "determined",
            "",
            "torch.use_deterministic_algorithms(True)",
            "torch",
            "what it does changes torch for the whole process: deterministic algorithms from 0",
        ),
        ("moves", "", "import os; os.chdir('/')", "process", "moves.py: it changes the working folder of the process"),
    ],
)
def test_what_is_set_for_the_whole_process_is_said_and_put_back(
    folder: Path, name: str, at_import: str, in_build: str, what: str, words: str
) -> None:
    (folder / "methods" / f"{name}.py").write_text(METHOD.format(at_import=at_import, in_build=in_build))
    before = torch.get_default_dtype(), torch.get_deterministic_debug_mode(), os.getcwd()
    found = list(check(name, beside=("dnn",), cost=False))
    assert (torch.get_default_dtype(), torch.get_deterministic_debug_mode(), os.getcwd()) == before
    assert not [str(one) for one in found if one.verdict == "FAILED"]
    assert [one.what for one in found if words in one.words and one.verdict == "note"] == [what]


def test_what_is_kept_of_a_build_for_shapes_is_found_as_a_run_meets_it(folder: Path) -> None:
    at_import = "KEPT = {}\nclass Mine(torch.nn.Module):\n    def forward(self, x): return x * KEPT['ones']\n"
    text = METHOD.format(at_import=at_import, in_build="KEPT.setdefault('ones', torch.ones(8))")
    text = text.replace("class Mine(Method)", "class Of(Method)").replace("model()", "model(transform=Mine())")
    (folder / "methods" / "kept.py").write_text(text)
    said = next(one.words for one in check("kept", beside=("dnn",), cost=False) if one.verdict == "FAILED")
    assert (
        "methods/kept.py:4, in forward: RuntimeError: Tensor on device meta" in said
        and "built for its shapes only, and kept: make it" in said
    )
