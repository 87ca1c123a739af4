"""How long a training takes here, by a few timed steps: asked before a run, in seconds."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.optim.adam import adam

from benchmark import plugins
from benchmark.config import NO_BACKBONE, Cell, Training
from benchmark.contracts import Backbone, CTRModel
from benchmark.method import Method, assemble
from benchmark.nn.model import CALIBRATION, AssembledModel
from benchmark.schema import Schema
from benchmark.speed.workload import Workload
from benchmark.training.fit import precision
from benchmark.training.memory import keep_freed_memory

SIZES = {"cpu": (32, 256), "cuda": (512, 4096)}  # rows of the timed steps: two sizes tell what a step costs by itself, and by the row
LARGEST = 2 * 10**7  # numbers of a table that is made for this; wider ones count as their scale lets expect
TIMINGS = 36  # of cells
SCORING = 0.5  # of a training step's time by the row: between 0.25 and 0.77 in results/reference, by backbone and scale
# Standard deviations, in natural logarithms of seconds: of the mean, of what a data set, a backbone or a method adds, of what each adds
# to the growth with the scale, and of what is left. With these 32 timings of the suite ``standard`` say the same hours as 76, to 5 %. With
# 1.0, 0.5 and 0.3 as the last three one slow pair counted for its whole method, and the hours were 2,400 after 28 and 4,000 after 32.
MEAN, DEVIATION, GROWTH, REST = 100.0, 0.5, 0.3, 0.5


@dataclass
class StepTimes:
    """Seconds of training by the row, of some cells as timed and of others as these let expect."""

    device: torch.device
    threads: int
    batch_of: Callable[[Cell], int]  # rows of a batch in a cell's training
    fields: dict[str, int] = field(default_factory=dict)  # data set -> number of fields
    timed: dict[str, tuple[Cell, float]] = field(default_factory=dict)  # cell's key -> seconds by the row
    _by_row: dict[str, float | None] = field(default_factory=dict)
    _fitted: tuple[NDArray[np.float64], list[Cell]] | None = None

    def measure(self, cells: Sequence[Cell], schemas: Mapping[str, Schema], seconds: float) -> None:
        """Each cell once in the order of ``spread``, and again where there are few: TIMINGS in all, so that the next call times the same.
        No more are begun after ``seconds``.
        """
        self.fields = {name: len(schema.fields) for name, schema in schemas.items()}
        keep_freed_memory()
        batches = {name: self._batches(schema) for name, schema in schemas.items()}
        small = [cell for cell in cells if schemas[cell.dataset].values * cell.scale * cell.dimension <= LARGEST]
        first = next((cell for cell in small if cell.backbone != NO_BACKBONE), None)
        if first is not None:
            self._timed(first, schemas[first.dataset], batches[first.dataset])  # a process's first steps load libraries
        start = self._clock()
        for cell in islice(cycle(spread(small)), TIMINGS):
            if self._clock() > start + seconds:
                break
            by_row = self._timed(cell, schemas[cell.dataset], batches[cell.dataset])
            if by_row is not None:
                # The least of several: what else the machine does only adds to a time.
                self.timed[cell.key] = cell, min(by_row, self.timed[cell.key][1] if cell.key in self.timed else math.inf)

    def training(self, cell: Cell, rows: Mapping[str, int], epochs: float, final: bool) -> float | None:
        """Seconds of one training without spectra; None where nothing like it was timed."""
        if cell.key not in self._by_row:
            self._by_row[cell.key] = self.timed[cell.key][1] if cell.key in self.timed else self._expected(cell)
        by_row = self._by_row[cell.key]
        if by_row is None:
            return None
        return by_row * (epochs * (rows["train"] + SCORING * rows["valid"]) + (SCORING * rows["test"] if final else 0.0))

    def _expected(self, cell: Cell) -> float | None:
        """Best linear unbiased prediction (Robinson 1991) of the logarithm. A mean, in proportion to fields and scale; what data set,
        backbone and method add to it, and to its growth with the scale, is held near 0, the more the fewer of its cells were timed.
        """
        if self._fitted is None:
            known = [(one, by_row) for one, by_row in self.timed.values() if one.backbone != NO_BACKBONE and by_row > 0]
            others = [one for one, _ in known]
            alike = np.array([[_alike(a, b) for b in others] for a in others]).reshape(len(known), len(known))
            above = np.array([math.log(by_row) - self._usual(one) for one, by_row in known])
            self._fitted = np.linalg.solve(alike + REST**2 * np.eye(len(known)), above), others
        weights, others = self._fitted
        if cell.backbone == NO_BACKBONE or not others:
            return None
        return math.exp(self._usual(cell) + float(weights @ [_alike(cell, one) for one in others]))

    def _usual(self, cell: Cell) -> float:
        return math.log(self.fields[cell.dataset] * cell.scale)

    def _batches(self, schema: Schema) -> tuple[tuple[Tensor, Tensor], ...]:
        """(ids int32 (b, F), labels float32 (b,)) of the two sizes b."""
        sizes = SIZES.get(self.device.type, SIZES["cuda"])
        cardinalities = tuple(one.ids for one in schema.fields)
        work = Workload(cardinalities=cardinalities, batch=sizes[1], batches=1)
        ids = torch.tensor(work.ids + np.cumsum([0, *cardinalities[:-1]], dtype=np.int32), device=self.device)
        labels = torch.tensor(work.labels, device=self.device).float()
        return tuple((ids[:size], labels[:size]) for size in sizes)

    def _timed(self, cell: Cell, schema: Schema, batches: tuple[tuple[Tensor, Tensor], ...]) -> float | None:
        """Seconds by the row in a batch of the cell's own size; None where the model cannot be built or run."""
        method: Method = plugins.make("methods", cell.method, dict(cell.method_options))
        recipe: Backbone | None = None
        if cell.backbone != NO_BACKBONE:
            recipe = plugins.make("backbones", cell.backbone, {**cell.backbone_options, "depth": cell.depth})
        few, many = batches
        try:
            model = assemble(method, recipe, schema, cell.scale, cell.dimension).to(self.device)
            if not any(p.requires_grad for p in model.parameters()):
                return 0.0
            take = step_of(model, Training(precision=cell.training.get("precision", "fp32")), self.device)
            seconds = []
            # A model's first step is slower, and on a GPU the first of a size.
            for batch in (few, many, few) if self.device.type == "cpu" else (few, many, many, few):
                start = self._clock()
                take(*batch)
                seconds.append(self._clock() - start)
        except Exception:  # foreign code, or a pair that does not fit: the run makes a record of it
            return None
        by_row = max(seconds[-2] - seconds[-1], 0.0) / (len(many[1]) - len(few[1]))
        return max(seconds[-1] - len(few[1]) * by_row, 0.0) / self.batch_of(cell) + by_row

    def _clock(self) -> float:
        """On one thread in CPU seconds, which others on this machine do not change as much as those of the clock on the wall."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.process_time() if self.device.type == "cpu" and self.threads == 1 else time.perf_counter()


def spread(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Each cell once, sanity rows first, then of the smallest and the largest scale, in an order in which all data sets, backbones, methods
    and these two scales come equally often; the same in every call. Scales between come last: their times lie between.
    """
    yield from (cell for cell in cells if cell.backbone == NO_BACKBONE)
    sized = [cell for cell in random.Random(0).sample(list(cells), len(cells)) if cell.backbone != NO_BACKBONE]
    ends = {end(cell.scale for cell in sized) for end in (min, max) if sized}
    for some in ([cell for cell in sized if cell.scale in ends], [cell for cell in sized if cell.scale not in ends]):
        left = {position: _levels(cell) for position, cell in enumerate(some)}
        share = Counter(kind for kind, _ in {level for levels in left.values() for level in levels})
        seen: Counter[tuple[str, object]] = Counter()
        while left:
            position = min(left, key=lambda one: sum(share[level[0]] * seen[level] for level in left[one]))
            seen.update(left.pop(position))
            yield some[position]


def _levels(cell: Cell) -> tuple[tuple[str, object], ...]:
    return ("data set", cell.dataset), ("backbone", (cell.backbone, cell.depth)), ("method", cell.method), ("scale", cell.scale)


def _alike(one: Cell, other: Cell) -> float:
    """Covariance of the logarithms of two cells' times by the row, before any is known. Of the mean nothing is; it grows in proportion
    to the scale, with a standard deviation of 1 in the exponent.
    """
    grown = math.log(one.scale) * math.log(other.scale)
    both = DEVIATION**2 + GROWTH**2 * grown
    backbone, method = (one.backbone, one.depth) == (other.backbone, other.depth), one.method == other.method
    return MEAN**2 + grown + DEVIATION**2 * (one.dataset == other.dataset) + both * (backbone + method)


def step_of(model: CTRModel, training: Training, device: torch.device) -> Callable[[Tensor, Tensor], None]:
    """A step of training on (ids, labels), as ``fit.train_epoch`` makes it, every parameter by Adam.

    By Adam's function: making any of torch's optimisers loads torch.compile, which takes 2 s.
    """
    if isinstance(model, AssembledModel) and model.penalty is not None:
        model.penalty.step = CALIBRATION + 1  # a step like most: the first ones measure the penalty's gradient
    table = model.table()
    if table is not None:
        torch.nn.init.normal_(table, std=training.embedding_std)
    parameters = [p for p in model.parameters() if p.requires_grad]
    moments = {p: (torch.zeros_like(p), torch.zeros_like(p), torch.zeros((), device=device)) for p in parameters}
    update = partial(adam, fused=True, amsgrad=False, maximize=False, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0)
    model.train()

    def take(ids: Tensor, labels: Tensor) -> None:
        with precision(training, device) as forward_pass:
            with forward_pass:
                output = model(ids)
            loss = functional.binary_cross_entropy_with_logits(output.logits.to(labels.dtype), labels) + output.penalty
            for parameter in parameters:
                parameter.grad = None
            loss.backward()
        moved = [p for p in parameters if p.grad is not None]
        gradients = [gradient for p in parameters if (gradient := p.grad) is not None]
        first, second, count = ([moments[p][part] for p in moved] for part in range(3))
        update(list[Tensor](moved), gradients, first, second, [], count, lr=training.learning_rate)

    return take
