"""The board on a terminal: it fits, loses no name, keeps its ranks when rows are left out; and its exports."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from standin_records import record

from benchmark import commandline
from benchmark.config import NO_BACKBONE, Training
from benchmark.errors import UserError
from benchmark.record import DOSES
from benchmark.records import Record, Store
from benchmark.reporting.board import View, folded_text
from benchmark.reporting.columns import COLUMNS, KEYS
from benchmark.reporting.export import export
from benchmark.reporting.leaderboard import Selection, render, rows
from benchmark.reporting.tables import PLACE

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(Store(REFERENCE / "frappe_x1r"))


def table(text: str) -> list[str]:
    """The lines of the table, from its head to the last row."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if "method" in line and "AUC" in line) - 2
    return lines[start : next(i for i, line in enumerate(lines) if line.startswith(("left out", "Bayes", "noise", "note", "protocol")))]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_board_fits_the_terminal_and_cuts_no_name(width: int, records: list[Record]) -> None:
    board = rows(records)
    text = render(board, "table", View(width=width))
    assert all(len(line) <= width for line in text.splitlines())
    words = set(text.split())
    assert {row.method for row in board} <= words
    plain = render(board, "table")
    for row in board:  # AUC and Δ are never what is left out
        assert f"{row.test_auc_mean:.5f}" in words
        assert row.delta_auc is None or f"{row.delta_auc:+.5f}" in words
    assert ("dcnv2 · scale 4 · depth 4" in text) is (width < 200)
    assert "logloss" in plain.replace("-\n", "") or "loss" in plain


def test_eighty_columns_have_every_verdict_and_say_what_they_left_out(records: list[Record]) -> None:
    board = rows(records)
    lines = render(board, "table", View(width=80)).splitlines()
    words = {row.rank: {None: "inert" if row.acts is not None and row.acts < 0.01 else "-", "undecided": "open"} for row in board}
    shown = {int(line.split()[0]): line.split()[-1] for line in lines if re.match(r" *\d+  [a-z]", line)}
    for row in board:
        if row.rank is not None and sum(other.rank == row.rank for other in board) == 1:
            assert shown[row.rank] == words[row.rank].get(row.verdict, row.verdict)
    assert set(shown.values()) == {"open", "below", "-"}
    [left] = [line for line in lines if line.startswith("left out at 80 columns: ")]
    assert "acts" in left and "verdict" not in left and any(line.startswith("verdict in short; open: undecided") for line in lines)
    assert "left out" not in render(board, "table") + render(board, "table", View(width=400))


def test_a_note_of_many_cells_stands_once_with_how_many_and_others_as_they_are() -> None:
    cells = [f"cell {number}" for number in range(9)]
    found = [record(f"m{n}", notes=(f"{cell}: odd: why", "toy: of the data")) for n, cell in enumerate(cells)]
    found[0] = record("m0", notes=("cell 0: odd: why", "toy: of the data", "all by itself", "cell 0: rare", "cell 1: rare"))
    notes = [line for line in render(rows(found), "table").splitlines() if line.startswith("note: ")]
    assert notes == [
        "note: of 9 cells, cell 0, cell 1 …: odd: why",
        "note: toy: of the data",
        "note: all by itself",
        "note: cell 0: rare",
        "note: cell 1: rare",
    ]


def test_whose_training_a_row_has_is_said_of_its_cell_where_others_have_their_own() -> None:
    note = "m at scale 1 is single_embedding: one training for both"
    for backbones, words in ((("dnn",), note), (("dnn", "dcnv2"), note.replace("at scale 1", "dnn 1× depth 3"))):
        found = [record("m", cell={"backbone": backbone}, notes=(note,) if backbone == "dnn" else ()) for backbone in backbones]
        assert [line for line in render(rows(found), "table").splitlines() if line.startswith("note: m")] == [f"note: {words}"]


def test_tables_below_a_board_tell_rows_of_one_cell_and_other_settings_apart() -> None:
    measured = {"dose/knockout/transform/auc": 0.1, "model/layer0/gate_entropy": 0.5}
    found = rows([record("m", metrics=measured, cell={"training": {"epochs": epochs}} if epochs else {}) for epochs in (0, 3)])
    for board, heads in ((found, ["depth", "protocol"]), (found[:1], ["depth"])):
        below = render(board, "table", View(details=True)).split("What the models say")[1]
        headers = [line.split() for line in below.splitlines() if line.startswith("method ")]
        assert [names[3 : len(heads) + 3] for names in headers] == [heads] * 2 and len(headers[0]) == len(heads) + 5
        assert sum(row.protocol in below for row in board if row.protocol) == len(board) - 1


def test_sentences_are_folded_and_tables_are_not() -> None:
    table = "name    of a column that is wider than the forty characters of the view"
    text = f"{'word ' * 20}end\n\n{table}\nshort"
    found = folded_text(text, View(width=40)).split("\n")
    assert found[-3:] == ["", table, "short"] and max(map(len, found[:-3])) <= 40
    assert " ".join(" ".join(found[:-3]).split()) == f"{'word ' * 20}end" and folded_text(text, View()) == text


def test_what_columns_are_is_said_of_those_that_are_shown(records: list[Record]) -> None:
    def told(found: list[Record], *columns: str) -> list[str]:
        text = render(rows(found), "table", View(columns=columns)).split("Ranked by")[1]
        return [line.partition(":")[0] for line in text.splitlines()[1:]]

    plain = ["Δ to SE", "IA", "table", "last", "params", "samples/s"]
    assert told([record()]) == plain, "no dose, and nothing that is compared"
    assert told([record("m", s, 0.8 + s / 9, metrics={f"{DOSES}penalty": 0.5}) for s in range(2)]) == [plain[0], "acts", *plain[1:]]
    assert told([r for r in records if r.trial.cell.backbone != NO_BACKBONE])[:2] == ["Δ to SE", "verdict"]
    assert told([record()], "method", "auc") == [] and told([record()], "rank_last", "speed") == ["IA", "last", "samples/s"]


def test_what_rounds_to_zero_has_no_minus() -> None:
    [_, row] = sorted(rows([record(), record("m", auc=0.8 - 1e-7)]), key=lambda row: -(row.test_auc_mean or 0))
    assert "+0.00000" in render([row], "table") and "-0.00000" not in render([row], "table")


def test_a_wider_terminal_shows_no_less(records: list[Record]) -> None:
    board = rows(records)
    numbers = [len(re.findall(r"\d\.\d", render(board, "table", View(width=width)))) for width in (80, 100, 120, 160, 200, 400)]
    assert numbers == sorted(numbers) and numbers[0] < numbers[-1]


def test_rows_are_chosen_and_ranks_stay_the_whole_boards(records: list[Record]) -> None:
    board = rows(records)
    few = Selection(backbones=("xdeepfm",), scales=(4,), top=2).of(board)
    assert [(row.method, row.rank) for row in few] == [
        (row.method, row.rank) for row in board if (row.backbone, row.scale) == ("xdeepfm", 4)
    ][:2]
    assert few[1].rank is not None and few[1].rank > 2
    text, all_of_it = (render(some, "table", whole=board) for some in (few, board))
    assert text.startswith("frappe_x1: 44 of 44 cells finished, tuning trials per cell: 1; 2 of them shown")
    noise = [[line for line in told.splitlines() if line.startswith(("noise: ", "by the strictest"))] for told in (text, all_of_it)]
    assert noise[0] == noise[1] and "over the 36 comparisons" in noise[0][1]
    for wrong in (Selection(backbones=("none_such",)), Selection(scales=(3,))):
        with pytest.raises(UserError, match=r"none_such|3"):
            wrong.of(board)


def test_columns_that_are_asked_for_are_those_that_are_shown(records: list[Record]) -> None:
    text = render(rows(records), "table", View(columns=("method", "flops", "auc"), width=20))
    head = next(line for line in text.splitlines() if "method" in line)
    assert head.split()[:2] == ["method", "FLOPs"] and "Δ" not in text.split("Ranked")[0]


def test_the_flags_name_every_column() -> None:
    assert commandline.COLUMNS == KEYS and set(PLACE) <= set(KEYS)
    assert {c.where for c in COLUMNS} == {"both", "terminal", "asked"}


def made() -> list[Record]:
    found = []
    for method, gain, noise in (("single_embedding", 0.0, 1e-3), ("a_b", 0.02, 1e-3), ("close", 0.0199, 3e-3), ("far", -0.1, 1e-3)):
        for seed in range(3):
            found.append(record(method, seed, 0.8 + gain + seed * noise, cost={"fit_seconds": 2.0, "evaluation_seconds": 0.5}))
    return [*found, record("broken", auc=None, status="failed", reason="why")]


def test_latex_has_the_best_in_bold_and_what_is_level_with_it() -> None:
    text = export(made(), "latex")
    assert text.startswith("% needs") and r"\toprule" in text and text.count(r"\begin") == text.count(r"\end") == 1
    lines = {re.match(r"\\texttt\{(.*?)\}", line)[1]: line for line in text.splitlines() if line.startswith(r"\texttt")}  # type: ignore[index]
    assert set(lines) == {"single\\_embedding", "a\\_b", "close", "far"}
    assert {name for name, line in lines.items() if "textbf" in line} == {"a\\_b", "close"}
    assert r"0.82100 $\pm$ 0.00100" in lines["a\\_b"]  # the board's digits
    assert "0.82100 ± 0.00100" in render(rows(made()), "table")


def test_latex_compares_with_what_is_left_of_unfinished_seeds_nothing() -> None:
    lost = [record("lost", 0, 0.99), *(record("lost", seed, None, status="diverged") for seed in (1, 2))]
    alone = record("lost", 0, 0.99, cell={"scale": 4}), record("lost", 1, None, cell={"scale": 4}, status="failed")
    text = export([*made(), *lost, *alone], "latex")
    assert "0.99000 (diverged)" in text and "0.99000 (failed)" in text
    assert text.count("textbf") == 2 and text.replace("0.99000 (diverged)", "").count("0.99000") == 1


def test_latex_says_of_how_many_seeds_its_means_are() -> None:
    without_auc = [record("a_b", seed, None) for seed in (3, 4)]  # on a board they do not count as seeds
    assert "deviation over 3 seeds" in export([*made(), *without_auc], "latex")


def test_latex_of_one_seed_speaks_of_no_deviation_and_no_interval() -> None:
    text = export([r for r in made() if r.trial.seed == 0], "latex")
    assert "% of one seed\n% bold: the best; there is no interval" in text and not re.search("deviation|95", text)


def test_latex_has_no_empty_table() -> None:
    sanity = [record("constant", auc=0.5, cell={"backbone": "none", "depth": 0, "dataset": dataset}) for dataset in ("toy", "other")]
    assert export([*made(), *sanity], "latex").count("tabular}{") == 1
    with pytest.raises(UserError, match="export: no cell with a backbone has finished"):
        export(sanity, "latex")


def test_columns_of_latex_say_what_tells_them_apart() -> None:
    def headings(*records: Record) -> list[str]:
        found = export([*made(), *records], "latex")
        return next(line for line in found.splitlines() if "test AUC" in line).removesuffix(r" \\").split(" & ")[1:]

    place = r"dcnv2 1$\times$, $L=3$"
    assert headings() == [place]
    fewer = record(cell={"training": {"epochs": 3}}, training=Training(epochs=3))
    assert headings(record(budget=8)) == [f"{place}, 1 trial", f"{place}, 8 trials"]
    assert headings(fewer) == [f"{place}, training.epochs=3", place]


def test_bencheval_has_a_line_a_training() -> None:
    without_auc = record("a_b", 3, None)  # on a board it does not count as a seed
    found = list(csv.DictReader(io.StringIO(export([*made(), without_auc], "bencheval"))))
    assert list(found[0]) == ["method", "task", "seed", "metric_error", "time_train_s", "time_infer_s"]
    assert len(found) == 12 and {line["task"] for line in found} == {"toy dcnv2 scale 1 depth 3 1 trial"}
    [line] = [line for line in found if (line["method"], line["seed"]) == ("a_b", "1")]
    assert float(line["metric_error"]) == pytest.approx(1 - 0.821)
    assert (float(line["time_train_s"]), float(line["time_infer_s"])) == (2.0, 0.5)


def test_csv_is_the_boards(records: list[Record]) -> None:
    assert export(made(), "csv", "toy") == render(rows(made()), "csv")
    with pytest.raises(UserError, match="tox"):
        export(made(), "latex", "tox")
    with pytest.raises(UserError, match="no final training"):
        export([record(stage="tune")], "csv")


def test_a_board_of_its_first_rows_counts_all_of_them(records: list[Record]) -> None:
    """As an experiment's description in MLflow has it, which is cut off at some length."""
    whole, few = (render(rows(records), "markdown", view) for view in (View(), View(first=3)))
    assert whole.splitlines()[0] == few.splitlines()[0] and "44 of 44 cells" in few
    assert "- 41 more rows are not shown here" in few and sum(line.startswith("|") for line in few.splitlines()) == 3 + 2


@pytest.mark.parametrize("layers", [3, 8, 40])
def test_details_fit_a_terminal_of_80_columns_with_every_name_and_number(layers: int) -> None:
    """What models say of themselves has a number a layer, and knock-outs two a part; longer than a line, they are folded at blanks."""
    inner = {f"model/layer{n}/{what}": 0.0123 + n / 1e4 for n in range(layers) for what in ("gate_cosine", "leading_over_rms_before")}
    inner |= {f"dose/knockout/{part}/{metric}": 0.00125 for part in ("gates", "rebalancing") for metric in ("auc", "logloss")}
    names = ("roblock:full_projection", "roblock:of_twenty_nine_letters", "single_embedding")
    found = rows([record(name, seed, 0.8, metrics=inner, cell={"backbone": "finalmlp"}) for name in names for seed in (0, 1)])
    text = render(found, "table", View(details=True, width=80))
    assert max(map(len, text.splitlines())) <= 80
    told = text.split("say of themselves")[1].split("Knock-outs")[0]
    for value in inner:
        if value.startswith("model/"):
            assert told.split().count(f"{inner[value]:.3g}") == 2 * len(names), value
    assert all(told.split().count(name) == 2 for name in names)
