"""What a board knows of each row: above its control, below it, equal within ±δ, or undecided. The model is docs/mathematics.md §5.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from scipy import special

from benchmark.metrics.futility import chance_of_verdict
from benchmark.metrics.looks import looks
from benchmark.metrics.noise import Noise, Pool, Values, cell_noise
from benchmark.metrics.power import MOST, seeds_to_equate, seeds_to_tell
from benchmark.metrics.sequential import sequential_p
from benchmark.metrics.statistics import holm, t_quantile

Verdict = Literal["above", "below", "equal", "undecided"]
Key = tuple[str, str]  # cell, row
LEVEL = 0.05
CONTROLS = ""  # the control's name among a cell's values; see _named


@dataclass(frozen=True)
class Compared:
    """The rows of one cell, and the control that each is compared with."""

    control: Values
    rows: Mapping[str, Values]
    max_seeds: Mapping[str, int] = field(default_factory=dict)  # of the rows that were looked at after every seed up to so many


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One row against its control. Both p are Holm's, over all rows that were judged together; None: no variance is known yet."""

    verdict: Verdict | None
    difference: float | None = None  # mean of the paired ones
    n: int = 0  # pairs
    sd: float | None = None  # of a paired difference: √2 σ of the cell's two-way model, or of the row's own pairs
    own_noise: bool = False  # the latter: it, or its control, is out of line with the rest of the cell
    quiet: bool = False  # the row is, and has less noise, not more
    df: int | None = None  # of sd
    low: float | None = None  # 95 % interval from that sd; not adjusted for the number of rows or looks
    high: float | None = None
    p_difference: float | None = None  # two-sided, of no difference
    p_equal: float | None = None  # of a difference of δ or more
    # About so many until a verdict has power .8, were the difference the one seen; None: not undecided, or power.LARGEST are too few
    more_seeds: int | None = None


NOT_JUDGED = Judgement(verdict=None)


class _Test(NamedTuple):
    above: float  # one-sided p of no difference or one below 0
    below: float
    equal: float


def _same(differences: Sequence[float]) -> bool:
    """Whether a row has its control's numbers: more than one pair, since one may agree by chance."""
    return len(differences) > 1 and not any(differences)


def t_tests(difference: float, se: float, df: int, delta: float) -> _Test:
    """One-sided p for above and below 0, and that of two one-sided tests (Schuirmann, 1987) for within ± ``delta``."""
    if se == 0:  # every pair gives the same: nothing is left to chance
        return _Test(float(difference <= 0), float(difference >= 0), float(abs(difference) >= delta))
    above, below = (float(special.stdtr(df, -sign * difference / se)) for sign in (1, -1))
    equal = max(float(special.stdtr(df, -(delta + sign * difference) / se)) for sign in (1, -1))
    return _Test(above, below, equal)


def judge(cells: Mapping[str, Compared], delta: float, level: float = LEVEL) -> dict[Key, Judgement]:
    """A verdict on every row, Holm's rule over all of them, for differences and for equalities apart.

    A row that was looked at after every seed is looked at again: the looks are gone through from the first on, each with the seeds it had,
    until one for which seeds of it are still to come; its p of the looks before counts beside the others'. So verdicts are a function of
    the values alone, whenever they were made. At its last look the level is spent: seeds beyond it are in no verdict, and in no difference
    that one is about.
    """
    return Looks(cells, delta, level).judgements()


def due(cells: Mapping[str, Compared], delta: float, futility: float = 0.0, level: float = LEVEL) -> dict[Key, int]:
    """Row -> how many seeds it and its control must have for the next look: the first one for which an open row lacks a seed. Of the rows
    those that lack one for it.

    futility: a row gets no more seeds where, at the last look that it has the seeds for, the chance that its last one decides it was
    smaller (metrics/futility.py).
    """
    return Looks(cells, delta, level, futility).due


def futile(cells: Mapping[str, Compared], delta: float, futility: float, level: float = LEVEL) -> set[Key]:
    """The rows that ``due`` gives no more seeds though they are undecided and could have more."""
    found = Looks(cells, delta, level, futility)
    return {key for key in found.futile - found.decided.keys() if found.lacks_seeds(key)}


class Looks:
    """The looks of a board, gone through."""

    def __init__(self, cells: Mapping[str, Compared], delta: float, level: float, futility: float = 0.0) -> None:
        self._cells, self._delta, self._level, self._futility = cells, delta, level, futility
        self._most = {(cell, row): most for cell, c in cells.items() for row, most in c.max_seeds.items() if row in c.rows}
        self._keys = [(cell, row) for cell, c in cells.items() for row in c.rows]
        self._p = {key: _Test(1.0, 1.0, 1.0) for key in self._keys}
        self.decided: dict[Key, Verdict] = {}
        self._at: dict[Key, int] = {}  # row looked at after every seed -> seeds at its latest look
        self._used: dict[Key, int] = {}  # the same, of those that are decided, be it while they wait for a seed
        self.due: dict[Key, int] = {}
        self.futile: set[Key] = set()  # rows that their last look would hardly decide. Their verdicts are those of any row that lacks seeds
        self._noises: dict[tuple[str, int | None, tuple[int | None, ...]], Noise] = {}
        self._paired: dict[tuple[Key, int | None], list[float]] = {}
        fixed = [key for key in self._keys if key not in self._most]
        self._look(fixed, None)
        for n in looks(max(self._most.values(), default=0)):
            wanted = [key for key, most in self._most.items() if key not in self.decided and most >= n]
            lacking = {key: n for key in wanted if not self._has(key, n)}
            self.due = self.due or {key: n for key in lacking if key not in self.futile}
            ready = [key for key in wanted if key not in lacking]
            if not ready:
                break
            self._look(ready, n)
            if self._futility:
                # Of rows that have more seeds, given by other rules or beside other rows, what their last look says counts.
                levels = self._levels()
                unlikely = {key for key in ready if key not in self.decided and self._chance(key, n, levels) < self._futility}
                self.futile = (self.futile - set(ready)) | unlikely

    def lacks_seeds(self, key: Key) -> bool:
        return not self._has(key, self._most[key])

    def _has(self, key: Key, n: int) -> bool:
        cell = self._cells[key[0]]
        return all(seed in cell.rows[key[1]] and seed in cell.control for seed in range(n))

    def _look(self, keys: list[Key], n: int | None) -> None:
        """Test ``keys``, with seeds below ``n``, and decide what Holm's rule lets be decided."""
        pools = {key: self._pool(key, n) for key in keys}
        for key in keys:
            found = self._test(key, pools[key], n)
            self._p[key] = found if n is None else _Test(*map(min, self._p[key], found))
        p_difference, p_equal = self._adjusted()
        for key, p in p_difference.items():
            if p <= self._level and key not in self.decided:
                self.decided[key] = "above" if self._p[key].above < self._p[key].below else "below"
        for key, p in p_equal.items():
            if p <= self._level and key not in self.decided:
                self.decided[key] = "equal"
        if n is not None:
            self._at |= dict.fromkeys(keys, n)
            self._used |= {key: at for key, at in self._at.items() if key in self.decided and key not in self._used}

    def _pool(self, key: Key, n: int | None) -> Pool:
        """The noise of a row's test with seeds below ``n``."""
        return self._noise(key[0], n).between(_named(key[1]), CONTROLS, self._differences(key, n))

    def _noise(self, cell: str, n: int | None) -> Noise:
        """The noise of a cell as the look with seeds below ``n`` has it: of a row that is decided its seeds are those that decided it, of
        one that is tested once they are all that it has. None: now, with all seeds of open rows and of the control.
        """
        rows = self._cells[cell].rows
        seeds = tuple(self._used.get((cell, row), n if (cell, row) in self._most else None) for row in rows)
        if (cell, n, seeds) not in self._noises:
            values = {_named(row): _first(known, most) for (row, known), most in zip(rows.items(), seeds, strict=True)}
            self._noises[cell, n, seeds] = cell_noise({CONTROLS: _first(self._cells[cell].control, n), **values}, CONTROLS)
        return self._noises[cell, n, seeds]

    def _test(self, key: Key, pool: Pool, n: int | None) -> _Test:
        differences = self._differences(key, n)
        if not differences:
            return _Test(1.0, 1.0, 1.0)
        same = _same(differences)
        if not same and not pool.df:
            return _Test(1.0, 1.0, 1.0)
        se = 0.0 if same else (2 * pool.variance / len(differences)) ** 0.5
        found = t_tests(_mean(differences), se, pool.df, self._delta)
        if n is None:
            return found
        return _Test(*(float(p) for p in sequential_p(np.array(found), n, looks(self._most[key]))))

    def _differences(self, key: Key, n: int | None) -> list[float]:
        if (key, n) not in self._paired:
            row, control = self._cells[key[0]].rows[key[1]], self._cells[key[0]].control
            seeds = [seed for seed in sorted(row.keys() & control.keys()) if n is None or seed < n]
            self._paired[key, n] = [row[seed] - control[seed] for seed in seeds]
        return self._paired[key, n]

    def _chance(self, key: Key, n: int, levels: tuple[float, float]) -> float:
        """That the last look decides an open row; 1 where nothing is known of its noise, and at the last look. ``levels``: ``_levels``."""
        pool, at, differences = self._pool(key, n), looks(self._most[key]), self._differences(key, n)
        if not pool.df or not pool.variance or n == at[-1]:
            return 1.0
        sd, (tells, equates) = (2 * pool.variance) ** 0.5, levels
        return float(chance_of_verdict(_mean(differences), sd, pool.df, n, at, tells / 2, equates, self._delta))

    def _levels(self) -> tuple[float, float]:
        """Of Holm's next step, for a difference, two-sided, and for equality."""
        tells, equates = (self._level / max(1, sum(p > self._level for p in found.values())) for found in self._adjusted())
        return tells, equates

    def _adjusted(self) -> tuple[dict[Key, float], dict[Key, float]]:
        """Holm's p of a difference and of equality."""
        difference = {key: min(1.0, 2 * min(p.above, p.below)) for key, p in self._p.items()}
        return holm(difference), holm({key: p.equal for key, p in self._p.items()})

    def judgements(self) -> dict[Key, Judgement]:
        p_difference, p_equal = self._adjusted()
        tells, equates = self._levels()
        found = {}
        for key in self._keys:
            differences = self._differences(key, self._used.get(key, self._most.get(key)))
            noise = self._noise(key[0], None)
            pool = noise.between(_named(key[1]), CONTROLS, differences)
            n, mean = len(differences), _mean(differences) if differences else None
            sd = (2 * pool.variance) ** 0.5 if pool.df else None
            known = mean is not None and sd is not None
            half = t_quantile(pool.df, 0.975) * sd / n**0.5 if mean is not None and sd is not None else None
            if half is not None and _same(differences):
                half = 0.0  # whatever the noise of others is
            more = None
            if key not in self.decided and mean is not None and sd:
                degrees = max(1, pool.methods - 1)
                tell = seeds_to_tell(mean, sd, tells, degrees)
                same = seeds_to_equate(mean, self._delta, sd, equates, degrees)
                more = max(1, min(same, tell) - len(self._differences(key, None))) if min(same, tell) < MOST else None
            found[key] = Judgement(
                verdict=self.decided.get(key, "undecided"),
                difference=mean,
                n=n,
                sd=sd,
                own_noise=pool is not noise.shared,
                quiet=_named(key[1]) in noise.quiet,
                df=pool.df,
                low=None if mean is None or half is None else mean - half,
                high=None if mean is None or half is None else mean + half,
                p_difference=p_difference[key] if known else None,
                p_equal=p_equal[key] if known else None,
                more_seeds=more,
            )
        return found


def _named(row: str) -> str:
    return f"row {row}"


def _mean(values: Sequence[float]) -> float:
    """As of np.mean, which takes four times as long for a few values; boards ask for it thousands of times."""
    return float(np.add.reduce(values)) / len(values)


def _first(values: Values, n: int | None) -> Values:
    return values if n is None else {seed: value for seed, value in values.items() if seed < n}
