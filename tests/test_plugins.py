"""Discovery: one file is one plug-in, private folders count, and what is wrong with a file is said in one line."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest
import torch

from benchmark import plugins, provenance
from benchmark.__main__ import main
from benchmark.checking.cell import SCHEMA
from benchmark.checking.check import kind_of
from benchmark.config import Suite
from benchmark.discovery import HOME, KINDS, Kind, entry, folders, pin_private_folders, private_folders
from benchmark.errors import UserError
from benchmark.faults import in_words
from benchmark.method import assemble
from benchmark.search.cells import default_trial, expand
from benchmark.search.tuner import distribution
from benchmark.settings import search_space
from benchmark.training.trial import model_of, shapes_only

EVERY = [(kind, name) for kind in KINDS for name in plugins.names(kind)]

PRIVATE = """
from dataclasses import dataclass
from benchmark.method import Method, setting, tuned

@dataclass(frozen=True, kw_only=True)
class Mine(Method):
    summary = "my own"
    source = "me"
    def build(self, parts):
        return parts.model()
"""


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "methods").mkdir()
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    return tmp_path / "methods"


def test_what_a_file_draws_when_it_is_imported_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "methods").mkdir()
    drawn = "\nimport random, numpy, torch\nDRAWN = random.random(), numpy.random.rand(), float(torch.rand(()))\n"
    for name in ("draws_a", "draws_b"):
        (tmp_path / "methods" / f"{name}.py").write_text(PRIVATE + drawn)
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    found: list[tuple[float, ...]] = []
    for name in ("draws_a", "draws_b"):
        torch.manual_seed(len(found))  # whatever a process has drawn before
        expected = torch.rand(2)
        torch.manual_seed(len(found))
        torch.rand(1)
        found.append(sys.modules[plugins.plugin("methods", name).__module__].DRAWN)
        assert torch.rand(1) == expected[1]
    assert found[0] == found[1]


def test_the_import_of_a_file_and_a_build_leave_folder_and_environment_alone(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results and data are found by them: records went to another folder, or nowhere."""
    moves = "import os\nos.chdir('/')\nos.environ['BENCHMARK_CACHE'] = 'elsewhere'\nos.environ['BENCHMARK_MORE'] = 'x'\n"
    builds = PRIVATE.replace("        return parts.model()", "        import os\n        os.chdir('/')\n        return parts.model()")
    (private / "mine_moves.py").write_text(moves + builds)
    monkeypatch.setenv("BENCHMARK_CACHE", "here")
    monkeypatch.setenv("BENCHMARK_PLUGINS", private.parent.name)
    monkeypatch.chdir(private.parent.parent)
    pin_private_folders()
    before = os.getcwd(), dict(os.environ)
    assert plugins.plugin("methods", "mine_moves").summary == "my own"
    assert (os.getcwd(), dict(os.environ)) == before
    small = {"datasets": {"synthetic": {"rows": 200, "cardinalities": (2, 3)}}}
    suite = Suite(name="mine", datasets=("synthetic",), methods=("mine_moves",), backbones=("dnn",), scales=(1,), options=small)
    assert model_of(default_trial(expand(suite)[0], "final", 0, 1)) is not None
    assert (os.getcwd(), dict(os.environ)) == before


def with_setting(line: str) -> str:
    """The private method with one more line in front of its build, which is line 9 of the file."""
    return PRIVATE.replace("    def", f"    {line}\n    def")


CACHED = """
import torch
from functools import cache, cached_property
@cache
def weights(width):
    return torch.ones(width)
class Of(torch.nn.Module):
    def __init__(self, ones, width):
        super().__init__()
        self.register_buffer("ones", ones)
        self.register_buffer("weights", weights(width))
    def forward(self, x):
        return x * self.ones * self.weights
"""


def test_a_model_that_is_built_for_its_shapes_leaves_nothing_in_a_cache(private: Path) -> None:
    """A plug-in with a constant that is made once passed its check, and failed in a run in this process."""
    has = "@cached_property\n    def ones(self):\n        return torch.ones(4)\n"
    text = with_setting(has).replace("parts.model()", "parts.model(transform=Of(self.ones, 4))")
    (private / "mine_cached.py").write_text(CACHED + text)
    method = plugins.make("methods", "mine_cached", {})
    recipe = plugins.make("backbones", "dnn", {})
    only = shapes_only(method, recipe, SCHEMA, 1, 4)
    assert all(tensor.is_meta for tensor in only.state_dict().values())
    made = assemble(method, recipe, SCHEMA, 1, 4)
    assert not any(tensor.is_meta for tensor in made.state_dict().values())
    assert sys.modules[type(method).__module__].weights.cache_info().currsize == 1


def test_relative_folders_are_pinned_when_a_command_starts(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(private.parent.parent)
    monkeypatch.setenv("BENCHMARK_PLUGINS", f"{private.parent.name}{os.pathsep}")
    main(["status", "--no-such-flag"])
    monkeypatch.chdir("/")
    assert private_folders() == [private.parent]


def test_a_module_that_lies_beside_the_file_is_imported_with_a_dot(private: Path) -> None:
    (private / "_beside.py").touch()
    (private / "mine_absolute.py").write_text("from _beside import x\n" + PRIVATE)
    for call in (plugins.plugin, entry):
        with pytest.raises(UserError, match=r"No module named '_beside'; it lies beside this file: write from \._beside import …$"):
            call("methods", "mine_absolute")


@pytest.mark.parametrize(("kind", "name"), [e for e in EVERY if e[0] != "datasets"])
def test_defaults_lie_in_their_search_space(kind: Kind, name: str) -> None:
    made = plugins.make(kind, name, {})
    for key, search in search_space(type(made)).items():
        found = distribution(search)
        assert found._contains(found.to_internal_repr(getattr(made, key))), key


@pytest.mark.parametrize("name", [f"{m}:{p}" for m in plugins.names("methods") for p in plugins.plugin("methods", m).presets])
def test_a_preset_differs_from_the_defaults_and_no_other_does_the_same(name: str) -> None:
    method = name.partition(":")[0]
    made, plain = plugins.make("methods", name, {}), plugins.make("methods", method, {})
    assert made != plain and type(made) is type(plain)
    others = [plugins.make("methods", f"{method}:{p}", {}) for p in type(made).presets if f"{method}:{p}" != name]
    assert made not in others
    assert plugins.make("methods", name, dataclasses.asdict(plain)) == plain, "what is given stands before the preset"


def test_a_private_file_is_found_and_underscored_files_are_not(private: Path) -> None:
    (private / "mine_a.py").write_text(PRIVATE)
    (private / "_draft.py").write_text(PRIVATE)
    assert "mine_a" in plugins.names("methods") and "_draft" not in plugins.names("methods")
    assert plugins.plugin("methods", "mine_a").summary == "my own"


def test_a_relative_folder_is_as_good_as_an_absolute_one(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an error passed through is compared with the files that Python names, which are absolute."""
    (private / "mine_relative.py").write_text(PRIVATE.replace("return", "raise ValueError('far inside') from None\n        return"))
    monkeypatch.chdir(private.parent.parent)
    monkeypatch.setenv("BENCHMARK_PLUGINS", private.parent.name)
    method = plugins.make("methods", "mine_relative", {})
    with pytest.raises(ValueError) as caught:
        method.build(None)
    assert in_words(caught.value) == "methods/mine_relative.py:10, in build: ValueError: far inside"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("bad_syntax", "x = (\n", "bad_syntax.py:1: the plug-in does not import: SyntaxError"),
        ("bad_import", "import json\nimport no_such_module\n", "bad_import.py:2: the plug-in does not import: ModuleNotFoundError"),
        ("bad_empty", "", "bad_empty.py: a plug-in file defines exactly one Method; this one defines 0"),
        (
            "bad_two",
            PRIVATE + PRIVATE.replace("Mine", "Other"),
            "bad_two.py:16: a plug-in file defines exactly one Method; this one defines 2",
        ),
        ("bad_nan", with_setting("w: tuple[float, ...] = (1.0, float('nan'))"), "w = nan; it must be a finite number"),
        ("bad_default", with_setting("w: int = 'x'"), "bad_default.py:9: method bad_default: w = 'x'; it must be of type int"),
        ("bad_typo", PRIVATE.replace("def build", "def biuld"), "methods/bad_typo.py:6: Mine lacks build()"),
        ("bad_base", PRIVATE.replace("(Method)", ""), "methods/bad_base.py:6: Mine is no Method; write class Mine(Method)"),
        ("bad_presets", with_setting("presets = ['strong']"), "methods/bad_presets.py:9: Mine.presets is ['strong']; it names"),
        ("bad_frozen", PRIVATE.replace("frozen=True, ", ""), "frozen one: write @dataclass(frozen=True, kw_only=True)"),
        ("bad_mutable", with_setting("w: list = []"), "use default_factory: not here: a setting is no list"),
        ("bad_refusal", with_setting("def validate(self): 1 / 0"), "bad_refusal.py:9: it refuses its defaults: ZeroDivisionError"),
        ("bad_path", with_setting("w: type = int"), "bad_path.py:9: Mine.w is of the type"),
        ("bad_literal", "from typing import Literal\n" + with_setting("w: Literal[1] = 1"), "bad_literal.py:10: Mine.w is of the type"),
        ("bad_pair", with_setting("w: tuple[int, str] = (1, 'a')"), "bad_pair.py:9: Mine.w is of the type"),
        ("bad_union", with_setting("w: int | str = 1"), "bad_union.py:9: Mine.w is of the type"),
        ("bad_name", with_setting("w: 'NoSuch' = 1"), "bad_name.py:6: Mine has settings whose types cannot be read"),
        ("bad_exit", "raise SystemExit(3)", "bad_exit.py:1: the plug-in does not import: SystemExit: 3"),
        ("bad_plain", PRIVATE.replace("@dataclass(frozen=True, kw_only=True)", ""), "bad_plain.py:6: Mine must be a frozen dataclass"),
        ("bad_words", PRIVATE.replace('summary = "my own"', ""), "bad_words.py:6: Mine.summary must be a text"),
        ("bad_space", with_setting("space = {'wieght': 1}"), "bad_space.py:9: Mine.space is the old form"),
        ("bad_build", PRIVATE.replace("(self, parts)", "(self, schema, backbone, scale, dimension)"), "bad_build.py:9: Mine.build"),
        ("bad_post_init", with_setting("def __post_init__(self): pass"), "bad_post_init.py:9: Mine.__post_init__ would take the place"),
        (
            "bad_unannotated",
            with_setting("w = 0.5"),
            "bad_unannotated.py:9: Mine.w has no annotation, so it is no setting; write w: float = ",
        ),
        (
            "bad_unannotated_field",
            with_setting("w = setting(0.5)"),
            "bad_unannotated_field.py:5: the plug-in does not import: TypeError: 'w' is a field but",
        ),
        ("bad_preset", with_setting("presets = {'weak': {'wieght': 1}}"), "bad_preset.py:9: preset weak: unknown setting 'wieght'"),
        (
            "bad_range",
            with_setting("w: float = tuned(0.5, low=0.0)"),
            "bad_range.py:9: the plug-in does not import: TypeError: tuned() needs",
        ),
        (
            "bad_taken",
            with_setting("training: int = 3"),
            "bad_taken.py:9: Mine.training is a setting of a name that the contract has a meaning",
        ),
        (
            "bad_no_function",
            with_setting("build = 3").partition("    def")[0],
            "bad_no_function.py:9: Mine.build is no function; write def build",
        ),
        ("bad_same", PRIVATE.replace("kw_only=True", "kw_only=True, eq=False"), "bad_same.py:6: Mine has eq=False, so that any two"),
        ("bad_variant", with_setting("presets = {'all': {}}"), "bad_variant.py:9: Mine.presets names one 'all'; a name is letters"),
        ("bad_number", with_setting("presets = {7: {}}"), "bad_number.py:9: Mine.presets names one 7; a name is letters"),
        ("all", PRIVATE, "methods/all.py: the word all stands for every plug-in in suites; rename the file"),
        ("bad_bound", with_setting("w: float = setting(2.0, at_most=1)"), "method bad_bound: w = 2.0; it must be at most 1"),
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
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(HOME["methods"].parent))
    assert folders("methods") == [str(HOME["methods"])]
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


def test_an_unknown_name_that_a_folder_here_has_gives_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine" / "methods").mkdir(parents=True)
    (tmp_path / "mine" / "methods" / "robloc.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCHMARK_PLUGINS", raising=False)
    there = Path("mine", "methods", "robloc.py")
    for name in ("robloc", "robloc:all"):
        with pytest.raises(UserError, match=f"suite mine: unknown method 'robloc'; {there} is found with BENCHMARK_PLUGINS=mine$"):
            expand(Suite(name="mine", datasets=("synthetic",), methods=(name,)))
    with pytest.raises(UserError, match=f"check: unknown plug-in 'robloc'; {there} is found with BENCHMARK_PLUGINS=mine$"):
        kind_of("robloc", None)
    with pytest.raises(UserError, match="unknown method 'roblo'; did you mean 'roblock'"):
        plugins.plugin("methods", "roblo")


def test_an_unknown_hyper_parameter_gives_the_nearest() -> None:
    with pytest.raises(UserError, match="method roblock: unknown key 'strenght'; did you mean 'strength'"):
        plugins.make("methods", "roblock", {"strenght": 1.0})
    with pytest.raises(UserError, match="gates = 'soft'; it must be one of full, static, input, one_hot"):
        plugins.make("methods", "roblock", {"gates": "soft"})


def test_no_file_is_parsed_for_a_plugin_that_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made with every trial, and with every prepared table that is opened."""
    plugins.plugin("methods", "roblock")

    def parsed(*_: object) -> str:
        raise AssertionError("a place was looked for")

    monkeypatch.setattr(plugins, "place_of", parsed)
    plugins.make("methods", "roblock", {"strength": 0.25})


def test_a_helper_beside_a_plugin_is_part_of_its_code(private: Path) -> None:
    (private / "mine_helped.py").write_text(PRIVATE.replace("\nfrom data", "\nfrom ._shared_number import NUMBER\nfrom data", 1))
    (private / "_shared_number.py").write_text("NUMBER = 1\n")
    before = plugins.code_of("methods", "mine_helped")
    (private / "_shared_number.py").write_text("NUMBER = 2\n")
    provenance._tree.cache_clear()  # as another process begins
    assert plugins.code_of("methods", "mine_helped") != before


def test_a_file_is_read_as_python_reads_it(private: Path) -> None:
    """Editors write a mark at the beginning of UTF-8; a file may name another encoding."""
    (private / "mine_marked.py").write_text(PRIVATE, encoding="utf-8-sig")
    (private / "mine_latin.py").write_text("# -*- coding: latin-1 -*-\n" + PRIVATE.replace("my own", "ä"), encoding="latin-1")
    assert plugins.plugin("methods", "mine_latin").summary == "ä"
    for name in ("mine_marked", "mine_latin"):
        assert len(plugins.code_of("methods", name)) == 12
