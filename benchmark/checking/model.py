"""Checks of a model: what it returns, how it trains, and whether evaluation is what it should be."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.checking.cell import BATCH, SCHEMA, SEED, Case, OneBatch, batch, rows, train
from benchmark.checking.finding import Check, Finding, Note, Said, findings
from benchmark.contracts import Adam, CTRModel, Output, TableRule
from benchmark.data.store import Fold
from benchmark.faults import ContractError, named, place_of
from benchmark.metrics.layers import layer_metrics
from benchmark.nn.linear import SetMLP
from benchmark.nn.model import AssembledModel
from benchmark.training.checkpoint import Checkpoint
from benchmark.training.doses import doses
from benchmark.training.fit import Diverged, fit
from benchmark.training.verify import broken, verify_alone, verify_output

STEPS = 6  # on one batch
INERT = 0.01  # of the logloss's gradient: a penalty below it hardly acts
SAME_SCORE = 1e-5  # of a logit: products of one row and of many, or of another layout, may be summed in another order
SPREAD = 0.5  # of a table whose values tell on the scores


def wrong(case: Case, message: str, penalty: bool = False) -> ContractError:
    """What to raise: with the place of a part of the model where the plug-in that is checked has one, or else its own."""
    error = broken(case.fresh, message, penalty)
    same_file = error.where.partition(":")[0] == case.place.partition(":")[0]
    return error if same_file or not case.place else ContractError(message, case.place)


def output(case: Case) -> Said:
    """Training first: running statistics have then seen a batch."""
    model, (ids, _) = case.fresh, batch()
    table = model.table()
    if case.recipe is not None:
        wanted = (SCHEMA.values, case.width)
        if table is None or tuple(table.shape) != wanted:
            found = "None" if table is None else f"of the shape {tuple(table.shape)}"
            raise wrong(case, f"table() is {found}; the contract wants (V, D) = {wanted}, D = scale · dimension")
    if isinstance(model, AssembledModel) and model.penalty is not None and not isinstance(model.penalty.weight, (int, float, Tensor)):
        raise wrong(case, f"the penalty's weight is {model.penalty.weight!r}; the contract wants a number", penalty=True)
    for training, given in ((True, ids), (False, ids), (False, ids[:1])):
        model.train(training)
        with torch.no_grad():
            result = model(given)
        verify_output(model, given, result)
        _verify_states(case, result, "training" if training else "evaluation")
        if not training and float(result.penalty) != 0:
            raise wrong(case, f"the penalty is {float(result.penalty):.4g} in evaluation; the contract wants 0 there", penalty=True)
    return Said()


def _verify_states(case: Case, result: Output, mode: str) -> None:
    if case.recipe is None:
        return
    states, wanted = result.states, case.recipe.depth + 1
    if len(states) != wanted:
        raise wrong(case, f"{len(states)} states in {mode}; the contract wants depth + 1 = {wanted}, the embedding and one for each layer")
    sets, fields, dimension = states[0].shape[1:]
    if fields != len(SCHEMA.fields) or sets * dimension != case.width:
        shape = f"(B, S, F, d) with F = {len(SCHEMA.fields)} and S · d = D = {case.width}"
        raise wrong(case, f"state 0 is of the shape {tuple(states[0].shape)}; the contract wants {shape}")
    if mode == "evaluation" and len(states[0]) > 1:
        for index, state in enumerate(states):
            if not bool(state.isfinite().all()):
                raise wrong(case, f"state {index} is not finite in evaluation")
            if not all(math.isfinite(value) for value in layer_metrics(state).values()):
                raise wrong(case, f"state {index} has no spectrum: its spectral metrics are not finite")


def loss_falls(case: Case) -> Said:
    """In one epoch: what a method does to the table before each has its effect once."""
    _verify_optimizers(case)
    before = _logloss(case)
    if not train(case.fresh, OneBatch(STEPS), case.training(epochs=1)):
        return Said("no parameters, nothing to train")
    after = _logloss(case)
    if not after < before:
        raise wrong(case, f"the logloss of one batch is {before:.4f} at first and {after:.4f} after {STEPS} steps of Adam: it must fall")
    with torch.no_grad():
        logits = case.fresh.eval()(batch()[0]).logits
    if bool(((logits >= 0) & (logits <= 1)).all()):  # of rows that are positive in three of ten
        raise Note("all logits lie in 0 … 1 afterwards: are they probabilities? training takes log-odds")
    return Said("", f"{before:.2f} to {after:.2f}")


def _verify_optimizers(case: Case) -> None:
    """Who trains what: training passes over what is not named in these words."""
    model, table = case.fresh, case.fresh.table()
    for parameter, how in model.adam().items():
        if not isinstance(how, Adam):
            raise wrong(case, f"adam() gives {named(how)} for a parameter; the contract wants Adam(epsilon=…, rate=…)")
        if parameter is table or not any(parameter is one for one in model.parameters()):
            found = "the table, whose rule is a TableRule" if parameter is table else "what is no parameter of the model"
            raise wrong(case, f"adam() names {found}: training passes it over")
    if table is None or not table.requires_grad:
        return
    rule = model.table_rule()
    own = rule.optimizer(table, case.training().learning_rate, 0.0)
    if own is not None and not isinstance(own, torch.optim.Optimizer):
        raise ContractError(
            f"optimizer() returns {named(own)}; the contract wants one of torch's, or None", place_of(type(rule), "optimizer")
        )
    if own is not None and [p for group in own.param_groups for p in group["params"] if p is not table]:
        raise ContractError("optimizer() returns one that has other parameters than the table", place_of(type(rule), "optimizer"))


@torch.no_grad()
def _logloss(case: Case) -> float:
    """Of the batch in training, with the same masks of dropout each time."""
    model, (ids, labels) = case.fresh.train(), batch()
    torch.manual_seed(SEED)
    return float(functional.binary_cross_entropy_with_logits(model(ids).logits.to(labels.dtype), labels))


def gradients(case: Case) -> Said:
    """After some steps, since weights that start at 0 may keep others from theirs in the first one."""
    by_loss, by_penalty, _ = case.gradients
    model, table = case.fresh, case.fresh.table()
    without = {name for name in by_loss if not any(_norm([g]) > 0 for g in (by_loss[name], by_penalty[name]))}
    if table is not None and not table.requires_grad:
        raise Note("the table is not trained: its requires_grad is False")
    if by_loss and without == set(by_loss):
        raise wrong(case, "no parameter gets a gradient: the logits do not depend on them")
    for name, parameter in model.named_parameters():
        if parameter is table and name in without:
            raise wrong(case, f"the table, {name}, gets no gradient: a detach() or no_grad() too many?")
    normed = without & set(_before_normalisation(model))  # takes out what a bias before it adds
    if without - normed:
        raise Note(f"no gradient: {', '.join(sorted(without - normed))}; a bias before a normalisation, or a parameter that nothing uses")
    return Said()


def _before_normalisation(model: nn.Module) -> Iterator[str]:
    """Names of the biases of a SetMLP's layers that batch normalisation stands behind."""
    for name, part in model.named_modules():
        if isinstance(part, SetMLP):
            yield from (f"{name}.linears.{n}.bias" for n, norm in enumerate(part.norms) if isinstance(norm, nn.BatchNorm1d))


def penalty(case: Case) -> Said:
    by_loss, by_penalty, value = case.gradients
    model, table = case.fresh, case.fresh.table()
    if value == 0 and not any(gradient is not None for gradient in by_penalty.values()):
        return Said("there is none in training")
    if not any(_norm([gradient]) > 0 for gradient in by_penalty.values()):
        raise wrong(
            case, f"the penalty is {value:.3g}, but no parameter has a gradient of it: a detach() or item() too many?", penalty=True
        )
    place, names = "table", {name for name, parameter in model.named_parameters() if parameter is table}
    if not _norm([by_penalty[name] for name in names if name in by_penalty]):
        place, names = "other parameters (on the table it is 0)", {n for n, g in by_penalty.items() if g is not None} - names
    share = _norm([by_penalty[n] for n in names if n in by_penalty]) / max(_norm([by_loss[n] for n in names if n in by_loss]), 1e-30)
    said = f"its gradient on the {place}, as a share of the logloss's"
    if share < INERT:
        raise Note(f"inert at the default weight: {said}", f"{share:.2g}")
    return Said(said, f"{share:.2g}")


def _norm(gradients: list[Tensor | None]) -> float:
    return math.sqrt(sum(float(g.double().square().sum()) for g in gradients if g is not None))


def diagnostics(case: Case) -> Said:
    model = case.fresh.eval()
    with torch.no_grad():
        model(batch()[0])
        found, curve = model.diagnostics(), model.curve()
    for what, said in (("diagnostics", found), ("curve", curve)):
        if not isinstance(said, Mapping):
            raise wrong(case, f"{what}() returns {named(said)}; the contract wants names and their numbers")
    for name, value in curve.items():
        if not isinstance(value, (int, float, np.number)) and not (isinstance(value, Tensor) and value.numel() == 1):
            raise wrong(case, f"curve()[{name!r}] is {value!r}; the contract wants a number")
    for name, value in found.items():
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise wrong(case, f"diagnostics()[{name!r}] is {value!r} after an evaluation pass; the contract wants finite numbers")
    return Said("", f"{len(found)}" if found else "none")


def dose(case: Case) -> Said:
    """In training mode, without a trace left; and what is knocked out is put back."""
    model, (ids, _) = case.fresh, batch()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = doses(model, rows(BATCH), BATCH, nullcontext())
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value.nan_to_num(), before[name].nan_to_num())]
    if changed:
        raise wrong(case, f"doses() changes {', '.join(changed[:3])}; training puts back buffers, not parameters")
    for name, value in found.items():
        if not math.isfinite(value) or value < 0:
            raise wrong(case, f"doses()[{name!r}] is {value!r}; the contract wants a share of what the part acts on, 0 or more")
    with torch.no_grad():
        whole = model.eval()(ids).logits
        if not torch.equal(model(ids).logits, whole):
            what = "random numbers, or a state that forward changes though self.training is False"
            raise wrong(case, f"two evaluations of one batch differ: {what}")
        for part, without in model.knock_outs().items():
            with without:
                if not bool(model(ids).logits.isfinite().all()):
                    raise wrong(case, f"scores are not finite with {part} knocked out")
            if not torch.equal(model(ids).logits, whole):
                raise wrong(case, f"knock_outs()[{part!r}] does not put the part back")
    return Said("the largest", f"{max(found.values()):.2g}") if found else Said("nothing can act")


def memory(case: Case) -> Said:
    """As many steps again must not leave as many tensors more."""
    model, alive = case.build(), []
    for _ in range(3):
        train(model, OneBatch(STEPS), case.training(epochs=1))
        gc.collect()
        alive.append(sum(issubclass(type(one), Tensor) for one in gc.get_objects()))
    first, second = alive[1] - alive[0], alive[2] - alive[1]
    if min(first, second) >= STEPS:
        kept = f"{STEPS} steps leave {first} tensors more, the next {second}"
        raise wrong(case, f"{kept}: what a model keeps of every batch fills the memory; keep numbers, or the last one detached")
    return Said()


def copy(case: Case) -> Said:
    """Into a model of another seed: what evaluation needs must be a parameter or a buffer."""
    model, other, (ids, _) = case.fresh.eval(), case.build(SEED + 1).eval(), batch()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        if not torch.allclose(model(ids).logits, other(ids).logits, rtol=SAME_SCORE, atol=SAME_SCORE):
            raise wrong(
                case, "evaluation needs more than state_dict() holds: register_buffer what is no parameter, persistent if it learns"
            )
    return Said()


def alone(case: Case) -> Said:
    model = case.build(std=SPREAD).train()
    ids = batch()[0]
    with torch.no_grad():
        for _ in range(2):  # running statistics
            model(ids)
    verify_alone(model, ids, SAME_SCORE)
    return Said()


def repeats(case: Case) -> Said:
    """A step each, from building on."""
    first, again = case.build(), case.build()
    losses = [train(model, rows(BATCH), case.training(epochs=1)) for model in (first, again)]
    states = again.state_dict()
    moved = [name for name, value in first.state_dict().items() if not torch.equal(value.nan_to_num(), states[name].nan_to_num())]
    if moved or losses[0] != losses[1]:
        raise wrong(case, f"two trainings of one seed differ in {', '.join(moved[:3]) or 'the loss'}: draw random numbers from torch only")
    return Said()


def half(case: Case) -> Said:
    model = case.build()
    losses = train(model, rows(BATCH), case.training(epochs=1, precision="bf16"))
    kinds = {str(parameter.dtype).removeprefix("torch.") for parameter in model.parameters()}
    if not kinds <= {"float32"}:
        raise wrong(case, f"parameters are {', '.join(sorted(kinds))} after training in bf16; they stay float32")
    if not all(map(math.isfinite, losses)) or not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise wrong(case, "training in bf16 gives numbers that are not finite: see benchmark/nn/precision.py for what wants float32")
    return Said()


def epochs(case: Case) -> Said:
    """Two at once, and with a stop after the first, as a training that was killed goes on: in a new model, from its checkpoint."""
    with TemporaryDirectory() as folder:
        _after_epochs(case, Path(folder), until=1)
        model, went_on = _after_epochs(case, Path(folder), until=2)
    _, at_once = _after_epochs(case, None, until=2)
    for name in sorted(at_once):
        if went_on.get(name) != at_once[name]:
            numbers = f"{name} is {at_once[name]:.6g} in a training of two epochs, {went_on.get(name, math.nan):.6g} in one that was killed"
            why = "what a list, a dictionary or a generator holds is not kept, tensors and numbers are"
            message = f"{numbers} after the first and went on: {why}"
            rule = type(model.table_rule())
            raise wrong(case, message) if rule is TableRule else ContractError(message, place_of(rule))
    return Said()


def _after_epochs(case: Case, folder: Path | None, until: int) -> tuple[CTRModel, dict[str, float]]:
    """The model, and what its curve says of each epoch but the speed: by name, as in "valid/auc of epoch 2"."""
    model, generator = case.build(), torch.Generator().manual_seed(SEED)
    kept = None if folder is None else Checkpoint("check", {}, every=0.0, folder=folder)
    fold, training = Fold(rows(2 * BATCH), rows(BATCH)), case.training(epochs=2)
    try:
        curve = fit(model, fold, SCHEMA.positive_rate, training, generator, lambda metrics: None, checkpoint=kept, until=until).curve
    except Diverged as error:
        raise wrong(case, str(error)) from None
    told = {f"{name} of epoch {at['epoch']:.0f}": value for at in curve for name, value in at.items() if name != "samples_per_second"}
    return model, {name: value for name, value in told.items() if not math.isnan(value)}


# In this order: each trains ``Case.fresh`` further, or leaves it alone.
CHECKS = (
    Check("output", "logits, states and penalty have their shapes in training and in evaluation, one sample alone too", output),
    Check("loss", f"the logloss of one batch falls in {STEPS} steps of Adam", loss_falls),
    Check("gradient", "every parameter gets one (but for biases before batch normalisation)", gradients),
    Check("penalty", "0 in evaluation", penalty),
    Check("diagnostics", "finite numbers after an evaluation", diagnostics),
    Check("dose", "shares of what parts act on, measured without a trace; knocked-out parts are put back", dose),
    Check("copy", "through state_dict into a fresh model: the same evaluation", copy),
    Check("batch", "a score does not depend on the samples beside it", alone),
    Check("seed", "the same seed gives the same numbers, bit by bit", repeats),
    Check("bf16", "trains in bfloat16, parameters stay float32", half),
)
EPOCHS = Check("epochs", "two give finite numbers, and a training that is killed after the first goes on to the same ones", epochs)

MEMORY = Check("memory", "steps leave no tensors behind", memory)


def check_models(cases: dict[str, Case], place: str) -> Iterator[Finding]:
    """All checks of every case; a case that fails one is left out of the next, and of ``cases``."""
    for check in CHECKS:
        if cases:
            yield from findings(check, cases, place)
    for check in (EPOCHS, MEMORY):  # what is kept hangs on the method, hardly on what it is built with
        yield from findings(check, dict(list(cases.items())[:1]), place)
