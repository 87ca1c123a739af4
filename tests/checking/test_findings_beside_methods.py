"""Each check finds what it is for: backbones and data sets that are wrong in one way; and how a plug-in is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.checking.check import check
from benchmark.checking.finding import Finding

BACKBONE = (Path(__file__).parents[2] / "benchmark" / "checking" / "templates" / "backbone.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "what", "words"),
    [
        (
            "wrong_shapes",
            "((layout.fields, layout.dimension),) * (self.depth + 1)",
            "((layout.fields, layout.dimension),) * self.depth",
            "shapes",
            "the contract wants depth + 1 = 3 pairs, the first (4, 8)",
        ),
        ("widths", 'hidden_widths = ("hidden",)', 'hidden_widths = ("hiden",)', "shapes", "hidden_widths names hiden, which is no setting"),
        (
            "wrong_layer",
            "x0 * self.mixing(x)",
            "(x0 * self.mixing(x)).sum(2, keepdim=True)",
            "layers",
            "of a layer, (32, 1, 1, 8), is not (B, S, *(4, 8))",
        ),
        (
            "wrong_head",
            "return Tower(width",
            "return nn.Sequential(nn.Linear(width, 2)) or Tower(width",
            "layers",
            "the head gives (32, 2)",
        ),
        (
            "owns",
            "return MixedProduct(layout)",
            "return CACHE.setdefault(layout, MixedProduct(layout))",
            "recipe",
            "two instantiations share modules or parameters",
        ),
        (
            "shares_weights",
            "RowMixing(layout.sets, layout.fields, layout.fields)",
            "RowMixing(1, layout.fields, layout.fields)",
            "ok",
            "",
        ),
        (
            "sets_meet",
            "term: Tensor = x0 * self.mixing(x)",
            "term: Tensor = x0 * self.mixing(x.mean(1, keepdim=True).expand_as(x).contiguous())",
            "sets",
            "the readout of set 0 changes with the embedding of set 1",
        ),
        (
            "writes_into_x0",
            "term: Tensor = x0 * self.mixing(x)",
            "term: Tensor = x0.mul_(1.01) * self.mixing(x)",
            "sets",
            "writes_into_x0.py:61: a layer writes into what it is given",
        ),
        (
            "no_module",
            "return MixedProduct(layout)",
            "MixedProduct(layout)",
            "layers",
            "no_module.py:39: layer() returns None; the contract wants a module",
        ),
        (
            "no_depth",
            "depth: int =",
            "layers: int =",
            "file",
            "has no depth; write depth: int = setting(2",
        ),
        (
            "one_for_all",
            "return LastState(SetMLP(layout.sets, width, self.hidden[:1], self.dropout, batch_norm=True))",
            "return Shared(SetMLP(1, width, self.hidden[:1], 0.0, batch_norm=False))",
            "sets",
            "two equal sets have equal readouts",
        ),
    ],
)
def test_what_is_wrong_with_a_backbone_is_found(folder: Path, name: str, old: str, new: str, what: str, words: str) -> None:
    assert old in BACKBONE
    more = """
CACHE: dict[Layout, nn.Module] = {}


class Shared(nn.Module):
    def __init__(self, first: SetMLP) -> None:
        super().__init__()
        self.first = first

    def forward(self, states: tuple[Tensor, ...]) -> Tensor:
        count, sets = states[0].shape[:2]
        return self.first(states[0].flatten(2).flatten(0, 1).unsqueeze(1)).view(count, sets, -1)
"""
    (folder / "backbones" / f"{name}.py").write_text(BACKBONE.replace(old, new) + more)
    failed = [one for one in check(name, beside=("single_embedding",), cost=False) if one.verdict == "FAILED"]
    if what == "ok":  # a weight that broadcasts: the readouts' own differ
        assert not failed
        return
    assert failed and all(f"{name}.py:" in one.words for one in failed[:1])
    assert any(one.what == what and words in one.words for one in failed), "\n".join(map(str, failed))


DATASET = """import numpy as np
import polars as pl
from dataclasses import dataclass
from benchmark.sources import Column, DataSet, Source
@dataclass(frozen=True, kw_only=True)
class Mine(DataSet):
    summary = "for a test"
    source = "a test"
    embedded = True
    def load(self, origin, allow_checksum_mismatch=False):
        random = np.random.default_rng({seed})
        label = random.integers(0, 2, 300)
        frame = pl.DataFrame({{"label": {label}, "a": random.integers(0, 9, 300), "b": {column}}}).lazy()
        {end}
"""
END = 'return Source({"train": frame[:200], "valid": frame[200:250], "test": frame[250:]}, "label", (Column("a"), Column("b")))'


@pytest.mark.parametrize(
    ("name", "changes", "verdict", "what", "words"),
    [
        ("fair", {}, "ok", "unseen", "valid 0.0%, test 0.0%"),
        (
            "telling",
            {"column": "label * 2 + random.integers(0, 2, 300)"},
            "note",
            "leak",
            "the values of b (1.000) alone predict the label",
        ),
        ("fresh_each_time", {"seed": ""}, "FAILED", "fingerprint", "datasets/fresh_each_time.py:10: "),
        (
            "one_label",
            {"label": "np.r_[label[:250], np.ones(50, int)]"},
            "FAILED",
            "rows",
            "datasets/one_label.py:10: test: every label is 1",
        ),
        (
            "letters",
            {"end": END[:-1] + ', notes="one")'},
            "FAILED",
            "rows",
            "notes of its Source = 'one'; it must be",
        ),
        ("raising", {"end": "1 / 0"}, "FAILED", "rows", "datasets/raising.py:14, in load: ZeroDivisionError"),
        ("unknown_values", {"column": "np.arange(300)"}, "ok", "unseen", "valid 50.0%, test 50.0%"),
    ],
)
def test_what_is_wrong_with_a_data_set_is_found(
    folder: Path, name: str, changes: dict[str, str], verdict: str, what: str, words: str
) -> None:
    text = DATASET.format(**{"seed": "3", "label": "label", "column": "random.integers(0, 5, 300)", "end": END, **changes})
    (folder / "datasets" / f"{name}.py").write_text(text)
    found = list(check(name))
    assert any(one.verdict == verdict and one.what == what and words in one.words for one in found), "\n".join(map(str, found))


METHOD = """from dataclasses import dataclass
from benchmark.method import Method
@dataclass(frozen=True, kw_only=True)
class Mine(Method):
    summary = "for a test"
    source = "a test"
    def build(self, parts):
        return parts.model()
"""


def test_a_name_says_which_plugin(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "methods" / "twofold.py").write_text(METHOD)
    (folder / "datasets" / "twofold.py").write_text(DATASET.format(seed="3", label="label", column="label", end=END))
    for arguments, words in (
        (["twofold"], "check twofold: several plug-ins have this name; add --kind method or --kind dataset"),
        (["robloc"], "check: unknown plug-in 'robloc'; did you mean 'roblock'"),
        (["roblock", "--kind", "backbone"], "check: unknown plug-in 'roblock'"),
        (["roblock:no_hsi"], "method roblock: unknown preset 'no_hsi'; did you mean 'no_hsic'"),
        (["roblock", "--from", "x.csv"], "check roblock: --from is for data sets only"),
        (["synthetic", "--from", "."], "check synthetic: it is generated, and has no files; leave --from out"),
    ):
        assert main(["check", *arguments]) == 2
        shown = capsys.readouterr()
        assert words in shown.err and not shown.out
    assert main(["check", "twofold", "--kind", "dataset"]) == 0
    assert capsys.readouterr().out.startswith("ok      file         datasets/twofold.py: one data set, Mine: for a test\n")


def test_a_data_set_of_files_is_read_from_where_it_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = DATASET.format(seed="3", label="label", column="label", end="return self.read(origin)").replace(
        "embedded = True", "embedded = False"
    )
    reading = "    def read(self, origin):\n        frame = pl.scan_csv(origin)\n        " + END.replace("frame[:200]", "frame.head(20)")
    (folder / "datasets" / "filed.py").write_text(
        text + reading.replace("frame[200:250]", "frame.head(9)").replace("frame[250:]", "frame.tail(9)")
    )
    table = folder / "rows.csv"
    table.write_text("label,a,b\n" + "".join(f"{n % 2},{n % 5},{n % 3}\n" for n in range(40)))
    assert main(["check", "filed"]) == 0 and "--from PATH" in capsys.readouterr().out
    assert main(["check", "filed", "--from", str(table)]) == 0
    assert "train 20 (50.0% positive), valid 9" in capsys.readouterr().out
    assert main(["check", "filed", "--from", str(folder / "nowhere")]) == 2
    assert capsys.readouterr().err == f"error: {folder / 'nowhere'}: no such file or folder\n"
    assert not (folder / "cache").exists()


STREAM = """
from benchmark.sources import Stream
class Drawn(Stream):
    rows, positive_rate, counts = 200, 0.5, (np.ones(9, np.int64), np.ones(5, np.int64))
    def draw(self, seed, block):
        random = np.random.default_rng((seed, block))
        return random.integers(0, 9, (100, 2), dtype=np.int32), random.integers(0, 2, 100, dtype=np.uint8)
"""


def test_a_stream_that_draws_values_of_the_next_field_is_found(folder: Path) -> None:
    end = END.replace('"train": frame[:200], ', "") + "\n    def stream(self):\n        return Drawn()"
    (folder / "datasets" / "over.py").write_text(DATASET.format(seed="3", label="label", column="label", end=end) + STREAM)
    failed = [str(one) for one in check("over") if one.verdict == "FAILED"]
    assert len(failed) == 1 and "draw() gives values 0 to 8 in column 1, which has counts of 0 to 4" in failed[0]


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("chances", "random.integers(0, 2, 100, dtype=np.uint8)", "random.random(100)", "labels of float64, shape (100,); the contract"),
        (
            "classes",
            "random.integers(0, 2, 100, dtype=np.uint8)",
            "random.integers(0, 3, 100, dtype=np.uint8)",
            "labels other than 0 and 1",
        ),
        (
            "turned",
            "(0, 9, (100, 2), dtype=np.int32)",
            "(0, 5, (2, 100), dtype=np.int32).T",
            "values of int32, shape (100, 2); the contract",
        ),
    ],
)
def test_what_a_stream_draws_is_looked_at(folder: Path, name: str, old: str, new: str, words: str) -> None:
    end = END.replace('"train": frame[:200], ', "") + "\n    def stream(self):\n        return Drawn()"
    text = DATASET.format(seed="3", label="label", column="label", end=end) + STREAM.replace(old, new)
    (folder / "datasets" / f"{name}.py").write_text(text)
    [failed] = [one for one in check(name) if one.verdict == "FAILED"]
    assert failed.what == "rows" and f"datasets/{name}.py:" in failed.words and f"draw() gives {words}" in failed.words


def test_a_finding_is_one_line() -> None:
    assert str(Finding("FAILED", "loss", "x.py:3: it must fall")) == "FAILED  loss         x.py:3: it must fall"
