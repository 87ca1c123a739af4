"""What is recorded after each epoch, over the seeds of a cell: scores, and what a model says of its own state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import inf

from benchmark.errors import UserError
from benchmark.metrics.statistics import mean_sd
from benchmark.records import Record
from benchmark.reporting.comparison import Format, heading_of, method_name, number_text
from benchmark.reporting.groups import Group, groups
from benchmark.reporting.tables import in_parts
from benchmark.reporting.text import shown
from benchmark.values import one_of, plain

AUC = "valid/auc"
HEADERS = ["curve", "epoch", "seeds", "mean", "sd", "mean/sd"]


def curves(records: Iterable[Record], name: str, dataset: str | None, format: Format, width: int | None = None) -> list[str]:
    """A heading and a table for each data set: a row for each epoch that all finished seeds of a cell reached, with their mean, their
    standard deviation, and the first over the second. Seeds are compared at the same epoch: their best epochs differ.

    name: of a curve as records name it, or how it ends: "gate_entropy" is that of every layer.

    Raises UserError for a name that no curve has, and for a data set without records.
    """
    finished = [group for group in groups(records) if group.finished]
    boards: dict[str, list[Group]] = defaultdict(list)
    for group in finished:
        boards[group.label].append(group)
    if dataset is not None:
        wanted = one_of("data set", dataset, boards.keys() | {label.split("@")[0] for label in boards}, "curves")
        boards = {label: members for label, members in boards.items() if wanted in (label, label.split("@")[0])}
    known = {full for members in boards.values() for group in members for record in group.finished for full in _names(record)}
    if not any(_meant(full, name) for full in known):
        if not known:
            raise UserError("curves: no finished record has a curve; run a suite first, or name another folder with --results")
        short = {full.rsplit("/", 1)[-1] if full.startswith("model/") else full for full in known}
        one_of("curve", name, short, "curves")
    texts = []
    for label, members in boards.items():
        rows = [row for group in members for row in _rows(group, members, name)]
        if rows:
            texts.append(f"{plain(label)}: {name} after each epoch, over seeds\n\n{in_parts(HEADERS, rows, format, width, 2)}")
    return [shown(text, format) for text in texts]


def _names(record: Record) -> set[str]:
    return {name for entry in record.curve for name in entry} - {"epoch"}


def _meant(full: str, name: str) -> bool:
    return full == name or full.endswith(f"/{name}")


def _rows(group: Group, board: Sequence[Group], name: str) -> Iterable[list[str]]:
    found = [record.curve for record in group.finished]
    for full in sorted({full for record in group.finished for full in _names(record) if _meant(full, name)}):
        for epoch in range(min(map(len, found))):
            values = [entries[epoch][full] for entries in found if full in entries[epoch]]
            if values:
                mean, sd = mean_sd(values)
                over = "-" if sd is None else f"{mean / sd if sd else inf:.1f}"
                spread = "-" if sd is None else number_text(sd)
                curve = f"{method_name(group)} {heading_of(group, board)} {full.removeprefix('model/')}"
                yield [curve, str(epoch + 1), str(len(values)), number_text(mean), spread, over]
