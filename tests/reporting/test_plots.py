"""Figures: what is drawn, that colours mean methods everywhere, and that the files can be read."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from standin_records import record

from benchmark.records import Record
from benchmark.reporting import plots, views
from benchmark.reporting.colours import GREY, colour, colours
from benchmark.reporting.drawing import Look
from benchmark.reporting.groups import groups
from benchmark.reporting.page.content import lines
from benchmark.reporting.state_plot import state_by_epoch


def case(methods: tuple[str, ...] = ("single_embedding", "roblock"), seeds: int = 2) -> list[Record]:
    found = [record("constant", cell={"backbone": "none", "depth": 0}, auc=0.5)]
    for place in ("dcnv2", "xdeepfm"):
        for index, method in enumerate(methods):
            for scale in (1, 4):
                for seed in range(seeds):
                    spectra = {f"spectral/layer{i}/batch/effective_rank": 9.0 - i for i in range(3)}
                    spectra |= {f"{name}_over_gaussian": value / 10 - 0.01 * index for name, value in spectra.items()}
                    spectra["spectral/table/information_abundance_over_gaussian"] = 0.9 / scale
                    if place == "dcnv2":
                        spectra["spectral/layer1/term/batch/effective_rank_over_gaussian"] = 0.25
                    cell = {"backbone": place, "scale": scale}
                    found.append(record(method, seed, 0.8 + 0.01 * index * scale + 0.001 * seed, cell=cell, metrics=spectra))
    return found


def look(*methods: str) -> Look:
    return Look(colours=colours(methods))


def _bars(axis: Axes) -> list[ErrorbarContainer]:
    return [container for container in axis.containers if isinstance(container, ErrorbarContainer)]


def drawn(figure: Figure | None) -> dict[str, dict[str, tuple[str, list[float]]]]:
    """Panel title -> series -> colour, values."""
    assert figure is not None
    return {
        axis.get_title(): {
            str(c.get_label()): (str(c.lines[0].get_color()), np.asarray(c.lines[0].get_ydata(), dtype=float).tolist()) for c in _bars(axis)
        }
        for axis in figure.axes
    }


def test_a_method_before_and_after_it_got_a_setting_is_two_lines() -> None:
    records = case()
    after = [replace(r, trial=replace(r.trial, method={"gate_rate": 10.0})) for r in records if r.trial.cell.method == "roblock"]
    board = [group for group in groups([*records, *after]) if group.cell.backbone == "dcnv2" and group.cell.scale == 4]
    figure = plots.rank_against_layer("toy", board, look("single_embedding", "roblock"))
    assert figure is not None
    [axis] = figure.axes
    assert sorted(str(bars.get_label()) for bars in _bars(axis)) == ["roblock", "roblock · before gate_rate", "single_embedding"]
    found = drawn(plots.auc_against_scale("toy", groups([*records, *after]), look("single_embedding", "roblock")))["dcnv2 · depth 3"]
    assert {name: len(values) for name, (_, values) in found.items()} == dict.fromkeys(
        ("roblock", "roblock · before gate_rate", "single_embedding"), 2
    )


def test_one_file_a_data_set_and_view(tmp_path: Path) -> None:
    paths = plots.figures([*case(), record("m", cell={"dataset": "a b"})], tmp_path / "new")
    assert [p.name for p in paths] == [
        "a_b-auc.png",
        "toy-auc.png",
        "toy-width.png",
        "toy-depth.png",
        "toy-terms.png",
        "toy-joint.png",
        "toy-forest.png",
        "toy-spectra.png",
    ]
    for path in paths:
        signature, width, height = struct.unpack(">8s8xII", path.read_bytes()[:24])
        assert signature == b"\x89PNG\r\n\x1a\n"
        assert width >= 1200 and height >= 500


def test_the_state_of_models_is_drawn_by_epoch_without_what_is_only_shifted() -> None:
    def curve(seed: int, entropy: float) -> tuple[dict[str, float], ...]:
        own = {"model/layer0/gate_entropy": entropy, "model/layer0/gate_entropy_moved": entropy - 1, "model/criterion": 2.0 + seed}
        return tuple({"epoch": 1.0 + e, "valid/auc": 0.7} | {name: value + e for name, value in own.items()} for e in range(2 + seed))

    board = groups([replace(record("roblock", seed), curve=curve(seed, 0.5 + 0.2 * seed)) for seed in (0, 1)] + [record("plain")])
    found = drawn(state_by_epoch("toy", board, look("roblock", "plain")))
    assert {title: {name: values for name, (_, values) in series.items()} for title, series in found.items()} == {
        "dcnv2 1× · criterion": {"roblock": [2.5, 3.5]},  # of the two epochs that both seeds have
        "dcnv2 1× · layer 0 gate entropy": {"roblock": [pytest.approx(0.6), pytest.approx(1.6)]},
    }
    assert state_by_epoch("toy", groups([record("plain")]), look("plain")) is None
    deep = groups([replace(record("roblock", cell={"depth": depth}), curve=curve(0, 0.1 * depth)) for depth in (2, 3)])
    assert {title: values["roblock"][1][0] for title, values in drawn(state_by_epoch("toy", deep, look("roblock"))).items()} == {
        "dcnv2 1× depth 2 · criterion": 2.0,
        "dcnv2 1× depth 2 · layer 0 gate entropy": pytest.approx(0.2),
        "dcnv2 1× depth 3 · criterion": 2.0,
        "dcnv2 1× depth 3 · layer 0 gate entropy": pytest.approx(0.3),
    }
    without = groups([replace(record("roblock", 0), curve=curve(0, 0.5)), record("roblock", 1)])
    assert state_by_epoch("toy", without, look("roblock")) is None, "the other seed has no epoch"
    budgets = groups([replace(record("roblock", budget=budget), curve=curve(0, 0.1 * budget)) for budget in (1, 8)])
    found = drawn(state_by_epoch("toy", budgets, look("roblock")))
    assert {name: values[0] for name, (_, values) in found["dcnv2 1× · layer 0 gate entropy"].items()} == {
        "roblock · 1 trial": pytest.approx(0.1),
        "roblock · 8 trials": pytest.approx(0.8),
    }


def test_a_panel_of_one_size_is_left_out_where_others_have_several() -> None:
    deep = [record("roblock", 0, 0.8 + depth / 100, cell={"depth": depth, "scale": 4}) for depth in (2, 8)]
    board = [g for g in groups([*case(), *deep]) if g.cell.backbone != "none"]
    styles = look("roblock", "single_embedding")
    assert set(drawn(plots.auc_against_scale("toy", board, styles))) == {"dcnv2 · depth 3", "xdeepfm · depth 3"}
    depths = drawn(plots.auc_against_depth("toy", board, styles))
    assert set(depths) == {"dcnv2 · scale 4"}
    assert depths["dcnv2 · scale 4"]["roblock"][1] == pytest.approx([0.82, 0.8405, 0.88])
    assert plots.auc_against_depth("toy", [g for g in groups(case()) if g.cell.backbone != "none"], styles) is None


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        ([("dnn", 1, 4), ("dnn", 2, 4), ("dnn", 4, 4), ("dnn", 8, 4)], [4]),  # the depths of one scale beside each other, in their order
        ([("dnn", 1, 4), ("dnn", 10, 4), ("ipnn", 1, 4), ("ipnn", 10, 4)], [2, 2]),  # a row a backbone
        ([("dnn", 1, 1), ("dnn", 1, 4), ("dnn", 2, 1), ("dnn", 2, 4)], [2, 2]),  # scales across where there are several
        ([("dnn", 1, 4), ("dnn", 2, 4), ("dnn", 4, 4), ("ipnn", 1, 4)], [3, 1]),  # no whole grid
        ([("dcnv2", 3, 4), ("dnn", 3, 4), ("ipnn", 3, 4)], [3]),  # nothing but backbones
    ],
)
def test_ranks_of_several_depths_stand_side_by_side_on_one_scale(cells: list[tuple[str, int, int]], rows: list[int]) -> None:
    made = [
        record(cell={"backbone": backbone, "depth": depth, "scale": scale}, metrics=ranks_of(depth)) for backbone, depth, scale in cells
    ]
    figure = plots.rank_against_layer("toy", groups(made), look("single_embedding"))
    assert figure is not None
    assert [axis.get_title() for axis in figure.axes] == [f"{b} · depth {depth} · scale {scale}" for b, depth, scale in cells]
    found = [axis.get_subplotspec() for axis in figure.axes]
    assert [sum(spec is not None and spec.rowspan.start == row for spec in found) for row in range(len(rows))] == rows
    assert len({axis.get_ylim() for axis in figure.axes}) == 1, "ranks are compared between panels"


def ranks_of(depth: int) -> dict[str, float]:
    """Fewer from layer to layer."""
    found = {f"spectral/layer{i}/batch/effective_rank": 9.0 - i for i in range(depth + 1)}
    return found | {f"{name}_over_gaussian": value / 8 for name, value in found.items()}


def test_width_and_terms_show_what_was_measured() -> None:
    board = [g for g in groups(case()) if g.cell.backbone != "none"]
    styles = look("roblock", "single_embedding")
    width, terms = drawn(plots.abundance_against_scale("toy", board, styles)), drawn(plots.rank_of_terms("toy", board, styles))
    assert width["xdeepfm · depth 3"]["roblock"][1] == pytest.approx([0.9, 0.225])
    assert {title for title in terms if terms[title]} == {"dcnv2 · depth 3 · scale 1", "dcnv2 · depth 3 · scale 4"}
    assert terms["dcnv2 · depth 3 · scale 4"]["roblock"][1] == [0.25]


def test_values_are_means_and_colours_are_methods() -> None:
    board = [g for g in groups(case()) if g.cell.backbone != "none"]
    styles = look("roblock", "single_embedding")
    auc, depth = drawn(plots.auc_against_scale("toy", board, styles)), drawn(plots.rank_against_layer("toy", board, styles))
    assert list(auc) == ["dcnv2 · depth 3", "xdeepfm · depth 3"]
    assert list(depth) == [f"{b} · depth 3 · scale {s}" for b in ("dcnv2", "xdeepfm") for s in (1, 4)]
    for panel in auc.values():
        assert panel["single_embedding"][0] == "#000000"
        assert panel["single_embedding"][1] == pytest.approx([0.8005, 0.8005])
        assert panel["roblock"][1] == pytest.approx([0.8105, 0.8405])
    for panel in depth.values():
        assert panel["single_embedding"][1] == pytest.approx([0.9, 0.8, 0.7])
    assert {panel["roblock"][0] for panel in [*auc.values(), *depth.values()]} == {styles.colour("roblock")}


@pytest.mark.parametrize(("seeds", "bars"), [(1, False), (2, True)])
def test_error_bars_need_two_seeds(seeds: int, bars: bool) -> None:
    board = [g for g in groups(case(seeds=seeds)) if g.cell.backbone != "none"]
    figure = plots.auc_against_scale("toy", board, look("roblock"))
    assert figure is not None
    assert all(c.has_yerr is bars for axis in figure.axes for c in _bars(axis))


def test_joint_view_names_the_rank_correlation() -> None:
    """The made-up AUC grows with the index of the method, the rank falls; a preset is no method of its own."""
    five = ("single_embedding", "a", "b", "c", "d")
    for methods, shown in ((five, True), (five[:4], False), ((*five[:4], "a:preset"), False)):
        board = [g for g in groups(case(methods)) if g.cell.backbone != "none"]
        figure = plots.auc_against_rank("toy", board, look(*methods))
        assert figure is not None
        assert all(axis.get_title().endswith(" · ρ = -1.00 at 1× · ρ = -1.00 at 4×") is shown for axis in figure.axes)
        assert all(("ρ" in axis.get_title()) is shown for axis in figure.axes)


@pytest.mark.parametrize("scales", [(1, 4), (4,)])
def test_shapes_are_in_the_legend_as_outlines_where_there_are_several(scales: tuple[int, ...]) -> None:
    """A filled grey one beside the grey of other methods would look like one of them."""
    board = [g for g in groups(case(("single_embedding", "a"))) if g.cell.scale in scales and g.cell.backbone == "dcnv2"]
    figure = plots.auc_against_rank("toy", board, look("single_embedding", "a"))
    assert figure is not None
    [legend] = figure.legends
    hollow = [t.get_text() for t, h in zip(legend.get_texts(), legend.legend_handles, strict=True) if h.get_markerfacecolor() == "none"]  # type: ignore[union-attr]
    assert hollow == ([f"scale {scale}" for scale in scales] if len(scales) > 1 else [])
    assert ("scale 4" in figure.axes[0].get_title()) is (len(scales) == 1)


def test_the_legend_stays_inside_a_narrow_figure() -> None:
    methods = ("single_embedding", *(f"a_method_with_a_long_name_{i}" for i in range(9)))
    records = [r for r in case(methods) if r.trial.cell.backbone == "dcnv2"]
    figure = plots.rank_against_layer("toy", groups(records), look(*methods))
    assert figure is not None
    figure.draw_without_rendering()
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1


def test_unfinished_cells_are_not_drawn(tmp_path: Path) -> None:
    assert plots.figures([record(auc=None, status="diverged")], tmp_path) == []
    assert plots.figures([record("constant", cell={"backbone": "none"})], tmp_path) == []


def test_less_important_methods_are_grey_and_counted() -> None:
    """Eight colours at most in a figure; a colour is the method's own, here as on the page."""
    methods = ("single_embedding", "roblock", *(f"m{i}" for i in range(20)))
    board = [g for g in groups(case(methods)) if g.cell.backbone == "dcnv2"]
    shades = look(*methods)
    figure = plots.rank_against_layer("toy", board, shades)
    assert figure is not None
    seen = {shade for panel in drawn(figure).values() for shade, _ in panel.values()}
    assert GREY in seen and len(seen) <= 9
    [legend] = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    grey = sum(shades.is_grey(method) for method in methods)
    assert len(names) == len(methods) - grey + 1 and names[-1] == f"{grey} others"
    alone = next(method for method in methods if shades.is_grey(method))
    figure = plots.rank_against_layer("toy", [g for g in board if g.cell.method in ("single_embedding", alone)], shades)
    assert figure is not None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["single_embedding", alone], "one alone is named"
    assert all(shades.colour(name) == colour(name) for name in names[:-1])


def test_figures_for_papers_are_text_and_say_what_their_bars_are(tmp_path: Path) -> None:
    small = [r for r in case(("single_embedding", "roblock"), 3) if r.trial.cell.backbone == "dcnv2"]
    records = [replace(r, cost={"flops_per_sample": 1e6 + len(r.trial.cell.method)}) for r in small]
    paths = plots.figures(records, tmp_path, ("svg",), "column")
    found = {p.stem.removeprefix("toy-"): p.read_text(encoding="utf-8") for p in paths}
    assert set(found) == {"auc", "width", "depth", "terms", "joint", "forest", "pareto", "spectra"}
    said = {"forest": "95 % interval, uncorrected, n = 3 pairs of seeds", "pareto": "Pareto front", "spectra": "mean over seeds"}
    for name, text in found.items():
        assert said.get(name, "± 1 sample sd, n = 3 seeds") in text, name
        sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:bold )?([\d.]+)px", text)]
        assert sizes and min(sizes) >= 5.9, name  # points as printed
        [inches] = re.findall(r'<svg[^>]* width="([\d.]+)pt"', text)
        assert float(inches) / 72 == pytest.approx(3.35), name


def test_a_pdf_is_one(tmp_path: Path) -> None:
    [path] = plots.figures([record("a", seed, 0.8) for seed in (0, 1)], tmp_path, ("pdf",))
    assert path.name == "toy-auc.pdf" and path.read_bytes().startswith(b"%PDF")


def test_the_front_is_what_nothing_cheaper_reaches() -> None:
    points = [(3.0, 0.5), (1.0, 0.2), (1.0, 0.3), (2.0, 0.3), (4.0, 0.6), (5.0, 0.1)]
    assert views.front_of(points) == [(1.0, 0.3), (3.0, 0.5), (4.0, 0.6)]


def test_a_title_speaks_of_no_bars_and_no_front_that_are_not_there() -> None:
    """Of single pairs there is no interval, and where the cheapest cell is the best its front is a point."""

    def titles(seeds: int, dear: float) -> list[str]:
        auc = {"single_embedding": 0.8, "roblock": 0.8 + dear}
        found = [record(m, s, auc[m] + s / 50, cost={"flops_per_sample": 1e6 + len(m)}) for m in auc for s in range(seeds)]
        figures = [draw("toy", lines(found), look(*auc)) for draw in (views.forest, views.pareto)]
        return [figure.get_suptitle() for figure in figures if figure is not None]

    told = titles(2, -0.1)
    assert "bars: 95 % interval, uncorrected, n = 2 pairs" in told[0] and "dashed: Pareto front" in told[1]
    told = titles(1, 0.1)
    assert "n = 1 pair of seeds: there is no interval" in told[0] and "bars" not in told[0]
    assert "the cheapest is the best: the Pareto front is one point" in told[1] and "dashed" not in told[1]


def test_the_forest_plots_bars_are_the_boards_intervals() -> None:
    board = lines(case(("single_embedding", "roblock", "a"), seeds=3))
    figure = views.forest("toy", board, look("single_embedding", "roblock", "a"))
    assert figure is not None
    [axis] = figure.axes
    bars = {tuple(np.asarray(line.get_xdata(), dtype=float).tolist()) for line in axis.lines}
    wanted = {(line.row.delta_auc_low, line.row.delta_auc_high) for line in board if line.row.delta_auc is not None}
    assert len(wanted) > 2 and wanted <= bars


def test_rows_of_one_method_have_names_of_their_own() -> None:
    ranks = {"spectral/table/f/effective_rank_over_gaussian": 0.5}
    methods = ("single_embedding", "a")
    board = lines(
        [record(m, s, 0.8 + s / 100 + len(m) / b / 1e3, budget=b, metrics=ranks) for m in methods for s in (0, 1) for b in (1, 8)]
    )
    for draw, others in ((views.forest, []), (views.spectra, ["single_embedding · 1 trial", "single_embedding · 8 trials"])):
        figure = draw("toy", board, look(*methods))
        assert figure is not None
        named = sorted(text.get_text() for text in figure.axes[0].get_yticklabels())
        assert named == sorted(["a · 1 trial", "a · 8 trials", "dcnv2 · 1× · depth 3", *others])


def test_a_bar_that_leaves_the_forest_plots_axis_ends_in_an_arrow() -> None:
    """Twenty rows near 0 make the axis; one lies below all of it, so that nothing else of it is drawn."""
    methods = ("single_embedding", "far", *(f"m{index}" for index in range(20)))
    board = lines([record(m, seed, 0.8 + seed * 1e-3 * (1 + len(m)) - 0.3 * (m == "far")) for m in methods for seed in (0, 1, 2)])
    figure = views.forest("toy", board, look(*methods))
    assert figure is not None
    [axis] = figure.axes
    assert axis.get_xlim()[0] > -0.1
    heads = {(line.get_marker(), float(np.asarray(line.get_xdata()).item())) for line in axis.lines if line.get_marker() in ("<", ">")}
    assert heads == {("<", axis.get_xlim()[0])}


def test_a_mean_a_little_beyond_the_forest_plots_other_bars_is_seen() -> None:
    methods = ("single_embedding", "best", *(f"m{index}" for index in range(20)))
    board = lines([record(m, seed, 0.8 + seed * 1e-4 * len(m) + 0.008 * (m == "best")) for m in methods for seed in (0, 1, 2)])
    figure = views.forest("toy", board, look(*methods))
    assert figure is not None
    (low, high), best = figure.axes[0].get_xlim(), next(line.row.delta_auc for line in board if line.row.method == "best")
    others = [abs(line.row.delta_auc_high or 0) for line in board if line.row.method not in ("best", "single_embedding")]
    assert best is not None and max(others) < best < high == -low


def test_budgets_are_lines_of_their_own() -> None:
    board = groups([record("m", auc=0.8), record("m", auc=0.9, budget=8)])
    assert set(drawn(plots.auc_against_scale("toy", board, look("m")))["dcnv2 · depth 3"]) == {"m · 1 trial", "m · 8 trials"}
