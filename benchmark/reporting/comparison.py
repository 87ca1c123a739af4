"""Records -> what can be said of methods over cells: differences to a control, ranks, cost, and whether spectra go with AUC."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal

from benchmark.config import CONTROL, NO_BACKBONE
from benchmark.errors import UserError
from benchmark.metrics.statistics import Difference, average_ranks, mean_sd, outcomes, paired_difference, rank_correlation, wilcoxon_holm
from benchmark.records import Record
from benchmark.reporting.board import View, folded, folded_text
from benchmark.reporting.differing import HARDWARE
from benchmark.reporting.group import Group
from benchmark.reporting.groups import REPEATED, batch_ratio, boards_named, by_conditions, by_size, groups, uncompared, whole_methods
from benchmark.reporting.tables import in_parts
from benchmark.reporting.text import counted, shown
from benchmark.values import one_of, plain, to_text

Format = Literal["table", "markdown"]
Table = tuple[list[str], list[list[str]]]  # headers, rows
AUC = "test/auc"
SUMMARY = "above/undecided/below"  # of each method: cells whose interval lies above 0, has 0 in it, lies below
LAST = "last"  # stands for the number of a model's last layer
SPECTRA = (
    "spectral/table/information_abundance_over_gaussian",
    "spectral/table/effective_rank_over_gaussian",
    f"spectral/layer0/batch/effective_rank{REPEATED}",
    f"spectral/layer{LAST}/batch/effective_rank{REPEATED}",
    f"spectral/layer{LAST}/flat/effective_rank_over_gaussian",
)  # over a Gaussian matrix's: hetero_me's layers are narrower than the table


def compare(
    records: Iterable[Record], control: str, dataset: str | None, format: Format, metric: str = AUC, width: int | None = None
) -> str:
    """The comparison of each data set's finished cells, as text.

    ``metric``: what is compared, as a record names it; "spectral/layerlast/…" is of each model's last layer. Costs, correlations and ranks
    are shown beside test AUC only. ``width``: of the terminal, in characters; a wider table is printed in parts. Raises UserError where
    there is nothing to compare with ``control``, and for a metric that no cell has.
    """
    return "\n\n".join(sections(records, control, dataset, format, metric, width))


def sections(
    records: Iterable[Record], control: str, dataset: str | None, format: Format, metric: str = AUC, width: int | None = None
) -> list[str]:
    """The parts of ``compare``'s text: a heading for each data set, then titles with their tables. Raises UserError as it does."""
    known = groups(records)
    labels = boards_named(dataset, (group.label for group in known), "compare")
    if control != CONTROL:
        one_of("method", control, {group.cell.method for group in known}, "compare")
    finished = [g for g in known if g.status == "finished" and g.metric(AUC)]
    boards = {label: members for label in labels if (members := [group for group in finished if group.label == label])}
    if not any(group.cell.method == control for board in boards.values() for group in board):
        raise UserError(f"compare: no finished cell of {control} to compare with; run its cells first, or name another method with --to")
    if not any(_metric(group, metric) for board in boards.values() for group in board):
        names = {name for board in boards.values() for group in board for record in group.finished for name in record.metrics}
        one_of("metric", metric, names, "compare")
        raise UserError(f"compare: no finished cell has the metric {metric}")
    return [shown(text, format) for label, board in boards.items() for text in _board(label, board, control, format, metric, width)]


def _board(label: str, board: Sequence[Group], control: str, format: Format, metric: str, width: int | None) -> Iterable[str]:
    heading = f"{plain(label)}: {counted(len(board), 'finished cell')}"
    yield f"### {heading}" if format == "markdown" else heading
    name = "Test AUC" if metric == AUC else metric
    found = [difference for cells in _differences(board, control, metric).values() for difference in cells.values()]
    pairs = {difference.n for difference in found}
    paired = f"{name} less {control}'s under the same conditions, paired by seed"
    paired += ", ± half the 95 % interval, uncorrected" if pairs != {1} else ""
    paired += f", n = {counted(pairs.pop(), 'pair')} of seeds" if len(pairs) == 1 else " (pairs of seeds)" if pairs else ""
    paired += "" if any(difference.high is not None for difference in found) else ": there is no interval"
    sections = [(paired, differences(board, control, metric))]
    if metric != AUC:
        sections = [(f"{name}, mean ± standard deviation over seeds", values(board, metric)), *sections]
    else:
        sections += _beside_auc(board)
    for title, (headers, rows) in sections:
        if rows:
            yield "\n".join([*folded([title], View(width=width)), "", _text(headers, rows, format, width)])
    without = [*uncompared(board, control)]
    if not found and not without:
        what = "test AUC" if metric == AUC else metric
        without = [f"nothing to compare: no other method has {what} beside {control}, of the same cell and seed"]
    yield from folded(without, View(width=width))
    if metric == AUC:
        yield from (folded_text(text, View(width=width)) for text in ranks(board, control))


def _beside_auc(board: Sequence[Group]) -> list[tuple[str, Table]]:
    memory = "memory on a CPU: of its process, in records of before December 2026 with what earlier trainings in it took"
    return [
        (f"Cost over that of single embedding of the same width, as the machine was while training; {memory}", costs(board)),
        ("Spearman's ρ between a spectral metric and test AUC, over the methods of a cell", correlations(board)),
    ]


def values(board: Sequence[Group], metric: str) -> Table:
    """Methods against conditions."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    present: dict[str, Group] = {}
    for group in board:
        by_seed = _metric(group, metric)
        if by_seed:
            mean, sd = mean_sd(list(by_seed.values()))
            found[method_name(group)][group.conditions] = spread_text(mean, sd)
            present[group.conditions] = group
    return _oriented(dict(sorted(found.items())), _headings(board, present))


def differences(board: Sequence[Group], control: str, metric: str = AUC) -> Table:
    """Methods against conditions, and how often each method's interval leaves 0 out. ``control`` itself is left out. Of how many pairs of
    seeds a difference is stands behind it where not all are of as many.
    """
    found = _differences(board, control, metric)
    headings = _headings(board, by_conditions(board, control))
    headings = {condition: name for condition, name in headings.items() if any(condition in cells for cells in found.values())}
    ordered = sorted(found, key=lambda m: -fmean(d.mean for d in found[m].values()))
    told = len({d.n for cells in found.values() for d in cells.values()}) > 1
    texts = {
        method: {condition: _difference(d) + (f" ({d.n})" if told else "") for condition, d in found[method].items()} for method in ordered
    }
    return _oriented(texts, headings, SUMMARY, {m: "/".join(map(str, outcomes(found[m].values()))) for m in ordered})


def _differences(board: Sequence[Group], control: str, metric: str) -> dict[str, dict[str, Difference]]:
    """Method -> conditions -> its difference to the control."""
    controls = by_conditions(board, control)
    found: dict[str, dict[str, Difference]] = defaultdict(dict)
    for group in board:
        if group.conditions in controls and group is not controls[group.conditions]:
            difference = paired_difference(_metric(group, metric), _metric(controls[group.conditions], metric))
            if difference is not None:
                found[method_name(group)][group.conditions] = difference
    return found


def _oriented(
    found: Mapping[str, Mapping[str, str]], headings: Mapping[str, str], summary: str = "", summaries: Mapping[str, str] | None = None
) -> Table:
    """Method -> conditions -> text, with a summary of each method: a row a method, or a row a cell where there are more of them."""
    if len(headings) <= len(found):
        rows = [[method, *(cells.get(condition, "-") for condition in headings)] for method, cells in found.items()]
        if summaries:
            rows = [[*row, summaries[row[0]]] for row in rows]
        return ["method", *headings.values(), *([summary] if summaries else [])], rows
    rows = [[name, *(cells.get(condition, "-") for cells in found.values())] for condition, name in headings.items()]
    return ["cell", *found], rows + ([[summary, *(summaries[method] for method in found)]] if summaries else [])


def ranks(board: Sequence[Group], control: str) -> Iterable[str]:
    """Friedman, Nemenyi, and Wilcoxon with Holm over the conditions that have the control, of the methods that finished in all of them.

    Friedman's test is of complete blocks: the scores of a cell are means over the seeds that all of these methods have there, since what a
    seed does to all of them, one with other seeds would not have. Pairs of methods with seeds of their own would have ranks that no one
    order fits. How many seeds are left out is said, and where a cell has none in common that there are no ranks.
    """
    controls = by_conditions(board, control)
    scores: dict[str, dict[str, dict[int, float]]] = {condition: {} for condition in controls}
    for group in board:
        if (
            group.conditions in scores
            and group.cell.backbone != NO_BACKBONE
            and (group.is_whole_method or group is controls[group.conditions])
        ):
            scores[group.conditions][method_name(group)] = group.metric(AUC)
    everywhere = set.intersection(*(set(cell) for cell in scores.values())) if scores else set()
    if not everywhere:
        return
    seeds = [set.intersection(*(set(cell[method]) for method in everywhere)) for cell in scores.values()]
    if not all(seeds):
        if len(everywhere) > 2 and len(scores) > 1:
            none = f"{counted(sum(not shared for shared in seeds), 'cell')} of {len(seeds)}"
            yield f"No ranks over cells: in {none} the {len(everywhere)} methods that finished in all of them have no seed in common"
        return
    rows = list(zip(scores.values(), seeds, strict=True))
    table = [{method: fmean(cell[method][seed] for seed in shared) for method in everywhere} for cell, shared in rows]
    ranking = average_ranks(table)
    if ranking is None:
        return
    named = {method_name(group) for group in controls.values()}
    adjusted = wilcoxon_holm(table, *named) if len(named) == 1 else {}  # a control of several settings is none
    lines = [
        f"  {rank:.2f}  {method}" + (f"  (p = {adjusted[method]:.3f})" if method in adjusted else "")
        for method, rank in ranking.ranks.items()
    ]
    which = f"of the methods that finished in all of them{_common(rows, everywhere)}"
    p = f" (p: Wilcoxon against {control}, Holm)" if adjusted else ""
    apart_by = f"; Nemenyi: ranks differ at 5 % where further apart than {ranking.distance:.2f}" if ranking.p < 0.05 else ""
    yield "\n".join(
        [
            f"Average rank over {ranking.cells} cells, {which}{p}",
            "",
            *lines,
            "",
            f"Friedman: χ² = {ranking.statistic:.2f}, p = {ranking.p:.3f}{apart_by}",
            "Cells of one data set share its test sample and are no independent data sets: these p are too small, a description only.",
        ]
    )


def _common(rows: Sequence[tuple[Mapping[str, Mapping[int, float]], set[int]]], methods: Collection[str]) -> str:
    """What is left out where ``methods`` have other seeds than those that all of them have; nothing where they have the same.

    rows: of each cell, method -> its scores by seed, and the seeds in common.
    """
    trained = sum(len(cell[method]) for cell, _ in rows for method in methods)
    taken = sum(len(shared) * len(methods) for _, shared in rows)
    if taken == trained:
        return ""
    few, many = (choose(len(shared) for _, shared in rows) for choose in (min, max))
    seeds = counted(few, "seed") if few == many else f"{few} to {many} seeds"
    return f", over the {seeds} of a cell that all have: {trained - taken} of their {counted(trained, 'training')} left out"


def costs(board: Sequence[Group]) -> Table:
    """Dense parameters, FLOPs of a forward pass, seconds per epoch and seconds in all, each over single embedding's: means over seeds.

    Seconds are compared of the seeds that both trained on the same kind of machine, memory of those on the same device.
    """
    controls = by_conditions(board, CONTROL)
    rows = []
    for group in sorted(board, key=lambda g: (by_size(g), g.conditions, g.cell.method)):
        base = controls.get(group.conditions)
        if base is None or base is group:
            continue
        machine, device = (_on_the_same(group, base, keys) for keys in (HARDWARE, ("device",)))
        shown = (("fit_seconds", machine), ("flops_per_sample", None), ("parameters_dense", None), ("peak_memory_mb", device))
        ratios = [_ratio(group.cost(name), base.cost(name), seeds) for name, seeds in shown]
        rows.append([method_name(group), heading_of(group, board), _ratio(_epoch(group), _epoch(base), machine), *ratios])
    return ["method", "cell", "epoch", "training", "FLOPs", "dense", "memory"], rows


def _on_the_same(group: Group, base: Group, keys: Sequence[str]) -> set[int]:
    """The seeds that both trained where their environments say the same of ``keys``."""
    one, other = ({r.trial.seed: tuple(r.environment.get(key) for key in keys) for r in side.finished} for side in (group, base))
    return {seed for seed in one if one[seed] == other.get(seed)}


def correlations(board: Sequence[Group]) -> Table:
    """A row a spectral metric, a column the conditions with at least ``FEWEST`` methods, sanity rows left out."""
    members = whole_methods(group for group in board if group.layers)
    headings = _headings(board, {conditions: found[0] for conditions, found in members.items()})
    rows = []
    ratio = batch_ratio(group for conditions in members.values() for group in conditions)
    for metric in (name.replace(REPEATED, ratio) for name in SPECTRA):
        shown = []
        for condition in headings:
            pairs = [(fmean(x.values()), fmean(g.metric(AUC).values())) for g in members[condition] if (x := _metric(g, metric))]
            rho = rank_correlation([x for x, _ in pairs], [y for _, y in pairs])
            shown.append("-" if rho is None else f"{rho:+z.2f} ({len(pairs)})")
        rows.append([metric, *shown])
    return ["metric", *(f"{heading}: ρ (methods)" for heading in headings.values())], rows if headings else []


def method_name(group: Group) -> str:
    """With its options, with the grid of its settings where there is another row that differs in nothing else, and with the settings that
    it did not have yet, or has no more, where there is a row of the same cell that differs in them.
    """
    parts = [f"{key}={value}" for key, value in sorted(group.cell.method_options.items())]
    parts += [f"{name.partition('.')[2]} of {to_text(values)}" for name, values in sorted(group.own_grid.items()) if group.names_grid]
    parts += [group.earlier] if group.earlier else []
    return plain(f"{group.cell.method} ({', '.join(parts)})" if parts else group.cell.method)


def _headings(board: Sequence[Group], controls: Mapping[str, Group]) -> dict[str, str]:
    """Conditions -> their name, by size."""
    named = {key: "no backbone" if group.cell.backbone == NO_BACKBONE else heading_of(group, board) for key, group in controls.items()}
    return {key: named[key] for key in sorted(named, key=lambda key: (by_size(controls[key]), named[key]))}


def heading_of(group: Group, board: Sequence[Group]) -> str:
    """The backbone, scale and depth of a group, and what else tells it apart from others of the board."""
    if group.cell.backbone == NO_BACKBONE:
        return "-"
    return " ".join([group.cell.backbone, f"{group.cell.scale}×", f"depth {group.cell.depth}", *apart(group, board)])


def apart(group: Group, board: Sequence[Group]) -> list[str]:
    """Its budget and settings, where the board has several of them."""
    budget = [counted(group.budget, "trial")] if len({g.budget for g in board}) > 1 else []
    return budget + ([group.settings] if len({g.settings for g in board}) > 1 and group.settings else [])


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    text = spread_text(difference.mean, None if difference.high is None else difference.high - difference.mean)
    return text if text.startswith("-") else f"+{text}"


def _epoch(group: Group) -> dict[int, float]:
    """Seconds of training for a million samples, by seed."""
    return {seed: 1e6 / speed for seed, speed in group.cost("samples_per_second").items() if speed > 0}


def _ratio(values: Mapping[int, float], base: Mapping[int, float], seeds: Collection[int] | None = None) -> str:
    """The mean over the seeds of both of their ratio, ± its standard deviation where it is not the same. ``seeds``: of these only."""
    both = sorted(values.keys() & base.keys())
    ratios = [values[seed] / base[seed] for seed in both if base[seed] > 0 and (seeds is None or seed in seeds)]
    if not ratios:
        return "-"
    mean, sd = mean_sd(ratios)
    return f"{mean:.2f}" + (f" ± {sd:.2f}" if sd is not None and sd >= 0.005 else "")


def _metric(group: Group, metric: str) -> dict[int, float]:
    """Seed -> value; "layerlast" in the name is the model's last layer, and nothing where that one has no such metric."""
    return group.metric(metric.replace(f"layer{LAST}", "" if group.last_layer is None else f"layer{group.last_layer}"))


def spread_text(mean: float, spread: float | None) -> str:
    """ "33.25 ± 0.37": both with the decimals that make four digits of the larger one; with five where both lie in [−1, 1]."""
    if spread is None:
        return number_text(mean)
    largest = max(abs(mean), spread)
    if not math.isfinite(largest) or largest >= 1e4:
        return f"{number_text(mean)} ± {number_text(spread)}"
    decimals = 5 if largest <= 1 else 3 - math.floor(math.log10(largest))
    return f"{mean:z.{decimals}f} ± {spread:.{decimals}f}"


def number_text(value: float) -> str:
    """Five decimals for what lies in [−1, 1], as AUC does, otherwise four digits."""
    return f"{value:z.5f}" if abs(value) <= 1 else f"{value:.4g}"


def _text(headers: list[str], rows: list[list[str]], format: Format, width: int | None) -> str:
    lead = 2 if headers[:2] == ["method", "cell"] else 1
    whole = in_parts(headers, rows, format, None)
    if width is None or headers[-1] != SUMMARY or max(map(len, whole.splitlines())) <= width:
        return in_parts(headers, rows, format, width, lead)
    lines = [[line[0], line[-1], *line[1:-1]] for line in (headers, *rows)]  # in parts the summary belongs to the first
    return in_parts(lines[0], lines[1:], format, width)
