"""What is said of the last layer is of the last one, or nothing."""

from __future__ import annotations

import pytest
from standin_records import record

from benchmark.errors import UserError
from benchmark.records import Record
from benchmark.reporting import plots
from benchmark.reporting.colours import colours
from benchmark.reporting.comparison import compare
from benchmark.reporting.drawing import Look
from benchmark.reporting.groups import groups
from benchmark.reporting.leaderboard import rows
from benchmark.reporting.page.content import lines

METRIC = "spectral/layerlast/batch/effective_rank"


def trained(method: str, seed: int, ranks: dict[int, float], layers: int) -> Record:
    """With ranks of some of its layers, and with another metric of all."""
    found = {f"spectral/layer{n}/rows_averaged": 3.0 for n in range(layers)}
    for n, rank in ranks.items():
        found |= dict.fromkeys((name := f"spectral/layer{n}/batch/effective_rank", f"{name}_over_gaussian"), rank)
    return record(method, seed, 0.8 + seed / 100, metrics=found)


def test_a_lower_layer_does_not_stand_in_for_the_last_one() -> None:
    whole = [trained("single_embedding", seed, {0: 9.0, 1: 8.0, 2: 7.0}, 3) for seed in (0, 1)]
    without = [trained("without", seed, {0: 9.0, 1: 5.0}, 3) for seed in (0, 1)]
    shallow = [trained("shallow", seed, {0: 9.0, 1: 5.0}, 2) for seed in (0, 1)]  # its own last layer is the second
    some = [trained("some", 0, {0: 9.0, 1: 5.0, 2: 4.0}, 3), trained("some", 1, {0: 9.0, 1: 5.0}, 3)]
    found = [*whole, *without, *shallow, *some]
    known = {"single_embedding": 7.0, "without": None, "shallow": 5.0, "some": 4.0}
    assert {row.method: row.effective_rank_last for row in rows(found)} == known
    assert {line.row.method: line.last for line in lines(found)} == known
    figure = plots.auc_against_rank("toy", groups(found), Look(colours=colours([*known])))
    assert figure is not None
    [axis] = figure.axes
    assert sorted(float(bars.lines[0].get_xdata()[0]) for bars in axis.containers) == [4.0, 5.0, 7.0]  # type: ignore[attr-defined]
    told = compare(found, "single_embedding", None, "table", METRIC)
    assert "shallow" in told and "some" in told and "without" not in told
    with pytest.raises(UserError, match="layerlast"):
        compare([trained("single_embedding", 0, {0: 9.0}, 3)], "single_embedding", None, "table", METRIC)
