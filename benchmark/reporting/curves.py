"""What is recorded after each epoch, over the seeds of a cell: scores, and what a model says of its own state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.config import NO_BACKBONE
from benchmark.errors import UserError
from benchmark.metrics.statistics import mean_sd
from benchmark.records import Record
from benchmark.reporting.comparison import Format, heading_of, method_name, number_text
from benchmark.reporting.group import Group
from benchmark.reporting.groups import boards_named, groups
from benchmark.reporting.tables import in_parts
from benchmark.reporting.text import shown
from benchmark.values import one_of, plain

STATE = "model/"  # how the names begin of what a model says of itself
HEADERS = ["curve", "epoch", "n", "mean", "sd", "mean/sd"]


def curves(records: Iterable[Record], name: str, dataset: str | None, format: Format, width: int | None = None) -> list[str]:
    """A heading and a table for each data set: a row for each epoch that all finished seeds of a cell reached, with their mean, their
    standard deviation, and the first over the second. Seeds are compared at the same epoch: their best epochs differ.

    name: of a curve as records name it, or how it ends: "gate_entropy" is that of every layer.

    Raises UserError for a name that no curve has, and for a data set without records.
    """
    found = groups(records)
    labels = boards_named(dataset, (group.label for group in found), "curves")
    boards = {label: [group for group in found if group.label == label and group.finished] for label in labels}
    known = {full for members in boards.values() for group in members for full in names(group)}
    if not any(_meant(full, name) for full in known):
        if not known:
            raise UserError("curves: no finished record has a curve; run a suite first, or name another folder with --results")
        short = {full.rsplit("/", 1)[-1] if full.startswith(STATE) else full for full in known}
        one_of("curve", name, short, "curves")
    texts = []
    for label, members in boards.items():
        rows = [row for group in members for row in _rows(group, members, name)]
        if rows:
            texts.append(f"{plain(label)}: {name} after each epoch, over n seeds\n\n{in_parts(HEADERS, rows, format, width, 2)}")
    return [shown(text, format) for text in texts]


def names(group: Group) -> set[str]:
    """Of the curves of its finished seeds."""
    return {name for record in group.finished for entry in record.curve for name in entry} - {"epoch"}


def by_epoch(group: Group, name: str) -> list[tuple[int, list[float]]]:
    """Each epoch that all finished seeds reached, from 1 on, with the value of every seed that has one."""
    found = [record.curve for record in group.finished]
    entries = [(epoch + 1, [curve[epoch][name] for curve in found if name in curve[epoch]]) for epoch in range(min(map(len, found)))]
    return [(epoch, values) for epoch, values in entries if values]


def _meant(full: str, name: str) -> bool:
    return full == name or full.endswith(f"/{name}")


def _rows(group: Group, board: Sequence[Group], name: str) -> Iterable[list[str]]:
    for full in sorted(full for full in names(group) if _meant(full, name)):
        where = full.removeprefix(STATE).removesuffix(name).rstrip("/")  # the layer: the rest stands above the table
        place = "" if group.cell.backbone == NO_BACKBONE else heading_of(group, board)
        curve = " ".join(filter(None, (method_name(group), place, where)))
        for epoch, values in by_epoch(group, full):
            mean, sd = mean_sd(values)
            over = f"{mean / sd:.1f}" if sd else "-"
            yield [curve, str(epoch), str(len(values)), _number(mean), "-" if sd is None else _number(sd), over]


def _number(value: float) -> str:
    """As in other tables, but no 0.00000 for what is not 0, such as a learning rate that has dropped."""
    return f"{value:.3g}" if 0 < abs(value) < 5e-6 else number_text(value)
