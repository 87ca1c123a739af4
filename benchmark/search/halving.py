"""Successive halving of a cell's draws: after each rung the better half goes on (Jamieson and Talwalkar, AISTATS 2016).

All draws are trained to the first rung before any goes further, and compared after equally many epochs, by the best validation AUC so far.
So what goes on is a function of the outcomes, whichever worker was first (asynchronous halving, Li et al., MLSys 2020, is not).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.config import TUNING_SEEDS
from benchmark.search.tuner import FINALISTS, Outcome


def better_half(count: int) -> int:
    return -(-count // 2)


def still_in(rungs: Sequence[int], draws: Iterable[Outcome]) -> tuple[list[Outcome], dict[int, int]]:
    """The draws that are not beaten as far as that is known, the best first; and of them those that are to be trained on: draw -> until
    which epoch, 0: to its end. ``draws``: all of the cell, each at its first rung at least.

    A draw that failed for a reason of the machine's is left out. One that is over before a rung (early stopping) stands there with its best
    value, one that diverged before it behind all others. The last one left has won, and is trained no further.
    """
    alive = [o for o in draws if o.status != "failed"]
    for rung in rungs:
        behind = [o.draw for o in alive if o.status == "stopped" and len(o.path) < rung]
        if behind and len(alive) > 1:
            return alive, dict.fromkeys(behind, rung)
        alive.sort(key=lambda o: (-(o.after(rung) or 0.0), o.draw))
        alive = alive[: better_half(len(alive))]
    return alive, {o.draw: 0 for o in alive if o.status == "stopped"} if len(alive) > 1 else {}


def left(rungs: Sequence[int], count: int) -> int:
    """How many of ``count`` draws are left after the last rung."""
    for _ in rungs:
        count = better_half(count)
    return count


def share(rungs: Sequence[int], count: int, whole: float) -> float:
    """Epochs that tuning with ``count`` draws takes, over those of as many whole trainings: the draws, and the repeats of those left.
    ``whole``: epochs of a training that is not stopped.
    """
    total, reached, alive = 0.0, 0.0, count
    for rung in rungs:
        if alive > 1:
            total += alive * (min(rung, whole) - reached)
            reached, alive = min(rung, whole), better_half(alive)
    if alive > 1 or not rungs:
        total += alive * (whole - reached)
    return (total + repeats(alive) * whole) / ((count + repeats(alive)) * whole)


def repeats(finalists: int) -> int:
    """Trainings with the other tuning seeds, of so many draws that are left: of the best few. A single one needs none."""
    return (len(TUNING_SEEDS) - 1) * min(FINALISTS, finalists) if finalists > 1 else 0
