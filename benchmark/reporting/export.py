"""Records -> a LaTeX table for a paper, or the columns that bencheval (TabArena) reads."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import fmean
from typing import Literal

from benchmark.config import NO_BACKBONE
from benchmark.errors import UserError
from benchmark.metrics.statistics import mean_sd, paired_difference
from benchmark.records import Record
from benchmark.reporting.comparison import apart, method_name
from benchmark.reporting.group import Group
from benchmark.reporting.groups import boards_named, groups
from benchmark.reporting.leaderboard import render, rows
from benchmark.reporting.text import counted, inert, mean_text
from benchmark.values import plain

Format = Literal["latex", "bencheval", "csv"]
SPECIAL = {**{c: f"\\{c}" for c in "&%$#_{}"}, "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def export(records: Iterable[Record], format: Format, dataset: str | None = None) -> str:
    """The results as text. dataset: only this one, a name or a label ``name@fingerprint``. Raises UserError."""
    known = groups(records)
    labels = boards_named(dataset, (g.label for g in known), "export")
    found = [g for g in known if g.finished and g.label in labels]
    if not found:
        raise UserError("export: no final training has finished; run `python -m benchmark run quick` first, or name another folder")
    if format == "bencheval":
        return bencheval(found)
    if format == "csv":
        kept = {g.label for g in found}
        return render([row for row in rows(records) if row.dataset in kept], "csv")
    by_label = {label: list(members) for label, members in groupby(found, key=lambda g: g.label)}
    boards = {label: members for label, members in by_label.items() if any(map(_has_place, members))}
    if not boards:
        raise UserError("export: no cell with a backbone has finished, and a table has no others; --format csv has every row")
    return "\n".join(latex(label, members) for label, members in boards.items())


def bencheval(board: Sequence[Group]) -> str:
    """A line a finished final training, with the columns of bencheval.tabarena.TabArena: lower metric_error is better.

    A task is what methods are compared on: data set, backbone, scale, depth, budget and settings. time_train_s is the fit, with the scoring
    of the validation rows after each epoch; time_infer_s that scoring alone, of all epochs together.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "task", "seed", "metric_error", "time_train_s", "time_infer_s"])
    for group in board:
        cell = group.cell
        parts = [group.label, *([] if cell.backbone == NO_BACKBONE else [cell.backbone, f"scale {cell.scale}", f"depth {cell.depth}"])]
        task = " ".join([*parts, counted(group.budget, "trial"), *([group.settings] if group.settings else [])])
        for record in group.finished:
            if "test/auc" in record.metrics:  # one without does not count as a seed
                times = record.cost.get("fit_seconds"), record.cost.get("evaluation_seconds")
                writer.writerow([inert(method_name(group)), inert(task), record.trial.seed, 1 - record.metrics["test/auc"], *times])
    return text.getvalue()


def latex(label: str, board: Sequence[Group]) -> str:
    """A table of methods by backbones, scales and depths, the longer side down: mean test AUC ± sample standard deviation.

    Bold: the best of each column, and every method whose difference to it, paired by seed, has a 95 % interval with 0. Where seeds are not
    finished, the mean of the others stands with that word, and is compared with none.
    """
    cells = [g for g in board if _has_place(g)]
    columns = {g.conditions: g for g in sorted(cells, key=lambda g: (g.cell.backbone, g.cell.scale, g.cell.depth, g.conditions))}
    methods = dict.fromkeys(method_name(g) for g in sorted(cells, key=lambda g: (not _whole(g), -_mean(g), g.cell.method)))
    found = {(g.conditions, method_name(g)): g for g in cells}
    best = {c: max((g for g in cells if g.conditions == c and _whole(g)), key=_mean, default=None) for c in columns}
    names = {condition: _heading(group, cells) for condition, group in columns.items()}
    table = {method: {c: _shown(found.get((c, method)), best[c]) for c in columns} for method in methods}
    typeset = {method: rf"\texttt{{{_escaped(method)}}}" for method in methods}
    if len(columns) <= len(methods):
        head, body = [*names.values()], [[typeset[method], *table[method].values()] for method in methods]
    else:  # the longer side goes down
        head, body = [*typeset.values()], [[names[c], *(table[method][c] for method in methods)] for c in columns]
    seeds = sorted({len(g.metric("test/auc")) for g in cells})
    said = [
        f"% mean and sample standard deviation over {' or '.join(map(str, seeds))} seeds",
        "% bold: the best, and what the 95 % interval of their paired difference does not tell from it",
    ]
    if seeds == [1]:
        said = ["% of one seed", "% bold: the best; there is no interval to tell others from it"]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            rf"\begin{{tabular}}{{l{'r' * len(head)}}}",
            r"\toprule",
            " & ".join([f"{_escaped(label)}: test AUC", *head]) + r" \\",
            r"\midrule",
            *(" & ".join(row) + r" \\" for row in body),
            r"\bottomrule",
            r"\end{tabular}",
            *said,
            "",
        ]
    )


def _has_place(group: Group) -> bool:
    """Whether it is a row of a cell's column: a sanity row is of none."""
    return group.cell.backbone != NO_BACKBONE and bool(group.metric("test/auc"))


def _shown(group: Group | None, best: Group | None) -> str:
    if group is None:
        return "--"
    values = group.metric("test/auc")
    text = mean_text(*mean_sd(list(values.values())), "finished", len(values)).rpartition(" (")[0].replace("±", r"$\pm$")
    if best is None or not _whole(group):
        return f"{text} ({group.status})"
    return rf"\textbf{{{text}}}" if group is best or _level(group, best) else text


def _whole(group: Group) -> bool:
    """Whether all its seeds are finished: the others may have been the worst ones."""
    return group.status == "finished"


def _mean(group: Group) -> float:
    return fmean(group.metric("test/auc").values())


def _level(group: Group, best: Group) -> bool:
    difference = paired_difference(best.metric("test/auc"), group.metric("test/auc"))
    return difference is not None and difference.low is not None and difference.low <= 0


def _heading(group: Group, board: Sequence[Group]) -> str:
    place = rf"{_escaped(group.cell.backbone)} {group.cell.scale}$\times$, $L={group.cell.depth}$"
    return ", ".join([place, *map(_escaped, apart(group, board))])


def _escaped(text: str) -> str:
    return re.sub(r"[&%$#_{}\\~^]", lambda match: SPECIAL[match[0]], plain(text))
