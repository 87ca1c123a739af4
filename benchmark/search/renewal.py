"""Records that other code has made: set aside, so that a run trains them again. Nothing recorded is lost."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator

from benchmark import plugins
from benchmark.config import NO_BACKBONE, Cell
from benchmark.discovery import Kind
from benchmark.errors import UserError
from benchmark.records import Record, Store
from benchmark.search.former import TodaysWords
from benchmark.training.environment import training_code

PARTS = 4  # of the code, that are named
REPLACED = "replaced"  # folder beside that of the records


def set_aside(store: Store, cells: Collection[Cell]) -> int:
    """Move the records of ``cells`` whose method, backbone or training loop has other code today into ``<results>/replaced/``, and say how
    many they were.

    Code is compared by its digest (benchmark/provenance.py), so a changed comment changes nothing. Records that do not tell theirs, of
    version 0.1 and before, go, too. Raises UserError where a file cannot be moved.
    """
    old = [record for record, _ in of_other_code(_of_cells(store, cells))]
    folder = store.folder.parent / REPLACED
    try:
        for record in old:
            folder.mkdir(exist_ok=True)
            name = next(name for name in _names(record.trial_id) if not (folder / name).exists())
            os.rename(store.path(record.trial_id), folder / name)
    except OSError as error:
        raise UserError(f"{folder}: records cannot be moved there ({error.strerror})") from None
    return len(old)


def told(records: Iterable[Record], cells: Collection[Cell]) -> str:
    """A line on the records of ``cells`` that other code has made and that stay as they are; empty where there are none.

    Failed ones are trained again anyway; of those that do not tell their code nothing is known.
    """
    old = of_other_code(r for r in _of_cells(records, cells) if r.status != "failed" and "method_code" in r.fingerprints)
    if not old:
        return ""
    what = list(dict.fromkeys(part for _, parts in old for part in parts))
    named = f"{', '.join(what[:PARTS])}{', …' if len(what) > PARTS else ''}"
    return f"{len(old)} record(s) here are of other code than today's ({named}), and kept; --renew trains them again"


def _of_cells(records: Iterable[Record], cells: Collection[Cell]) -> Iterator[Record]:
    keys = {cell.key for cell in cells}
    words = TodaysWords()
    return (record for record in records if words.of(record.trial).cell.key in keys)


def of_other_code(records: Iterable[Record]) -> list[tuple[Record, list[str]]]:
    """Those whose method, backbone or training loop is here with other code than theirs, or that do not tell theirs; and which of them."""
    loop = training_code()
    today: dict[tuple[Kind, str], str | None] = {}

    def code(kind: Kind, name: str) -> str | None:
        if (kind, name) not in today:
            try:
                today[kind, name] = plugins.code_of_class(kind, plugins.plugin(kind, name))
            except UserError:
                today[kind, name] = None  # not here: nothing to compare with, and nothing to train it by
        return today[kind, name]

    found = []
    for record in records:
        cell = record.trial.cell
        wanted = {"training_code": ("training", loop), "method_code": (f"method {cell.method}", code("methods", cell.method))}
        if cell.backbone != NO_BACKBONE:
            wanted["backbone_code"] = (f"backbone {cell.backbone}", code("backbones", cell.backbone))
        other = [words for what, (words, digest) in wanted.items() if record.fingerprints.get(what) != digest]
        if other and all(digest is not None for _, digest in wanted.values()):
            found.append((record, other))
    return found


def _names(trial_id: str) -> Iterable[str]:
    yield f"{trial_id}.json"
    yield from (f"{trial_id}-{n}.json" for n in range(2, 10**6))
