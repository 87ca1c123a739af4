"""The small cell in which models are checked: four fields, one of them multi-valued and one scaled, a few hundred rows, one CPU thread's
work.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from benchmark.config import Training
from benchmark.contracts import Backbone, CTRModel
from benchmark.data.batches import Rows
from benchmark.method import Method, assemble
from benchmark.schema import MISSING, UNSEEN, Bags, Field, Schema
from benchmark.training.fit import make_optimizers, train_epoch
from benchmark.training.trial import draw_table, shapes_only

CPU = torch.device("cpu")
# Ids are not rows of the table: b has 20 bags of its 12 rows, two of a special one alone and then one to three others in each, and the one
# row of d, which is scaled, has six ids.
BAGS = [[MISSING], [UNSEEN], *(sorted(1 + (5 * bag + 3 * n) % 11 for n in range(1 + bag % 3)) for bag in range(18))]
SCHEMA = Schema(
    (Field("a", 7), Field("b", 12, bags=len(BAGS)), Field("c", 30), Field("d", 1, 6)),
    0.3,
    np.linspace(-1, 1.5, 6, dtype=np.float32),
    Bags(np.array([len(rows) for rows in BAGS], np.int32), np.concatenate(BAGS).astype(np.int32)),
)
SCALE, DIMENSION = 2, 4
BATCH = 32
SEED = 0


def rows(count: int) -> Rows:
    """The same each time: values and labels drawn evenly."""
    return Rows(*_drawn(count), CPU, resident=True)


def _drawn(count: int) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]]:
    """Local ids, labels and the fields' offsets."""
    random = np.random.default_rng(SEED)
    sizes = [field.ids for field in SCHEMA.fields]
    local = np.stack([random.integers(0, size, count) for size in sizes], 1).astype(np.int32)
    labels = (random.random(count) < SCHEMA.positive_rate).astype(np.uint8)
    return local, labels, np.cumsum([0, *sizes[:-1]])


class OneBatch(Rows):
    """One batch for a number of steps: its loss falls, whatever is to be learned."""

    def __init__(self, steps: int) -> None:
        super().__init__(*_drawn(BATCH), CPU, resident=True)
        self.steps = steps

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(self.steps):
            yield from self.batches(BATCH)


def batch(count: int = BATCH) -> tuple[Tensor, Tensor]:
    """ids (count, F) and labels (count,)"""
    return next(rows(count).batches(count))


@dataclass(frozen=True)
class Case:
    """A method with a backbone in that cell."""

    method: Method
    recipe: Backbone | None  # None for a sanity row
    place: str = ""  # "file:line" of the plug-in that is checked
    scale: int = SCALE

    @property
    def width(self) -> int:
        return self.scale * DIMENSION

    @cached_property
    def fresh(self) -> CTRModel:
        """Built once: the checks that follow one another train it further. Before it, as in a run, for its shapes only."""
        with suppress(Exception, SystemExit):  # a run goes on, too
            shapes_only(self.method, self.recipe, SCHEMA, self.scale, DIMENSION)
        return self.build()

    def build(self, seed: int = SEED, std: float = Training.embedding_std) -> CTRModel:
        """As a trial builds it."""
        torch.manual_seed(seed)
        model = assemble(self.method, self.recipe, SCHEMA, self.scale, DIMENSION)
        draw_table(model, std, seed)
        return model

    @cached_property
    def gradients(self) -> tuple[dict[str, Tensor | None], dict[str, Tensor | None], float]:
        """Of the logloss and of the penalty, by parameter, in a training pass of ``fresh`` on one batch; and the penalty."""
        model, (ids, labels) = self.fresh.train(), batch()
        torch.manual_seed(SEED)
        result = model(ids)
        named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        loss = functional.binary_cross_entropy_with_logits(result.logits.to(labels.dtype), labels)
        both: list[dict[str, Tensor | None]] = []
        for value, kept in ((loss, True), (result.penalty, False)):
            found: tuple[Tensor | None, ...] = (None,) * len(named)
            if named and value.requires_grad:
                found = torch.autograd.grad(value, list(named.values()), retain_graph=kept, allow_unused=True)
            both.append(dict(zip(named, found, strict=True)))
        return both[0], both[1], float(result.penalty.detach())

    def training(self, **changes: Any) -> Training:
        return Training(**{"batch_size": BATCH, **_own(self.method), **changes})

    def changed(self, side: str, settings: Mapping[str, Any]) -> Case:
        """With other settings of the ``side`` "method" or "recipe". Raises UserError for those that it refuses."""
        return dataclasses.replace(self, **{side: dataclasses.replace(getattr(self, side), **settings)})


def train(model: CTRModel, data: Rows, training: Training) -> list[float]:
    """The mean logloss of each epoch. The steps are training's own; no parameters, no steps. Raises ContractError."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        return []
    torch.manual_seed(SEED)  # dropout
    optimizers, rule, table = make_optimizers(model, training), model.table_rule(), model.table()
    generator = torch.Generator().manual_seed(SEED)
    if table is not None:
        rule.training_starts(table, optimizers[-1], training.embedding_std)
    losses = []
    with tqdm(disable=True) as bar:
        for epoch in range(1, training.epochs + 1):
            if table is not None:
                rule.epoch_starts(epoch, table, optimizers[-1])
            losses.append(train_epoch(model, optimizers, data, training, generator, bar, epoch)[0])
    return losses


def _own(method: Method) -> Mapping[str, Any]:
    """The method's defaults of training, without what the cell fixes."""
    return {name: value for name, value in method.training.items() if name not in ("batch_size", "epochs")}
