"""The only place that imports mlflow.

One experiment per data set, one parent run per cell, children for seeds and tuning trials. The parent carries the means over its
seeds, so an experiment page sorted by test/auc is a leaderboard. Everything here can be thrown away and made again from the records.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import socket
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from benchmark.config import NO_BACKBONE, Cell, Trial
from benchmark.errors import UserError
from benchmark.records import Record, Store
from benchmark.search.lock import at_work
from benchmark.tracking import view
from benchmark.values import canonical, digest, to_dict

BATCH = 500  # metrics per request; a server takes at most 1,000
LONGEST = 250  # characters of a name
FORBIDDEN = re.compile(r"[^\w\-. /]", re.ASCII)  # in the names of metrics, parameters and tags
FIELD = re.compile(r"spectral/table[^/]*/.+/[^/]+")  # one field's spectrum
KEPT_OF_FIELD = re.compile(r"spectral/table/.+/information_abundance")
REBUILD = "`python -m benchmark track` makes MLflow's store again from the records"


class Tracker:
    """Listener that follows a run live. Its trouble (a locked database, no server) is one line on stderr; the run goes on without it."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._runs: _Runs | None = None
        self._live: dict[str, str] = {}  # trial id -> run id
        self._lost = False

    def started(self, trial: Trial) -> None:
        self._guarded(lambda runs: self._begin(runs, trial))

    def epoch(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        self._guarded(lambda runs: runs.log(self._live[trial.trial_id], metrics, int(metrics.get("epoch", 0))))

    def finished(self, record: Record) -> None:
        self._guarded(lambda runs: self._end(runs, record))

    def _begin(self, runs: _Runs, trial: Trial) -> None:
        self._live[trial.trial_id] = runs.begin(trial)

    def _end(self, runs: _Runs, record: Record) -> None:
        run_id = self._live.pop(record.trial_id, None) or runs.begin(record.trial)
        runs.end(run_id, record)

    def _guarded(self, action: Callable[[_Runs], None]) -> None:
        if self._lost:
            return
        try:
            if self._runs is None:
                self._runs = _Runs(self._results)
                store = Store(self._results)
                for record in filter(None, map(store.get, self._runs.close_abandoned())):
                    self._runs.write(record)
            action(self._runs)
        except Exception as error:  # whatever a database or a server may raise: the records do not depend on it
            self._lost = True
            reason = " ".join(str(error).split())[:200]
            with suppress(OSError):  # nobody reads it: no reason to end the run either
                print(f"MLflow: {type(error).__name__}: {reason}; the run goes on untracked, {REBUILD}", file=sys.stderr, flush=True)


def rebuild(store: Store, results: Path) -> tuple[int, list[str]]:
    """Bring MLflow up to the records: the number of runs written, and a line for each record that could not be. A record that is there
    already is left as it is.

    Does nothing while a run is at work in the folder: its runs are open and its tracker writes them.
    Raises UserError when MLflow's store cannot be opened or does not answer.
    """
    if at_work(results):
        return 0, []
    written, left_out = 0, []
    try:
        runs = _Runs(results)
        runs.close_abandoned()
        for path in store.paths():
            try:
                record = store.read(path)
                if not runs.has(record):
                    runs.write(record)
                    written += 1
            except UserError as error:
                left_out.append(str(error))
            except Exception as error:
                runs.check()  # one record that MLflow refuses, or MLflow itself?
                left_out.append(f"{path}: MLflow does not take it: {' '.join(str(error).split())[:300]}")
    except UserError:
        raise
    except Exception as error:  # whatever a database or a server may raise
        raise UserError(f"{tracking_uri(results)}: MLflow cannot open or write it: {' '.join(str(error).split())[:300]}") from None
    return written, left_out


def tracking_uri(results: Path) -> str:
    """The embedded SQLite file, or the server that MLFLOW_TRACKING_URI names."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(results / 'mlflow.db').absolute()}"


def ui_command(results: Path, host: str = "127.0.0.1", port: int = 5000) -> tuple[list[str], dict[str, str]]:
    """The command that serves the embedded store to a browser, and its environment: this process's, with telemetry off.

    Raises UserError: no store yet, port taken, a server elsewhere.
    """
    server = os.environ.get("MLFLOW_TRACKING_URI")
    if server:
        raise UserError(f"MLFLOW_TRACKING_URI is set: browse {server} itself, or unset it to see the store in {results}")
    if not (results / "mlflow.db").exists():
        raise UserError(f"{results}: no mlflow.db there yet; start a run, or make it from the records with `python -m benchmark track`")
    if not 0 < port < 65536:
        raise UserError(f"--port {port}: a port is a number from 1 to 65535")
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise UserError(f"{host}:{port}: cannot listen there ({error.strerror}); choose another with --port") from None
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", tracking_uri(results)),
        *("--default-artifact-root", (results / "artifacts").absolute().as_uri()),
        *("--host", host, "--port", str(port), "--workers", "1"),
    ]
    return command, {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def boards(results: Path, server: str) -> dict[str, str]:
    """Data set -> where a browser finds its leaderboard when ``server`` (http://host:port) serves the store."""
    found = MlflowClient(tracking_uri=tracking_uri(results)).search_experiments()
    return {e.name: view.address(server, e.experiment_id) for e in sorted(found, key=lambda e: str(e.name)) if view.TAG in e.tags}


class _Runs:
    """MLflow's runs in the terms of this project. Raises whatever the store raises."""

    def __init__(self, results: Path) -> None:
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        uri = tracking_uri(results)
        self._client = MlflowClient(tracking_uri=uri)
        # A server decides itself where artifacts go.
        self._artifacts = (results / "artifacts").absolute() if uri.startswith("sqlite:") else None
        # Several results folders may share a server, with the same trials in them: there each sees its own runs only.
        self._owner = f"{socket.gethostname()}:{results.absolute()}".replace("'", "")
        self._ours = "" if self._artifacts else f" and tags.owner = '{self._owner}'"
        self._experiments: dict[str, str] = {}
        self._parents: dict[str, str] = {}

    def close_abandoned(self) -> list[str]:
        """Mark as killed the runs of this results folder that a killed driver left open; the ids of their trials.

        A trial whose record was stored a moment before the kill is to be written again; what has no record makes room for a new run when
        the trial is run again.
        """
        experiments = [e.experiment_id for e in self._client.search_experiments()]
        abandoned = self._search(experiments, "attributes.status = 'RUNNING'")
        for run in abandoned:
            self._client.set_terminated(run.info.run_id, "KILLED")
        return [run.data.tags["trial_id"] for run in abandoned if "trial_id" in run.data.tags]

    def check(self) -> None:
        """Raises what MLflow raises when it does not answer."""
        self._client.search_experiments(max_results=1)

    def has(self, record: Record) -> bool:
        """Whether a whole run holds exactly this record (a failed trial may have been run again since)."""
        whole = (run for run in self._of_trial(record.trial) if run.info.status in ("FINISHED", "FAILED"))
        return any(run.data.tags.get("record") == _digest(record) for run in whole)

    def begin(self, trial: Trial) -> str:
        """A fresh run for the trial, under its cell's parent. What an earlier attempt left behind is deleted: one trial, one run."""
        for run in self._of_trial(trial):
            self._client.delete_run(run.info.run_id)
        parent = self._parent(trial.cell)
        name = f"tuning {trial.draw}" if trial.stage == "tune" else f"seed {trial.seed}"
        tags = {**self._tags(trial.cell), "trial_id": trial.trial_id, "stage": trial.stage, "budget": str(trial.budget)}
        run = self._client.create_run(
            self._experiment(trial.cell.dataset), tags={**tags, "status": "running", MLFLOW_PARENT_RUN_ID: parent}, run_name=name
        )
        run_id: str = run.info.run_id
        self._client.log_batch(run_id, params=[Param(_name(k), v) for k, v in _settings(trial).items()])
        return run_id

    def write(self, record: Record) -> None:
        """The whole run of a record at once."""
        run_id = self.begin(record.trial)
        self.log_curve(run_id, record.curve)
        self.end(run_id, record)

    def log(self, run_id: str, metrics: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        entries = [Metric(_name(k), v, now, step) for k, v in metrics.items()]
        for start in range(0, len(entries), BATCH):
            self._client.log_batch(run_id, metrics=entries[start : start + BATCH])

    def log_curve(self, run_id: str, curve: Sequence[Mapping[str, float]]) -> None:
        now = int(time.time() * 1000)
        entries = [Metric(_name(k), v, now, int(entry.get("epoch", 0))) for entry in curve for k, v in entry.items()]
        for start in range(0, len(entries), BATCH):
            self._client.log_batch(run_id, metrics=entries[start : start + BATCH])

    def end(self, run_id: str, record: Record) -> None:
        """The record's numbers, its JSON as an artifact, the cell's means; last the status, so that what is half done can be told."""
        self.log(run_id, _lean(record), len(record.curve))
        self._client.log_text(run_id, record.to_json(), "record.json")
        tags = {"status": record.status, "reason": record.reason[:500], "record": _digest(record)}
        self._client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items() if v])
        if record.trial.stage == "final":
            self._summarise(record.trial.cell)
        self._client.set_terminated(run_id, "FINISHED" if record.status == "finished" else "FAILED")

    def _summarise(self, cell: Cell) -> None:
        """Means over the cell's seeds on the parent run; of the largest tuning budget, where there are several."""
        parent = self._parent(cell)
        query = f"tags.cell = '{cell.key}' and tags.stage = 'final' and tags.status != 'running'"
        finals = self._search([self._experiment(cell.dataset)], query)
        largest = max((int(r.data.tags["budget"]) for r in finals), default=0)
        values: dict[str, list[float]] = defaultdict(list)
        statuses = set()
        for run in finals:
            if int(run.data.tags["budget"]) == largest:
                statuses.add(run.data.tags["status"])
                if run.data.tags["status"] == "finished":
                    for name, value in run.data.metrics.items():
                        values[name].append(value)
        means = {name: statistics.fmean(found) for name, found in values.items()}
        if "test/auc" in values:
            means["seeds"] = float(len(values["test/auc"]))
        if len(values["test/auc"]) > 1:
            means["test/auc_sd"] = statistics.stdev(values["test/auc"])
        self.log(parent, means, 0)
        self._client.set_tag(parent, "status", ", ".join(sorted(statuses)))
        self._client.set_terminated(parent, "FINISHED")

    def _parent(self, cell: Cell) -> str:
        if cell.key not in self._parents:
            experiment = self._experiment(cell.dataset)
            found = self._search([experiment], f"tags.cell = '{cell.key}' and tags.stage = 'cell'")
            if found:
                self._parents[cell.key] = found[0].info.run_id
            else:
                shape = [] if cell.backbone == NO_BACKBONE else [cell.backbone, f"scale {cell.scale}", f"depth {cell.depth}"]
                tags = {**self._tags(cell), "stage": "cell", "status": "running"}
                run = self._client.create_run(experiment, tags=tags, run_name=" · ".join([cell.method, *shape]))
                self._parents[cell.key] = run.info.run_id
        return self._parents[cell.key]

    def _experiment(self, dataset: str) -> str:
        if dataset not in self._experiments:
            found = self._client.get_experiment_by_name(dataset)
            if found is None:
                location = (self._artifacts / dataset).as_uri() if self._artifacts else None
                self._experiments[dataset] = self._client.create_experiment(dataset, artifact_location=location)
            else:
                if found.lifecycle_stage == "deleted":
                    self._client.restore_experiment(found.experiment_id)
                self._experiments[dataset] = found.experiment_id
            self._client.set_experiment_tag(self._experiments[dataset], view.TAG, view.state())
        return self._experiments[dataset]

    def _of_trial(self, trial: Trial) -> list[Run]:
        return self._search([self._experiment(trial.cell.dataset)], f"tags.trial_id = '{trial.trial_id}'")

    def _search(self, experiments: Iterable[str], query: str) -> list[Run]:
        found: list[Run] = []
        token: str | None = None
        while True:
            page = self._client.search_runs(list(experiments), query + self._ours, max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _tags(self, cell: Cell) -> dict[str, str]:
        named = {"dataset": cell.dataset, "backbone": cell.backbone, "method": cell.method, "scale": cell.scale, "depth": cell.depth}
        return {**{k: str(v) for k, v in named.items()}, "cell": cell.key, "owner": self._owner}


def _settings(trial: Trial) -> dict[str, str]:
    cell = trial.cell
    parts: dict[str, Mapping[str, object]] = {
        "training": to_dict(trial.training),
        "backbone": trial.backbone,
        "method": trial.method,
        "dataset": cell.dataset_options,
    }
    flat = {f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()}
    shape = {"scale": cell.scale, "depth": cell.depth, "dimension": cell.dimension}
    turn = {"seed": trial.seed, "draw": trial.draw, "budget": trial.budget}
    return {k: v if isinstance(v, str) else canonical(v) for k, v in {**shape, **turn, **flat}.items()}


def _lean(record: Record) -> dict[str, float]:
    """Metrics and cost. Of each field's spectrum only the information abundance of its table; record.json has the rest."""
    kept = {k: v for k, v in record.metrics.items() if not FIELD.fullmatch(k) or KEPT_OF_FIELD.fullmatch(k)}
    return {**kept, **{f"cost/{k}": v for k, v in record.cost.items()}}


def _name(name: str) -> str:
    """A name that MLflow takes: letters, digits, underscore, dash, period, space and slash; no part of it empty or dots alone, since
    names are paths; at most 250 characters. What had to be changed ends in digits of its own, so that 价格 and 城市 stay apart.
    """
    safe = "/".join(map(_part, name.split("/")))
    return safe if len(safe) <= LONGEST else f"{safe[: LONGEST - 13]}-{digest(name)}"


def _part(part: str) -> str:
    safe = FORBIDDEN.sub("_", part)
    if not safe.strip(". "):
        safe = "_" * max(1, len(safe))
    return part if safe == part else f"{safe}-{digest(part)[:4]}"


def _digest(record: Record) -> str:
    return hashlib.sha256(record.to_json().encode()).hexdigest()[:12]
