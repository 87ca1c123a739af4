"""The page: its numbers are the board's, what a file named is text on it, it needs nothing else, and its commands repeat its rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from standin_records import record

from benchmark.config import read_suite
from benchmark.records import Record, Store
from benchmark.reporting.colours import COLOURS, GREY, OWN, colour, colours
from benchmark.reporting.leaderboard import render, rows
from benchmark.reporting.page import content, forest, library, report
from benchmark.reporting.page.answer import answer
from benchmark.singular_values import packed, unpacked

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
EVIL = "<script>alert(1)</script>"


@cache
def reference(folder: str) -> list[Record]:
    return list(Store(REFERENCE / folder))


class Read(HTMLParser):
    """What a browser would make of the page: text of table rows, elements, and the content of scripts and of the CSV."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.scripts: list[str] = []
        self.csv = ""
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "wbr":
            return
        self.elements.append((tag, dict(attributes)))
        self.inside = "csv" if dict(attributes).get("id") == "csv" else tag if tag in ("td", "th", "script", "button", "span") else ""
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = "th" if tag == "button" else ""

    def handle_data(self, data: str) -> None:
        if self.inside == "csv":
            self.csv += data
        elif self.inside == "script":
            self.scripts[-1] += data
        elif self.inside in ("td", "th", "button") and self.rows:
            self.rows[-1][-1] += data


@pytest.fixture(autouse=True)
def _without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes seconds to put together, and has tests in a browser."""
    monkeypatch.setattr(report, "script", lambda: "/* Vega */")


def test_the_library_needs_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vl_convert.javascript_bundle", lambda text: f"made {text}")
    for place in (tmp_path / "file", tmp_path / "cache"):
        (tmp_path / "file").touch()
        monkeypatch.setenv("BENCHMARK_CACHE", str(place))
        assert "made window" in library.script()
    assert library.script() == next((tmp_path / "cache").iterdir()).read_text(encoding="utf-8")


def page(records: Iterable[Record]) -> Read:
    return Read(report.page(records, "records", "the suite 1.0"))


def data(read: Read) -> dict[str, Any]:
    [text] = [script for script in read.scripts if script.startswith('{"cells"')]
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("folder", ["frappe_x1r", "collapse"])
def test_every_number_is_the_leaderboards(folder: str) -> None:
    records = Store(REFERENCE / folder)  # with its audit of doses
    read, board = page(records), rows(records)
    shown = [" ".join(" ".join(line).replace("\u00a0", " ").split()) for line in read.rows]
    table = [" ".join(line.split()) for line in render(board, "table").splitlines()]
    ranked = [line for line in table if re.match(r"\d+ [a-z]", line)]
    assert len(ranked) == len(board) == sum(bool(re.match(r"\d+ [a-z]", line)) for line in shown)
    for line, seen in zip(ranked, (line for line in shown if re.match(r"\d+ [a-z]", line)), strict=True):
        words = line.split()
        missing = [word for word in words if word not in seen.split()]
        assert not missing, (line, seen)
    assert read.csv == render(board, "csv")


def test_what_a_file_named_is_text_wherever_it_stands() -> None:
    spectra = {f"spectral/table/{EVIL}/effective_rank_over_gaussian": 0.5, "spectral/layer0/batch/effective_rank": 1.0}
    found = page(
        [
            record(metrics=spectra, notes=(f"column {EVIL}",), cell={"dataset": EVIL}),
            record("broken", auc=None, status="failed", reason=f"KeyError: {EVIL} </script><!-- & \u2028", cell={"dataset": EVIL}),
        ]
    )
    assert [tag for tag, _ in found.elements].count("script") == 3
    known = data(found)
    assert known["fields"] == {EVIL: [EVIL]}
    assert any(EVIL in text for text in known["texts"])


def test_what_stands_between_backticks_is_code_and_still_text() -> None:
    note = f"toy dcnv2 scale 1 depth 3 roblock: `run {EVIL} --renew` and ` alone"
    judged = [record(method, seed, 0.8 + seed / len(method)) for method in ("single_embedding", "ensemble") for seed in range(2)]
    text = report.page([*judged, record("roblock", notes=(note,))], "", "")
    before_script = text[: text.index('id="data"')]
    assert "the intervals of <code>claims</code>" in before_script and EVIL not in before_script
    assert "<code>run &lt;script&gt;alert(1)&lt;/script&gt; --renew</code> and ` alone" in before_script


def test_what_a_model_says_of_itself_is_a_line_a_layer() -> None:
    inner = {"model/layer10/gate_entropy": 0.3, "model/layer2/gate_entropy": 0.2, "model/layer2/hsic": 0.1, "model/criterion": 1.5}
    [line] = content.lines([record(metrics=inner)])
    told = "criterion 1.5\nlayer 2: gate entropy 0.2, hsic 0.1\nlayer 10: gate entropy 0.3"
    assert dict(content.about(line))["the model of itself"] == told


def test_it_needs_nothing_else() -> None:
    found = page([record(), record("roblock", auc=0.9)])
    foreign = [a for tag, a in found.elements if tag in ("link", "iframe", "img") or a.get("src") or a.get("href")]
    assert foreign == [{"rel": "icon", "href": "data:,"}], "an empty icon, so that no browser asks a server for one"
    style = (Path(report.__file__).parent / "page.css").read_text()
    assert "url(" not in style and "@import" not in style


def test_five_hundred_cells_are_less_than_three_megabytes() -> None:
    """The library is .9 of them."""
    size = {f"spectral/table/a_field_{i}/effective_rank_over_gaussian": 0.123456789 + i for i in range(26)}
    size |= {f"spectral/layer{i}/batch/effective_rank{ending}": 0.987654321 for i in range(5) for ending in ("", "_over_gaussian")}
    cost = dict.fromkeys(("flops_per_sample", "parameters_dense", "fit_seconds", "samples_per_second", "peak_memory_mb"), 123456.789)
    curve = tuple({"epoch": float(i), "valid/auc": 0.712345678} for i in range(12))
    fall = {"table": [1 / i for i in range(1, 101)]} | {f"table/a_field_{n}": [0.95**i for i in range(100)] for n in range(26)}
    fall |= {f"layer{n}/{part}batch": [0.93**i for i in range(100)] for n in range(5) for part in ("", "term/")}
    lines = packed(fall, {f"a_field_{n}": 100 for n in range(26)})
    made = []
    for index in range(20):
        for seed in range(5):
            one = record(
                f"some_method_{index}",
                seed,
                0.8123456789 + seed / 1e4,
                metrics=size,
                cost=cost,
                spectra=lines,
                cell={"scale": 1 + index % 4},
            )
            made.append(replace(one, curve=curve, environment={"device": "cpu", "cpu": "a processor", "cores": "2", "threads": "1"}))
    small, large = (len(report.page(found, "", "").encode()) for found in (made[:5], made))
    assert 0.9e6 + small + (large - small) / 19 * 499 < 3e6


def decoded(known: dict[str, Any], cell: dict[str, Any]) -> dict[str, list[float]]:
    """Matrix -> σ_i/σ_1 at its places, from the signs of a row."""
    told, (place, signs) = known["spectra"], cell["sigma"]
    found, left = {}, iter(signs)
    for name, size in zip(known["matrices"][cell["dataset"]], told["counts"][place], strict=True):
        level, values = 0, [1.0] if size else []
        for _ in told["positions"].get(str(size), [])[1:]:
            while (sign := told["signs"].index(next(left))) == 63:
                level += 63
            level += sign
            values.append(10 ** (-told["step"] * level))
        found[name] = values
    assert not [*left]
    return found


def test_singular_values_are_the_mean_of_the_records_within_a_pixel() -> None:
    """A step of the code is a hundredth of a decade; half of one, 1.2 %, may be lost."""
    fall = {
        f"table/{EVIL}": [1, 0.5, 0.1],
        "table": [1.0, 0.03, 0.0],
        "layer0/batch": [0.9**i for i in range(40)],
        "layer1/term/batch": [1, 1e-6],
    }
    other = {name: [value**2 for value in values] for name, values in fall.items()}
    seeds = [packed(values, {EVIL: 3}) for values in (fall, other)]
    found = [record(seed=seed, spectra=lines) for seed, lines in enumerate(seeds)]
    known = data(page([*found, record("roblock", spectra=seeds[0], cell={"scale": 4}), record("from_before")]))
    assert known["matrices"] == {"toy": ["all fields", EVIL, "layer 0", "layer 1 term"]}
    cells = {cell["method"]: cell for cell in known["cells"]}
    assert "sigma" not in cells["from_before"] and cells["roblock"]["sigma"][0] == cells["single_embedding"]["sigma"][0]
    for name, matrix in zip(known["matrices"]["toy"], ["table", f"table/{EVIL}", "layer0/batch", "layer1/term/batch"], strict=True):
        both = [unpacked(lines[matrix]).values for lines in seeds]
        wanted = [max((a + b) / 2, 1e-7) for a, b in zip(*both, strict=True)]
        assert decoded(known, cells["single_embedding"])[name] == pytest.approx(wanted, rel=0.012)
        assert decoded(known, cells["roblock"])[name] == pytest.approx([max(a, 1e-7) for a in both[0]], rel=0.012)


def test_only_records_with_singular_values_give_their_page_that_figure() -> None:
    def figures(read: Read) -> set[str | None]:
        return {attributes.get("id") for tag, attributes in read.elements if tag == "section"}

    lines = packed({"table": [1.0, 0.5]}, {})
    assert figures(page([record(), record("roblock", spectra=lines)])) - figures(page([record(), record("roblock")])) == {"sigma"}


def test_only_a_board_of_several_depths_has_auc_against_depth() -> None:
    def has_it(found: list[Record]) -> bool:
        return ("section", "deepening") in {(tag, attributes.get("id")) for tag, attributes in page(found).elements}

    deep = record("roblock", cell={"depth": 8})
    assert has_it([record(), record("roblock"), deep])
    other_width = record("roblock", cell={"depth": 8, "scale": 4})
    lost = record("roblock", auc=None, status="failed", cell={"depth": 8})
    assert not has_it([record(), record("roblock")]) and not has_it([record(), other_width]) and not has_it([record(), lost])


def test_only_what_did_not_finish_has_failed() -> None:
    """What is said of the noise, and notes, are none of it."""
    text = report.page(
        [record(m, seed, 0.8 + seed * gain) for m, gain in (("m", 1e-3), ("single_embedding", 2e-3)) for seed in (0, 1)], "", ""
    )
    failed, notes = text.split("What failed, and why")[1].split("Protocol, notes, machines")
    assert "every cell of toy finished" in failed and "<li>noise: " in notes
    text = report.page([record(), record("broken", auc=None, status="failed", reason="no memory")], "", "")
    assert (
        "<li>failed: broken, dcnv2, scale 1, depth 3: no memory</li>" in text.split("What failed, and why")[1].split("Protocol, notes")[0]
    )


def test_verdicts_come_before_uncorrected_intervals_and_rows_of_one_model_are_no_finding() -> None:
    aucs = {"single_embedding": (0.8, 0.801, 0.802), "same": (0.8, 0.801, 0.802), "far": (0.85, 0.851, 0.852)}
    aucs |= {"low": (0.7992, 0.8002, 0.8011), "noisy": (0.79, 0.811, 0.803)}
    told = answer(content.lines(record(method, seed, auc) for method, values in aucs.items() for seed, auc in enumerate(values)))
    verdicts, intervals = told[1:3]
    assert "1 above" in verdicts and "1 equal (1 of them to the last digit)" in verdicts and "1 undecided" in verdicts
    assert verdicts.endswith("Above: far. Below: low.")
    assert (
        intervals
        == "Of 4 intervals of Δ (95 %; test AUC less single_embedding's), each row's own and uncorrected, 1 above 0 (far), 1 below 0 (low)."
    )


def test_a_condition_is_said_once_for_all_rows_that_have_it() -> None:
    aucs = {"single_embedding": (0.8, 0.801, 0.802), "near": (0.85, 0.851, 0.852), "far": (0.86, 0.861, 0.862)}
    cells: list[dict[str, Any]] = [{"depth": 1}, {"depth": 2}]
    told = answer(
        content.lines(
            record(method, seed, auc, cell=cell) for cell in cells for method, values in aucs.items() for seed, auc in enumerate(values)
        )
    )
    assert told[1].endswith("Above: far, near with dcnv2 · 1× · depth 1; far, near with dcnv2 · 1× · depth 2."), told[1]


def test_the_best_is_the_control_where_a_method_is_the_same_model() -> None:
    level = [record(method, seed, 0.9 + seed / 100, cell={"scale": 1}) for method in ("a", "single_embedding", "b") for seed in (0, 1)]
    worse = [record("c", seed, 0.8 + seed / 100, cell={"scale": 1}) for seed in (0, 1)]
    best, *_ = answer(content.lines([*level, *worse]))
    assert best.startswith("Best mean test AUC: single_embedding with ") and best.endswith("; the same: a, b."), best
    best, *_ = answer(content.lines([*level[2:4], *worse]))
    assert "the same" not in best


def test_the_interval_of_a_verdict_stands_around_the_mean_of_its_own_seeds() -> None:
    """A row that was decided before others has further seeds in Δ, and none of them in the verdict."""
    noise = {"single_embedding": (0, 1, 3, -2, 4, -3, 1, -4), "far": (1, -1, 0, 0, 5, -2, -3, 9), "near": (-1, 2, 1, 0, -2, 1, -4, 3)}
    means = {"single_embedding": 0.8, "far": 0.81, "near": 0.8002}
    looked_at = {"design/max_seeds": 8.0}
    board = content.lines(
        [record(m, seed, means[m] + one / 1e4, metrics=looked_at) for m, values in noise.items() for seed, one in enumerate(values)]
    )
    [line] = [line for line in board if line.row.method == "far"]
    row = line.row
    assert row.verdict == "above" and row.delta_auc_pooled is not None and row.delta_auc_pooled_high is not None
    assert row.delta_pooled_seeds < row.delta_seeds and row.delta_auc != row.delta_auc_pooled
    told = f"Δ {row.delta_auc_pooled:+.5f} ± {row.delta_auc_pooled_high - row.delta_auc_pooled:.5f} with the noise of the cell's methods; "
    assert told in dict(content.about(line))["verdict"]


def test_a_board_without_the_control_has_no_forest_plot() -> None:
    def forests(found: list[Record]) -> int:
        return sum("k-forest" in str(attributes.get("class")) for tag, attributes in page(found).elements if tag in ("th", "td"))

    assert forests([record("a"), record("b")]) == 0
    assert forests([record("a"), record("single_embedding")]) == 3


def test_the_numbers_can_be_scrolled_by_keyboard() -> None:
    [numbers] = [attributes for tag, attributes in page([record()]).elements if tag == "pre" and attributes.get("id") == "csv"]
    assert numbers["tabindex"] == "0" and numbers["aria-label"]


def test_a_folder_without_final_trainings_says_so() -> None:
    with pytest.raises(Exception, match="nothing to report of records"):
        report.page([record(stage="tune")], "records", "")


@pytest.mark.parametrize("folder", ["frappe_x1r", "collapse"])
def test_the_command_of_a_row_is_a_suite_of_its_cell(folder: str, tmp_path: Path) -> None:
    for line in content.lines(reference(folder)):
        shell = content.command(line)
        path = tmp_path / "row.toml"
        path.write_text(shell.split("<<'END'\n")[1].split("\nEND\n")[0])
        suite, cell = read_suite(str(path)), line.group.cell
        assert (suite.datasets, suite.methods, suite.dimension) == ((cell.dataset,), (cell.method,), cell.dimension)
        if line.has_backbone:
            assert (suite.backbones, suite.scales, suite.depths) == ((cell.backbone,), (cell.scale,), (cell.depth,))
        assert dict(suite.training) == dict(cell.training)
        given = {kind: dict(options) for by_kind in suite.options.values() for kind, options in by_kind.items()}
        assert given.get(cell.dataset, {}) == dict(cell.dataset_options)
        assert suite.trials == line.group.budget and suite.seeds == 1 + max(r.trial.seed for r in line.group.records)


def test_the_command_of_a_row_has_any_name_as_it_is(tmp_path: Path) -> None:
    [line] = content.lines([record(cell={"dataset": 'clicks 🛒 "x"', "method_options": {"note": "é🛒"}})])
    path = tmp_path / "row.toml"
    path.write_text(content.command(line).split("<<'END'\n")[1].split("\nEND\n")[0], encoding="utf-8")
    suite = read_suite(str(path))
    assert suite.datasets == ('clicks 🛒 "x"',) and suite.options["methods"][line.row.method] == {"note": "é🛒"}


def test_a_colour_is_of_the_name_alone_and_no_two_methods_on_a_board_share_one() -> None:
    names = [f"m{i}" for i in range(40)]
    for cells in ([*OWN, *names], names[:3], [*names[::-1], "roblock", "roblock:no_hsic"]):
        found = colours(cells)
        coloured = {name: shade for name, shade in found.items() if shade != GREY}
        assert set(found) == set(cells)
        assert all(shade == colour(name) for name, shade in coloured.items())
        assert len(set(coloured.values())) == len(coloured) <= len(COLOURS) + len(OWN) == 8


def test_what_is_in_more_cells_keeps_its_colour() -> None:
    rivals = [name for name in (f"m{i}" for i in range(40)) if colour(name) == COLOURS[0]]
    first, second, *_ = sorted(rivals)
    assert colours([first, second])[first] == COLOURS[0]
    assert colours([first, second, second]) == {first: GREY, second: COLOURS[0]}


def test_the_forest_plots_axis_has_room_for_nine_tenths_and_marks_the_rest() -> None:
    found = [record("single_embedding", seed, 0.8 + seed * 1e-3) for seed in (0, 1)]
    for index in range(20):
        found += [record(f"m{index:02}", seed, 0.8 + seed * 1e-3 + index * 1e-4 + seed * 1e-5) for seed in (0, 1)]
    found += [record("far", seed, 0.2 + seed * 1e-3) for seed in (0, 1)]
    board = {row.method: row for row in rows(found)}
    far = forest.reach(list(board.values()))
    assert far in (0.002, 0.004, 0.01)
    inside, outside = forest.mark(board["m03"], far, "red"), forest.mark(board["far"], far, "red")
    assert "<circle" in inside and "l4 4" not in inside
    assert "<circle" not in outside and f"M{forest.EDGE + 4} " in outside
    assert not forest.mark(board["single_embedding"], far, "red")
