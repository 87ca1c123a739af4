"""Records of two results folders, A and B -> for every cell that both have, how they differ, and what there is in one of them only."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any, Literal

from benchmark.config import NO_BACKBONE
from benchmark.errors import UserError
from benchmark.metrics.statistics import Difference, mean_sd, paired_difference
from benchmark.records import Record
from benchmark.reporting.board import View, folded
from benchmark.reporting.columns import Column
from benchmark.reporting.differing import differences, same_metrics
from benchmark.reporting.group import Group, settings_of
from benchmark.reporting.groups import groups, other_settings
from benchmark.reporting.tables import PLACE, chosen, laid_out, tabulated
from benchmark.reporting.text import counted, difference_text, inert, shown, text
from benchmark.reporting.verdicts import rule_of
from benchmark.search.former import in_todays_words
from benchmark.values import canonical, digest, one_of, plain

Format = Literal["table", "markdown", "csv", "json"]
Name = tuple[str, int, tuple[str, ...]]  # cell without its data, budget, names of the method's settings, all in today's words
AUC, LOGLOSS = "test/auc", "test/logloss"
LISTED = 8  # names in a line below the table
SPELLED = 30  # characters of settings that stand beside a name
PAIRS = 3  # of values that a line below the table spells out


@dataclass(frozen=True, kw_only=True)
class Row:
    """A cell at one tuning budget in A, in B or in both. None where there is nothing; the JSON keys are the fields, in this order.

    Means and standard deviations are over all finished seeds of a side; differences are B − A, paired by seed, with their 95 % interval.
    """

    dataset: str
    data: str  # fingerprint of the encoded data, in A where A has the cell
    method: str
    backbone: str
    scale: int
    depth: int
    tuning_trials: int
    overrides: str  # what the suite fixed away from the defaults; "before NAMES", "when it had NAMES": its method had other settings then
    found_in: Literal["both", "A", "B"]
    seeds_both: int  # finished in both
    seeds_only_a: int
    seeds_only_b: int
    auc_a: float | None
    auc_sd_a: float | None
    auc_b: float | None
    auc_sd_b: float | None
    delta_auc: float | None
    delta_auc_low: float | None
    delta_auc_high: float | None
    logloss_a: float | None
    logloss_b: float | None
    delta_logloss: float | None
    delta_logloss_low: float | None
    delta_logloss_high: float | None
    seeds_equal: int  # of those in both: test AUC and logloss the same to the last digit
    seeds_identical: int  # … and every metric that both records have
    differs: Mapping[str, tuple[str, str]]  # what else differs: setting, data, code, versions, machine, verdict's rule -> in A, in B

    @property
    def equal(self) -> str:
        """ "yes": every metric of every seed is the same to the last digit; "scores": test AUC and logloss are."""
        if not self.seeds_both:
            return "-"
        if self.seeds_identical == self.seeds_both:
            return "yes"
        if self.seeds_equal == self.seeds_both:
            return "scores"
        return f"{self.seeds_equal} of {self.seeds_both}" if self.seeds_equal else "no"

    @property
    def protocol(self) -> str:
        """Six digits that differ where ``overrides`` do, the board's; empty when there are none."""
        return digest(self.overrides)[:6] if self.overrides else ""

    @property
    def seeds(self) -> str:
        """ "5", or "3, +2 A, +1 B" where some are in one side only."""
        more = [f"+{n} {side}" for n, side in ((self.seeds_only_a, "A"), (self.seeds_only_b, "B")) if n]
        return ", ".join([str(self.seeds_both), *more])

    def __str__(self) -> str:
        return self.method if self.backbone == NO_BACKBONE else f"{self.method} {self.backbone} {self.scale}× depth {self.depth}"


def compare_folders(
    a: Iterable[Record], b: Iterable[Record], names: tuple[str, str], dataset: str | None, format: Format, view: View
) -> str:
    """The comparison as text. ``names``: of the two folders. Raises UserError where neither has a final training of the data set."""
    found = rows(a, b)
    if dataset is not None:
        one_of("data set", dataset, {row.dataset for row in found}, "compare")
        found = [row for row in found if row.dataset == dataset]
    if not found:
        raise UserError(f"compare: neither {names[0]} nor {names[1]} has a final training")
    if format == "json":
        return "[\n" + ",\n".join(json.dumps(vars(row), allow_nan=False, ensure_ascii=False) for row in found) + "\n]"
    if format == "csv":
        written = io.StringIO()
        writer = csv.DictWriter(written, [f.name for f in fields(Row)], lineterminator="\n")
        writer.writeheader()
        content = ({**vars(row), "differs": canonical(row.differs)} for row in found)
        writer.writerows({name: inert(value) for name, value in entry.items()} for entry in content)
        return written.getvalue()
    parts = ["\n".join(folded([f"A: {names[0]}", f"B: {names[1]}"], view))]
    for label, members in groupby(found, key=lambda row: row.dataset):
        parts.append(_board(label, list(members), format, view))
    if any(row.found_in == "both" for row in found):  # else there is no table
        parts.append("\n".join(f"- {line}" for line in LEGEND) if format == "markdown" else "\n".join(folded(LEGEND, view)))
    return shown("\n\n".join(parts), format)


def rows(a: Iterable[Record], b: Iterable[Record]) -> list[Row]:
    """By data set, backbone, scale, depth and method. Cells are the same where their keys are, in the words of today's settings; where only
    the data's fingerprint differs, they are compared, and ``differs`` says so.
    """
    sides = [_by_name(groups(records, {})) for records in (a, b)]
    versions: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for cell, _, settings in (name for side in sides for name in side):
        versions[cell].add(settings)

    def alone(group: Group, name: Name) -> Group:
        """Beside those of the other folder it may be one of before its method had a setting, which its own folder does not tell."""
        lacks, had = other_settings(group.cell.method, name[2], versions[name[0]])
        return group if group.earlier else replace(group, lacks=lacks, had=had)

    found = []
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        left, right = (dict(side.get(name, {})) for side in sides)
        found += [_row(left.pop(version), right.pop(version)) for version in sorted(left.keys() & right.keys())]
        if len(left) == len(right) == 1:
            found.append(_row(left.popitem()[1], right.popitem()[1]))
        found += [_row(alone(group, name), None) for group in left.values()]
        found += [_row(None, alone(group, name)) for group in right.values()]
    return sorted(found, key=lambda r: (r.dataset, r.backbone == NO_BACKBONE, r.backbone, r.scale, r.depth, r.method, r.tuning_trials))


def _by_name(found: Iterable[Group]) -> dict[Name, dict[tuple[str, int], Group]]:
    """What a group is of, its data apart -> data fingerprint, and which of it -> group. Of one data there are several where some were
    trained before their method had a setting, and mean the same in today's words.
    """
    named: dict[Name, dict[tuple[str, int], Group]] = defaultdict(dict)
    for group in found:
        trial = in_todays_words(group.records[0].trial)
        cell = dataclasses.asdict(trial.cell)
        data = cell.pop("data")
        versions = named[canonical(cell), group.budget, settings_of(trial)]
        versions[data, sum(data == known for known, _ in versions)] = group
    return named


def _row(a: Group | None, b: Group | None) -> Row:
    group = a or b
    assert group is not None
    auc, logloss = ([{} if side is None else side.metric(name) for side in (a, b)] for name in (AUC, LOGLOSS))
    means = [[mean_sd(list(side.values())) if side else (None, None) for side in sides] for sides in (auc, logloss)]
    deltas = [paired_difference(sides[1], sides[0]) or Difference(0, None, None, 0) for sides in (auc, logloss)]
    (d_auc, auc_low, auc_high), (d_logloss, logloss_low, logloss_high) = ((d.mean if d.n else None, d.low, d.high) for d in deltas)
    pairs = _pairs(a, b)
    cell = group.cell
    return Row(
        dataset=cell.dataset,
        data=cell.data,
        method=cell.method,
        backbone=cell.backbone,
        scale=cell.scale,
        depth=cell.depth,
        tuning_trials=group.budget,
        overrides=", ".join(filter(None, (group.overrides, group.earlier))),
        found_in="both" if a and b else "A" if a else "B",
        seeds_both=len(auc[0].keys() & auc[1].keys()),
        seeds_only_a=len(auc[0].keys() - auc[1].keys()),
        seeds_only_b=len(auc[1].keys() - auc[0].keys()),
        auc_a=means[0][0][0],
        auc_sd_a=means[0][0][1],
        auc_b=means[0][1][0],
        auc_sd_b=means[0][1][1],
        delta_auc=d_auc,
        delta_auc_low=auc_low,
        delta_auc_high=auc_high,
        logloss_a=means[1][0][0],
        logloss_b=means[1][1][0],
        delta_logloss=d_logloss,
        delta_logloss_low=logloss_low,
        delta_logloss_high=logloss_high,
        seeds_equal=sum(same_metrics(x, y, (AUC, LOGLOSS)) for x, y in pairs),
        seeds_identical=sum(same_metrics(x, y) for x, y in pairs),
        differs=_differs(a, b, pairs) if a and b else {},
    )


def _pairs(a: Group | None, b: Group | None) -> list[tuple[Record, Record]]:
    """The finished trainings of one seed in both."""
    if a is None or b is None:
        return []
    left, right = ({r.trial.seed: r for r in side.finished if AUC in r.headlines} for side in (a, b))
    return [(left[seed], right[seed]) for seed in left if seed in right]


def _differs(a: Group, b: Group, pairs: Sequence[tuple[Record, Record]]) -> dict[str, tuple[str, str]]:
    """Name -> in A, in B; of several seeds every value that some pair differs in."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    told = [differences(x, y) for x, y in pairs or [(a.records[0], b.records[0])]]
    if a.status != b.status:
        told.append({"status": (a.status, b.status)})
    rules = rule_of(a.max_seeds, a.futility), rule_of(b.max_seeds, b.futility)
    if rules[0] != rules[1]:
        told.append({"verdict by": rules})
    for entry in told:
        for name, (left, right) in entry.items():
            lefts, rights = found.setdefault(name, ({}, {}))
            lefts[left] = rights[right] = None
    return {name: (" / ".join(left), " / ".join(right)) for name, (left, right) in found.items()}


def _board(label: str, members: Sequence[Row], format: Format, view: View) -> str:
    both = [row for row in members if row.found_in == "both"]
    named = dict(zip(map(id, members), _names(members), strict=True))

    def name(row: Row) -> str:
        return named[id(row)]

    only = {side: [name(row) for row in members if row.found_in == side] for side in ("A", "B")}
    counts = ", ".join([f"{counted(len(both), 'cell')} in both", *(f"{len(names)} only in {side}" for side, names in only.items())])
    heading = f"{plain(label)}: {counts}"
    said = [*_summary(both, name), *_notes(both, name), *(f"only in {side}: {_named(names)}" for side, names in only.items() if names)]
    column = both if len({row.protocol for row in both}) > 1 else []
    spelled = {
        (row.protocol, row.overrides) for row in members if f"protocol {row.protocol}" in name(row) or (row in column and row.protocol)
    }
    said += [f"protocol {digits}: {overrides}" for digits, overrides in sorted(spelled)]
    lines = list(map(plain, said))
    columns = [column for column in COLUMNS if column.when(both)]
    if format == "markdown":
        table = [tabulated(both, columns, "markdown"), ""] if both else []
        return "\n".join([f"### {heading}", "", *table, *(f"- {line}" for line in lines)])
    kept, grouped = chosen(both, columns, view.width, False, False)
    left = [column.name for column in columns if column.key not in (*PLACE, *(one.key for one in kept))] if both else []
    if left:
        lines.append(
            f"left out at {view.width} columns: {', '.join(left)}; a wider terminal has room, and --format markdown, csv and json do"
        )
    table = [laid_out(both, kept, grouped), ""] if both else []
    return "\n".join([*folded([heading], view), "", *table, *folded(lines, view)])


def _names(members: Sequence[Row]) -> list[str]:
    """Of each row, with its settings and its budget where others of the same method and cell have other ones. Of many settings the protocol
    stands for them.
    """
    budgets: dict[str, set[int]] = defaultdict(set)
    overrides: dict[str, set[str]] = defaultdict(set)
    for row in members:
        budgets[str(row)].add(row.tuning_trials)
        overrides[str(row)].add(row.overrides)
    names = []
    for row in members:
        parts = [_settings(row)] if row.overrides and len(overrides[str(row)]) > 1 else []
        parts += [counted(row.tuning_trials, "trial")] if len(budgets[str(row)]) > 1 else []
        names.append(f"{row} ({', '.join(parts)})" if parts else str(row))
    return names


def _settings(row: Row) -> str:
    return row.overrides if len(row.overrides) <= SPELLED else f"protocol {row.protocol}"


def _summary(both: Sequence[Row], name: Callable[[Row], str]) -> Iterator[str]:
    shared = [row for row in both if row.seeds_both]
    if not shared:
        return
    identical = sum(row.equal == "yes" for row in shared)
    scores = sum(row.equal == "scores" for row in shared)
    more = f", and {scores} in test AUC and logloss" if scores else ""
    yield f"the same to the last digit: {identical} of {counted(len(shared), 'cell')} in every metric{more}"
    moved = [row for row in shared if row.delta_auc]
    if moved:
        told = sum(
            row.delta_auc_low is not None and row.delta_auc_high is not None and row.delta_auc_low * row.delta_auc_high > 0 for row in moved
        )
        many = counted(len(moved), "cell")
        yield f"the interval of the difference leaves 0 out in {told} of {many} whose AUC differs; 1 in 20 does so by chance"
        largest = max(moved, key=lambda row: abs(row.delta_auc or 0))
        yield f"largest difference in AUC: {difference_text(largest.delta_auc, largest.delta_auc_high)} ({name(largest)})"


def _notes(both: Sequence[Row], name: Callable[[Row], str]) -> Iterator[str]:
    """What differs beside the numbers: how often, and from what to what where that is soon said."""
    for what in dict.fromkeys(what for row in both for what in row.differs):
        rows = [row for row in both if what in row.differs]
        pairs = Counter(row.differs[what] for row in rows)
        count = f"{len(rows)} of {counted(len(both), 'cell')}"
        if len(pairs) <= PAIRS:
            yield from (f"{what}: {a or '-'} in A, {b or '-'} in B ({n} of {counted(len(both), 'cell')})" for (a, b), n in pairs.items())
        else:
            yield f"{what} differs in {count}: {_named(list(dict.fromkeys(map(name, rows))))}"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


LEGEND = (
    "A, B: means over the finished seeds of each. B − A: paired by seed, ± half its 95 % interval.",
    "equal: yes: every metric of every seed is the same to the last digit; scores: test AUC and logloss are; else: in how many seeds.",
    "seeds: finished in both, and in one of them only.",
)


def _column(key: str, heading: str, form: Callable[[Row], str], rank: int, **more: Any) -> Column[Row]:
    return Column(key=key, heading=heading, text=form, value=form, rank=rank, **more)


COLUMNS: tuple[Column[Row], ...] = (
    _column("method", "method", lambda r: r.method, 0, numeric=False),
    _column("backbone", "backbone", lambda r: "-" if r.backbone == NO_BACKBONE else r.backbone, 0, numeric=False),
    _column("scale", "scale", lambda r: "-" if r.backbone == NO_BACKBONE else str(r.scale), 0),
    _column("depth", "depth", lambda r: "-" if r.backbone == NO_BACKBONE else str(r.depth), 0),
    _column("trials", "trials", lambda r: str(r.tuning_trials), 1, when=lambda rows: len({r.tuning_trials for r in rows}) > 1),
    _column("protocol", "protocol", lambda r: r.protocol or "-", 1, numeric=False, when=lambda rows: len({r.protocol for r in rows}) > 1),
    _column("data", "data", lambda r: r.data, 1, numeric=False, when=lambda rows: len({r.data for r in rows}) > 1),
    _column("auc_a", "AUC\nA", lambda r: text(r.auc_a, ".5f"), 1),
    _column("auc_b", "AUC\nB", lambda r: text(r.auc_b, ".5f"), 1),
    _column("delta_auc", "AUC, B − A\n± 95 %", lambda r: difference_text(r.delta_auc, r.delta_auc_high), 0),
    _column("logloss_a", "logloss\nA", lambda r: text(r.logloss_a, ".5f"), 3),
    _column("logloss_b", "logloss\nB", lambda r: text(r.logloss_b, ".5f"), 3),
    _column("delta_logloss", "logloss, B − A\n± 95 %", lambda r: difference_text(r.delta_logloss, r.delta_logloss_high), 4),
    _column("equal", "equal", lambda r: r.equal, 0, numeric=False),
    _column("seeds", "seeds", lambda r: r.seeds, 0, numeric=False),
)
