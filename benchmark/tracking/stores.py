"""MLflow's stores, written in bulk: SQLite through MLflow's own SQLAlchemy session, a server through its client's batch calls."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import unquote

from mlflow import MlflowClient
from mlflow.entities import ExperimentTag, Metric, Param, Run, RunTag, ViewType
from mlflow.store.db import utils as database
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME
from sqlalchemy import delete, insert, select, update

from benchmark.errors import UserError
from benchmark.tracking import view
from benchmark.tracking.figures import BOARD, CELL
from benchmark.tracking.place import Owner, embedded, is_embedded, tracking_uri, without_password
from benchmark.tracking.rows import DIGEST, EPOCHS, Row

RECORD, MADE_OF = "record.json", "figures"  # an artifact; a tag: the digest of what the others are made of
FILES = {"trial": RECORD, "cell": CELL, "board": BOARD}  # kind of a run -> its artifact
NAME_MAX = 255  # bytes of a file's name
TOGETHER = 400  # runs in one transaction
BATCH = 500  # metrics per request; a server takes at most 1,000
T = TypeVar("T")
Points = Mapping[str, Sequence[tuple[str, int, float]]]  # key -> name, step, value


class Known(NamedTuple):
    """A run of this folder that MLflow has."""

    run_id: str
    key: str  # empty: of a version up to 0.1
    state: str
    made_of: str  # see Row


class Runs(Protocol):
    """MLflow's runs in the terms of this project. Raises whatever the store raises."""

    def experiments(self, notes: Mapping[str, str]) -> dict[str, str]:
        """Data set -> id of its experiment, which is made or restored, with its view and description."""

    def known(self) -> list[Known]:
        """Every run of this folder, one that was deleted in MLflow's page as one without a state."""

    def write(self, rows: Sequence[Row], known: Mapping[str, str], experiments: Mapping[str, str]) -> dict[str, str]:
        """Make the rows, in the place of those under the same key; ``known``: key -> run id. Returns that of the rows."""

    def points(self, points: Points, known: Mapping[str, str]) -> None:
        """Add to the curves of runs that are open."""

    def remove(self, run_ids: Sequence[str]) -> None: ...


def opened(results: Path) -> Runs:
    """The store that this results folder is tracked in. Raises UserError for one that is too old, and whatever the store raises.

    The folder's own database is a view: one of an older MLflow is brought up to date, one that is damaged is set aside and made again.
    """
    uri = tracking_uri(results)
    owner = Owner(results, uri)
    if not uri.startswith("sqlite:"):
        return _Server(uri, owner)
    own, artifacts = is_embedded(results, uri), (results / "artifacts").absolute().as_uri()
    if own and not _is_sound(embedded(results)):
        _set_aside(embedded(results))
    try:
        return _Database(SqlAlchemyStore(uri, artifacts), owner, results)  # type: ignore[no-untyped-call]
    except Exception as error:
        if "out-of-date database schema" not in str(error) and "Can't locate revision" not in str(error):
            raise
        if not own:
            where = without_password(uri)
            raise UserError(f"{where}: a database of another MLflow; upgrade it with `mlflow db upgrade`, or name another") from None
    engine = SqlAlchemyStore._get_or_create_engine(uri)
    try:
        database._upgrade_db(engine)  # type: ignore[no-untyped-call]
    except Exception:  # a revision that this MLflow does not know, or a step that fails
        engine.dispose()
        _set_aside(embedded(results))
    SqlAlchemyStore._engine_map.pop(uri, None)
    return _Database(SqlAlchemyStore(uri, artifacts), owner, results)  # type: ignore[no-untyped-call]


def _is_sound(path: Path) -> bool:
    if not path.exists():
        return True
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.OperationalError:
        return True  # locked, or not to be written: said later
    except sqlite3.DatabaseError:
        return False


def _set_aside(path: Path) -> None:
    """Never deleted: another project may have put its runs there."""
    kept = next(name for n in range(1, 1000) if not (name := path.with_name(f"{path.name}.damaged-{n}")).exists())
    path.rename(kept)
    for uri in [uri for uri in SqlAlchemyStore._engine_map if uri.endswith(str(path.absolute()))]:
        SqlAlchemyStore._engine_map.pop(uri).dispose()
    print(f"{path}: damaged, or of another MLflow: kept as {kept.name}, made again from the records", file=sys.stderr)


class _Database:
    """Through MLflow's tables as its own code declares them: a run's id is a digest of owner and key, so it is the same when made again."""

    def __init__(self, store: SqlAlchemyStore, owner: Owner, results: Path) -> None:
        self._store: Any = store  # its methods have no types
        self._owner = owner
        self._artifacts = (results / "artifacts").absolute()

    def experiments(self, notes: Mapping[str, str]) -> dict[str, str]:
        found = {}
        for name, note in notes.items():
            known = self._store.get_experiment_by_name(name)
            if known is None:
                number = self._store.create_experiment(name, (self._artifacts / folder_name(name)).as_uri())
                tags: Mapping[str, str] = {}
            else:
                number, tags = known.experiment_id, known.tags
                if known.lifecycle_stage == "deleted":  # not by restore_experiment, which would bring back the runs of others, too
                    with self._store.ManagedSessionMaker(read_only=False) as session:
                        change = update(SqlExperiment).where(SqlExperiment.experiment_id == int(number))
                        session.execute(change.values(lifecycle_stage="active"))
            for key, value in view.tags(note).items():
                if tags.get(key) != value:
                    self._store.set_experiment_tag(number, ExperimentTag(key, value))
            found[name] = number
        return found

    def known(self) -> list[Known]:
        with self._store.ManagedSessionMaker() as session:
            owners = session.execute(select(SqlTag.run_uuid, SqlTag.value).where(SqlTag.key == "owner")).all()
            told = session.execute(select(SqlTag.run_uuid, SqlTag.key, SqlTag.value).where(SqlTag.key.in_(("key", "state", MADE_OF)))).all()
            places = select(SqlRun.run_uuid, SqlRun.artifact_uri, SqlRun.status).where(SqlRun.lifecycle_stage == "active")
            active: dict[str, tuple[str, str]] = {run_id: (place, status) for run_id, place, status in session.execute(places).all()}
        tags: dict[str, dict[str, str]] = {}
        for run_id, key, value in told:
            tags.setdefault(run_id, {})[key] = value
        found = []
        for run_id, owner in owners:
            if self._owner.has(owner):
                key, state, made_of = (tags.get(run_id, {}).get(name, "") for name in ("key", "state", MADE_OF))
                whole = run_id in active and self._is_here(*active[run_id], key)
                found.append(Known(run_id, key if run_id == self._id(key) else "", *((state, made_of) if whole else ("", ""))))
        return found

    def _is_here(self, place: str, status: str, key: str) -> bool:
        """Whether a run's artifacts are in this folder, which may have moved, and its file is among them; a cell that is open has none."""
        path, kind = Path(unquote(place.removeprefix("file://"))), key.partition(" ")[0]
        is_open = kind == "cell" and status == "RUNNING"
        return path.is_relative_to(self._artifacts) and (is_open or (path / FILES.get(kind, RECORD)).exists())

    def write(self, rows: Sequence[Row], known: Mapping[str, str], experiments: Mapping[str, str]) -> dict[str, str]:
        for some in _parts(rows, TOGETHER):
            ids = [self._id(row.key) for row in some]
            tables: dict[Any, list[dict[str, Any]]] = {table: [] for table in (SqlRun, SqlTag, SqlParam, SqlMetric, SqlLatestMetric)}
            for run_id, row in zip(ids, some, strict=True):
                self._add(tables, run_id, row, int(experiments[row.experiment]))
            with self._store.ManagedSessionMaker(read_only=False) as session:
                self._delete(session, ids)
                for table, lines in tables.items():
                    if lines:
                        session.execute(insert(table), lines)
        return {row.key: self._id(row.key) for row in rows}

    def points(self, points: Points, known: Mapping[str, str]) -> None:
        now = round(1000 * time.time())
        with self._store.ManagedSessionMaker(read_only=False) as session:
            for key, found in points.items():
                lines = _metrics(self._id(key), found, now)
                latest = {line["key"]: line for line in lines}
                names = list(latest)
                session.execute(delete(SqlLatestMetric).where(SqlLatestMetric.run_uuid == self._id(key), SqlLatestMetric.key.in_(names)))
                session.execute(insert(SqlMetric).prefix_with("OR IGNORE"), lines)
                session.execute(insert(SqlLatestMetric), list(latest.values()))

    def remove(self, run_ids: Sequence[str]) -> None:
        for some in _parts(run_ids, TOGETHER):
            with self._store.ManagedSessionMaker(read_only=False) as session:
                self._delete(session, some)
        for run_id in run_ids:
            for folder in self._artifacts.glob(f"*/{run_id}"):
                shutil.rmtree(folder, ignore_errors=True)

    def _id(self, key: str) -> str:
        return hashlib.sha256(f"{self._owner.tag} {key}".encode()).hexdigest()[:32]

    def _delete(self, session: Any, run_ids: Sequence[str]) -> None:
        for table in (SqlMetric, SqlLatestMetric, SqlParam, SqlTag, SqlRun):
            session.execute(delete(table).where(table.run_uuid.in_(run_ids)))

    def _add(self, tables: Mapping[Any, list[dict[str, Any]]], run_id: str, row: Row, experiment: int) -> None:
        folder = self._artifacts / folder_name(row.experiment) / run_id / "artifacts"
        if row.record is not None:
            _place(row.record, folder / RECORD)
        for name, made in row.artifacts.items():
            _write(made(), folder / name)
        if row.status == "RUNNING":  # again, a cell whose records went
            for name in FILES.values():
                (folder / name).unlink(missing_ok=True)
        tables[SqlRun].append(
            {
                "run_uuid": run_id,
                "name": row.name,
                "source_type": "UNKNOWN",
                "source_name": "",
                "entry_point_name": "",
                "user_id": "",
                "status": row.status,
                "start_time": row.start,
                "end_time": row.end,
                "source_version": "",
                "lifecycle_stage": "active",
                "artifact_uri": folder.as_uri(),
                "experiment_id": experiment,
            }
        )
        tags = _tags(row, self._owner, self._id(row.parent) if row.parent else "")
        tables[SqlTag] += [{"key": k, "value": v, "run_uuid": run_id} for k, v in tags.items()]
        tables[SqlParam] += [{"key": k, "value": v, "run_uuid": run_id} for k, v in row.params.items()]
        plain = _metrics(run_id, [(name, 0, value) for name, value in row.metrics.items()], row.end or row.start)
        points = _metrics(run_id, row.curve(), row.end or row.start)
        tables[SqlMetric] += [*plain, *points]
        tables[SqlLatestMetric] += {line["key"]: line for line in [*plain, *points]}.values()


def folder_name(dataset: str) -> str:
    """One folder's name for a data set: its own, where that is one. A record is foreign data, and ``../..`` would lead out of here."""
    if "/" not in dataset and "\0" not in dataset and dataset not in ("", ".", "..") and len(dataset.encode()) <= NAME_MAX:
        return dataset
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', dataset)[:40]}-{hashlib.sha256(dataset.encode()).hexdigest()[:12]}"


def _metrics(run_id: str, points: Iterable[tuple[str, int, float]], when: int) -> list[dict[str, Any]]:
    once = {(name, step): value for name, step, value in points}
    return [
        {"key": name, "value": value, "timestamp": when, "step": step, "is_nan": False, "run_uuid": run_id}
        for (name, step), value in once.items()
    ]


def _place(source: Path, target: Path) -> None:
    """A second name of the file where the file system has such, else a copy: records are replaced, never written into."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        with suppress(FileNotFoundError):
            shutil.copyfile(source, target)


def _write(text: str, target: Path) -> None:
    """Whole, or not at all: what is there is taken for good."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name}.tmp")
    half.write_text(text, encoding="utf-8")
    os.replace(half, target)


class _Server:
    """Through the client: a run is made with its tags, its numbers come in batches. A row that changes keeps its run, unless that has what
    a server takes back of no run: a parameter with another value, a number that the row no longer has, the epochs of another training.
    """

    def __init__(self, uri: str, owner: Owner) -> None:
        self._client, self._owner = MlflowClient(tracking_uri=uri), owner

    def experiments(self, notes: Mapping[str, str]) -> dict[str, str]:
        found = {}
        for name, note in notes.items():
            known = self._client.get_experiment_by_name(name)
            if known is None:
                number, tags = self._client.create_experiment(name), {}
            else:
                number, tags = known.experiment_id, known.tags
                if known.lifecycle_stage == "deleted":
                    self._client.restore_experiment(number)
            for key, value in view.tags(note).items():
                if tags.get(key) != value:
                    self._client.set_experiment_tag(number, key, value)
            found[name] = number
        return found

    def known(self) -> list[Known]:
        numbers = [e.experiment_id for e in self._client.search_experiments(view_type=ViewType.ACTIVE_ONLY)]
        found: list[Known] = []
        token: str | None = None
        while numbers:
            page = self._client.search_runs(numbers, "tags.owner LIKE '%'", max_results=1000, page_token=token)
            mine = [run.info.run_id for run in page if self._owner.has(run.data.tags["owner"])]
            tags = {run.info.run_id: run.data.tags for run in page}
            found += [Known(run_id, *(tags[run_id].get(name, "") for name in ("key", "state", MADE_OF))) for run_id in mine]
            token = page.token
            if not token:
                break
        return found

    def write(self, rows: Sequence[Row], known: Mapping[str, str], experiments: Mapping[str, str]) -> dict[str, str]:
        ids = dict(known)
        for row in rows:
            tags = _tags(row, self._owner, ids.get(row.parent, ""))
            number = experiments[row.experiment]
            before = self._client.get_run(ids[row.key]) if row.key in ids else None
            if before is not None and not _is_outdated(before, row):
                run_id = ids[row.key]
                for stale in before.data.tags.keys() - tags.keys():
                    self._client.delete_tag(run_id, stale)
                params = [Param(k, v) for k, v in row.params.items() if k not in before.data.params]
                self._client.log_batch(run_id, params=params, tags=[RunTag(k, v) for k, v in tags.items()])
                if row.end is None and before.info.status != row.status:  # it is trained again
                    self._client.update_run(run_id, row.status)
            else:
                run_id = ids[row.key] = self._client.create_run(number, row.start, tags, row.name).info.run_id
                self._client.log_batch(run_id, params=[Param(k, v) for k, v in row.params.items()])
                if before is not None:
                    self._replace(before.info.run_id, run_id, number)
            # Of two values at one step and time a server shows the larger, and a row that moves up has a smaller rank than before.
            now = round(1000 * time.time())
            metrics = [Metric(name, value, now, 0) for name, value in row.metrics.items()]
            metrics += [Metric(name, value, row.end or row.start, step) for name, step, value in row.curve()]
            for some in _parts(metrics, BATCH):
                self._client.log_batch(run_id, metrics=some)
            if row.record is not None and row.record.exists():
                self._client.log_artifact(run_id, str(row.record))
            for name, made in row.artifacts.items():
                self._client.log_text(run_id, made(), name)
            if row.end is not None:
                self._client.set_terminated(run_id, row.status, row.end)
        return ids

    def points(self, points: Points, known: Mapping[str, str]) -> None:
        now = round(1000 * time.time())
        for key, found in points.items():
            self._client.log_batch(known[key], metrics=[Metric(name, value, now, step) for name, step, value in found])

    def remove(self, run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            self._client.delete_run(run_id)

    def _replace(self, old: str, new: str, experiment: str) -> None:
        """Put the runs under one under another, and delete it."""
        while below := self._client.search_runs([experiment], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{old}'", max_results=1000):
            for run in below:
                self._client.set_tag(run.info.run_id, MLFLOW_PARENT_RUN_ID, new)
        self._client.delete_run(old)


def _is_outdated(run: Run, row: Row) -> bool:
    """Also where it has the epochs of another training: of a record that went, or is about to be replaced."""
    if run.data.tags.get(DIGEST, row.tags.get(DIGEST)) != row.tags.get(DIGEST):
        return True
    params, numbers = run.data.params, run.data.metrics.keys() - row.metrics.keys() - EPOCHS.keys()
    return bool(numbers) or any(row.params.get(name) != value for name, value in params.items())


def _tags(row: Row, owner: Owner, parent: str) -> dict[str, str]:
    own = {**row.tags, MLFLOW_RUN_NAME: row.name, "owner": owner.tag, "key": row.key, "state": row.state}
    return own | ({MADE_OF: row.made_of} if row.made_of else {}) | ({MLFLOW_PARENT_RUN_ID: parent} if parent else {})


def _parts(values: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
