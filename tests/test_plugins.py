"""Discovery: one file is one plug-in, private folders count, and what is wrong with a file is said in one line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmark import plugins
from benchmark.contracts import UserError

KINDS: tuple[plugins.Kind, ...] = ("methods", "datasets", "backbones")
EVERY = [(kind, name) for kind in KINDS for name in plugins.names(kind)]

PRIVATE = """
from dataclasses import dataclass
from typing import ClassVar
from benchmark.contracts import Layout, Method
from benchmark.nn.embedding import ParallelSets

@dataclass(frozen=True, kw_only=True)
class Mine(Method):
    summary: ClassVar[str] = "my own"
    source: ClassVar[str] = "me"
    def build(self, schema, backbone, scale, dimension):
        return ParallelSets(schema, backbone, Layout(1, len(schema.fields), scale * dimension))
"""


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_plugin_keeps_the_contract(kind: plugins.Kind, name: str) -> None:
    found = plugins.plugin(kind, name)
    assert getattr(found, "__dataclass_params__").frozen  # noqa: B009
    for text in (found.summary, found.source):
        assert text and "\n" not in text
    fields = {f.name for f in dataclasses.fields(found)}
    assert set(getattr(found, "space", {})) <= fields, "the search space names a hyper-parameter that does not exist"
    assert len(plugins.source_digest(kind, name)) == 64


@pytest.mark.parametrize(("kind", "name"), [e for e in EVERY if e[0] != "datasets"])
def test_defaults_lie_in_their_search_space(kind: plugins.Kind, name: str) -> None:
    made = plugins.make(kind, name, {})
    for key, distribution in made.space.items():
        assert distribution._contains(distribution.to_internal_repr(getattr(made, key))), key


@pytest.mark.parametrize("name", plugins.names("methods"))
def test_search_spaces_are_of_about_equal_size(name: str) -> None:
    """A budget of trials means the same for every method: at most two settings of its own, weights over four decades about the default."""
    made = plugins.make("methods", name, {})
    assert len(made.space) <= 2
    if "weight" in made.space:
        distribution = made.space["weight"]
        assert (
            distribution.log
            and distribution.low == pytest.approx(made.weight / 100)
            and distribution.high == pytest.approx(made.weight * 100)
        )


@pytest.mark.parametrize("name", [f"{m}:{p}" for m in plugins.names("methods") for p in plugins.plugin("methods", m).presets])
def test_a_preset_differs_from_the_defaults_and_no_other_does_the_same(name: str) -> None:
    method = name.partition(":")[0]
    made, plain = plugins.make("methods", name, {}), plugins.make("methods", method, {})
    assert made != plain and type(made) is type(plain)
    others = [plugins.make("methods", f"{method}:{p}", {}) for p in type(made).presets if f"{method}:{p}" != name]
    assert made not in others
    assert plugins.make("methods", name, dataclasses.asdict(plain)) == plain, "what is given stands before the preset"


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "methods").mkdir()
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    return tmp_path / "methods"


def test_a_private_file_is_found_and_underscored_files_are_not(private: Path) -> None:
    (private / "mine_a.py").write_text(PRIVATE)
    (private / "_draft.py").write_text(PRIVATE)
    assert "mine_a" in plugins.names("methods") and "_draft" not in plugins.names("methods")
    assert plugins.plugin("methods", "mine_a").summary == "my own"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("bad_syntax", "x = (\n", "bad_syntax.py:1: the plug-in does not import: SyntaxError"),
        ("bad_import", "import json\nimport no_such_module\n", "bad_import.py:2: the plug-in does not import: ModuleNotFoundError"),
        ("bad_empty", "", "defines exactly one Method; this one defines 0"),
        ("bad_two", PRIVATE + PRIVATE.replace("Mine", "Other"), "this one defines 2"),
        (
            "bad_nan",
            PRIVATE.replace("    def", "    w: tuple[float, ...] = (1.0, float('nan'))\n    def"),
            "w = nan; it must be a finite number",
        ),
        ("bad_default", PRIVATE.replace("    def", "    w: int = 'x'\n    def"), "w = 'x'; it must be of type int"),
        ("bad_refusal", PRIVATE.replace("    def build", "    def __post_init__(self): 1 / 0\n    def build"), "ZeroDivisionError"),
        ("bad_path", PRIVATE.replace("    def", "    w: type = int\n    def"), "bad_path.py: w is of the type"),
        (
            "bad_literal",
            PRIVATE.replace("ClassVar\n", "ClassVar, Literal\n").replace("    def", "    w: Literal[1] = 1\n    def"),
            "bad_literal.py: w",
        ),
        ("bad_pair", PRIVATE.replace("    def", "    w: tuple[int, str] = (1, 'a')\n    def"), "bad_pair.py: w is of the type"),
        ("bad_union", PRIVATE.replace("    def", "    w: int | str = 1\n    def"), "bad_union.py: w is of the type"),
        ("bad_name", PRIVATE.replace("    def", "    w: 'NoSuch' = 1\n    def"), "bad_name.py: the types of its fields cannot be read"),
        ("bad_exit", "raise SystemExit(3)", "bad_exit.py:1: the plug-in does not import: SystemExit: 3"),
        ("bad_plain", PRIVATE.replace("@dataclass(frozen=True, kw_only=True)", ""), "Mine must be a frozen dataclass"),
        ("bad_words", PRIVATE.replace('summary: ClassVar[str] = "my own"', ""), "Mine.summary must be a text"),
    ],
)
def test_a_broken_file_is_named_with_its_line(private: Path, name: str, text: str, words: str) -> None:
    (private / f"{name}.py").write_text(text)
    with pytest.raises(UserError) as caught:
        plugins.make("methods", name, {})
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_of_ours_is_refused_in_any_form_but_our_own_folder_may_be_named(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (private / "roblock").mkdir()
    (private / "roblock" / "__init__.py").write_text(PRIVATE)
    with pytest.raises(UserError, match="has this name already; rename the file"):
        plugins.plugin("methods", "roblock")
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(plugins.HOME["methods"].parent))
    assert plugins.folders("methods") == [str(plugins.HOME["methods"])]
    plugins.plugin("methods", "roblock")


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("dcnv2", "hidden", (16, 0)),
        ("dcnv2", "depth", 0),
        ("dcnv2", "dropout", 1.0),
        ("xdeepfm", "maps", 0),
        ("xdeepfm", "dropout", -0.1),
        ("finalmlp", "units2", 0),
        ("finalmlp", "heads", -1),
        ("finalmlp", "dropout", 2.0),
    ],
)
def test_sizes_that_no_layer_can_have_are_refused(name: str, setting: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{setting} = "):
        plugins.make("backbones", name, {setting: value})


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown method 'robloc'; did you mean 'roblock'"):
        plugins.plugin("methods", "robloc")


def test_an_unknown_hyper_parameter_gives_the_nearest() -> None:
    with pytest.raises(UserError, match="method roblock: unknown key 'strenght'; did you mean 'strength'"):
        plugins.make("methods", "roblock", {"strenght": 1.0})
    with pytest.raises(UserError, match="gates = 'soft'; it must be one of full, static, input, one_hot"):
        plugins.make("methods", "roblock", {"gates": "soft"})
