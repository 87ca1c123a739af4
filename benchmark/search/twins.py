"""Cells whose model is another cell's to the last byte, as multi-embedding with one set is single embedding: trained once for both."""

from __future__ import annotations

import io
import pickle
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from benchmark.config import CONTROL, NO_BACKBONE, Cell, Trial, conditions
from benchmark.record import SHARED
from benchmark.records import Record, Store
from benchmark.search.cells import default_trial
from benchmark.search.listeners import Listener
from benchmark.search.tuner import space
from benchmark.training.environment import fingerprints_of
from benchmark.training.trial import model_of
from benchmark.values import canonical, to_dict

if TYPE_CHECKING:
    from benchmark.search.plan import Plan

TRAINED_AS = "trained_as"  # in the environment of a record: the trial whose training it is


def twins(cells: Iterable[Cell], budget: int) -> dict[str, Cell]:
    """Key of a cell -> the cell under the same conditions whose trainings are its own, too: single embedding's, or else the first one's.

    Looked for at scale 1, where methods of several sets have one, and at every scale among a method and its presets, which need not differ
    on every backbone. Both have the same training settings, neither has a setting of its method to choose, and both models, built without
    memory, are pickled to the same bytes: modules, shapes, hooks, penalties, table rules.
    A method that draws random numbers of its own while it builds a model like that would start from other dense weights.
    """
    alike: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.backbone != NO_BACKBONE:
            alike[conditions(cell), "" if cell.scale == 1 else cell.method.partition(":")[0]].append(cell)
    found: dict[str, Cell] = {}
    for members in alike.values():
        first: dict[bytes, Cell] = {}
        for cell in sorted(members, key=lambda cell: cell.method != CONTROL) if len(members) > 1 else ():
            content = _content(cell, budget)
            if content is not None and first.setdefault(content, cell) is not cell:
                found[cell.key] = first[content]
    return found


def _content(cell: Cell, budget: int) -> bytes | None:
    """What two cells have in common that are trained alike; None: it is of no use to look."""
    if any(name.startswith("method.") for name in cell.grid) or (budget > 1 and any(name.startswith("method.") for name in space(cell))):
        return None
    trial = default_trial(cell, "final", 0, budget)
    model = model_of(trial, exact=True)
    if model is None:
        return None
    content = io.BytesIO()
    try:
        _Pickler(content).dump(model)
        return canonical([to_dict(trial.training), dict(trial.backbone)]).encode() + content.getvalue()
    except Exception:  # a plug-in's lambda or local class, of which nobody knows whether it is the same
        return None


class _Pickler(pickle.Pickler):
    """Of a tensor with memory its numbers count, and which others share them; torch's own way writes down where in memory they lie."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self._numbers: dict[int, int] = {}  # address -> which of the model's storages it is

    def reducer_override(self, obj: object) -> Any:
        if not isinstance(obj, torch.Tensor) or obj.is_meta:
            return NotImplemented
        storage = obj.untyped_storage()
        number = self._numbers.setdefault(storage.data_ptr(), len(self._numbers))
        numbers = torch.tensor([], dtype=torch.uint8).set_(storage).numpy().tobytes()
        form = str(obj.dtype), str(obj.device), obj.storage_offset(), tuple(obj.shape), obj.stride(), obj.requires_grad
        return tuple, ((type(obj), form, number, numbers, obj._backward_hooks, vars(obj)),)


def twin_of(record: Record, trial: Trial) -> Record:
    """What the training of ``record`` is as ``trial`` of another cell: the same numbers, with a note, and without the time, which was
    spent once.
    """
    cell, own_code = trial.cell, fingerprints_of(trial.cell)["method_code"]
    failed = f"as {record.trial.cell.method} has: {record.reason}" if record.status == "failed" else record.reason
    return replace(
        record,
        trial=trial,
        reason=failed,  # and so not that of a lost worker, whose trial would be asked again
        cost={name: value for name, value in record.cost.items() if name != "wall_seconds"},
        environment={**record.environment, TRAINED_AS: record.trial_id},
        fingerprints={what: own_code if what == "method_code" else told for what, told in record.fingerprints.items()},
        notes=(*record.notes, f"{cell.method} at scale {cell.scale} is {record.trial.cell.method}: {SHARED}"),
    )


def take_in(record: Record, plan: Plan, store: Store, listener: Listener) -> None:
    """Store a record, then tell plan and listener of it, and the same for its twins."""
    store.write(record)
    plan.tell(record)
    listener.finished(record)
    for twin in plan.twins_of(record):
        store.write(twin)
        plan.tell(twin)
        listener.finished(twin)


def owed(plan: Plan, store: Store) -> Iterator[Record]:
    """The twins that records of earlier runs lack."""
    for known in plan.told_before:
        if any(plan.twins_of(known)):
            yield from plan.twins_of(store.read(store.path(known.trial_id)))
