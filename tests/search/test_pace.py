"""How long a run still takes: where later cells are wider and deeper, the mean of the trainings so far says too little."""

from __future__ import annotations

import dataclasses
import math
import random
import re
from collections.abc import Iterator

import pytest

from benchmark.config import NO_BACKBONE, Cell, Stage, Training, Trial
from benchmark.record import Record
from benchmark.search.pace import Pace
from benchmark.search.twins import twin_of
from benchmark.training.environment import WENT_ON

SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def cell(method: str = "single_embedding", backbone: str = "dnn", scale: int = 4, depth: int = 1) -> Cell:
    return Cell(dataset="d", data="f", backbone=backbone, method=method, scale=scale, depth=depth)


def trial(of: Cell, seed: int = 0, stage: Stage = "final") -> Trial:
    return Trial(cell=of, stage=stage, training=Training(), backbone={}, method={}, seed=seed, budget=1)


def record(of: Trial, seconds: float) -> Record:
    return Record(trial=of, status="finished", cost={"wall_seconds": seconds})


def told(words: str) -> tuple[float, float, float]:
    """(least, middle, most) in seconds."""
    match = re.fullmatch(r"([\d.]+) (s|min|h) left \(([\d.]+) to ([\d.]+)\)", words)
    assert match is not None, words
    middle, low, high = (float(match[place]) * SECONDS[match[2]] for place in (1, 3, 4))
    return low, middle, high


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(pace: Pace, clock: Clock, of: Trial, seconds: float) -> Record:
    pace.started(of)
    clock.now += seconds
    done = record(of, seconds)
    pace.finished(done)
    return done


def test_trainings_that_are_alike_take_what_they_took() -> None:
    clock = Clock()
    pace = Pace(clock)
    for seed, seconds in enumerate((9.0, 10.0, 11.0, 10.0, 9.5, 10.5)):
        said = pace.left(lambda: [(cell(), "final", 7)])
        assert (said == "") == (seed < 3), "with three there is something to go by"
        run(pace, clock, trial(cell(), seed), seconds)
    low, middle, high = told(pace.left(lambda: [(cell(), "final", 7)]))
    assert middle == pytest.approx(70, abs=4) and low < 66 and 74 < high < 140
    clock.now += 10
    assert pace.left(lambda: [(cell(), "final", 0)]) == ""


def test_two_at_a_time_take_half_and_what_has_run_is_not_to_come() -> None:
    clock = Clock()
    pace = Pace(clock)
    for seed in range(0, 40, 2):
        pace.started(trial(cell(), seed))
        pace.started(trial(cell(), seed + 1))
        clock.now += 10
        for one in (seed, seed + 1):
            pace.finished(record(trial(cell(), one), 10.0))
    _, middle, _ = told(pace.left(lambda: [(cell(), "final", 8)]))
    assert middle == pytest.approx(40, abs=1)
    pace.started(trial(cell(), 98))
    pace.started(trial(cell(), 99))
    clock.now += 5
    _, middle, _ = told(pace.left(lambda: [(cell(), "final", 8)]))
    assert middle == pytest.approx(35, abs=1)
    clock.now += 5
    _, middle, _ = told(pace.left(lambda: [(cell(depth=4), "final", 1), (cell(), "final", 2)]))
    assert middle > 20, "the one long training left is not divided among workers"


def board(rng: random.Random) -> list[tuple[Trial, float]]:
    """From the small to the large, as a suite's cells are trained; what a cell takes is no exact product of its parts."""
    methods = {"single_embedding": 1.0, "multi_embedding": 1.6, "roblock": 4.0}
    backbones = {"dnn": 1.0, "xdeepfm": 2.5}
    exponents = {name: rng.gauss(0.8, 0.2) for name in (*methods, *backbones)}
    found = []
    for backbone, by in backbones.items():
        for depth in (1, 2, 4, 8):
            for method, times in methods.items():
                usual = 20 * by * times * depth ** ((exponents[method] + exponents[backbone]) / 2) * math.exp(rng.gauss(0, 0.15))
                for seed in range(3):
                    found.append((trial(cell(method, backbone, depth=depth), seed), usual * math.exp(rng.gauss(0, 0.2))))
    return found


def shares(rng: random.Random) -> Iterator[tuple[float, float, float, float]]:
    """After each third training of a board: (least, middle, most) and the mean of those so far, of what truly is left."""
    clock = Clock()
    pace = Pace(clock)
    of = board(rng)
    for place, (one, seconds) in enumerate(of):
        run(pace, clock, one, seconds)
        rest = of[place + 1 :]
        truth = sum(seconds for _, seconds in rest)
        if place % 3 == 2 and len(rest) > 6:
            clock.now += 10  # a look at all of it is taken every few seconds only
            low, middle, high = told(pace.left(lambda rest=rest: [(ahead.cell, "final", 1) for ahead, _ in rest]))  # type: ignore[misc]
            mean = clock.now / (place + 1) * len(rest)
            yield low / truth, middle / truth, high / truth, mean / truth


def test_what_is_wider_and_deeper_is_known_to_take_longer() -> None:
    rng = random.Random(0)
    found = [share for _ in range(20) for share in shares(rng)]
    ours = [abs(math.log(middle)) for _, middle, _, _ in found]
    means = [abs(math.log(mean)) for _, _, _, mean in found]
    assert sum(ours) < 0.6 * sum(means), (sum(ours) / len(ours), sum(means) / len(means))
    assert sum(low <= 1 <= high for low, _, high, _ in found) > 0.85 * len(found)


def test_what_tells_nothing_of_time_is_not_counted() -> None:
    clock = Clock()
    pace = Pace(clock)
    done = [run(pace, clock, trial(cell(), seed), 10.0) for seed in range(8)]
    before = told(pace.left(lambda: [(cell(), "final", 4)]))
    other = trial(cell("multi_embedding"))
    pace.finished(twin_of(done[0], other))
    pace.finished(dataclasses.replace(record(other, 500.0), status="failed"))
    pace.finished(dataclasses.replace(record(other, 500.0), environment={WENT_ON: "3"}))
    pace.finished(dataclasses.replace(record(other, 500.0), cost={}))
    clock.now += 10
    assert told(pace.left(lambda: [(cell(), "final", 4)])) == before


def test_sanity_rows_do_not_make_the_others_seem_short() -> None:
    clock = Clock()
    pace = Pace(clock)
    for name in ("constant", "logistic_regression"):
        for seed in range(3):
            run(pace, clock, trial(cell(name, NO_BACKBONE, 1, 0), seed), 0.2)
    for seed in range(4):
        run(pace, clock, trial(cell(), seed), 100.0)
    clock.now += 10
    _, middle, _ = told(pace.left(lambda: [(cell(), "final", 4)]))
    assert middle == pytest.approx(400, rel=0.2)
