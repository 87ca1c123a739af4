"""Numbers and what they count: one of a thing is not several, and a figure's n is of what it shows."""

from __future__ import annotations

import re

import pytest
from matplotlib.figure import Figure
from standin_records import record

from benchmark.records import Record
from benchmark.reporting import plots, views
from benchmark.reporting.board import View
from benchmark.reporting.colours import colours
from benchmark.reporting.comparison import compare
from benchmark.reporting.drawing import Look
from benchmark.reporting.export import export
from benchmark.reporting.groups import groups
from benchmark.reporting.leaderboard import render, rows
from benchmark.reporting.page.answer import answer
from benchmark.reporting.page.content import lines
from benchmark.reporting.text import counted
from benchmark.reporting.two_folders import compare_folders

SEVERAL_OF_ONE = re.compile(r"(?<![\d.,])1 (?:[a-z]+ )?(?:trials|seeds|pairs|cells|rows|intervals|records|trainings|boards|methods)\b.*")
LOOK = Look(colours=colours(["single_embedding", "a"]))


def text_of(figure: Figure | None) -> str:
    assert figure is not None
    return "\n".join([str(figure.get_suptitle()), *(t.get_text() for axis in figure.axes for t in axis.get_yticklabels())])


def test_one_of_a_thing_is_never_several() -> None:
    """Two rows with one pair of seeds between them, of one trial and of two; and a board of one row."""
    pair = [record("single_embedding"), record("a", auc=0.81)]
    more = [*pair, record("a", budget=2, auc=0.8)]
    alone = [record("single_embedding")]
    told = [render(rows(some), "table", View(first=1)) for some in (alone, pair, more)]
    told += [compare(some, "single_embedding", None, "table") for some in (alone, pair, more)]
    told += [export(more, form) for form in ("latex", "bencheval")]
    told += ["\n".join(answer(lines(some))) for some in (alone, pair, more)]
    told += [compare_folders(alone, pair, ("A", "B"), None, "table", View())]
    told += [text_of(views.forest("toy", lines(some), LOOK)) for some in (pair, more)]
    told += ["\n".join(name for name, _ in plots._series(groups(more), groups(more)))]
    assert [found[0] for text in told for found in SEVERAL_OF_ONE.finditer(text)] == []
    assert "n = 1 pair of seeds" in told[-3] and "a · 1 trial\n" in f"{told[-1]}\n" and "1 more row is not shown" in told[1]
    assert (counted(0, "seed"), counted(1, "seed"), counted(1200, "seed")) == ("0 seeds", "1 seed", "1,200 seeds")


@pytest.mark.parametrize(("known", "said"), [((2, 2), "n = 2 seeds"), ((3, 2), "n = 2 to 3 seeds"), ((3, 3), "n = 3 seeds"), ((1, 1), "")])
def test_the_n_of_a_figure_is_of_the_seeds_that_have_what_it_shows(known: tuple[int, int], said: str) -> None:
    """Three finished seeds each; as many of them have the spectra."""
    board: list[Record] = []
    for method, count in zip(("single_embedding", "a"), known, strict=True):
        for seed in range(3):
            names = ("spectral/layer0/batch/effective_rank", "spectral/layer0/batch/effective_rank_over_gaussian")
            spectra = dict.fromkeys((*names, "spectral/table/information_abundance_over_gaussian"), 0.5 + seed / 10) if seed < count else {}
            board.append(record(method, seed, 0.8 + seed / 100, metrics=spectra))
    found = groups(board)
    for draw in (plots.abundance_against_scale, plots.rank_against_layer):
        title = text_of(draw("toy", found, LOOK))
        assert said in title and (bool(said) or "n =" not in title)
    assert "n = 3 seeds" in text_of(plots.auc_against_scale("toy", found, LOOK))
