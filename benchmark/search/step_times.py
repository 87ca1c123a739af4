"""How long a training takes here, by a few timed steps: asked before a run, in seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import torch

from benchmark import plugins
from benchmark.config import CONTROL, NO_BACKBONE, Cell
from benchmark.contracts import Backbone
from benchmark.method import Method, assemble
from benchmark.schema import Schema
from benchmark.speed.contestants import Ours
from benchmark.speed.workload import Workload

BATCHES = (128, 512)  # rows of the timed steps: two sizes tell what a step costs by itself, and by the row
LARGEST = 2 * 10**7  # numbers of a table that is made for this
FORWARD = 1 / 3  # of a training step's time by the row, for scoring: a step goes through the model three times
Place = tuple[str, str, int]  # data set, backbone, scale
Step = tuple[float, float]  # seconds of a training step: of itself, and for each row


@dataclass
class StepTimes:
    """Seconds of a training step of single embedding by place, and what other methods take of it."""

    device: torch.device
    threads: int
    steps: dict[Place, Step] = field(default_factory=dict)
    fields: dict[str, int] = field(default_factory=dict)  # data set -> number of fields
    factors: dict[str, float] = field(default_factory=dict)  # method -> times single embedding's step, at one place

    def measure(self, cells: Sequence[Cell], schemas: Mapping[str, Schema], seconds: float) -> None:
        """For about so long: each place once, the largest scales first, on which most time is spent, then the smallest, since the others
        lie between; and for the last third each method, with one backbone at a middle scale.
        """
        self.fields = {name: len(schema.fields) for name, schema in schemas.items()}
        members: dict[Place, dict[str, Cell]] = {}
        for cell in cells:
            members.setdefault(place(cell), {}).setdefault(cell.method, cell)
        sized = [cell for cell in cells if cell.backbone != NO_BACKBONE]
        first = next((cell for cell in sized if cell.method == CONTROL), sized[0] if sized else None)
        if first is not None:
            self._timed(first, schemas[first.dataset])  # a process's first steps import for seconds
        start = time.monotonic()
        scales = sorted({scale for _, backbone, scale in members if backbone != NO_BACKBONE}) or [1]
        middle = scales[len(scales) // 2]

        def timed(cell: Cell, share: float) -> Step | None:
            return self._timed(cell, schemas[cell.dataset]) if time.monotonic() < start + share * seconds else None

        for where in sorted(members, key=lambda one: (one[1] != NO_BACKBONE, one[2] != scales[-1], one[2] != scales[0], one[2])):
            own = members[where]
            if found := timed(own.get(CONTROL) or next(iter(own.values())), 2 / 3):
                self.steps[where] = found
        compared = next((where for where in members if where[2] == middle and CONTROL in members[where]), None)
        if compared is None or not (control := timed(members[compared][CONTROL], 1.0)):
            return
        self.steps.setdefault(compared, control)
        self.factors[CONTROL] = 1.0
        for method, cell in members[compared].items():
            if method != CONTROL and (found := timed(cell, 1.0)):
                self.factors[method] = _at(found) / _at(control)

    def training(self, cell: Cell, rows: Mapping[str, int], batch: int, epochs: float, final: bool) -> float | None:
        """Seconds of one training without spectra; None where nothing like it was timed."""
        step = self._step(place(cell))
        if step is None:
            return None
        once, by_row = step
        epoch = math.ceil(rows["train"] / batch) * once + by_row * (rows["train"] + FORWARD * rows["valid"])
        # A method that was not timed is taken to be like the mean of those that were.
        factor = (
            1.0 if cell.backbone == NO_BACKBONE else self.factors.get(cell.method, fmean(self.factors.values()) if self.factors else 1.0)
        )
        return factor * (epochs * epoch + (FORWARD * by_row * rows["test"] if final else 0.0))

    def _step(self, where: Place) -> Step | None:
        """As timed; else between the nearest scales below and above; else in proportion to the width, as tables grow: layers grow with its
        square, and take the smaller part of a step until they are large. A backbone that was not timed is as the mean of others; a data
        set of which nothing was is as another, in proportion to the fields.
        """
        dataset, backbone, scale = where
        known = sorted(other[2] for other in self.steps if other[:2] == (dataset, backbone))
        if not known and backbone == NO_BACKBONE:
            return None
        if not known:
            others = {other[1] for other in self.steps if other[0] == dataset} - {backbone, NO_BACKBONE}
            found = [step for other in others if (step := self._step((dataset, other, scale))) is not None]
            if found:
                return fmean(once for once, _ in found), fmean(by_row for _, by_row in found)
            timed = next((other[0] for other in self.steps if other[1] != NO_BACKBONE and other[0] != dataset), None)
            step = None if timed is None else self._step((timed, backbone, scale))
            return None if timed is None or step is None else _times(step, self.fields[dataset] / self.fields[timed])
        low = max((one for one in known if one <= scale), default=known[0])
        high = min((one for one in known if one >= scale), default=low)
        once, by_row = self.steps[dataset, backbone, low]
        if high <= low:
            return once * scale / low, by_row * scale / low
        share = (scale - low) / (high - low)
        above = self.steps[dataset, backbone, high]
        return once + share * (above[0] - once), by_row + share * (above[1] - by_row)

    def _timed(self, cell: Cell, schema: Schema) -> Step | None:
        """None where the model cannot be built or run, or would be too large to be built for this."""
        if schema.values * cell.scale * cell.dimension > LARGEST:
            return None
        sizes = tuple(one.ids for one in schema.fields)
        method: Method = plugins.make("methods", cell.method, dict(cell.method_options))
        recipe: Backbone | None = None
        if cell.backbone != NO_BACKBONE:
            recipe = plugins.make("backbones", cell.backbone, {**cell.backbone_options, "depth": cell.depth})
        found = []
        try:
            model = assemble(method, recipe, schema, cell.scale, cell.dimension)
            if not any(p.requires_grad for p in model.parameters()):
                return 0.0, 0.0
            for batch in BATCHES:
                precision = cell.training.get("precision", "fp32")
                work = Workload(cardinalities=sizes, batch=batch, batches=1, threads=self.threads, precision=precision)
                ours = Ours(cell.method, work, self.device, model=model)
                ours.turn()  # the first step of a size is slower
                found.append(ours.turn())
        except Exception:  # foreign code, or a pair that does not fit: the run makes a record of it
            return None
        small, large = found
        by_row = max(large - small, 0.0) / (BATCHES[1] - BATCHES[0])
        return max(small - BATCHES[0] * by_row, 0.0), by_row


def _at(step: Step) -> float:
    return step[0] + BATCHES[-1] * step[1]


def _times(step: Step, factor: float) -> Step:
    return step[0] * factor, step[1] * factor


def place(cell: Cell) -> Place:
    return cell.dataset, cell.backbone, cell.scale
