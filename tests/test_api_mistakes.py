"""What a mistake in a notebook gets: a UserError with one line that says what, where, and what to do."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pandas
import polars
import pytest
from standin_method import DATA, Halved, Thawed, table, trained, vicreg

import benchmark
from benchmark.api import plan
from benchmark.contracts import CTRModel
from benchmark.faults import in_words
from benchmark.method import Parts


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


MISTAKES: list[tuple[Any, str]] = [
    (lambda: trained("robloc"), "unknown method 'robloc'; did you mean 'roblock'?"),
    (lambda: trained("roblock:no_hisc"), "unknown preset 'no_hisc'; did you mean 'no_hsic'?"),
    (lambda: trained("single_embedding", "dcn"), "unknown backbone 'dcn'; did you mean 'dcnv2'?"),
    (lambda: trained("constant", data="sinthetic"), "unknown data set 'sinthetic'; did you mean 'synthetic'?"),
    (lambda: trained("constant", data="frappe_x1"), "data set frappe_x1 is not prepared"),
    (lambda: trained("constant", data=table()), "not DataFrame"),
    (lambda: trained(Halved), "method Halved: this is a class; give an object of it: Halved()"),  # type: ignore[arg-type]
    (lambda: trained(3), "method 3: give the name of a method, or an object of a class of Method"),  # type: ignore[arg-type]
    (lambda: trained(vicreg()), "a plug-in is called vicreg already; give the class another name"),
    (lambda: trained(Thawed()), "Thawed must be a frozen dataclass"),
    (lambda: trained(Halved(weight=-1.0)), "method Halved: weight = -1.0; it must not be negative"),
    (lambda: trained(Halved(weight="much")), "method Halved: weight = 'much'; it must be of type float"),  # type: ignore[arg-type]
    (lambda: trained(Halved(), method_options={"weight": 2.0}), "an object has its settings in its fields; give it no others (weight)"),
    (lambda: trained("constant", depth=2), "depth is given twice"),
    (lambda: trained("single_embedding", scale=0), "scale = 0; it must be at least 1"),
    (lambda: trained("single_embedding", scale=1.5), "scale = 1.5; it must be a whole number"),
    (lambda: trained("single_embedding", scale=True), "scale = True; it must be a whole number"),
    (lambda: trained("single_embedding", threads=0), "threads = 0; it must be at least 1"),
    (lambda: trained("single_embedding", seed=-1), "seed = -1; it must be at least 0"),
    (lambda: trained("multi_embedding", method_options={"sets": 3}), "width 10 (scale 1 x dimension 10) is not divisible by 3 sets"),
    (lambda: trained("constant", training={"epoch": 1}), "unknown key 'epoch'; did you mean 'epochs'?"),
    (lambda: trained("constant", training=["epochs"]), "training = ['epochs']; it must be settings by their names"),
    (lambda: trained("vicreg", method_options=("weight", 1.0)), "method_options = ('weight', 1.0); it must be"),
    (
        lambda: benchmark.run(benchmark.Suite(name="mine", datasets=("synthetic",), methods=("constant", Halved()))),  # type: ignore[arg-type]
        "a suite has names of files; what stands in a notebook is trained by benchmark.train",
    ),
    (lambda: trained("constant", results="/dev/null/results"), "the results folder cannot be written"),
    (lambda: benchmark.run("quik"), "unknown suite 'quik'; did you mean 'quick'?"),
    (lambda: benchmark.run("quick", "/dev/null/results", cpus_per_trial=0), "run: cpus_per_trial = 0; it must be a number greater than 0"),
    (lambda: benchmark.run("quick", "/dev/null/results", trial_minutes=-1), "run: trial_minutes = -1; it must be a number greater than 0"),
    (lambda: benchmark.run("quick", "/dev/null/results", max_seeds=2.5), "max_seeds = 2.5; it must be a whole number"),  # type: ignore[arg-type]
    (lambda: plan("quick", "/dev/null/results", cpus_per_trial=0, executor="ray"), "run: cpus_per_trial = 0; it must be a number greater"),
    (lambda: benchmark.leaderboard("/no/such/folder"), "no final training is recorded in /no/such/folder/records"),
    (lambda: benchmark.leaderboard(format="html"), "unknown format 'html'"),  # type: ignore[arg-type]
    (lambda: benchmark.results("/dev/null"), "the records cannot be read"),
    (lambda: benchmark.build("constant", data="sinthetic"), "did you mean 'synthetic'?"),
    (
        lambda: benchmark.spectrum(benchmark.build("single_embedding", data=benchmark.prepared("synthetic", DATA).schema), "synthetic"),
        "name the data that the model is for",
    ),
    (lambda: benchmark.dataset(table(), name="bad", label="clicks"), "data frame bad: unknown column 'clicks'; did you mean 'click'?"),
    (lambda: benchmark.dataset(table(5), name="bad", label="click"), "data frame bad: 5 rows, split 8:1:1: valid would be empty"),
    (
        lambda: benchmark.dataset(table().assign(click=2), name="bad", label="click"),
        "data frame bad: row 1, column 'click': '2' is no label",
    ),
    (lambda: benchmark.dataset(table(), name="a/b", label="click"), "data set name 'a/b': use up to 100 letters"),
    (lambda: benchmark.dataset([1], name="bad", label="click"), "data frame bad: give a DataFrame of pandas or Polars, not list"),  # type: ignore[arg-type]
    (lambda: benchmark.dataset(table().rename(columns={"ad": 3}), name="bad", label="click"), "the column 3 has no text for a name"),
    (
        lambda: benchmark.dataset(table().assign(ad=[1, "x"] * 300), name="bad", label="click"),
        "data frame bad: the column 'ad' (object) is neither numbers nor text throughout",
    ),
    (
        lambda: benchmark.dataset(table().assign(ad=1j), name="bad", label="click"),
        "data frame bad: the column 'ad' (complex128) is neither numbers nor text throughout",
    ),
    (
        lambda: benchmark.dataset(
            polars.DataFrame({"click": [0, 1], "ad": polars.Series([object()] * 2, dtype=polars.Object)}), name="bad", label="click"
        ),
        "data frame bad: the column 'ad' holds Python objects; make it numbers or text, or drop it",
    ),
    (
        lambda: benchmark.dataset(table().assign(ad=pandas.period_range("2020", periods=600)), name="bad", label="click"),
        "data frame bad: column 'ad' holds pandas.period, which is no plain value; make it text first, or name it in --exclude",
    ),
]


@pytest.mark.parametrize(("mistake", "words"), MISTAKES, ids=[words[:30] for _, words in MISTAKES])
def test_a_mistake_is_one_line(mistake: Any, words: str) -> None:
    with pytest.raises(benchmark.UserError) as caught:
        mistake()
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_what_cannot_be_built_says_why() -> None:
    with pytest.raises(benchmark.Incompatible, match="it was told to"):
        benchmark.build(Halved(fails="incompatible"), data=benchmark.prepared("synthetic", DATA))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counted(Halved):
    def build(self, parts: Parts) -> CTRModel:
        self.weight = parts.width  # type: ignore[misc]
        return parts.model()


def test_a_setting_that_is_given_a_value_is_placed_where_that_is_written() -> None:
    """Not in the function that dataclass wrote to refuse it."""
    with pytest.raises(dataclasses.FrozenInstanceError) as caught:
        benchmark.build(Counted(), data=benchmark.prepared("synthetic", DATA))
    words = in_words(caught.value, (__name__,))
    assert re.match(
        r"test_api_mistakes\.py:\d+, in build: FrozenInstanceError: cannot assign to field 'weight': a method .* is frozen", words
    ), words
