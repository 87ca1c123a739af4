"""What the command ``power`` prints: boards drawn at random, judged by the rules of real ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from tabulate import tabulate

from benchmark.metrics.power import seeds_to_equate, seeds_to_tell
from benchmark.metrics.simulation import Design, simulate
from benchmark.metrics.verdicts import LEVEL
from benchmark.reporting.tables import between
from benchmark.reporting.text import counted
from benchmark.reporting.verdicts import seeds_text

ALIKE = 0.97  # of a method that hardly changes training: the sd of its paired differences is then a quarter of the model's


def power(
    cells: int,
    methods: int,
    max_seeds: int,
    sd: float,
    difference: float,
    delta: float,
    futility: float,
    boards: int,
    seed: int,
    width: int | None = None,
) -> Iterator[str]:
    """Texts, as they are ready. ``sd`` is of a paired difference, ``difference`` and ``delta`` are in AUC, ``futility`` is a chance,
    ``width`` is the terminal's, in characters.
    """
    rows = cells * methods
    yield (
        f"{counted(boards, 'board')} of {counted(cells, 'cell')} with {counted(methods, 'method')} and a control each: "
        f"{counted(rows, 'comparison')}, up to {counted(max_seeds, 'seed')}, "
        f"sd of a paired difference {sd:g}, δ = {delta:g}, level {LEVEL:g} for a board"
    )
    one = (difference, *[0.0] * (methods - 1))
    none = (0.0,) * methods
    truths: list[tuple[str, tuple[float, ...], dict[str, float]]] = [
        ("no method differs", none, {}),
        (f"one method of each cell is {difference:g} above", one, {}),
        ("every method is δ above", (delta,) * methods, {}),
        ("no method differs, one has twice the noise", none, {"sd_ratio": 2.0}),
        ("no method differs, one has ten times the noise", none, {"sd_ratio": 10.0}),
    ]
    if methods > 1:
        shares = {"alike": ALIKE}
        truths += [
            (f"the first is {difference:g} above, the last has ten times the noise", one, {"sd_ratio": 10.0}),
            ("no method differs, half share the control's noise", none, shares),
            (f"the first is {difference:g} above, half share the control's noise", one, shares),
        ]
    designs: dict[str, dict[str, Any]] = {
        counted(max_seeds, "seed"): {},
        "until decided": {"sequential": True},
        f"and futility {futility:g}": {"sequential": True, "futility": futility},
    }
    table = []
    for truth, differences, broken in truths:
        board = Design(cells=cells, differences=differences, seeds=max_seeds, sd=sd, sequential=False, delta=delta, **broken)
        for name, looked in designs.items():
            found = simulate(dataclasses.replace(board, **looked), boards, seed)
            chances = (found.false_differences(), found.false_equalities(), found.told(), found.equated())
            shown = ["-" if share != share else f"{100 * share:.2f}" for share in chances]  # NaN: no such row
            table.append([truth, name, *shown, f"{found.trainings():.1f}"])
    headers = [
        "truth",
        "design",
        "wrong\ndifference\n% boards",
        "wrong\nequality\n% boards",
        "seen\n% rows",
        "equal\n% rows",
        "trainings\na board",
    ]
    sides = ["left"] * 2 + ["right"] * 5
    made = tabulate(table, headers=headers, disable_numparse=True, colalign=sides)
    if width is not None and max(map(len, made.splitlines())) > width:
        narrow = tabulate([line[1:] for line in table], headers=headers[1:], disable_numparse=True, colalign=sides[1:]).splitlines()
        made = "\n".join([*narrow[: -len(table)], *between([line[0] for line in table], narrow[-len(table) :])])
    yield f"\n{made}"
    yield (
        "\nwrong difference: at least one row of a board is said to be above or below that is not."
        "\nwrong equality: at least one is said to be within ±δ that is not."
        "\nseen: rows with a difference that are said to have it; equal: rows without one that are said to be within ±δ."
        "\nThe truths with more or with shared noise break the model: one noise for all methods of a cell, but for those far out of line,"
        f"\nand independent of the control's. Shared is a correlation of {ALIKE:g} with it, as of a light penalty."
    )
    degrees = methods
    lines = []
    for shift in (0.001, 0.0005, 0.0003):
        needed = seeds_to_tell(shift, sd), seeds_to_tell(shift, sd, LEVEL / rows), seeds_to_tell(shift, sd, LEVEL / rows, degrees)
        lines.append([f"{shift:g}", *map(seeds_text, needed)])
    headers = ["difference", "one comparison", f"the first of {rows}", "the first, pooled"]
    yield "\nSeeds that show a difference with power .8 (noncentral t)\n\n" + tabulate(lines, headers=headers, disable_numparse=True)
    equal = [seeds_text(n) for n in (seeds_to_equate(0, delta, sd), seeds_to_equate(0, delta, sd, LEVEL / rows, degrees))]
    yield f"\nSeeds that show no difference to be within ±{delta:g} with power .8: {equal[0]}; the first of {rows}, pooled, {equal[1]}"
