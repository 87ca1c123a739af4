"""Who trains: this suite in this process, a variant of it that shows what something brings, or a peer in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmark import plugins
from benchmark.config import Training
from benchmark.contracts import CTRModel, Layout, Output, no_penalty
from benchmark.data.batches import Rows, TrainingRows
from benchmark.errors import UserError
from benchmark.method import assemble
from benchmark.nn.embedding import EmbeddingTable
from benchmark.nn.model import CALIBRATION, AssembledModel, Interaction
from benchmark.ops import dispatch
from benchmark.speed.workload import Workload
from benchmark.training.fit import make_optimizers, train_epoch
from benchmark.training.memory import keep_freed_memory


class Contestant(Protocol):
    name: str

    def turn(self) -> float:
        """Seconds for one pass over the workload's rows, data handling included."""

    def close(self) -> None: ...


class Ours:
    """This suite's own training loop on the workload's rows, or on ``rows``, as many. ``without`` names the operations whose fused form is
    off in its turns. ``cowclip``: by the rules for large batches, with the batch itself as the base.
    """

    def __init__(
        self,
        name: str,
        workload: Workload,
        device: torch.device,
        without: Collection[str] = (),
        model: CTRModel | None = None,
        rows: TrainingRows | None = None,
        cowclip: bool = False,
    ) -> None:
        keep_freed_memory()
        self.name, self._work, self._without = name, workload, without
        torch.manual_seed(0)
        base = workload.batch if cowclip else 0
        self.training = Training(batch_size=workload.batch, precision=workload.precision, cowclip_base_batch=base)
        self.model = (build(workload) if model is None else model).to(device)
        if not any(parameter.requires_grad for parameter in self.model.parameters()):
            raise UserError(f"speed: {workload.method} has no parameters, so that no step can be timed; leave the method out")
        if isinstance(self.model, AssembledModel) and self.model.penalty is not None:
            self.model.penalty.step = CALIBRATION + 1  # a step like most: the first ones measure the penalty's gradient
        table = self.model.table()
        if table is not None:
            torch.nn.init.normal_(table, std=self.training.embedding_std)
        offsets = np.cumsum([0, *workload.cardinalities[:-1]])
        self._rows = Rows(workload.ids, workload.labels, offsets, device, resident=True) if rows is None else rows
        self.optimizers = make_optimizers(self.model, self.training)
        if table is not None:  # all turns are of one long epoch: what a rule does once an epoch is no part of a step
            rule = self.model.table_rule()
            rule.training_starts(table, self.optimizers[-1], self.training.embedding_std)
            rule.epoch_starts(1, table, self.optimizers[-1])
        self._generator = torch.Generator(device).manual_seed(0)
        self._step: CTRModel | None = None

    def compiled(self) -> Ours:
        """Its turns go through torch.compile; compiling itself takes place in the first one, which does not count."""
        self._step = cast(CTRModel, torch.compile(self.model))
        return self

    def turn(self) -> float:
        torch.set_num_threads(self._work.threads)
        with dispatch.switched_off(self._without), tqdm(disable=True) as bar:
            started = time.perf_counter()
            model = self.model if self._step is None else self._step
            train_epoch(model, self.optimizers, self._rows, self.training, self._generator, bar, epoch=2)  # as most are: past a warm-up
            return time.perf_counter() - started

    def close(self) -> None:
        pass


class SetBySet(CTRModel):
    """Multi-embedding as a loop over S single sets, each with its own modules: what batching the sets is measured against."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        recipe = plugins.make("backbones", workload.backbone, dict(workload.options))
        self.embedding = EmbeddingTable(workload.schema, workload.scale * workload.dimension)
        layout = Layout(1, len(workload.cardinalities), workload.dimension)
        self.sets = nn.ModuleList(Interaction(recipe, layout) for _ in range(workload.scale))  # the first one's head is that of all

    def table(self) -> nn.Parameter:
        return self.embedding.weight

    def forward(self, ids: Tensor) -> Output:
        columns = self.embedding(ids).chunk(len(self.sets), dim=2)
        sets = cast(list[Interaction], list(self.sets))
        features = [one.readout(one.states(x0.unsqueeze(1).contiguous())) for one, x0 in zip(sets, columns, strict=True)]
        logits = sets[0].logits(torch.cat(features, 1))
        return Output(logits, (), no_penalty(logits))


class Peer:
    """Another library, driven by a script of ``benchmark/speed/peers`` in an environment that has it.

    mode "epoch" is the library's own training with its own data loader; "steps" its training step alone on batches made beforehand.
    """

    def __init__(self, name: str, python: Path, script: Path, workload: Workload, mode: str) -> None:
        self.name = f"{name}, {'own loader' if mode == 'epoch' else 'steps only'}"
        self._mode = mode
        self._folder = tempfile.TemporaryDirectory(prefix="benchmark-speed-")
        data = Path(self._folder.name) / "rows.npz"
        np.savez(data, ids=workload.ids, labels=workload.labels)
        told = {
            "data": str(data),
            "folder": self._folder.name,
            "backbone": workload.backbone,
            "options": workload.options,
            "dimension": workload.dimension * workload.scale,
            "cardinalities": workload.cardinalities,
            "batch": workload.batch,
            "threads": workload.threads,
        }
        self._errors = (Path(self._folder.name) / "stderr").open("w+")
        environment = {**os.environ, "OMP_NUM_THREADS": str(workload.threads), "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [str(python), str(script), json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,  # a file: nobody reads a pipe while the library warns
            text=True,
            env=environment,
            cwd=self._folder.name,
        )
        self._answer()

    def turn(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self._mode}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        """The next line that is for us; libraries print a good deal besides."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("SPEED "):
                return line.removeprefix("SPEED ").strip()
        self._process.wait()
        self._errors.seek(0)
        errors = self._errors.read()
        self.close()
        raise UserError(f"{self.name}: ended without an answer: {' '.join(errors.split())[-300:]}")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            if file is not None:
                file.close()
        self._folder.cleanup()


def build(workload: Workload) -> CTRModel:
    """The workload's model, untrained. Raises UserError and Incompatible."""
    recipe = plugins.make("backbones", workload.backbone, dict(workload.options))
    options = {} if workload.sets is None else {"sets": workload.sets}
    return assemble(plugins.make("methods", workload.method, options), recipe, workload.schema, workload.scale, workload.dimension)
