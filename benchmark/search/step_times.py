"""How long a training takes here, by a few timed steps: asked before a run, in seconds."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
import torch

from benchmark import plugins
from benchmark.config import CONTROL, NO_BACKBONE, Cell
from benchmark.contracts import Backbone
from benchmark.data.batches import Rows
from benchmark.method import Method, assemble
from benchmark.schema import Schema
from benchmark.speed.contestants import Ours
from benchmark.speed.workload import Workload

BATCHES = (64, 512)  # rows of the timed steps: two sizes tell what a step costs by itself, and by the row
LARGEST = 2 * 10**7  # numbers of a table that is made for this
FORWARD = 1 / 3  # of a training step's time by the row, for scoring: a step goes through the model three times
Place = tuple[str, str, int]  # data set, backbone, scale
Step = tuple[float, float]  # seconds of a training step: of itself, and for each row


@dataclass
class StepTimes:
    """Seconds of a training step of single embedding by place, and of other methods at some of these places."""

    device: torch.device
    threads: int
    steps: dict[Place, Step] = field(default_factory=dict)
    fields: dict[str, int] = field(default_factory=dict)  # data set -> number of fields
    methods: dict[str, dict[Place, Step]] = field(default_factory=dict)  # where ``steps`` is single embedding's own

    def measure(self, cells: Sequence[Cell], schemas: Mapping[str, Schema], seconds: float) -> None:
        """For about so long: each place once, the largest scales first, on which most time is spent, then the smallest, since the others
        lie between. What is left, at least a third, is for the methods: each at a middle scale of one backbone, then each place anew with
        all of them, as what a method adds to a step depends on both.
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
        order = sorted(members, key=lambda one: (one[1] != NO_BACKBONE, one[2] != scales[-1], one[2] != scales[0], one[2]))

        def timed(cell: Cell, share: float) -> Step | None:
            return self._timed(cell, schemas[cell.dataset]) if time.monotonic() < start + share * seconds else None

        for where in order:
            own = members[where]
            if found := timed(own.get(CONTROL) or next(iter(own.values())), 2 / 3):
                self.steps[where] = found
        compared = [where for where in order if CONTROL in members[where] and where[1] != NO_BACKBONE]
        for where in sorted(compared, key=lambda one: one != next((p for p in compared if p[2] == middle), None)):
            if where not in self.steps and (control := timed(members[where][CONTROL], 1.0)):
                self.steps[where] = control
            # In an order drawn once: where time is short, the first by their names are the cheap regularisers.
            drawn = random.Random(0).sample(sorted(members[where].items(), key=lambda one: one[0]), len(members[where]))
            for method, cell in drawn if where in self.steps else ():
                if found := self.steps[where] if method == CONTROL else timed(cell, 1.0):
                    self.methods.setdefault(method, {})[where] = found

    def training(self, cell: Cell, rows: Mapping[str, int], batch: int, epochs: float, final: bool) -> float | None:
        """Seconds of one training without spectra; None where nothing like it was timed."""
        where = place(cell)
        step = self._step(where)
        if step is None:
            return None
        once, by_row = step
        epoch = math.ceil(rows["train"] / batch) * once + by_row * (rows["train"] + FORWARD * rows["valid"])
        factor = 1.0 if cell.backbone == NO_BACKBONE else self._factor(cell.method, where, batch)
        return factor * (epochs * epoch + (FORWARD * by_row * rows["test"] if final else 0.0))

    def _factor(self, method: str, where: Place, batch: int) -> float:
        """A step of the method by one of single embedding's: there, else in the mean of places of that scale, else of all; a method that
        was not timed is taken to be like the mean of those that were.
        """
        known = self.methods.get(method)
        if known is None:
            return fmean(self._factor(other, where, batch) for other in self.methods) if self.methods else 1.0
        nearest = [where] if where in known else [other for other in known if other[2] == where[2]] or list(known)
        return fmean(_seconds(known[other], batch) / _seconds(self.steps[other], batch) for other in nearest)

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
        offsets = np.cumsum([0, *sizes[:-1]])
        try:
            model = assemble(method, recipe, schema, cell.scale, cell.dimension)
            if not any(p.requires_grad for p in model.parameters()):
                return 0.0, 0.0
            precision = cell.training.get("precision", "fp32")
            work = Workload(cardinalities=sizes, batch=BATCHES[-1], batches=1, threads=self.threads, precision=precision)
            ours = Ours(cell.method, work, self.device, model=model)
            few = Rows(work.ids[: BATCHES[0]], work.labels[: BATCHES[0]], offsets, self.device, resident=True)
            ours.turn(few)  # a model's first step makes Adam's moments
            if self.device.type != "cpu":
                ours.turn()  # the first step of a size is slower
            large, small = ours.turn(), ours.turn(few)
        except Exception:  # foreign code, or a pair that does not fit: the run makes a record of it
            return None
        by_row = max(large - small, 0.0) / (BATCHES[1] - BATCHES[0])
        return max(small - BATCHES[0] * by_row, 0.0), by_row


def _seconds(step: Step, batch: int) -> float:
    return step[0] + batch * step[1]


def _times(step: Step, factor: float) -> Step:
    return step[0] * factor, step[1] * factor


def place(cell: Cell) -> Place:
    return cell.dataset, cell.backbone, cell.scale
