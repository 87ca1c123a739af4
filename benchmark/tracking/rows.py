"""Records -> the rows of MLflow's page: names, values, tags, parameters, descriptions. Imports no mlflow.

One run for each cell, which is a row of the board, and one for each training under it. A cell's run has the board's numbers, rounded as the
board rounds them, under names that stand in the order of importance, since MLflow's page sorts by name. All else is in record.json.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmark.config import Cell, Trial
from benchmark.records import Entry, Store
from benchmark.reporting import acting
from benchmark.reporting.columns import COLUMNS
from benchmark.reporting.leaderboard import Row as BoardRow
from benchmark.reporting.leaderboard import rows_and_groups
from benchmark.reporting.page.cell import page
from benchmark.reporting.page.content import Line, lines_of
from benchmark.reporting.verdicts import in_words
from benchmark.tracking import figures
from benchmark.tracking.notes import LONGEST_VALUE, cell_note, experiment_note, shape
from benchmark.tracking.place import VERSION
from benchmark.tracking.view import NOTE, PLACE
from benchmark.values import canonical, digest, to_dict

LONGEST = 250  # characters of a name
FORBIDDEN = re.compile(r"[^\w\-. /]", re.ASCII)  # in the names of metrics, parameters and tags
# Name -> value, digits. The board's own values; the digit in front is the order on MLflow's page.
BOARD_METRICS: Mapping[str, tuple[Callable[[BoardRow], float | None], int]] = {
    "0 rank": (lambda r: r.rank, 0),
    "1 AUC": (lambda r: r.test_auc_mean, 5),
    "1 AUC sd": (lambda r: r.test_auc_sd, 5),
    "2 delta": (lambda r: r.delta_auc, 5),
    "2 delta high": (lambda r: r.delta_auc_high, 5),
    "2 delta low": (lambda r: r.delta_auc_low, 5),
    "3 logloss": (lambda r: r.test_logloss_mean, 5),
    "4 rank last": (lambda r: r.effective_rank_last, 2),
    "4 rank table": (lambda r: r.effective_rank_table, 2),
    "5 dense": (lambda r: r.parameters_dense, 0),
    "5 samples s": (lambda r: r.samples_per_second, 0),
    "6 IA table": (lambda r: r.information_abundance, 2),
    "7 valid AUC": (lambda r: r.valid_auc_mean, 5),
    "8 seeds": (lambda r: r.seeds, 0),
}
DELTA = next(column for column in COLUMNS if column.key == "delta")
# Tag -> text: what the board says in words of a row.
BOARD_TAGS: Mapping[str, Callable[[BoardRow], str]] = {
    "delta": lambda r: "" if r.delta_auc is None else DELTA.text(r),
    "verdict": lambda r: "" if r.verdict is None and not r.inert else in_words(r.verdict, r.more_seeds, r.equal_within, r.inert),
    "acts": lambda r: "" if r.acts is None else acting.in_words(r.acts),
    "notes": lambda r: "; ".join(r.notes),
    "protocol": lambda r: r.overrides,
    "reason": lambda r: r.reason,
}
EPOCHS = {"epoch valid AUC": "valid/auc", "epoch train loss": "train/loss"}
OPEN = "running"
DIGEST = "record"  # tag of a training that is recorded: the digest of its record
Times = Mapping[str, tuple[float, float]]  # trial id -> start and end of its training, in seconds


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run of MLflow. ``key`` is what it stands for, the same whenever it is made; times in milliseconds since 1970."""

    key: str
    experiment: str
    name: str
    status: str  # MLflow's
    start: int
    end: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Callable[[], Sequence[tuple[str, int, float]]] = list  # name, step, value; of a record, whose digest is among the tags
    parent: str = ""  # key of the cell's row
    record: Path | None = None  # its artifact
    artifacts: Mapping[str, Callable[[], str]] = field(default_factory=dict)  # further ones: name -> text, made when it is written
    made_of: str = ""  # digest of what those are made of

    @cached_property
    def state(self) -> str:
        """Differs where anything of the row does."""
        content = [self.name, self.status, self.start, self.end, dict(self.tags), dict(self.params), dict(self.metrics)]
        return digest([VERSION, *content, self.parent, self.made_of])


@dataclass(frozen=True)
class View:
    """All that MLflow shows of a results folder."""

    rows: Sequence[Row]
    notes: Mapping[str, str]  # experiment -> its description, in Markdown


def view_of(entries: Sequence[Entry], folder: Path, beside: bool = False) -> View:
    """``folder`` has the records' files. ``beside``: the project's own page is served at the same address (tracking/served.py)."""
    board = rows_and_groups((entry.record for entry in entries), audit=acting.audited(Store(folder.parent)))
    order: dict[str, list[Line]] = {}
    for line in lines_of(board):
        order.setdefault(line.group.cell.dataset, []).append(line)
    times = {entry.record.trial_id: span(entry) for entry in entries}
    digests = {entry.record.trial_id: entry.digest for entry in entries}
    cells: dict[str, Row] = {}
    for members in order.values():
        chosen: dict[str, Line] = {}  # a cell is one run: of the largest budget, with the settings that its method has
        for line in members:
            before = chosen.setdefault(line.group.cell.key, line)
            if (line.group.budget, not line.group.earlier) > (before.group.budget, not before.group.earlier):
                chosen[line.group.cell.key] = line
        shown = [line for line in members if line is chosen[line.group.cell.key]]
        digits = len(str(len(shown)))
        for position, line in enumerate(shown, start=1):
            cells[line.group.cell.key] = cell_row(line, position, digits, times, digests, beside)
    found = []
    by_dataset: dict[str, list[Entry]] = {}
    for entry in entries:
        cell = entry.record.trial.cell
        by_dataset.setdefault(cell.dataset, []).append(entry)
        if cell.key not in cells:  # tuned, and not tested yet
            cells[cell.key] = open_cell(cell)
        found.append(trial_row(entry, folder))
    boards = [board_row(dataset, members, by_dataset[dataset], times) for dataset, members in order.items()]
    notes = {dataset: experiment_note([line.row for line in members], beside) for dataset, members in order.items()}
    return View([*cells.values(), *found, *boards], notes)


def cell_row(line: Line, position: int, digits: int, times: Times, digests: Mapping[str, str], beside: bool) -> Row:
    """``position``: on the board, from 1 on. With so many ``digits`` it begins the name; as the metric ``PLACE`` the page sorts by it."""
    row, group, cell = line.row, line.group, line.group.cell
    own = [times[record.trial_id] for record in group.records]
    start, end = min(begun for begun, _ in own), max(ended for _, ended in own)
    words = {name: text for name, value in BOARD_TAGS.items() if (text := value(row))}
    told = {name: round(float(found), places) for name, (value, places) in BOARD_METRICS.items() if (found := value(row)) is not None}
    return Row(
        key=cell_key(cell),
        experiment=cell.dataset,
        name=f"{position:0{digits}} {shape(cell)}",
        status="FINISHED" if group.status == "finished" else "FAILED",
        start=round(1000 * start),
        end=round(1000 * end),
        tags={**_tags(cell), **words, "stage": "cell", "status": group.status, "mlflow.note.content": cell_note(row, group, beside)},
        params={"budget": str(group.budget), **_settings(group.records[0].trial)},
        metrics={PLACE: float(position), **told},
        artifacts={figures.CELL: lambda: page(line)},
        made_of=figures.of_cell(line, digests),
    )


def board_row(dataset: str, members: Sequence[Line], entries: Sequence[Entry], times: Times) -> Row:
    """The run that has the board's page, for whoever sees MLflow alone. ``entries``: all of the data set."""
    spans = [times[entry.record.trial_id] for entry in entries]
    return Row(
        key=board_key(dataset),
        experiment=dataset,
        name="board",
        status="FINISHED",
        start=round(1000 * min(begun for begun, _ in spans)),
        end=round(1000 * max(ended for _, ended in spans)),
        tags={
            "dataset": dataset[:LONGEST_VALUE],
            "stage": "board",
            NOTE: f"The board with its figures is {figures.BOARD}, under Artifacts.",
        },
        artifacts={figures.BOARD: lambda: figures.board(members)},
        made_of=figures.of_board(members, [entry.digest for entry in entries]),
    )


def open_cell(cell: Cell) -> Row:
    """Of a cell that the board does not have yet."""
    tags = {**_tags(cell), "stage": "cell", "status": OPEN}
    return Row(key=cell_key(cell), experiment=cell.dataset, name=f"- {shape(cell)}", status="RUNNING", start=0, end=None, tags=tags)


def span(entry: Entry) -> tuple[float, float]:
    """Start and end of the training; of an older record, which knows how long it took only, it ended when its file was written."""
    seconds = entry.record.cost.get("wall_seconds", 0.0)
    start = entry.started or entry.changed - seconds
    return start, start + seconds


def trial_row(entry: Entry, folder: Path) -> Row:
    """The row of a record."""
    record = entry.record
    trial = record.trial
    start, end = span(entry)
    layers = [name for name in record.headlines if name.startswith("spectral/layer") and name.endswith("/batch/effective_rank")]
    last = max((name for name in layers if "/term/" not in name), key=lambda name: int(name.split("/")[1][5:]), default="")
    sources = {
        "1 AUC": (record.metrics.get("test/auc"), 5),
        "3 logloss": (record.metrics.get("test/logloss"), 5),
        "4 rank last": (record.metrics.get(last), 2),
        "4 rank table": (record.metrics.get("spectral/table/effective_rank"), 2),
        "5 seconds": (record.cost.get("fit_seconds"), 1),
        "6 IA table": (record.metrics.get("spectral/table/information_abundance"), 2),
        "7 valid AUC": (record.metrics.get("valid/auc"), 5),
    }
    return Row(
        key=trial_key(trial.trial_id),
        experiment=trial.cell.dataset,
        name=trial_name(trial),
        status="FINISHED" if record.status in ("finished", "stopped") else "FAILED",
        start=round(1000 * start),
        end=round(1000 * end),
        tags={**trial_tags(trial), "status": record.status, DIGEST: entry.digest, **({"reason": record.reason} if record.reason else {})},
        params=_turn(trial),
        metrics={name: round(value, digits) for name, (value, digits) in sources.items() if value is not None},
        curve=lambda: curve_of(record.curve),
        parent=cell_key(trial.cell),
        record=folder / f"{trial.trial_id}.json",
    )


def running_row(trial: Trial, now: float) -> Row:
    """The row of a training that has begun."""
    return Row(
        key=trial_key(trial.trial_id),
        experiment=trial.cell.dataset,
        name=trial_name(trial),
        status="RUNNING",
        start=round(1000 * now),
        end=None,
        tags={**trial_tags(trial), "status": OPEN},
        params=_turn(trial),
        parent=cell_key(trial.cell),
    )


def curve_of(curve: Iterable[Mapping[str, float]]) -> list[tuple[str, int, float]]:
    """Epochs as points of MLflow's charts."""
    return [
        (name, int(entry.get("epoch", 0)), round(entry[source], 5)) for entry in curve for name, source in EPOCHS.items() if source in entry
    ]


def cell_key(cell: Cell) -> str:
    return f"cell {cell.key}"


def board_key(dataset: str) -> str:
    return f"board {dataset}"


def trial_key(trial_id: str) -> str:
    return f"trial {trial_id}"


def trial_name(trial: Trial) -> str:
    """The first twenty characters tell trials apart: the page shows no more."""
    turn = f"tuning {trial.draw}" if trial.stage == "tune" else f"seed {trial.seed}"
    return f"{turn} {trial.trial_id[:6]} {shape(trial.cell)}"[:LONGEST]


def trial_tags(trial: Trial) -> dict[str, str]:
    return {**_tags(trial.cell), "trial_id": trial.trial_id, "stage": trial.stage, "budget": str(trial.budget)}


def _tags(cell: Cell) -> dict[str, str]:
    named = {"dataset": cell.dataset, "backbone": cell.backbone, "method": cell.method, "scale": cell.scale, "depth": cell.depth}
    return {**{k: str(v) for k, v in named.items()}, "cell": cell.key}


def _turn(trial: Trial) -> dict[str, str]:
    """A tuning trial's settings are its own; a seed has those of its cell."""
    return {"seed": str(trial.seed), **(_settings(trial) if trial.stage == "tune" else {})}


def _settings(trial: Trial) -> dict[str, str]:
    cell = trial.cell
    parts: dict[str, Mapping[str, object]] = {
        "training": to_dict(trial.training),
        "backbone": trial.backbone,
        "method": trial.method,
        "dataset": cell.dataset_options,
    }
    flat = {f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()}
    shape = {"scale": cell.scale, "depth": cell.depth, "dimension": cell.dimension}
    texts = {_name(k): v if isinstance(v, str) else canonical(v) for k, v in {**shape, **flat}.items()}
    return {k: v[:LONGEST_VALUE] or "-" for k, v in texts.items()}


def _name(name: str) -> str:
    """A name that MLflow takes: letters, digits, underscore, dash, period, space and slash; no part of it empty or dots alone, since
    names are paths; at most 250 characters. What had to be changed ends in digits of its own, so that 价格 and 城市 stay apart.
    """
    safe = "/".join(map(_part, name.split("/")))
    return safe if len(safe) <= LONGEST else f"{safe[: LONGEST - 13]}-{digest(name)}"


def _part(part: str) -> str:
    safe = FORBIDDEN.sub("_", part)
    if not safe.strip(". "):
        safe = "_" * max(1, len(safe))
    return part if safe == part else f"{safe}-{digest(part)[:4]}"
