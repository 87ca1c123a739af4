"""The claim that this suite is about, put to records: does mitigating collapse pay, and the more the wider and the deeper a model is?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmark.config import CONTROL, DELTA, NO_BACKBONE, conditions
from benchmark.errors import UserError
from benchmark.metrics.growth import Side, contrasts
from benchmark.metrics.verdicts import Key
from benchmark.records import Record
from benchmark.reporting import acting
from benchmark.reporting.board import View, folded
from benchmark.reporting.comparison import apart, heading_of, method_name
from benchmark.reporting.group import Group
from benchmark.reporting.groups import by_conditions, by_size, stores_named
from benchmark.reporting.leaderboard import Row, rows_and_groups
from benchmark.reporting.tables import between
from benchmark.reporting.text import cell, difference_text, shown
from benchmark.reporting.verdicts import AUC, compared_rows, noise_of, paired
from benchmark.values import canonical, one_of

Format = Literal["table", "markdown"]
Size = Literal["scale", "depth"]
SIZES: tuple[Size, ...] = ("scale", "depth")
CLAIMS = {"gain": "{} lies above {}", "scale": "{}'s gain grows with width", "depth": "{}'s gain grows with depth"}
ANSWERS = {"above": "yes", "grows": "yes", "equal": "equal", "below": "no", "shrinks": "no", "undecided": "undecided"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one board says of one claim about one method with one backbone."""

    claim: Literal["gain", "scale", "depth"]
    method: str
    name: str  # of the method, with what is set of it away from its defaults
    board: str
    where: str  # backbone and sizes, and what tells them apart where the board has several budgets or settings
    difference: float  # in test AUC: to single embedding, or of two such differences; over the seeds that the verdict was made of
    low: float | None  # 95 % interval, not adjusted for the number of findings
    high: float | None
    n: int  # pairs of seeds
    verdict: str  # as a board's, or: grows, shrinks, equal, undecided
    trainings: frozenset[Hashable]  # that it rests on, those of single embedding among them


@dataclass(frozen=True)
class Found:
    """What ``findings`` gives.

    findings: those that count
    repeated: how many do not, as all of their trainings stand on another board, too, and count there
    sharing:  those that count, of which some trainings, not all, are those of another on another board
    """

    findings: list[Finding]
    repeated: int
    sharing: list[Finding]


def findings(boards: Mapping[str, Iterable[Record]], methods: Sequence[str] = (), delta: float = DELTA) -> Found:
    """By method and claim. A row's gain is taken at the greatest scale at which it has a verdict, the board's own; its growth from the
    least to the greatest scale (depth) under conditions that are equal otherwise, with Holm's rule over all of a board's.
    Trainings that stand on several boards are one piece of evidence: of two findings of one claim the one counts that has all trainings of
    the other, with equal ones the first. Where each has trainings that the other lacks both count, and are named.

    boards:  name -> records
    methods: which, as boards name them; none given: all. Inert rows are left out, and at scale 1 nothing is claimed.

    Raises UserError for a method that no board compares with single embedding.
    """
    found = [finding for name, records in boards.items() for finding in _of_board(name, records, delta)]
    for method in methods:
        one_of("method", method, {finding.method for finding in found}, "claims")
    order = {method: place for place, method in enumerate(methods or sorted({finding.method for finding in found}))}
    asked = [finding for finding in found if finding.method in order]
    kept = [finding for place, finding in enumerate(asked) if not _is_repeated(finding, asked[:place], asked[place + 1 :])]
    kept.sort(key=lambda finding: (order[finding.method], finding.name, list(CLAIMS).index(finding.claim)))
    return Found(kept, len(asked) - len(kept), [finding for finding in kept if _shares(finding, kept)])


def _alike(one: Finding, other: Finding) -> bool:
    return (one.method, one.claim) == (other.method, other.claim)


def _is_repeated(finding: Finding, before: Iterable[Finding], after: Iterable[Finding]) -> bool:
    return any(_alike(finding, other) and finding.trainings <= other.trainings for other in before) or any(
        _alike(finding, other) and finding.trainings < other.trainings for other in after
    )


def _shares(finding: Finding, others: Iterable[Finding]) -> bool:
    return any(_alike(finding, other) and finding.board != other.board and finding.trainings & other.trainings for other in others)


def _of_board(name: str, records: Iterable[Record], delta: float) -> list[Finding]:
    known = rows_and_groups(records, delta)
    labels = dict.fromkeys(row.dataset for row, _ in known)
    found: list[Finding] = []
    for label in labels:
        board = name if len(labels) == 1 else f"{name} {label}"
        members = [(row, group) for row, group in known if row.dataset == label]
        found += _gains(board, members)
        found += growths(board, [group for _, group in members], delta)
    return found


def _counts(group: Group) -> bool:
    return group.status == "finished" and group.cell.backbone != NO_BACKBONE and not acting.inert(group)


def _gains(board: str, members: Sequence[tuple[Row, Group]]) -> Iterable[Finding]:
    counted = [(row, group) for row, group in members if _counts(group)]
    compared = [group for row, group in counted if row.verdict is not None]
    widest = _by_size(compared, "scale")
    controls = by_conditions([group for _, group in members], CONTROL)  # also one of whose seeds some failed
    for row, group in sorted(counted, key=lambda member: by_size(member[1])):
        if row.verdict is not None and row.delta_auc_pooled is not None and group.cell.scale == max(widest[_place(group, "scale")]) > 1:
            yield Finding(
                claim="gain",
                method=row.method,
                name=method_name(group),
                board=board,
                where=heading_of(group, [other for _, other in counted]),
                difference=row.delta_auc_pooled,
                low=row.delta_auc_pooled_low,
                high=row.delta_auc_pooled_high,
                n=row.delta_pooled_seeds,
                verdict=row.verdict,
                trainings=_trainings(group, controls[group.conditions]),
            )


def growths(board: str, members: Iterable[Group], delta: float) -> list[Finding]:
    """How the gains of one board go with scale and with depth. ``members``: its groups, of which some may not count."""
    counted = [group for group in members if _counts(group)]
    return [finding for size in SIZES for finding in _growths(board, counted, size, delta)]


def _growths(board: str, members: Sequence[Group], size: Size, delta: float) -> Iterable[Finding]:
    controls = by_conditions(members, CONTROL)
    rows = compared_rows(members, controls)
    noises = {conditions: noise_of(controls[conditions], groups) for conditions, groups in rows.items()}

    def side(group: Group) -> Side:
        control = controls[group.conditions]
        pool = noises[group.conditions].between(group.row, control.row, paired(group, control))
        return Side(group.metric(AUC), control.metric(AUC), pool, group.max_seeds)

    compared = [group for groups in rows.values() for group in groups]
    pairs: dict[Key, tuple[Group, Group]] = {}
    for (place, row), sizes in _by_size(compared, size).items():
        if len(sizes) > 1:
            pairs[place, row] = sizes[max(sizes)], sizes[min(sizes)]
    found = contrasts({key: (side(large), side(small)) for key, (large, small) in pairs.items()}, delta)
    for key, contrast in sorted(found.items(), key=lambda entry: by_size(pairs[entry[0]][0])):
        large, small = pairs[key]
        width, depth, backbone = large.cell.scale, large.cell.depth, large.cell.backbone
        wide = f"{width}× − {small.cell.scale}× depth {depth}"
        deep = f"{width}× depth {depth} − {small.cell.depth}"
        yield Finding(
            claim=size,
            method=large.cell.method,
            name=method_name(large),
            board=board,
            where=" ".join([backbone, wide if size == "scale" else deep, *apart(large, members)]),
            difference=contrast.mean,
            low=contrast.low,
            high=contrast.high,
            n=contrast.n,
            verdict=contrast.growth,
            trainings=_trainings(large, small, controls[large.conditions], controls[small.conditions]),
        )


def _trainings(*groups: Group) -> frozenset[Hashable]:
    found: set[Hashable] = set()
    for group in groups:
        for block in group.finished_blocks:
            alike = replace(block.first.trial, seed=0).trial_id
            found.update((alike, seed) for seed in block.seeds)
    return frozenset(found)


def _by_size(members: Iterable[Group], size: Size) -> dict[Key, dict[int, Group]]:
    """All but its size that a group is -> size -> group."""
    found: dict[Key, dict[int, Group]] = defaultdict(dict)
    for group in members:
        found[_place(group, size)][getattr(group.cell, size)] = group
    return found


def _place(group: Group, size: Size) -> Key:
    anyhow = replace(group.cell, scale=0) if size == "scale" else replace(group.cell, depth=0)
    return canonical([conditions(anyhow), group.budget]), group.row


def summary(found: Sequence[Finding]) -> tuple[list[str], list[list[str]]]:
    """A line a claim and method: how many cells answer yes, equal, no, and are undecided."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for finding in found:
        answers[_claim(finding)][ANSWERS[finding.verdict]] += 1
    kinds = list(dict.fromkeys(ANSWERS.values()))
    lines = [[claim, str(counts.total()), *(str(counts[kind]) for kind in kinds)] for claim, counts in answers.items()]
    return ["claim", "cells", *kinds], lines


def details(found: Sequence[Finding]) -> tuple[list[str], list[list[str]]]:
    """A line a finding."""
    lines = []
    for finding in found:
        difference = f"{difference_text(finding.difference, finding.high)} ({finding.n})"
        lines.append([_claim(finding), finding.board, finding.where, difference, finding.verdict])
    return ["claim", "board", "where", "Δ test AUC ± 95 % (seeds)", "verdict"], lines


def found_in(folders: Sequence[Path], methods: Sequence[str] = (), delta: float = DELTA) -> Found:
    """``findings`` of results folders, by their names, or paths where names are alike. Raises UserError: they say nothing of a claim."""
    found = findings(stores_named(folders), methods, delta)
    if not found.findings:
        where = ", ".join(map(str, folders))
        what = f"no finished cell beside one of {CONTROL} at a scale above 1, or at two scales or depths of both"
        raise UserError(f"claims: {where}: {what}; inert rows do not count")
    return found


def claims(all_found: Found, delta: float = DELTA, format: Format = "table", width: int | None = None) -> list[str]:
    """The two tables, as text, each with its title. ``delta``: what the findings were made with."""
    found = all_found.findings
    what = f"What the records say, by cells: a board's data set, backbone and depth. Equal: within ±{delta:g}"
    each = _each({finding.claim for finding in found})
    heads, lines = summary(found)
    alignment = ["left", *["right"] * (len(heads) - 1)]
    table = _table(heads, lines, format, alignment)
    if all_found.repeated:
        are, count = ("is", "counts") if all_found.repeated == 1 else ("are", "count")
        what += f". {all_found.repeated} more {are} of trainings that all stand on another of these boards, too, and {count} there"
    if shared := all_found.sharing:
        boards = ", ".join(dict.fromkeys(finding.board for finding in shared))
        what += f". {len(shared)} of those counted have some trainings, not all, in common with another of these ({boards})"
    if format == "table" and width is not None and max(map(len, table.splitlines())) > width:
        what += f"; SE: {CONTROL}"
        shorter = {f"lies above {CONTROL}": "above SE", "'s gain grows with": ": gain up with"}
        methods_of = [next(finding.name for finding in found if _claim(finding) == line[0]) for line in lines]
        for words, fewer in shorter.items():
            lines = [[claim.replace(words, fewer), *rest] for claim, *rest in lines]
        table = _table(heads, lines, format, alignment)
        if max(map(len, table.splitlines())) > width:  # of long names, which then stand between the lines
            lines = [[line[0].removeprefix(method).lstrip(": "), *line[1:]] for method, line in zip(methods_of, lines, strict=True)]
            head, rule, *rows = _table(heads, lines, format, alignment).splitlines()
            table = "\n".join([head, rule, *between(methods_of, rows)])
    texts = [_text(what, table, width)]
    heads, lines = details(found)
    if format == "markdown":
        table = _table(heads, lines, format)
    else:  # claims between the lines: a terminal has no room for them beside
        head, rule, *rows = _table(heads[1:], [line[1:] for line in lines], format).splitlines()
        table = "\n".join([head, rule, *between([line[0] for line in lines], rows)])
    return [shown(text, format) for text in (*texts, _text(each, table, width))]


def _each(kinds: Collection[str]) -> str:
    """What a line of the second table is, by the claims that stand there."""
    growths = ", or ".join(f"with {word}" for size, word in (("scale", "width"), ("depth", "depth")) if size in kinds)
    differences = [f"the difference to {CONTROL} at the greatest width"] if "gain" in kinds else []
    differences += ["the larger model's difference less the smaller one's"] if growths else []
    over = ["the board's rows"] if "gain" in kinds else []
    over += [f"its growths {growths}"] if growths else []
    return (
        f"Each: {', or '.join(differences)}; intervals with the noise of a cell's methods, uncorrected; verdicts with Holm's "
        f"correction, over {' or over '.join(over)}. `leaderboard` and `compare` differ in the intervals: theirs are of all of a row's own "
        "pairs of seeds"
    )


def _claim(finding: Finding) -> str:
    return CLAIMS[finding.claim].format(finding.name, CONTROL)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]], format: Format, alignment: Sequence[str] | None = None) -> str:
    from tabulate import tabulate

    cells = [[cell(text, format) for text in line] for line in lines]
    form = "github" if format == "markdown" else "simple"
    made: str = tabulate(cells, heads, tablefmt=form, colalign=alignment or ["left"] * len(heads), disable_numparse=True)
    return made


def _text(title: str, table: str, width: int | None) -> str:
    return "\n".join([*folded([title], View(width=width)), "", table])
