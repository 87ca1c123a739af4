"""One trial, from its description to its record: look up what it names, build the model, train it, measure it."""

from __future__ import annotations

import copy
import math
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import torch

from benchmark.config import NO_BACKBONE, Cell, Trial, halving
from benchmark.contracts import Backbone, CTRModel
from benchmark.data.batches import Rows
from benchmark.errors import Incompatible, UserError
from benchmark.faults import frames, in_words
from benchmark.method import Method, assemble
from benchmark.records import Record, Status
from benchmark.schema import Schema
from benchmark.singular_values import packed
from benchmark.surroundings import as_they_were
from benchmark.training.checkpoint import Checkpoint
from benchmark.training.cost import parameter_cost, running_cost
from benchmark.training.doses import knock_outs
from benchmark.training.environment import WENT_ON, environment, fingerprints
from benchmark.training.evaluate import NotFinite, score, score_test, spectra
from benchmark.training.fit import Diverged, Report, fit
from benchmark.training.memory import Width, free, keep_freed_memory, needed, require, restart_peak
from benchmark.training.memory import in_words as memory_in_words
from benchmark.training.resolved import Resolved, resolved
from benchmark.training.torch_state import standard_state
from benchmark.training.unfilled import forgotten, without_values

# Validation rows that layer spectra are of the first ones of, the same for all seeds, and of which each seed's knock-outs are scored on
# another quarter: the mean of four seeds is then of all of them, and what their differences say of its error has the rows' part in it.
SAMPLE, QUARTER = 1 << 17, 1 << 15
# Numbers in the table and in a square matrix over all fields, the largest that a layer has: with fewer a training is far below any
# machine's memory, and building the model twice to see it would cost a tenth of a second.
SURELY_FITS = 10**7


def check(trial: Trial) -> str | None:
    """Why the trial's method cannot work in its cell, or None. Builds the model without memory. Raises UserError.

    None also where foreign code fails in another way: that is the trial's failure, and no reason to stop the other cells.
    """
    found = resolved(trial)
    try:
        _without_memory(trial, found)
    except Incompatible as error:
        return str(error)
    except UserError:
        raise
    except (Exception, SystemExit):
        return None
    return None


def _without_memory(trial: Trial, found: Resolved, exact: bool = False) -> CTRModel:
    """The trial's model, its shapes only. Raises what building it raises, and MemoryError for one that is too wide to be built at all.

    exact: see ``without_values``
    """
    if (width := _too_wide(trial, found, torch.device("cpu"))) is not None:
        raise MemoryError(str(width))
    return shapes_only(found.method, found.backbone, found.data.schema, trial.cell.scale, trial.cell.dimension, exact)


def shapes_only(method: Method, backbone: Backbone | None, schema: Schema, scale: int, dimension: int, exact: bool = False) -> CTRModel:
    """``assemble`` without memory, and without a trace in its process: no cache of a plug-in keeps a tensor without values. exact: see
    ``without_values``
    """
    method, backbone = copy.copy(method), copy.copy(backbone)  # which may have a cached_property
    with as_they_were(), standard_state(None), forgotten():
        # Not the device as a context: where a plug-in sets a default device of its own inside, torch does not find back from there.
        torch.set_default_device("meta")
        return without_values(lambda: assemble(method, backbone, schema, scale, dimension), exact)


def _require_memory(trial: Trial, found: Resolved, device: torch.device, interactive: bool) -> None:
    """Raises UserError where the training cannot fit."""
    if numbers(trial.cell, found.data.schema) < SURELY_FITS:
        return
    if (width := _too_wide(trial, found, device)) is not None:
        raise width.refused(free(device))
    try:
        model = _without_memory(trial, found)
    except (Exception, SystemExit):  # building it in earnest says what is wrong; or foreign code that wants numbers in its tensors
        if found.backbone is not None and not (width := Width.of(trial, found.data)).is_addressable:
            raise width.refused(free(device)) from None
        return
    said = require(model, device)
    if said and interactive:
        print(f"{trial.cell}: {said}", file=sys.stderr, flush=True)


def _too_wide(trial: Trial, found: Resolved, device: torch.device) -> Width | None:
    """The trial's width where that alone says that its training cannot fit: the shapes of 10⁹ sets, too, take memory and time. A sanity
    row has none.
    """
    if found.backbone is None or numbers(trial.cell, found.data.schema) < SURELY_FITS:
        return None
    width, left = Width.of(trial, found.data), free(device)
    return width if left is not None and width.needed > left else None


def numbers(cell: Cell, schema: Schema) -> int:
    """In the table and in a square matrix over all fields."""
    width = cell.scale * cell.dimension
    return schema.values * width + (len(schema.fields) * width) ** 2


def model_of(trial: Trial, exact: bool = False) -> CTRModel | None:
    """The trial's model without memory, its shapes only; None where it cannot be built. Raises UserError. exact: see ``without_values``."""
    try:
        return _without_memory(trial, resolved(trial), exact)
    except UserError:
        raise
    except (Exception, SystemExit):  # incompatible, or foreign code: the run makes a record of it
        return None


def memory_of(trial: Trial) -> tuple[int, str] | None:
    """Bytes that training takes at least, and in words what takes them; None where the model cannot be built. Raises UserError."""
    if (width := _too_wide(trial, resolved(trial), torch.device("cpu"))) is not None:
        return width.needed, str(width)
    model = model_of(trial)
    if model is None:
        return None
    wanted = needed(model)
    return wanted, memory_in_words(model, wanted)


def run_trial(trial: Trial, report: Report, device: str = "auto", threads: int | None = None, interactive: bool = False) -> Record:
    """``train`` of what the trial names, with checkpoints. Raises UserError also where a name or a setting is wrong, or data is not
    prepared.
    """
    return train(trial, resolved(trial), report, device, threads, interactive, checkpointed=True)


def train(
    trial: Trial,
    found: Resolved,
    report: Report,
    device: str = "auto",
    threads: int | None = None,
    interactive: bool = False,
    keep: Callable[[CTRModel], None] | None = None,
    checkpointed: bool = False,
) -> Record:
    """Train, and in the stage "final" test, one trial. ``report`` gets the curve's entry after each epoch.

    Always returns a record: what goes wrong inside the training is its status. Raises UserError for what the user can mend
    before any training: other data than the trial's, a setting that does not fit the cell, no such device, less memory than the model
    takes. ``interactive``: show a bar where stderr is a terminal, and the traceback of an error. ``keep`` gets the trained model of a
    record that is finished. ``checkpointed``: one that was killed goes on from its last checkpoint; whoever stores the record forgets it
    (training/checkpoint.py).

    Torch's global state is put back afterwards; what a plug-in has changed of it is a note of the record.
    """
    with standard_state(threads) as changed:
        return _train(trial, found, report, device, interactive, keep, checkpointed, changed)


def _train(
    trial: Trial,
    found: Resolved,
    report: Report,
    device: str,
    interactive: bool,
    keep: Callable[[CTRModel], None] | None,
    checkpointed: bool,
    changed: Callable[[], list[str]],
) -> Record:
    started = time.perf_counter()
    on = choose_device(device)
    keep_freed_memory()
    restart_peak()
    prepared = found.data
    if prepared.fingerprint != trial.cell.data:
        name, have, want = trial.cell.dataset, prepared.fingerprint, trial.cell.data
        raise UserError(f"{name}: the prepared data {have} is not the trial's {want}; start the run again")
    fixed: dict[str, Any] = {
        "trial": trial,
        "environment": environment(on),
        "fingerprints": fingerprints(found),
    }
    own = {type(made).__module__ for made in (found.method, found.backbone) if made is not None}

    cost: dict[str, float] = {}

    def record(status: Status, reason: str = "", notes: tuple[str, ...] = (), **parts: Any) -> Record:
        cost["wall_seconds"] = time.perf_counter() - started
        said = (*prepared.notes, *notes, *_of_state(trial, changed()))
        return Record(status=status, reason=reason, cost=_finite(cost), notes=said, **fixed, **parts)

    try:
        _require_memory(trial, found, on, interactive)
        torch.manual_seed(trial.seed)
        model = assemble(found.method, found.backbone, prepared.schema, trial.cell.scale, trial.cell.dimension).to(on)
        draw_table(model, trial.training.embedding_std, trial.seed)
        cost = parameter_cost(model)
        if on.type == "cuda":
            torch.cuda.reset_peak_memory_stats(on)
        fold = prepared.fold(on)
        generator = torch.Generator(on).manual_seed(trial.seed + 2**31)  # of batches: not the table's numbers again
        checkpoint = _checkpoint(trial, fixed, on) if checkpointed else None
        bar = interactive and sys.stderr.isatty()

        def told(entry: Mapping[str, float]) -> None:  # what a plug-in says of itself may be no number, or a tensor
            report(_finite(entry))

        fitted = fit(model, fold, prepared.schema.positive_rate, trial.training, generator, told, bar, checkpoint, trial.until)
        curve = tuple(map(_finite, fitted.curve))
        if checkpoint is not None and checkpoint.found is not None:
            fixed["environment"][WENT_ON] = str(checkpoint.found)
        metrics = {"valid/auc": fitted.valid["auc"], "valid/logloss": fitted.valid["logloss"], "best_epoch": float(fitted.best_epoch)}
        metrics |= {f"dose/{name}": value for name, value in fitted.doses.items()}
        metrics |= {"valid/logloss_own_epoch": fitted.logloss_valid, "logloss_epoch": float(fitted.logloss_epoch)}
        cost |= running_cost(model, prepared, fitted, on)
        notes: tuple[str, ...] = ()
        lines: dict[str, str] = {}
        if trial.stage == "final":
            last, lines, notes = final_metrics(model, found, fold.valid, trial.seed, on, fitted.logloss_weights)
            metrics |= last
        status: Status = "stopped" if fitted.paused else "finished"
        reason = f"after epoch {len(fitted.curve)} by {halving(trial.cell.rungs or (trial.until,))}" if fitted.paused else ""
        finished = record(status, reason, metrics=_finite(metrics), singular_values=lines, curve=curve, notes=notes)
    except Diverged as error:
        return record("diverged", str(error), curve=tuple(map(_finite, error.curve)))
    except NotFinite:
        return record("diverged", "scores are not finite")
    except Incompatible as error:
        return record("incompatible", str(error))
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a method is foreign code; its failure is a result, and the other cells go on
        if interactive:
            traceback.print_exc()
        return record("failed", in_words(error, own), frames=frames(error, own))
    if keep is not None:
        keep(model)
    return finished


def _checkpoint(trial: Trial, fixed: Mapping[str, Any], device: torch.device) -> Checkpoint:
    arithmetic = {"torch": torch.__version__, "device": str(device), "threads": str(torch.get_num_threads())}
    return Checkpoint(trial.trial_id, {**fixed["fingerprints"], **arithmetic})


def _of_state(trial: Trial, changed: list[str]) -> list[str]:
    """The note on what the trial's plug-ins left changed in torch."""
    who = trial.cell.method if trial.cell.backbone == NO_BACKBONE else f"{trial.cell.method} (or its backbone, {trial.cell.backbone})"
    return [f"{who} changes torch for the whole process: {'; '.join(changed)}; it was put back for the other trainings"] if changed else []


def choose_device(name: str) -> torch.device:
    """The GPU where there is one, for "auto". Raises UserError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(name)
    except (RuntimeError, TypeError):  # a name that torch does not know; no name at all
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise UserError(f"device = {name!r}; it must be auto, cpu or cuda")
    if found.type == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine's torch sees no GPU; use --device cpu or auto")
    if found.type == "cuda" and found.index is not None and found.index >= (count := torch.cuda.device_count()):
        raise UserError(f"device = {name!r}; this machine's torch sees {count} GPU{'s' if count > 1 else ''}, counted from cuda:0")
    return found


def draw_table(model: CTRModel, std: float, seed: int) -> None:
    """The table's first values, N(0, std²), where it lies.

    From a generator of its own: methods of one width start from the same table, however many numbers their layers drew.
    """
    table = model.table()
    if table is not None:
        torch.nn.init.normal_(table, std=std, generator=torch.Generator(table.device).manual_seed(seed))


def final_metrics(
    model: CTRModel, found: Resolved, valid: Rows, seed: int, device: torch.device, logloss_weights: Mapping[str, torch.Tensor] | None
) -> tuple[dict[str, float], dict[str, str], tuple[str, ...]]:
    """Spectra and knock-outs on a sample of validation rows, the model's own state, and what test data says, which is opened here only.

    All of it at the epoch of the best validation AUC, but test/logloss_own_epoch: at that of the best validation logloss, whose weights are
    ``logloss_weights``, None where they are the model's own. Then the singular values for the record, and notes for the board.
    """
    backbone = None if found.backbone is None else type(found.backbone)
    fields, counts = found.data.schema.fields, found.data.value_counts()
    sample = valid.sample(SAMPLE)
    measured = spectra(model, sample, found.data.schema, counts, backbone)
    learned = {field.name: int((count > 0).sum()) for field, count in zip(fields, counts, strict=True)}
    lines = packed({name: values.tolist() for name, values in measured.values.items()}, learned)
    metrics = measured.metrics
    with torch.no_grad():
        metrics |= {f"model/{name}": value for name, value in model.diagnostics().items()}
    metrics |= {f"dose/{name}": value for name, value in knock_outs(model, sample.block(seed, QUARTER)).items()}
    test = found.data.test(device)
    tested, notes = score_test(model, test, found.data.unseen_pairs())
    metrics |= {f"test/{name}": value for name, value in tested.items()}
    metrics["test/logloss_own_epoch"] = metrics["test/logloss"]
    if logloss_weights is not None:
        kept = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(logloss_weights)
        metrics["test/logloss_own_epoch"] = score(model, test)["logloss"]
        model.load_state_dict(kept)
    return {**metrics, **found.data.known}, lines, notes


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}
