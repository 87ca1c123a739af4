"""Singular values as figures for papers: drawn is what the records say, in a method's colour; the heading says of how many seeds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from standin_records import record

from benchmark.records import Record
from benchmark.reporting import plots, views
from benchmark.reporting.colours import colours
from benchmark.reporting.drawing import Look
from benchmark.reporting.page.content import lines
from benchmark.singular_values import packed, positions

EVIL = "<script>alert(1)</script>"
SIZE = 40


def spectra(rate: float, fields: int = 2) -> dict[str, str]:
    """σ_i/σ_1 = rate^(i − 1); of field n with n / 100 more."""
    names = [EVIL, *(f"field {n}" for n in range(1, fields))]
    found = {f"table/{name}": [min(1.0, rate + n / 100) ** i for i in range(SIZE)] for n, name in enumerate(names)}
    found |= {name: [rate**i for i in range(SIZE)] for name in ("table", "layer0/batch", "layer1/batch", "layer1/term/batch")}
    return packed(found, dict.fromkeys(names, SIZE))


def case(fields: int = 2) -> list[Record]:
    found = [record(seed=seed, auc=0.8, spectra=spectra(0.8 + seed / 10, fields)) for seed in (0, 1)]
    found += [record("roblock", seed, 0.81, spectra=spectra(0.95, fields)) for seed in (0, 1)]
    return [*found, record("before", auc=0.7), record("roblock", auc=0.8, spectra=spectra(0.9, fields), cell={"scale": 4})]


def test_a_figure_of_each_cell_with_lines_that_are_the_means_of_seeds() -> None:
    look = Look(colours=colours(["single_embedding", "roblock"]))
    figures = dict(views.singular_values("toy", lines(case()), look))
    assert list(figures) == ["dcnv2-1x-depth3", "dcnv2-4x-depth3"]
    figure = figures["dcnv2-1x-depth3"]
    assert [axis.get_title() for axis in figure.axes] == ["all fields", EVIL, "field 1", "layer 0", "layer 1", "layer 1 term"]
    by_colour = {str(line.get_color()): line for line in figure.axes[0].get_lines()}
    assert set(by_colour) == {look.colour("single_embedding"), look.colour("roblock")}
    drawn = by_colour[look.colour("single_embedding")]
    assert np.asarray(drawn.get_xdata()).tolist() == list(positions(SIZE))
    means = [(0.8 ** (i - 1) + 0.9 ** (i - 1)) / 2 for i in positions(SIZE)]
    assert np.asarray(drawn.get_ydata()).tolist() == pytest.approx(means, rel=5e-3)
    heading = str(figure.get_suptitle()).replace("\u00a0", " ")
    assert "toy: singular values, dcnv2 · 1× · depth 3" in heading and "lines: σ_i/σ_1, mean over n = 2 seeds" in heading
    assert "not in the records of before" in heading
    alone = str(figures["dcnv2-4x-depth3"].get_suptitle())
    assert "of one seed" in alone and "before" not in alone


def test_rows_of_panels_are_as_long_as_each_other() -> None:
    """Fourteen panels, six of which have room: not six, six and two."""
    [(_, figure)] = views.singular_values("toy", lines([record(spectra=spectra(0.8, 10))]), Look(colours={}))
    place = figure.axes[0].get_subplotspec()
    assert place is not None and place.get_geometry()[:2] == (3, 5) and len(figure.axes) == 14


def test_cells_stand_by_size() -> None:
    """As text, 10 would stand before 2."""
    board = lines(record(seed=0, spectra=spectra(0.8), cell={"scale": scale}) for scale in (10, 2, 1))
    look = Look(colours={})
    assert [name for name, _ in views.singular_values("toy", board, look)] == [f"dcnv2-{scale}x-depth3" for scale in (1, 2, 10)]
    ranks = {"spectral/table/f/effective_rank_over_gaussian": 0.5}
    figure = views.spectra("toy", lines(record(metrics=ranks, cell={"scale": scale}) for scale in (10, 2, 1)), look)
    assert figure is not None
    places = [text.get_text() for text in figure.axes[0].get_yticklabels() if "×" in text.get_text()]
    assert places == [f"dcnv2 · {scale}× · depth 3" for scale in (1, 2, 10)]


def test_of_many_fields_those_that_fall_fastest_are_shown_in_their_order_and_the_heading_says_so() -> None:
    [(_, figure)] = views.singular_values("toy", lines([record(spectra=spectra(0.5, 20))]), Look(colours={}))
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[1 : 1 + views.FIELDS] == [EVIL, *(f"field {n}" for n in range(1, views.FIELDS))] and titles[1 + views.FIELDS] == "layer 0"
    assert f"{views.FIELDS} of 20 fields" in str(figure.get_suptitle())


def test_files_for_a_paper_s_column_are_text_that_can_be_read_and_the_same_each_time(tmp_path: Path) -> None:
    records = [r for r in case() if r.trial.cell.scale == 1]
    for folder in ("one", "two"):
        paths = plots.figures(records, tmp_path / folder, ("svg",), "column", only=("singular-values",))
        assert [path.name for path in paths] == ["toy-singular-values-dcnv2-1x-depth3.svg"]
    text = paths[0].read_text(encoding="utf-8")
    assert text == (tmp_path / "one" / paths[0].name).read_text(encoding="utf-8")
    assert "<script" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "n = 2 seeds" in text
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:bold )?([\d.]+)px", text)]
    assert sizes and min(sizes) >= 5.9  # points as printed
    [inches] = re.findall(r'<svg[^>]* width="([\d.]+)pt"', text)
    assert float(inches) / 72 == pytest.approx(3.35)


def test_records_from_before_have_no_such_figure(tmp_path: Path) -> None:
    assert not plots.figures([record(), record("roblock")], tmp_path, only=("singular-values",))
