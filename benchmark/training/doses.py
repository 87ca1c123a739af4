"""What a mitigation does to the model that is trained: its doses, its knock-outs, and the factor of a penalty that is given as a share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import islice
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.contracts import CTRModel
from benchmark.data.batches import Rows, TrainingRows
from benchmark.metrics.ctr import logloss
from benchmark.nn.model import AssembledModel
from benchmark.training.evaluate import NotFinite, measured, scores

BATCHES = 2  # of training, on which doses are measured


def gradient_norms(model: CTRModel, loss: Tensor, penalty: Tensor) -> Tensor | None:
    """(2,): the norms of the gradients of loss and penalty on the table; where the penalty has none there, on all parameters that it has
    one on. None for a penalty without any. Keeps the graph.
    """
    parameters, table = [p for p in model.parameters() if p.requires_grad], model.table()
    if not parameters or not penalty.requires_grad:
        return None
    found = torch.autograd.grad(penalty, parameters, retain_graph=True, allow_unused=True)
    acting = {p: g for p, g in zip(parameters, found, strict=True) if g is not None}
    if not acting:
        return None
    if table is not None and table in acting:
        if len(acting) == 1 or bool((acting[table] != 0).any()):
            acting = {table: acting[table]}
        else:
            del acting[table]
    by_loss = torch.autograd.grad(loss, list(acting), retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.stack([_norm(gradients) for gradients in (by_loss, acting.values())])


def _norm(gradients: Iterable[Tensor]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g.float()) for g in gradients]))
    return norm


def calibrate(model: CTRModel, loss: Tensor) -> None:
    """In the first steps of a training, before the backward pass: turn a penalty's share of the gradient into a factor (nn/model.Penalty).

    The factor holds from the next step on, so that the first step is without the penalty.
    """
    penalty = model.penalty if isinstance(model, AssembledModel) else None
    raw = None if penalty is None else penalty.to_measure()
    if penalty is not None and raw is not None:
        norms = gradient_norms(model, loss, raw)
        if norms is not None:
            penalty.calibrate(norms)


def doses(model: CTRModel, rows: TrainingRows, size: int, forward_pass: AbstractContextManager[Any]) -> dict[str, float]:
    """Means over BATCHES batches of ``size`` rows, in training's arithmetic (``forward_pass``). ``penalty``: the norm of its gradient over
    the logloss's, taken as in ``gradient_norms``; the others are the model's own (``CTRModel.doses``). Buffers and the training's random
    numbers stay as they were.
    """
    generator = torch.Generator(rows.device).manual_seed(0)
    found: dict[str, list[float]] = {}
    with _undisturbed(model, rows.device):
        for ids, labels in islice(rows.shuffled(size, generator), BATCHES):
            with forward_pass:
                output = model(ids)
            loss = functional.binary_cross_entropy_with_logits(output.logits.to(labels.dtype), labels)
            norms = gradient_norms(model, loss, output.penalty)
            of_batch = {} if norms is None else {"penalty": float(norms[1] / norms[0].clamp_min(torch.finfo(norms.dtype).tiny))}
            if norms is None and bool(output.penalty != 0):
                of_batch = {"penalty": 0.0}  # of tensors that were detached: it adds to the loss and changes no parameter
            with torch.no_grad(), forward_pass:
                of_batch |= model.doses(ids)
            for name, value in of_batch.items():
                found.setdefault(name, []).append(value)
    return {name: fmean(values) for name, values in found.items()}


@contextmanager
def _undisturbed(model: CTRModel, device: torch.device) -> Iterator[None]:
    """The model in training mode; afterwards buffers and random state are as before, and no graph is kept."""
    buffers = [(module, {n: b for n, b in module._buffers.items() if b is not None}) for module in model.modules()]
    copies = [{name: buffer.clone() for name, buffer in held.items()} for _, held in buffers]
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            model.train()
            yield
    finally:
        for (module, held), values in zip(buffers, copies, strict=True):
            module._buffers.update(held)
            for name, value in values.items():
                held[name].copy_(value)
        if isinstance(model, AssembledModel) and model.penalty is not None:
            model.penalty.raw = None


def knock_outs(model: CTRModel, sample: Rows) -> dict[str, float]:
    """What is left of a trained model where a part of it is put back to its neutral form, on a sample of validation rows.

    knockout/part/auc, knockout/part/logloss   what they change by
    best/logits                                with all parts of the interaction neutral at once: the change of the logits over their
                                               spread, a standard deviation each. What parts do inside a model is nothing where the
                                               logits do not see it. Not of a transform, which may have another form in evaluation

    Without a part scores may be no numbers: what they would change is then left out. So is AUC where the sample is
    of one class. Raises NotFinite where the scores of the whole are no numbers.
    """
    parts = model.knock_outs()
    if not parts:
        return {}
    logits, labels = scores(model, sample)
    whole = _measured(sample, logits, labels)
    found: dict[str, float] = {}
    for part, without in parts.items():
        with suppress(NotFinite), without:
            changed = _measured(sample, *scores(model, sample))
            found |= {f"knockout/{part}/{name}": changed[name] - whole[name] for name in whole}
    if not parts.keys() - {"transform"}:
        return found
    with ExitStack() as stack:
        for part, without in model.knock_outs().items():
            if part != "transform":
                stack.enter_context(without)
        try:
            neutral, _ = scores(model, sample)
        except NotFinite:
            return found
    spread = logits.double().std().clamp_min(torch.finfo(torch.float64).tiny)
    return found | {"best/logits": float((logits.double() - neutral.double()).std() / spread)}


def _measured(sample: Rows, logits: Tensor, labels: Tensor) -> dict[str, float]:
    """``measured``; logloss alone where the labels are of one class."""
    if sample.probabilities is None and bool((labels == labels[0]).all()):
        return {"logloss": logloss(logits, labels)}
    return measured(sample, logits, labels)
