"""What recorded boards can decide: the noise of a cell by an independent fit, seeds and differences by statsmodels' power."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from standin_records import record
from statsmodels.stats.power import TTestPower

from benchmark.__main__ import main
from benchmark.errors import UserError
from benchmark.metrics.power import MOST, difference_to_tell
from benchmark.records import Record, Store
from benchmark.reporting.decidable import decidable, decidable_in, table
from benchmark.reporting.decidable_plot import PUBLISHED, decidable_figure
from benchmark.reporting.documents import drawn, written
from benchmark.reporting.leaderboard import rows

METHODS = ("single_embedding", "multi_embedding", "roblock")
REFERENCE = Path(__file__).parents[2] / "results/reference"


def noisy(sd: float, seconds: float = 36.0, seeds: int = 4, **cell: Any) -> list[Record]:
    """A cell of three methods; ``sd``: of a training."""
    chance = random.Random(1)
    return [
        record(method, seed, 0.7 + seed / 100 + place / 50 + chance.gauss(0, sd), cell=cell, cost={"wall_seconds": seconds})
        for place, method in enumerate(METHODS)
        for seed in range(seeds)
    ]


def test_noise_is_that_of_the_two_way_model_and_seeds_are_those_of_a_t_test() -> None:
    board = noisy(0.001)
    [found] = decidable({"mine": board}, 0.001)
    columns = {"y": [r.metrics["test/auc"] for r in board], "m": [r.trial.cell.method for r in board], "s": [r.trial.seed for r in board]}
    fitted = smf.ols("y ~ C(m) + C(s)", pd.DataFrame(columns)).fit()
    assert found.sd == pytest.approx((2 * fitted.scale) ** 0.5, rel=1e-9) and found.df == fitted.df_resid == 6
    needed = TTestPower().solve_power(effect_size=0.001 / found.sd, alpha=0.05, power=0.8)
    assert found.seeds == int(np.ceil(needed))
    assert (found.board, found.cell, found.seconds) == ("mine", "dcnv2 1× depth 3", 36)
    assert found.hours == pytest.approx(2 * found.seeds * 36 / 3600)


def test_of_a_control_out_of_line_it_is_the_noise_of_the_pairs_that_rows_are_judged_by() -> None:
    """The noise of the other methods is that of no comparison there."""
    chance = np.random.default_rng(0)
    auc = {name: chance.normal(0.8, 1e-4, 6) for name in ("m", "n", "o")} | {"single_embedding": 0.8 + np.array([1, -1, 1, 0, -2, 1]) / 100}
    board = [record(name, seed, float(value)) for name, values in auc.items() for seed, value in enumerate(values)]
    [found] = decidable({"mine": board}, 0.001)
    judged = {row.method: row for row in rows(board) if row.verdict}
    assert {row.own_noise for row in judged.values()} == {True} and len(judged) == 3
    pairs = {name: auc[name] - auc["single_embedding"] for name in judged}
    assert found.sd == pytest.approx(np.mean([np.var(differences, ddof=1) for differences in pairs.values()]) ** 0.5) and found.df == 5


def test_rows_that_verdicts_do_not_count_are_no_part_of_the_noise() -> None:
    """Of seeds that the control has not, as the board leaves them out."""
    board = noisy(0.001)
    others = [record(name, 10 + seed, 0.7 + (seed * place % 3) / 50) for place, name in enumerate("xyz", 1) for seed in range(4)]
    [alone], [found] = decidable({"mine": board}, 0.001), decidable({"mine": [*board, *others]}, 0.001)
    assert (found.df, found.sd) == (alone.df, alone.sd)
    assert {row.delta_df for row in rows([*board, *others]) if row.verdict} == {found.df}


@pytest.mark.parametrize("n", [3, 5, 10, 200])
def test_the_difference_that_n_seeds_show_is_the_one_with_that_power(n: int) -> None:
    effect = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    assert difference_to_tell(0.0007, n) == pytest.approx(0.0007 * effect, rel=1e-5)


def test_of_one_seed_nothing_is_seen() -> None:
    assert difference_to_tell(0.001, 1) == float("inf")


def test_cells_come_by_their_hours_and_only_those_that_have_a_noise() -> None:
    boards = {
        "slow": noisy(0.0005, 500),
        "two": [*noisy(0.0005, 5, dataset="a"), *noisy(0.0005, 50, dataset="b")],
        "alone": [record("single_embedding", seed, 0.7 + seed / 1000) for seed in range(3)],
        "one seed": noisy(0.001, seeds=1),
        "without control": noisy(0.001)[4:],
        "failed": [*noisy(0.001)[:4], *(record("roblock", seed, None, status="failed") for seed in range(4))],
        "loud": noisy(5.0),
        "untimed": [record(r.trial.cell.method, r.trial.seed, r.metrics["test/auc"], cell={"scale": 4}) for r in noisy(0.0005)],
    }
    found = decidable(boards, 0.001)
    assert [cell.board for cell in found] == ["two a", "two b", "slow", "loud", "untimed"]
    assert [cell.hours is None for cell in found] == [False, False, False, True, True] and found[3].seeds == MOST


def test_cells_of_one_size_are_told_apart_by_their_settings() -> None:
    found = decidable({"mine": [*noisy(0.001), *noisy(0.002, training={"precision": "bf16"})]}, 0.001)
    assert {cell.cell for cell in found} == {"dcnv2 1× depth 3", 'dcnv2 1× depth 3 training.precision="bf16"'}
    of_boards = decidable({"mine": [*noisy(0.001), *noisy(0.002, dataset="b", training={"precision": "bf16"})]}, 0.001)
    assert [(cell.board, cell.cell) for cell in of_boards] == [("mine toy", "dcnv2 1× depth 3"), ("mine b", "dcnv2 1× depth 3")]


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_it_fits_the_terminal_and_says_what_it_leaves_out(width: int) -> None:
    text = table(decidable_in([REFERENCE / "frappe_x1r", REFERENCE / "teacher"], 0.0005), 0.0005, width)
    assert max(map(len, text.splitlines())) <= width
    assert ("left out at" in text) == (width < 160) and "dcnv2 4× depth 4" in text and "0.0005" in text


def test_the_command_and_a_document_print_the_same(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    command = "power results/reference/teacher results/reference/frappe_x1r --difference 0.001"
    monkeypatch.chdir(REFERENCE.parents[1])
    monkeypatch.setenv("COLUMNS", "100")
    assert main(command.split()) == 0
    printed = capsys.readouterr().out
    assert printed.strip() in written(f"<!-- benchmark: {command} -->\n<!-- end -->\n", "mine.md", Path())
    with pytest.raises(UserError, match=r"mine\.md: power --boards 2: only"):
        written("<!-- benchmark: power --boards 2 -->\n<!-- end -->\n", "mine.md", Path())


def test_folders_that_say_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", str(tmp_path / "none")]) == 2 and "none" in capsys.readouterr().err
    (tmp_path / "alone").mkdir()
    store = Store(tmp_path / "alone")
    store.folder.mkdir(exist_ok=True)
    some = next(path for path in (REFERENCE / "teacher/records").iterdir() if path.suffix == ".json")
    shutil.copy(some, store.folder)
    assert main(["power", str(tmp_path / "alone")]) == 2
    said = capsys.readouterr().err
    what = "no cell in which single_embedding and another method have finished with two seeds or more, and left a noise"
    assert f"{what}; inert rows do not count" in said
    assert "Traceback" not in said


def test_the_figure_has_a_mark_for_each_cell_whose_hours_are_known() -> None:
    found = decidable({"mine": [*noisy(0.001, 72), *noisy(0.0001, 36, backbone="dnn", dataset="b")]}, 0.001)
    figure = decidable_figure(found)
    [axis] = figure.axes
    marks = {line.get_marker(): np.asarray(line.get_xydata())[0].tolist() for line in axis.lines}
    seen = {cell.backbone: difference_to_tell(cell.sd, 5) for cell in found}
    assert marks == {"s": pytest.approx([0.1, seen["dnn"]]), "o": pytest.approx([0.2, seen["dcnv2"]])}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["b", "toy", "dcnv2", "dnn"]
    assert len({line.get_color() for line in axis.lines}) == 2 and PUBLISHED[0] < PUBLISHED[1]
    with pytest.raises(UserError, match="no record says how long it took"):
        decidable_figure([replace(cell, seconds=None) for cell in found])


def test_the_figure_of_a_document_is_that_of_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.svg"
    assert main(["power", str(REFERENCE / "teacher"), "--figure", str(file)]) == 0
    assert f"figure: {file}" in capsys.readouterr().out
    marker = f"<!-- benchmark: power {REFERENCE / 'teacher'} | figure -->\n<!-- end -->\n"
    assert drawn(marker, "mine.md", Path()) == {"images/power.svg": file.read_bytes()}
    assert "images/power.svg" in written(marker, "mine.md", Path())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["power", "--figure", "a.svg"], "--figure draws recorded boards; name results folders"),
        (["power", str(REFERENCE / "teacher"), "--sd", "0.001"], "--sd is of boards that are drawn, and results folders are recorded"),
        (["power", str(REFERENCE / "teacher"), "--figure", "a.gif"], "name a file that ends in .svg, .png, .pdf"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize("board", ["flights_l2", "flights_reset", "frappe_x1r", "teacher_growth"])
def test_it_is_the_noise_that_the_board_s_verdicts_take(board: str) -> None:
    """Of rows that are not judged by their own pairs, and whose seeds nobody looked at one by one: those with their cell's noise."""
    found = {round(cell.sd, 12) for cell in decidable({board: Store(REFERENCE / board)}, 0.001)}
    judged = {round(row.delta_sd, 12) for row in rows(Store(REFERENCE / board)) if row.delta_sd is not None and not row.own_noise}
    assert found == judged
