"""Records -> rows -> the board, as a table, markdown, CSV or JSON."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from typing import Any, Literal

from benchmark.config import CONTROL, DELTA, NO_BACKBONE
from benchmark.errors import UserError
from benchmark.metrics.statistics import mean_sd, paired_difference
from benchmark.metrics.verdicts import NOT_JUDGED, Judgement, Verdict
from benchmark.records import INERT, Record, Status, Store, no_collection
from benchmark.reporting import acting
from benchmark.reporting.board import View, board, folded, legend, wanted
from benchmark.reporting.group import Group
from benchmark.reporting.groups import blocks_of, boards_named, by_conditions, groups_of, mixed
from benchmark.reporting.text import counted, inert, shown
from benchmark.reporting.tuning import draws_lost, winners_curse
from benchmark.reporting.verdicts import uneven, verdicts
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
    seeds: int  # finished ones, with a test AUC where any has one
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
    test_auc_unseen_pairs_mean: float | None  # over the test rows whose pair of two named fields no training row has
    test_auc_unseen_pairs_sd: float | None
    unseen_pairs_rows: float | None  # how many these rows are
    unseen_pairs_positives: float | None
    verdict: Verdict | None  # None: the control, an inert row, or no finished control under the same conditions with a seed of the row's
    more_seeds: int | None  # of an undecided row: about so many until it would be decided with power .8; None: thousands would not do
    equal_within: float  # δ, in AUC
    p_difference: float | None  # of no difference, two-sided, Holm's over the board; after looks at every seed adjusted for them
    p_equal: float | None  # of a difference of at least δ, likewise
    delta_auc_pooled_low: float | None  # 95 % interval with delta_sd, not adjusted for rows or looks
    delta_auc_pooled_high: float | None
    delta_sd: float | None  # of a paired difference: pooled over the methods of the cell, or, with own_noise, of the row's own
    delta_df: int | None
    max_seeds: int | None  # up to how many the row was looked at after each; None: as many as were asked for
    futility: float  # with max_seeds: no more seeds once the chance that so many decide the row was smaller
    given_up: bool  # undecided with fewer seeds than max_seeds, as that chance was smaller when it was last looked at
    test_logloss_own_epoch_mean: float | None  # at the epoch of the best validation logloss
    won: Mapping[str, Any]  # what was chosen of the suite's grid
    won_at_end: tuple[str, ...]  # of these settings those with the last number of a grid on either side: beyond it none was tried
    acts: float | None  # dose of the logits at the best epoch, else the largest one; below INERT the row is inert
    doses: Mapping[str, float]  # part -> dose at the best epoch
    knock_outs: Mapping[str, float]  # "part/auc", "part/logloss": change without the part, on validation data
    draws_lost: int  # tuning trainings that failed for good: the winner is the best of the others
    tuning_rungs: tuple[int, ...]  # epochs at which its draws were halved; none: each was trained to its end
    delta_auc_pooled: float | None  # what the pooled interval is about: mean difference over the pairs that the verdict was made of
    delta_pooled_seeds: int  # these pairs: where a row was decided before others, without the seeds that came after
    own_noise: bool  # judged by its own pairs: it, or its control, is out of line with the rest of the cell
    trial_ids: tuple[str, ...]  # of its final trainings, finished or not, in the order of seeds: names of records, which `reproduce` takes
    grid_points: int | None  # combinations of the values that it chose from; None: no grid. tuning_trials is those of the method with most

    @property
    def inert(self) -> bool:
        """Whether its mitigation is known to do nothing, so that it has no verdict."""
        return self.acts is not None and self.acts < INERT


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which rows are shown; ranks and verdicts are of the whole board."""

    backbones: tuple[str, ...] = ()
    scales: tuple[int, ...] = ()
    top: int | None = None  # so many of each board

    def of(self, found: Sequence[Row]) -> list[Row]:
        """Raises UserError for what no row has."""
        for backbone in self.backbones:
            one_of("backbone", backbone, {row.backbone for row in found}, "leaderboard")
        for scale in self.scales:
            one_of("scale", str(scale), {str(row.scale) for row in found if row.backbone != NO_BACKBONE}, "leaderboard")
        kept = [row for row in found if not self.backbones or row.backbone in self.backbones]
        kept = [row for row in kept if not self.scales or (row.scale in self.scales and row.backbone != NO_BACKBONE)]
        boards = groupby(kept, key=lambda row: row.dataset)
        return [row for _, members in boards for row in list(members)[: self.top]]


EVERYTHING, PLAIN = Selection(), View()


def leaderboard(
    store: Store, dataset: str | None, format: Format, delta: float = DELTA, selection: Selection = EVERYTHING, view: View = PLAIN
) -> str:
    """The board of a results folder, of all data sets or of one (a name, or a label ``name@fingerprint``). Raises UserError."""
    with no_collection():
        recorded = list(store)
        found = rows(recorded, delta)
    if recorded and not found:
        draws = f"{counted(len(recorded), 'draw')} of tuning, no final training yet"
        made = "it" if len(recorded) == 1 else "them"
        raise UserError(f"{store.folder}: {draws}; the `run` that made {made}, given again, goes on from there")
    if not found:
        raise UserError(f"no final training is recorded in {store.folder}; run `python -m benchmark run quick` first")
    labels = boards_named(dataset, (row.dataset for row in found), "leaderboard")
    found = [row for row in found if row.dataset in labels]
    return render(selection.of(found), format, view, found)


def rows(records: Iterable[Record], delta: float = DELTA) -> list[Row]:
    """The rows of all boards: by data set, the finished ones by mean test AUC, then the unfinished ones, unranked.

    Equal AUC, equal rank. Only final trainings count; see ``groups`` for which of them are one row. Rows whose AUC is within ± ``delta`` of
    the control's are equal to it.
    """
    return [row for row, _ in rows_and_groups(records, delta)]


def rows_and_groups(records: Iterable[Record], delta: float = DELTA, audit: Mapping[str, float] | None = None) -> list[tuple[Row, Group]]:
    """``rows``, each with the trainings that it is made of. ``audit``: see ``groups``."""
    audit = acting.audited(records) if audit is None else audit
    blocks = blocks_of(records)
    tuning = [block for block in blocks if block.first.trial.stage == "tune"]
    all_groups = groups_of(blocks, audit)
    controls = by_conditions(all_groups, CONTROL)
    found: list[tuple[Row, Group]] = []
    for _, grouped in groupby(all_groups, key=lambda g: g.label):
        members = list(grouped)
        said = mixed(members)
        acting_ones = [group for group in members if not acting.inert(group)]
        judged, given_up = verdicts(acting_ones, controls, delta)
        noisy = uneven(acting_ones, controls, judged)
        curse, lost = winners_curse(tuning, members), draws_lost(tuning, members)
        means = [group.mean("test/auc") if group.status == "finished" else None for group in members]
        scored = sorted(mean for mean in means if mean is not None)
        made = [
            (
                _row(
                    group,
                    None if mean is None else 1 + len(scored) - bisect_right(scored, mean),
                    controls.get(group.conditions),
                    [*said[group.conditions, group.row], curse.get(group.budget), noisy.get(group.conditions)],
                    judged.get((group.conditions, group.row), NOT_JUDGED),
                    delta,
                    lost.get((group.conditions, group.row), (0, "")),
                    (group.conditions, group.row) in given_up,
                ),
                group,
            )
            for group, mean in zip(members, means, strict=True)
        ]
        found += sorted(made, key=lambda entry: entry[0].rank or len(made) + 1)
    return found


def render(rows: Sequence[Row], format: Format, view: View = PLAIN, whole: Sequence[Row] | None = None) -> str:
    """The rows as text: ``table`` and ``markdown`` for people, one board a data set; ``csv`` and ``json`` with every key of ``Row``.

    ``whole``: the boards that ``rows`` were chosen from, in whose order they are; what is said of a board as a whole is of these. None: of
    ``rows``.
    """
    if format == "json":
        lines = (json.dumps(vars(row), allow_nan=False, ensure_ascii=False) for row in rows)  # a row a line: thousands are soon written
        return "[\n" + ",\n".join(lines) + "\n]"
    if format == "csv":
        import pandas  # half a second, for this only

        texts = {name: canonical for name in ("internal_state", "won", "doses", "knock_outs")} | {
            "notes": "; ".join,
            "trial_ids": " ".join,
            "won_at_end": " ".join,
        }
        content = [{**asdict(row), **{name: text(getattr(row, name)) for name, text in texts.items()}} for row in rows]
        content = [{name: inert(value) for name, value in entry.items()} for entry in content]
        written: str = pandas.DataFrame(content, columns=[f.name for f in fields(Row)], dtype=object).to_csv(index=False)
        return written
    everything: dict[str, list[Row]] = {}
    for row in rows if whole is None else whole:
        everything.setdefault(row.dataset, []).append(row)
    by_label = {label: list(members) for label, members in groupby(rows, key=lambda row: row.dataset)}
    boards = [board(label, members, format, view, everything[label]) for label, members in by_label.items()]
    explained = legend(rows, {column.key for members in by_label.values() for column in wanted(members, view)})
    said = [f"- {line}" for line in explained] if format == "markdown" else folded(explained, view)
    return shown("\n\n".join([*boards, "\n".join(said)]), format)


# What a row has the mean of, with the metric of the last layer
MEANS = (
    "test/logloss",
    "spectral/table/information_abundance",
    "spectral/table/effective_rank",
    "valid/auc",
    "test/bayes_auc",
    "test/bayes_logloss",
    "test/rows_unseen_pairs",
    "test/positives_unseen_pairs",
    "test/logloss_own_epoch",
)
COSTS = ("parameters_table", "parameters_dense", "samples_per_second", "flops_per_sample", "peak_memory_mb")


def _row(
    group: Group,
    rank: int | None,
    control: Group | None,
    notes: Iterable[str | None],
    judged: Judgement,
    margin: float,
    lost: tuple[int, str],
    given_up: bool,
) -> Row:
    cell = group.cell
    auc = group.metric("test/auc")
    mean, sd = mean_sd(list(auc.values())) if auc else (None, None)
    unseen = group.metric("test/auc_unseen_pairs")
    unseen_mean, unseen_sd = mean_sd(list(unseen.values())) if unseen else (None, None)
    delta = None
    if control is not None and cell.method != CONTROL and group.status == "finished":
        delta = paired_difference(auc, control.metric("test/auc"))
    last = "" if group.last_layer is None else f"spectral/layer{group.last_layer}/batch/effective_rank"
    mean_of, cost_of = group.means_of((*MEANS, last)).get, group.mean_costs(COSTS).get
    table, dense = cost_of("parameters_table"), cost_of("parameters_dense")
    return Row(
        rank=rank,
        method=cell.method,
        backbone=cell.backbone,
        dataset=group.label,
        scale=cell.scale,
        depth=cell.depth,
        status=group.status,
        seeds=len(auc) if auc else group.finished_count,
        test_auc_mean=mean,
        test_auc_sd=sd,
        delta_auc=delta.mean if delta else None,
        test_logloss_mean=mean_of("test/logloss"),
        information_abundance=mean_of("spectral/table/information_abundance"),
        effective_rank_table=mean_of("spectral/table/effective_rank"),
        effective_rank_last=mean_of(last),
        parameters_table=None if table is None else round(table),
        parameters_dense=None if dense is None else round(dense),
        samples_per_second=cost_of("samples_per_second"),
        delta_auc_low=delta.low if delta else None,
        delta_auc_high=delta.high if delta else None,
        tuning_trials=group.budget,
        dimension=cell.dimension,
        protocol=group.protocol,
        valid_auc_mean=mean_of("valid/auc"),
        flops_per_sample=cost_of("flops_per_sample"),
        peak_memory_mb=cost_of("peak_memory_mb"),
        reason=group.reason,
        notes=(*group.notes, *(note for note in notes if note), *_of_lost(group, *lost)),
        delta_seeds=delta.n if delta else 0,
        overrides=group.overrides,
        bayes_auc=mean_of("test/bayes_auc"),
        bayes_logloss=mean_of("test/bayes_logloss"),
        internal_state=dict(sorted(group.means("model/").items())),
        test_auc_unseen_pairs_mean=unseen_mean,
        test_auc_unseen_pairs_sd=unseen_sd,
        unseen_pairs_rows=mean_of("test/rows_unseen_pairs"),
        unseen_pairs_positives=mean_of("test/positives_unseen_pairs"),
        verdict=judged.verdict,
        more_seeds=judged.more_seeds,
        equal_within=margin,
        p_difference=judged.p_difference,
        p_equal=judged.p_equal,
        delta_auc_pooled_low=judged.low,
        delta_auc_pooled_high=judged.high,
        delta_sd=judged.sd,
        delta_df=judged.df,
        max_seeds=group.max_seeds,
        futility=group.futility,
        given_up=given_up,
        test_logloss_own_epoch_mean=mean_of("test/logloss_own_epoch"),
        won=group.won,
        won_at_end=group.won_at_end,
        acts=group.acts,
        doses=acting.doses(group),
        knock_outs=acting.knock_outs(group),
        draws_lost=lost[0],
        tuning_rungs=cell.rungs,
        delta_auc_pooled=judged.difference,
        delta_pooled_seeds=judged.n,
        own_noise=judged.own_noise,
        trial_ids=group.trial_ids,
        grid_points=group.grid_points,
    )


def _of_lost(group: Group, count: int, reason: str) -> list[str]:
    return [f"{group.cell}: {count} of its tuning trainings failed for good, the first of them: {reason}"] if count else []
