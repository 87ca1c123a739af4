"""Records -> rows -> the board, as a table, markdown, CSV or JSON."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import groupby
from statistics import fmean
from typing import Literal

from tabulate import tabulate

from benchmark.config import CONTROL, NO_BACKBONE
from benchmark.errors import UserError
from benchmark.metrics.statistics import mean_sd, paired_difference
from benchmark.records import Record, Status, Store
from benchmark.reporting.groups import Group, by_conditions, groups, mixed_code
from benchmark.values import canonical, one_of

Format = Literal["table", "markdown", "csv", "json"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the board: the seeds of one cell at one budget. None where unknown. The JSON keys are the fields, in this order."""

    rank: int | None
    method: str
    backbone: str
    dataset: str  # the board's label
    scale: int
    depth: int
    status: Status  # of the worst seed
    seeds: int  # finished ones
    test_auc_mean: float | None
    test_auc_sd: float | None  # n − 1; None for one seed
    delta_auc: float | None  # mean paired difference to the control of the same width
    test_logloss_mean: float | None
    information_abundance: float | None  # of the table, mean over fields
    effective_rank_table: float | None
    effective_rank_last: float | None  # of the last layer's batch matrices, mean over rows
    parameters_table: int | None
    parameters_dense: int | None
    samples_per_second: float | None
    delta_auc_low: float | None
    delta_auc_high: float | None
    tuning_trials: int
    dimension: int
    protocol: str
    valid_auc_mean: float | None
    flops_per_sample: float | None
    peak_memory_mb: float | None
    reason: str
    notes: tuple[str, ...]
    delta_seeds: int  # pairs behind delta_auc
    overrides: str  # what `protocol` stands for
    bayes_auc: float | None  # the known optimum of synthetic data
    bayes_logloss: float | None
    internal_state: Mapping[str, float]  # what the model says of itself, mean over seeds: "layer0/gate_entropy" …


def leaderboard(store: Store, dataset: str | None, format: Format) -> str:
    """The board of a results folder, of all data sets or of one (a name, or a label ``name@fingerprint``). Raises UserError."""
    found = rows(store)
    if not found:
        raise UserError(f"no finished records in {store.folder}; run `python -m benchmark run quick` first")
    if dataset is not None:
        labels = {row.dataset for row in found}
        names = {label.split("@")[0] for label in labels}
        wanted = one_of("data set", dataset, labels | names, "leaderboard")
        found = [row for row in found if wanted in (row.dataset, row.dataset.split("@")[0])]
    return render(found, format)


def rows(records: Iterable[Record]) -> list[Row]:
    """The rows of all boards: by data set, the finished ones by mean test AUC, then the unfinished ones, unranked.

    Equal AUC, equal rank. Only final trainings count; see ``groups`` for which of them are one row.
    """
    return [row for row, _ in rows_and_groups(records)]


def rows_and_groups(records: Iterable[Record]) -> list[tuple[Row, Group]]:
    """``rows``, each with the trainings that it is made of."""
    all_groups = groups(records)
    controls = by_conditions(all_groups, CONTROL)
    found: list[tuple[Row, Group]] = []
    for _, grouped in groupby(all_groups, key=lambda g: g.label):
        members = list(grouped)
        mixed = mixed_code(members)
        board = [(_row(group, controls.get(group.conditions), mixed.get(group.cell.backbone)), group) for group in members]
        scored = [(auc, row, group) for row, group in board if row.status == "finished" and (auc := row.test_auc_mean) is not None]
        aucs = sorted(auc for auc, _, _ in scored)
        ranked = [(1 + len(aucs) - bisect_right(aucs, auc), row, group) for auc, row, group in scored]
        found += [(replace(row, rank=rank), group) for rank, row, group in sorted(ranked, key=lambda entry: entry[0])]
        found += [(row, group) for row, group in board if row.status != "finished" or row.test_auc_mean is None]
    return found


def render(rows: Sequence[Row], format: Format) -> str:
    """The rows as text: ``table`` and ``markdown`` for people, one board a data set; ``csv`` and ``json`` with every key of ``Row``."""
    if format == "json":
        lines = (json.dumps(vars(row), allow_nan=False, ensure_ascii=False) for row in rows)  # a row a line: thousands are soon written
        return "[\n" + ",\n".join(lines) + "\n]"
    if format == "csv":
        import pandas  # half a second, for this only

        content = [{**asdict(row), "notes": "; ".join(row.notes), "internal_state": canonical(row.internal_state)} for row in rows]
        text: str = pandas.DataFrame(content, columns=[f.name for f in fields(Row)], dtype=object).to_csv(index=False)
        return text
    boards = [_board(label, list(members), format) for label, members in groupby(rows, key=lambda row: row.dataset)]
    return "\n\n".join([*boards, _legend(rows, format)])


def _row(group: Group, control: Group | None, mixed: str | None) -> Row:
    cell = group.cell
    auc = group.metric("test/auc")
    mean, sd = mean_sd(list(auc.values())) if auc else (None, None)
    delta = None
    if control is not None and cell.method != CONTROL and group.status == "finished":
        delta = paired_difference(auc, control.metric("test/auc"))
    last = f"spectral/layer{group.layers[-1]}/batch/effective_rank" if group.layers else ""
    table, dense = _mean(group.cost("parameters_table")), _mean(group.cost("parameters_dense"))
    return Row(
        rank=None,
        method=cell.method,
        backbone=cell.backbone,
        dataset=group.label,
        scale=cell.scale,
        depth=cell.depth,
        status=group.status,
        seeds=len(group.finished),
        test_auc_mean=mean,
        test_auc_sd=sd,
        delta_auc=delta.mean if delta else None,
        test_logloss_mean=_mean(group.metric("test/logloss")),
        information_abundance=_mean(group.metric("spectral/table/information_abundance")),
        effective_rank_table=_mean(group.metric("spectral/table/effective_rank")),
        effective_rank_last=_mean(group.metric(last)),
        parameters_table=None if table is None else round(table),
        parameters_dense=None if dense is None else round(dense),
        samples_per_second=_mean(group.cost("samples_per_second")),
        delta_auc_low=delta.low if delta else None,
        delta_auc_high=delta.high if delta else None,
        tuning_trials=group.budget,
        dimension=cell.dimension,
        protocol=group.protocol,
        valid_auc_mean=_mean(group.metric("valid/auc")),
        flops_per_sample=_mean(group.cost("flops_per_sample")),
        peak_memory_mb=_mean(group.cost("peak_memory_mb")),
        reason=group.reason,
        notes=group.notes if mixed is None else (*group.notes, mixed),
        delta_seeds=delta.n if delta else 0,
        overrides=group.overrides,
        bayes_auc=_mean(group.metric("test/bayes_auc")),
        bayes_logloss=_mean(group.metric("test/bayes_logloss")),
        internal_state=_internal_state(group),
    )


def _internal_state(group: Group) -> dict[str, float]:
    return {name.removeprefix("model/"): fmean(group.metric(name).values()) for name in group.internal_state}


def _mean(values: Mapping[int, float]) -> float | None:
    return fmean(values.values()) if values else None


def _board(label: str, board: Sequence[Row], format: Literal["table", "markdown"]) -> str:
    """One data set's board: heading, table, and below it what must be said about it."""
    columns: dict[str, Callable[[Row], str]] = {
        "#": lambda r: _text(r.rank, "d"),
        "method": lambda r: r.method,
        "backbone": lambda r: "-" if r.backbone == NO_BACKBONE else r.backbone,
        "scale": lambda r: "-" if r.backbone == NO_BACKBONE else str(r.scale),
        "depth": lambda r: "-" if r.backbone == NO_BACKBONE else str(r.depth),
        "trials": lambda r: str(r.tuning_trials),
        "protocol": lambda r: r.protocol or "-",
        "test AUC\n± sd (seeds)": _auc,
        "Δ to SE\n± 95 %": _delta,
        "log-\nloss": lambda r: _text(r.test_logloss_mean, ".5f"),
        "IA\ntable": lambda r: _text(r.information_abundance, ".2f"),
        "eff.\nrank\ntable": lambda r: _text(r.effective_rank_table, ".2f"),
        "eff.\nrank\nlast": lambda r: _text(r.effective_rank_last, ".2f"),
        "params\ntable": lambda r: _human(r.parameters_table),
        "params\ndense": lambda r: _human(r.parameters_dense),
        "samples\n/s": lambda r: _human(r.samples_per_second),
    }
    if len({r.tuning_trials for r in board}) == 1:
        del columns["trials"]
    if len({r.protocol for r in board}) == 1:
        del columns["protocol"]
    left = {"method", "backbone"}
    table = tabulate(
        [[cell(row) for cell in columns.values()] for row in board],
        headers=[name.replace("-\n", "").replace("\n", " ") if format == "markdown" else name for name in columns],
        tablefmt="github" if format == "markdown" else "simple",
        colalign=["left" if name in left else "right" for name in columns],
        disable_numparse=True,
    )
    finished = sum(row.status == "finished" for row in board)
    tuned = sorted({row.tuning_trials for row in board})
    heading = f"{label}: {finished} of {len(board)} cells finished, tuning trials per cell: {', '.join(map(str, tuned))}"
    lines = list(dict.fromkeys(_remarks(board)))
    inner = _internal_states(board, format)
    if format == "markdown":
        return "\n".join([f"### {heading}", "", table, *([""] if lines else []), *(f"- {line}" for line in lines), *inner])
    return "\n".join([heading, "", table, *([""] if lines else []), *lines, *inner])


def _internal_states(board: Sequence[Row], format: Literal["table", "markdown"]) -> list[str]:
    """A table of what models say of themselves: a row a cell, a column a quantity, its value at each layer from 0 on."""
    states = [(row, row.internal_state) for row in board if row.internal_state]
    quantities = sorted({name.rpartition("/")[2] for _, state in states for name in state})
    if not quantities:
        return []

    def values(state: Mapping[str, float], quantity: str) -> str:
        layers = sorted((name for name in state if name.rpartition("/")[2] == quantity), key=lambda name: (len(name), name))
        return " ".join(f"{state[name]:.3g}" for name in layers) or "-"

    headers = ["method", "backbone", "scale", "depth", *(quantity.replace("_", " ") for quantity in quantities)]
    lines = [[r.method, r.backbone, str(r.scale), str(r.depth), *(values(state, q) for q in quantities)] for r, state in states]
    table = tabulate(lines, headers=headers, tablefmt="github" if format == "markdown" else "simple", disable_numparse=True)
    return ["", "What the models say of themselves, at each layer from 0 on (mean over seeds):", "", table]


def _remarks(board: Sequence[Row]) -> Iterable[str]:
    """The lines under a board; equal ones are said once."""
    for row in board:
        if row.bayes_auc is not None:
            optimum = f"AUC {row.bayes_auc:.5f}" + ("" if row.bayes_logloss is None else f", logloss {row.bayes_logloss:.5f}")
            yield f"Bayes optimum: {optimum}: no method can be expected above it"
    for row in board:
        if row.status != "finished":
            cell = "" if row.backbone == NO_BACKBONE else f", {row.backbone}, scale {row.scale}, depth {row.depth}"
            yield f"{row.status}: {row.method}{cell}: {row.reason or 'no reason recorded'}"
    for row in board:
        yield from (f"note: {note}" for note in row.notes)
    for row in sorted(board, key=lambda r: r.protocol):
        if row.protocol:
            yield f"protocol {row.protocol}: {row.overrides}"


def _legend(rows: Sequence[Row], format: Literal["table", "markdown"]) -> str:
    lines = [
        "Ranked by mean test AUC over seeds, ± sample standard deviation. Less collapse alone does not make a better model: read both.",
        "Δ to SE: test AUC less single_embedding's at the same width and setting, paired by seed, ± half its 95 % interval.",
        "IA: information abundance, Σσ/σ_1; eff. rank: exp of the entropy of σ/Σσ; σ singular values. Both count the dimensions in use.",
        "table: mean over the fields with at least as many learned values as the width; a field with fewer cannot collapse.",
        "last: batch of validation data at the last interaction layer, mean over its rows; where rows are fields, over those same fields.",
        "params: the embedding table, and all the rest; samples/s: training, on the machine that ran it.",
    ]
    if any(row.backbone == NO_BACKBONE for row in rows):
        lines.append("Rows without a backbone are sanity rows: no interaction model should stand below them.")
    if format == "markdown":
        return "\n".join(f"- {line}" for line in lines)
    return "\n".join(lines)


def _auc(row: Row) -> str:
    if row.test_auc_mean is None:
        return row.status
    sd = "" if row.test_auc_sd is None else f" ± {row.test_auc_sd:.5f}"
    failed = "" if row.status == "finished" else f"{row.status}, "
    return f"{row.test_auc_mean:.5f}{sd} ({failed}{row.seeds})"


def _delta(row: Row) -> str:
    if row.delta_auc is None:
        return "-"
    half = "" if row.delta_auc_high is None else f" ± {row.delta_auc_high - row.delta_auc:.5f}"
    return f"{row.delta_auc:+.5f}{half}"


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _human(value: float | None) -> str:
    """Three significant digits with k, M or G: 1.23M."""
    if value is None:
        return "-"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"
