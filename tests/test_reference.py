"""The committed reference records: whole, of the suite file of their name, and of the present defaults."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean

import pytest

from benchmark import plugins
from benchmark.config import CONTROL, DELTA, FUTILITY, MAX_SEEDS, NO_BACKBONE, TUNING_SEEDS, conditions, read_suite
from benchmark.metrics.looks import FIRST_LOOK
from benchmark.metrics.verdicts import Compared, due
from benchmark.records import Record, Store
from benchmark.reporting.leaderboard import leaderboard, rows
from benchmark.search.cells import default_trial, expand
from benchmark.search.estimate import USUAL_EPOCHS
from benchmark.search.former import in_todays_words
from benchmark.search.tuner import space
from benchmark.values import to_dict

FOLDERS = sorted(p.parent for p in (Path(__file__).parents[1] / "results" / "reference").glob("*/records"))


@pytest.fixture(params=FOLDERS, ids=lambda p: p.name)
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    yield request.param


def finals(folder: Path) -> list[Record]:
    return [record for record in Store(folder) if record.trial.stage == "final"]


def test_there_is_a_reference() -> None:
    assert FOLDERS


def test_its_suite_names_every_cell(folder: Path) -> None:
    suite = read_suite(folder.name)
    products = suite.products()
    for record in finals(folder):
        cell = record.trial.cell
        homes = [
            p for p in products if cell.scale in p.scales and cell.backbone in p.backbones and cell.depth in (p.depths or (cell.depth,))
        ]
        if cell.backbone == NO_BACKBONE:
            homes = products
        names = {name for p in homes for name in p.methods}
        assert {cell.method, f"{cell.method.partition(':')[0]}:all", "all"} & names, record.trial_id
        assert cell.dataset in suite.datasets and dict(cell.training) == dict(suite.training)
        assert record.trial.budget == suite.budget and record.trial.seed < record.metrics.get(MAX_SEEDS, suite.seeds)


def test_a_suite_of_embedded_data_has_nothing_left_to_train(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells are the records' to the last setting and to the data's fingerprint: else `run` would make the board anew, in silence."""
    suite = read_suite(folder.name)
    if not all(name in plugins.names("datasets") and plugins.plugin("datasets", name).embedded for name in suite.datasets):
        pytest.skip("its data must be prepared from files")
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    wanted = {default_trial(cell, "final", seed, suite.trials).trial_id for cell in expand(suite) for seed in range(suite.seeds)}
    assert wanted == {in_todays_words(record.trial).trial_id for record in finals(folder)}


def test_every_cell_has_all_its_seeds_and_is_finished(folder: Path) -> None:
    """A board of rows with five seeds and rows with three would rank luck: a cell is committed when it is whole. Of a board that is trained
    until its verdicts are clear a look is whole: what is open has as many seeds as any, or is one that more would hardly decide. One that
    shares records with such a board has all.
    """
    suite, seeds, looked = read_suite(folder.name), defaultdict(set), set()
    for record in finals(folder):
        assert record.status in ("finished", "incompatible"), record.reason
        if record.status == "finished":
            seeds[record.trial.cell.key].add(record.trial.seed)
            looked.add(record.metrics.get(MAX_SEEDS))
    assert seeds
    if None in looked:
        assert all(found == set(range(suite.seeds)) for found in seeds.values())
        return
    most = max(map(len, seeds.values()))
    assert most >= FIRST_LOOK and all(found == set(range(len(found))) for found in seeds.values())
    if not (futility := {record.metrics.get(FUTILITY, 0.0) for record in finals(folder)} - {0.0}):
        assert {row.seeds for row in rows(Store(folder)) if row.verdict == "undecided"} <= {most}
        return
    [chance] = futility
    values: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    designs = {}
    for record in finals(folder):
        cell = record.trial.cell
        designs[cell.method] = round(record.metrics[MAX_SEEDS])
        values[conditions(cell)][cell.method][record.trial.seed] = record.metrics["test/auc"]
    cells = {name: Compared(known.pop(CONTROL), known, {row: designs[row] for row in known}) for name, known in values.items()}
    assert not due(cells, DELTA, chance), "seeds are still to come"


def test_what_a_dry_run_takes_for_the_epochs_of_a_data_set_is_what_they_were() -> None:
    """In the mean over all boards of the data set with one patience. The teachers' always take all that they may."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in (record for folder in FOLDERS for record in finals(folder)):
        if record.trial.cell.backbone != NO_BACKBONE and "epochs" in record.cost:
            found[record.trial.cell.dataset][record.trial.training.patience].append(record.cost["epochs"])
    means = {name: {patience: fmean(epochs) for patience, epochs in by.items()} for name, by in found.items() if name != "teacher"}
    assert means == {name: {patience: pytest.approx(told, abs=0.1) for patience, told in by.items()} for name, by in USUAL_EPOCHS.items()}


def test_it_is_of_the_present_defaults_or_of_what_its_suite_pins(folder: Path) -> None:
    """Whoever changes a default makes the board anew, or pins the former one in its suite: its rows are of what the files say. Of a tuned
    row that is said of what its cell does not search.
    """
    suite = read_suite(folder.name)
    pinned = suite.options.get("methods", {})
    for record in finals(folder):
        trial = in_todays_words(record.trial)
        cell = trial.cell
        searched = set(space(cell)) if suite.trials > 1 else set()
        assert dict(cell.method_options) == dict(pinned.get(cell.method, {})), record.trial_id
        method = to_dict(plugins.make("methods", cell.method, dict(cell.method_options)))
        assert _fixed("method", trial.method, searched) == _fixed("method", method, searched), record.trial_id
        if cell.backbone != NO_BACKBONE:
            backbone = to_dict(plugins.make("backbones", cell.backbone, {**cell.backbone_options, "depth": cell.depth}))
            assert _fixed("backbone", trial.backbone, searched) == _fixed("backbone", backbone, searched), record.trial_id


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if read_suite(folder.name).trials > 1], ids=lambda p: p.name)
def test_a_tuned_row_is_of_one_of_its_draws(folder: Path) -> None:
    """All draws of a tuned cell are there, and its finals have the settings of one of them."""
    suite = read_suite(folder.name)
    drawn: dict[str, dict[int, list[object]]] = defaultdict(dict)
    for record in Store(folder):
        if record.trial.stage == "tune" and record.trial.seed == TUNING_SEEDS[0]:
            drawn[record.trial.cell.key][record.trial.draw] = [
                record.trial.training,
                dict(record.trial.method),
                dict(record.trial.backbone),
            ]
    for record in finals(folder):
        trial = record.trial
        draws = drawn[trial.cell.key]
        assert set(draws) == set(range(suite.trials))
        assert [trial.training, dict(trial.method), dict(trial.backbone)] in draws.values(), record.trial_id


def _fixed(kind: str, settings: Mapping[str, object], searched: set[str]) -> dict[str, object]:
    return {name: value for name, value in settings.items() if f"{kind}.{name}" not in searched}


def test_its_board_can_be_printed(folder: Path) -> None:
    board = leaderboard(Store(folder), None, "table")
    assert "single_embedding" in board
    assert (re.search("the (methods|others) differ in noise", board) is not None) == (folder.name in uneven_boards())
    assert ("noisier than the rest" in board) == (folder.name in loud_boards())


def uneven_boards() -> list[str]:
    """Those of which docs/mathematics.md says that their methods differ in noise."""
    return re.findall(r"`(\w+)`", page("docs/mathematics.md").split("of the reference boards")[2].split(". ")[0])


def loud_boards() -> list[str]:
    """Those of which it says that a method's noise is out of line."""
    return re.findall(r"`(\w+)`", page("docs/mathematics.md").split("of the reference boards")[1].split(". ")[0])


def page(name: str) -> str:
    return (Path(__file__).parents[1] / name).read_text(encoding="utf-8")


def test_the_pages_know_of_it(folder: Path) -> None:
    words = {15: "fifteen", 16: "sixteen", 17: "seventeen", 18: "eighteen", 19: "nineteen", 20: "twenty", 21: "twenty-one"}
    assert f"holds the records of {words[len(FOLDERS)]} suites" in page("README.md")
    assert f"`{folder.name}`" in page("docs/boards.md") + page("docs/roblock.md")
    if any(record.trial.cell.method == "roblock" for record in finals(folder)):
        [line] = re.findall(r"\n- (RoBlock has its present defaults on the boards .*?)\n- ", page("docs/roblock.md"), re.DOTALL)
        assert f"`{folder.name}`" in line
