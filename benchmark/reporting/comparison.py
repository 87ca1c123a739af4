"""Records -> what can be said of methods over cells: differences to a control, ranks, cost, and whether spectra go with AUC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal

from tabulate import tabulate

from benchmark.config import NO_BACKBONE, known
from benchmark.contracts import UserError
from benchmark.metrics.statistics import Difference, average_ranks, mean_sd, outcomes, paired_difference, rank_correlation, wilcoxon_holm
from benchmark.records import Record
from benchmark.reporting.groups import Group, by_conditions, groups
from benchmark.reporting.leaderboard import CONTROL

Format = Literal["table", "markdown"]
Table = tuple[list[str], list[list[str]]]  # headers, rows
LAST = "last"  # stands for the number of a model's last layer
SPECTRA = (
    "spectral/table/information_abundance",
    "spectral/table/effective_rank",
    "spectral/table_freq/effective_rank",
    "spectral/layer0/batch/effective_rank",
    f"spectral/layer{LAST}/batch/effective_rank",
    f"spectral/layer{LAST}/flat/effective_rank",
)
FEWEST = 5  # methods under one condition that a rank correlation is taken over


def compare(records: Iterable[Record], control: str, dataset: str | None, format: Format) -> str:
    """The comparison of each data set's finished cells, as text. Raises UserError where there is nothing to compare with ``control``."""
    finished = [g for g in groups(records) if g.status == "finished" and g.metric("test/auc")]
    boards: dict[str, list[Group]] = defaultdict(list)
    for group in finished:
        boards[group.label].append(group)
    if dataset is not None:
        wanted = known("data set", dataset, boards.keys() | {label.split("@")[0] for label in boards}, "compare")
        boards = {label: members for label, members in boards.items() if wanted in (label, label.split("@")[0])}
    if not any(group.cell.method == control for board in boards.values() for group in board):
        raise UserError(f"compare: no finished cell of {control} to compare with; run its cells first, or name another method with --to")
    parts = [text for label, board in boards.items() for text in _board(label, board, control, format)]
    return "\n\n".join(parts)


def _board(label: str, board: Sequence[Group], control: str, format: Format) -> Iterable[str]:
    heading = f"{label}: {len(board)} finished cells"
    yield f"### {heading}" if format == "markdown" else heading
    sections = (
        (f"Test AUC less {control}'s under the same conditions, paired by seed, ± half the 95 % interval", differences(board, control)),
        ("Cost over that of single embedding of the same width", costs(board)),
        ("Spearman's ρ between a spectral metric and test AUC, over the methods of a cell", correlations(board)),
    )
    for title, (headers, rows) in sections:
        if rows:
            yield f"{title}\n\n" + _text(headers, rows, format)
    yield from ranks(board, control)


def differences(board: Sequence[Group], control: str) -> Table:
    """A row a method, a column a set of conditions; and how often the interval leaves 0 out. ``control``'s own row is left out."""
    controls = by_conditions(board, control)
    places = _places(board, controls)
    found: dict[str, dict[str, Difference]] = defaultdict(dict)
    for group in board:
        if group.conditions in controls and group is not controls[group.conditions]:
            difference = paired_difference(group.metric("test/auc"), controls[group.conditions].metric("test/auc"))
            if difference is not None:
                found[_method(group)][group.conditions] = difference
    ordered = sorted(found, key=lambda m: -fmean(d.mean for d in found[m].values()))
    rows = [
        [method, *(_difference(found[method].get(place)) for place in places), "/".join(map(str, outcomes(found[method].values())))]
        for method in ordered
    ]
    return ["method", *places.values(), "win/tie/loss"], rows


def ranks(board: Sequence[Group], control: str) -> Iterable[str]:
    """Friedman, Nemenyi, and Wilcoxon with Holm over the conditions that have the control, of the methods that finished in all of them."""
    places = by_conditions(board, control)
    scores: dict[str, dict[str, float]] = {place: {} for place in places}
    for group in board:
        if group.conditions in scores and group.cell.backbone != NO_BACKBONE:
            scores[group.conditions][_method(group)] = fmean(group.metric("test/auc").values())
    everywhere = set.intersection(*(set(cell) for cell in scores.values())) if scores else set()
    table = [{method: cell[method] for method in everywhere} for cell in scores.values()]
    ranking = average_ranks(table)
    if ranking is None:
        return
    adjusted = wilcoxon_holm(table, control)
    lines = [
        f"  {rank:.2f}  {method}" + (f"  (p = {adjusted[method]:.3f})" if method in adjusted else "")
        for method, rank in ranking.ranks.items()
    ]
    yield "\n".join(
        [
            f"Average rank over {ranking.cells} cells, of the methods that finished in all of them (p: Wilcoxon against {control}, Holm)",
            "",
            *lines,
            "",
            f"Friedman: χ² = {ranking.statistic:.2f}, p = {ranking.p:.3f}; "
            f"Nemenyi: ranks differ at 5 % where further apart than {ranking.distance:.2f}",
        ]
    )


def costs(board: Sequence[Group]) -> Table:
    """Dense parameters, FLOPs of a forward pass, seconds per epoch and seconds in all, each over single embedding's: means over seeds."""
    controls = by_conditions(board, CONTROL)
    rows = []
    for group in sorted(board, key=lambda g: (g.conditions, g.cell.method)):
        base = controls.get(group.conditions)
        if base is None or base is group:
            continue
        ratios = [_ratio(_epoch(group), _epoch(base))]
        ratios += [
            _ratio(group.cost(name), base.cost(name)) for name in ("fit_seconds", "flops_per_sample", "parameters_dense", "peak_memory_mb")
        ]
        rows.append([_method(group), _place(group, board), *ratios])
    return ["method", "cell", "epoch", "training", "FLOPs", "dense", "memory"], rows


def correlations(board: Sequence[Group]) -> Table:
    """A row a spectral metric, a column the conditions with at least ``FEWEST`` methods, sanity rows left out."""
    members: dict[str, list[Group]] = defaultdict(list)
    for group in board:
        if group.layers:
            members[group.conditions].append(group)
    places = {place: _place(found[0], board) for place, found in members.items() if len(found) >= FEWEST}
    rows = []
    for metric in SPECTRA:
        values = []
        for place in places:
            pairs = [(_spectral(g, metric), fmean(g.metric("test/auc").values())) for g in members[place]]
            known_pairs = [(x, y) for x, y in pairs if x is not None]
            rho = rank_correlation([x for x, _ in known_pairs], [y for _, y in known_pairs])
            values.append("-" if rho is None else f"{rho:+.2f} ({len(known_pairs)})")
        rows.append([metric, *values])
    return ["metric", *(f"{place}: ρ (methods)" for place in places.values())], rows if places else []


def _method(group: Group) -> str:
    options = ", ".join(f"{key}={value}" for key, value in sorted(group.cell.method_options.items()))
    return f"{group.cell.method} ({options})" if options else group.cell.method


def _places(board: Sequence[Group], controls: Mapping[str, Group]) -> dict[str, str]:
    """Conditions -> their name, in the order of the names."""
    return dict(sorted(((key, _place(group, board)) for key, group in controls.items()), key=lambda item: item[1]))


def _place(group: Group, board: Sequence[Group]) -> str:
    """The backbone, scale and depth of a group, and what else tells it apart from others of the board."""
    if group.cell.backbone == NO_BACKBONE:
        return "-"
    parts = [group.cell.backbone, f"{group.cell.scale}×", f"depth {group.cell.depth}"]
    parts += [f"{group.budget} trials"] if len({g.budget for g in board}) > 1 else []
    rest = group.settings
    parts += [rest] if len({g.settings for g in board}) > 1 and rest else []
    return " ".join(parts)


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    half = "" if difference.high is None else f" ± {difference.high - difference.mean:.5f}"
    return f"{difference.mean:+.5f}{half}"


def _epoch(group: Group) -> dict[int, float]:
    """Seconds of training for a million samples, by seed."""
    return {seed: 1e6 / speed for seed, speed in group.cost("samples_per_second").items() if speed > 0}


def _ratio(values: Mapping[int, float], base: Mapping[int, float]) -> str:
    """The mean over the seeds of both of their ratio, ± its standard deviation where it is not one and the same."""
    ratios = [values[seed] / base[seed] for seed in values.keys() & base.keys() if base[seed] > 0]
    if not ratios:
        return "-"
    mean, sd = mean_sd(ratios)
    return f"{mean:.2f}" + (f" ± {sd:.2f}" if sd is not None and sd >= 0.005 else "")


def _spectral(group: Group, metric: str) -> float | None:
    values = group.metric(metric.replace(f"layer{LAST}", f"layer{group.layers[-1]}"))
    return fmean(values.values()) if values else None


def _text(headers: list[str], rows: list[list[str]], format: Format) -> str:
    return tabulate(rows, headers=headers, tablefmt="github" if format == "markdown" else "simple", disable_numparse=True)
