"""The suite from Python: ``import benchmark``, then ``benchmark.train(…)`` and the others below (docs/notebook.ipynb).

The commands go the same ways (benchmark/__main__.py). A mistake of the caller raises UserError with one line; what goes wrong inside a
training is the status of its record. Nothing heavy is imported before a function needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmark.config import DELTA, Suite, Training, read_suite
from benchmark.errors import UserError
from benchmark.records import Record, Store, missing, taken_away_if_refused
from benchmark.values import from_dict, one_of

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars

    from benchmark.contracts import Backbone, CTRModel
    from benchmark.data.store import Prepared
    from benchmark.method import Method
    from benchmark.reporting.board import View
    from benchmark.reporting.leaderboard import Format, Selection
    from benchmark.schema import Schema
    from benchmark.search.run import Summary
    from benchmark.search.until_decided import UntilDecided

EXECUTORS = ("local", "ray")


def dataset(
    frame: pandas.DataFrame | polars.DataFrame,
    *,
    name: str,
    label: str,
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    min_count: int = 1,
    buckets: int = 32,
    split: str = "",
    seed: int = 0,
    split_column: str = "",
    by_time: str = "",
    date_format: str = "",
    pair: Sequence[str] = (),
    multi: Sequence[str] = (),
    exclude: Sequence[str] = (),
    null_values: Sequence[str] = (),
    pooling: Literal["mean", "sum"] = "mean",
    most_values: int = 16,
) -> Prepared:
    """A table of yours as a data set, encoded into the cache under ``name``, by which commands and suites find it too.

    Another table under the same name replaces it. The index of a pandas frame is no column.

    label:        column with 0 and 1
    categorical:  columns; none given: every column that has no other use
    numeric:      columns of numbers, which are put into ``buckets`` of equal training frequency
    min_count:    rarer training values become out-of-vocabulary
    split:        "train:valid:test" as shares of the rows, drawn at random with ``seed``; none given: "8:1:1"
    split_column: column that says train, valid or test in each row, instead
    by_time:      column by which the youngest rows are the test part, instead of a random draw
    date_format:  of ``by_time`` where it is text and not ISO, e.g. "%d.%m.%Y"
    pair:         two categorical columns: records then have test AUC also over the rows whose pair of values no training row has
    multi:        columns whose cells are lists, or texts like "x|y|z"; their embedding is the ``pooling`` of the rows of the first
                  ``most_values`` values
    exclude:      columns that are no fields
    null_values:  texts that stand for a missing cell, e.g. ("NA",)

    Raises UserError.
    """
    from benchmark.data.frame import prepare_frame

    columns = {"label": label, "categorical": categorical, "numeric": numeric, "split_column": split_column, "by_time": by_time}
    numbers = {"min_count": min_count, "buckets": buckets, "seed": seed}
    given: dict[str, Any] = {"pair": pair, "multi": multi, "exclude": exclude, "null_values": null_values, "date_format": date_format}
    if multi:
        given |= {"pooling": pooling, "most_values": most_values}
    return prepare_frame(frame, name, {**columns, **numbers, "split": split, **{key: value for key, value in given.items() if value}})


def prepared(name: str, options: Mapping[str, Any] | None = None) -> Prepared:
    """A data set by its name, with settings of its plug-in: ``prepared("synthetic", {"rows": 10_000})``.

    Raises UserError, also where it must be prepared first (``python -m benchmark prepare NAME``).
    """
    from benchmark.data.ensure import ensure_prepared

    return ensure_prepared(name, options or {})


def train(
    method: str | Method,
    backbone: str | Backbone = "dcnv2",
    data: str | Prepared = "synthetic",
    *,
    scale: int = 1,
    dimension: int = 10,
    depth: int | None = None,
    seed: int = 0,
    training: Mapping[str, Any] | None = None,
    method_options: Mapping[str, Any] | None = None,
    backbone_options: Mapping[str, Any] | None = None,
    threads: int | None = None,
    device: str = "auto",
    results: str | Path | None = None,
    report: Callable[[Mapping[str, float]], None] | None = None,
    keep: Callable[[CTRModel], None] | None = None,
    interactive: bool = False,
) -> Record:
    """Train and test one trial in this process, nothing tuned: what ``python -m benchmark train`` does.

    method:    a name ("roblock", "roblock:no_hsic"), or an object of a class, of a plug-in's or of your own. Your own is called by the name
               of its class in record and board; its name and settings are the trial's identity, its code is a digest in the record.
    backbone:  the same; a sanity row has none, and no scale
    data:      a name, or what ``dataset`` or ``prepared`` returns
    scale:     the table's width is scale · dimension numbers a field
    depth:     interaction layers; None: the backbone's own. An object has its own.
    training:  settings of ``benchmark.config.Training``: epochs, batch_size (rows), learning_rate …
    method_options, backbone_options: settings of what is given by name; an object has them in its fields
    threads:   torch threads while it trains; None: torch's own choice
    device:    "cpu", "cuda", or "auto": the GPU where there is one
    results:   folder in which the record is stored, for ``results`` and ``leaderboard``; a record of the same trial is replaced, but
               for one that did not fail by one that did
    report:    called after each epoch with its entry of the curve
    keep:      called with the trained model of a finished trial, which is else let go
    interactive: show a bar where stderr is a terminal, and the traceback of a failure

    The record's status is "finished", "diverged", "incompatible" or "failed", then with reason and frames. Sets torch's random seed.
    Raises UserError: unknown name, impossible setting, data that is not prepared, a class that does not keep the contract or has the name
    of a plug-in.
    """
    from benchmark.search.single import counted, data_of, pair, single
    from benchmark.training.trial import train as trained

    chosen = pair(method, backbone, depth, method_options or {}, backbone_options or {})
    trial, objects = single(chosen, data_of(data), scale, dimension, seed, training or {})
    wanted = None if threads is None else counted("threads", threads, 1)
    store = None if results is None else Store(Path(results))
    made = [] if results is None or store is None else missing(Path(results), store.folder)
    with taken_away_if_refused(made):
        if store is not None:
            store.create()
        record = trained(trial, objects, report or _silent, device, wanted, interactive, keep)
    if store is not None:
        store.create()  # again: another training into the same new folder was refused meanwhile, and took it away
        if record.status == "failed" and _has_another(store, record.trial_id):
            print(f"note: {store.path(record.trial_id)} is of a training that did not fail, and stays as it is", file=sys.stderr)
        else:
            store.write(record)
    return record


def build(
    method: str | Method,
    backbone: str | Backbone = "dcnv2",
    data: str | Prepared | Schema = "synthetic",
    *,
    scale: int = 1,
    dimension: int = 10,
    depth: int | None = None,
    seed: int = 0,
    embedding_std: float = 1e-2,
    method_options: Mapping[str, Any] | None = None,
    backbone_options: Mapping[str, Any] | None = None,
) -> CTRModel:
    """The untrained model, as ``train`` with the same arguments starts from it: ids (B, F) -> benchmark.contracts.Output.

    data:          a schema will do
    embedding_std: the table is drawn from N(0, embedding_std²)

    Sets torch's random seed. Raises benchmark.Incompatible where the method cannot work with the backbone, and UserError.
    """
    import torch

    from benchmark.method import assemble
    from benchmark.schema import Schema
    from benchmark.search.single import counted, data_of, pair
    from benchmark.training.trial import draw_table

    std = from_dict(Training, {"embedding_std": embedding_std}, "build").embedding_std
    chosen = pair(method, backbone, depth, method_options or {}, backbone_options or {})
    schema = data if isinstance(data, Schema) else data_of(data).schema
    recipe = None if chosen.backbone is None else chosen.backbone.made
    scale = 1 if recipe is None else counted("scale", scale, 1)
    torch.manual_seed(counted("seed", seed, 0))
    model = assemble(chosen.method.made, recipe, schema, scale, counted("dimension", dimension, 1))
    draw_table(model, std, seed)
    return model


def spectrum(model: CTRModel, data: str | Prepared | Schema = "synthetic") -> dict[str, numpy.ndarray]:
    """Field -> the singular values of its table, descending, (min(rows, D),): what ``spectral/table/<field>/…`` of a record is made of.

    Of prepared data the rows are those of values that its training part has; of a schema all. A model without a table has none.
    Raises UserError where the model is not of that data.
    """
    from benchmark.schema import Schema
    from benchmark.search.single import data_of
    from benchmark.training.evaluate import table_spectra

    if isinstance(data, Schema):
        return table_spectra(model, data, None)
    known = data_of(data)
    return table_spectra(model, known.schema, known.value_counts())


def run(
    suite: Suite | str | Path,
    results: str | Path = "results",
    *,
    executor: Literal["ray", "local"] = "local",
    device: str = "auto",
    address: str | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    track: bool = False,
    max_seeds: int | None = None,
    delta: float = DELTA,
    futility: float = 0.0,
    trial_minutes: float | None = None,
    memory_per_trial: float | None = None,
    renew: bool = False,
    reuse: Sequence[str | Path] = (),
) -> Summary:
    """Train every cell of a suite that ``results`` has no record of: what ``python -m benchmark run`` does.

    suite:    its name, the path of its file, or a ``benchmark.Suite``; methods, backbones and data sets are named in it, so classes of a
              notebook cannot take part
    results:  folder of the records
    executor: "local": one trial after another in this process; "ray": side by side on this machine, or on the cluster at ``address``
    cpus_per_trial, gpus_per_trial: what a trial gets; its torch threads are as many as its CPUs
    cpus, gpus: at most so many of this machine; None: what affinity, control groups and SLURM_CPUS_PER_TASK leave, and every GPU
    track:    also into MLflow
    max_seeds: seeds where verdicts are open, up to so many for a row, in the place of the suite's number; ``delta`` as for ``leaderboard``
    futility: with ``max_seeds``: an open row gets no more seeds once the chance that so many decide it is smaller
    trial_minutes: a trial that takes longer is ended and has failed; None: as long as it takes
    memory_per_trial: GB (10⁹ bytes) of this machine's memory, not of a GPU's; a trial that needs more has failed. None: with Ray on this
              machine's CPUs its memory over the trials that have room at once, else no limit
    renew:    records of these cells that were made by other code than today's are moved to ``replaced`` and trained again
    reuse:    other results folders: what they have of these cells' trainings is copied, and not trained again

    Raises UserError before anything is trained.
    """
    from benchmark.search.run import run_suite
    from benchmark.training.room import limits

    one_of("executor", executor, EXECUTORS, "run")
    _require_above_0(cpus_per_trial=cpus_per_trial, cpus=cpus, trial_minutes=trial_minutes, memory_per_trial=memory_per_trial)
    device = limits(device, address, executor, cpus_per_trial, cpus, gpus, gpus_per_trial)
    folder = Path(results)
    until = _until(max_seeds, delta, futility)
    chosen = suite if isinstance(suite, Suite) else _read(suite)
    tracker = None
    if track:
        from benchmark.tracking.mlflow_store import Tracker

        tracker = Tracker(folder)
    return run_suite(
        chosen,
        folder,
        executor,
        device,
        address,
        cpus_per_trial,
        gpus_per_trial,
        cpus,
        gpus,
        until=until,
        minutes=trial_minutes,
        gigabytes=memory_per_trial,
        renew=renew,
        tracker=tracker,
        reuse=[Path(one) for one in reuse],
    )


def plan(
    suite: Suite | str | Path,
    results: str | Path = "results",
    *,
    executor: Literal["ray", "local"] = "local",
    device: str = "auto",
    address: str | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    max_seeds: int | None = None,
    delta: float = DELTA,
    futility: float = 0.0,
    memory_per_trial: float | None = None,
    renew: bool = False,
    reuse: Sequence[str | Path] = (),
) -> str:
    """What ``run`` with the same arguments would train on this machine, how long it would take and how that was estimated, as text.

    Times a few training steps, for some seconds. Nothing is written into ``results``. Raises UserError.
    """
    from benchmark.reporting.dry_run import dry_run
    from benchmark.search.estimate import estimate
    from benchmark.search.memory_limit import place_of_machine
    from benchmark.training.room import limits, places
    from benchmark.training.trial import choose_device

    one_of("executor", executor, EXECUTORS, "run")
    _require_above_0(cpus_per_trial=cpus_per_trial, cpus=cpus, memory_per_trial=memory_per_trial)
    until = _until(max_seeds, delta, futility)
    chosen = suite if isinstance(suite, Suite) else _read(suite)
    device = limits(device, address, executor, cpus_per_trial, cpus, gpus, gpus_per_trial)
    slots = 1 if executor == "local" else places(device, cpus_per_trial, gpus_per_trial, cpus, gpus)
    found = estimate(
        chosen, Store(Path(results)), device, max(1, int(cpus_per_trial)), until, renew=renew, reuse=[Path(one) for one in reuse]
    )
    if memory_per_trial is None and executor == "ray" and address is None:
        memory_per_trial = place_of_machine(slots)
    on_cpu = choose_device(device).type == "cpu"  # the limit is not of a GPU's memory
    return dry_run(chosen.name, found, slots, until is not None, memory_per_trial if on_cpu else None)


def results(folder: str | Path = "results") -> pandas.DataFrame:
    """The records of a folder as a data frame, one row each, in the order of their ids.

    Columns: trial_id, dataset, backbone, method, scale, depth, seed, stage ("tune" or "final"), draw, status, reason, then every metric and
    cost by its name in the records (test/auc, spectral/table/effective_rank, fit_seconds, parameters_dense …), NaN where one is absent.
    Without records just the first columns. A file that is no record, or not as it was written, is left out and named on stderr. Raises
    UserError for one that cannot be read.
    """
    from benchmark.reporting.frame import frame

    return frame(Store(Path(folder)))


def leaderboard(
    folder: str | Path = "results",
    *,
    dataset: str | None = None,
    format: Format = "table",
    delta: float = DELTA,
    selection: Selection | None = None,
    view: View | None = None,
) -> str:
    """The board of a folder's records as ``python -m benchmark leaderboard`` prints it: "table", "markdown", "csv" or "json".

    dataset: only the board of this one
    delta:   AUC within which of its control a row is equal to it
    selection, view: which rows, and in which columns (benchmark.reporting.leaderboard); None: all of them, as wide as they are

    Raises UserError, also where nothing has finished yet.
    """
    from typing import get_args

    from benchmark.reporting.leaderboard import EVERYTHING, PLAIN, Format
    from benchmark.reporting.leaderboard import leaderboard as board

    one_of("format", format, get_args(Format), "leaderboard")
    if not 0 < delta <= 1:
        raise UserError(f"delta = {delta}; it must lie between 0 and 1")
    return board(Store(Path(folder)), dataset, format, delta, selection or EVERYTHING, view or PLAIN)


def _has_another(store: Store, trial_id: str) -> bool:
    """Whether there is a record of that trial, and not of a failure."""
    try:
        known = store.get(trial_id)
    except UserError:  # of a later version, say: what writes keeps it
        return False
    return known is not None and known.status != "failed"


def _read(suite: str | Path) -> Suite:
    from benchmark.search.cells import check_grid_methods

    found = read_suite(str(suite))
    check_grid_methods(found)
    return found


def _until(max_seeds: int | None, delta: float, futility: float) -> UntilDecided | None:
    from benchmark.search.until_decided import UntilDecided

    if max_seeds is None and futility:
        raise UserError(f"run: futility = {futility!r} ends the seeds that max_seeds gives early; give max_seeds, or leave it out")
    return None if max_seeds is None else UntilDecided(max_seeds, delta, futility)


def _require_above_0(**given: float | None) -> None:
    """Raises UserError, as the command line does."""
    for name, value in given.items():
        if value is not None and not (isinstance(value, Real) and value > 0):
            raise UserError(f"run: {name} = {value!r}; it must be a number greater than 0")


def _silent(metrics: Mapping[str, float]) -> None:
    """Reports nothing."""
