"""What tuning promised, and what a fresh seed then gave: the winner's curse. And what tuning never got to see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean

from benchmark.blocks import Block
from benchmark.config import TUNING_SEEDS, Cell, Trial
from benchmark.metrics.statistics import mean_sd
from benchmark.reporting.group import Group, settings_of
from benchmark.reporting.text import counted, trials_of
from benchmark.search.grid import draw_in

Tuned = tuple[str, tuple[str, ...]]  # cell's key, names of its method's settings: a method that has got one since is tuned anew


def _of(trial: Trial) -> Tuned:
    return trial.cell.key, settings_of(trial)


def _drawn(tuning: Iterable[Block]) -> Iterator[tuple[Block, int]]:
    """Each block with the number of its draw, for all of a cell as its first block counts the points of a grid."""
    first: dict[Tuned, Cell] = {}
    for block in tuning:
        trial = block.first.trial
        yield block, draw_in(first.setdefault(_of(trial), trial.cell), trial)


def winners_curse(tuning: Iterable[Block], board: Sequence[Group]) -> dict[int, str]:
    """Budget -> what its note says: the mean over the tuned cells of the best draw's first validation AUC less its mean with fresh seeds.

    The first value was the best of many, so it is too high; the fresh ones were not selected. None of them is a final one.
    tuning: of tuning trials only; likewise in ``draws_lost``.
    """
    found: dict[int, list[float]] = defaultdict(list)
    points: dict[int, set[int | None]] = defaultdict(set)
    tuned: dict[Tuned, dict[tuple[int, int], float]] = defaultdict(dict)  # draw, seed -> validation AUC
    before: set[Tuned] = set()  # those that were tuned with a seed of the finals
    for block, draw in _drawn(tuning):
        trial = block.first.trial
        if block.first.status == "finished" and not block.first.is_shared:  # those of another cell count there
            for seed, auc in block.metrics.of("valid/auc").items():
                tuned[_of(trial)][draw, seed] = auc
                if seed not in TUNING_SEEDS:
                    before.add(_of(trial))
    shared: dict[int, int] = defaultdict(int)
    for group in board:
        cell = group.cell.key, group.names
        draws = {key: value for key, value in tuned[cell].items() if key[0] < group.budget}
        first = {draw: value for (draw, seed), value in draws.items() if seed == TUNING_SEEDS[0]}
        if group.budget > 1 and cell in before and not first:
            shared[group.budget] += 1
        if not first or group.budget == 1:  # of the defaults, which are the first draw of a larger budget, nothing was selected
            continue
        best = min(first, key=lambda draw: (-first[draw], draw))
        fresh = [draws[best, seed] for seed in TUNING_SEEDS[1:] if (best, seed) in draws]
        if fresh:
            found[group.budget].append(first[best] - fmean(fresh))
            points[group.budget].add(group.grid_points)
    said = {budget: _words(values, trials_of(budget, points[budget])) for budget, values in found.items()}
    for budget, cells in shared.items():
        line = (
            f"{cells} cell(s) of {budget} tuning trials were tuned with a seed that is also a final one, whose value is therefore selected"
        )
        said[budget] = f"{said[budget]}; {line}" if budget in said else line
    return said


def draws_lost(tuning: Iterable[Block], board: Sequence[Group]) -> dict[tuple[str, str], tuple[int, str]]:
    """Conditions and row -> how many of its tuning trainings failed for good, and the reason of the first. Without rows that lost none."""
    reasons: dict[Tuned, dict[tuple[int, int], str]] = defaultdict(dict)
    done: dict[Tuned, set[tuple[int, int]]] = defaultdict(set)
    for block, draw in _drawn(tuning):
        trial = block.first.trial
        places = [(draw, seed) for seed in block.seeds]
        if block.first.status == "failed":
            reasons[_of(trial)] |= dict.fromkeys(places, block.first.reason)
        else:
            done[_of(trial)].update(places)
    found = {}
    for group in board:
        cell = group.cell.key, group.names
        lost = sorted(place for place in reasons[cell].keys() - done[cell] if place[0] < group.budget)
        if lost and group.budget > 1:
            found[group.conditions, group.row] = len(lost), reasons[cell][lost[0]]
    return found


def _words(values: Sequence[float], trials: str) -> str:
    mean, sd = mean_sd(values)
    error = "" if sd is None else f" ± {sd / len(values) ** 0.5:.5f} (standard error)"
    return (
        f"winner's curse of {trials} tuning trials: the best draw's first validation AUC less its mean with fresh seeds is "
        f"{mean:+z.5f}{error}, over {counted(len(values), 'tuned cell')}"
    )
