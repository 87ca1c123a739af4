"""Where MLflow's store is, which runs in it are a results folder's own, and whether anything has changed. Imports no mlflow."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from benchmark.records import Store
from benchmark.values import digest

EMBEDDED = "this folder"  # owner of the runs that the folder's own database was given by the folder itself
VERSION = 4  # of what rows and views hold; another one makes them again
# Up to the last @, since SQLAlchemy takes a password with / and an HTTP client one with @; and the values of a query that are secrets.
PASSWORD = re.compile(r"(://[^/@\s:]*):\S*@")
SECRET = re.compile(r"([?&][a-z_]*(?:passw(?:or)?d|pwd|token|secret|key)=)[^&#\s]*", re.IGNORECASE)


def tracking_uri(results: Path) -> str:
    """The embedded SQLite file, or the store that MLFLOW_TRACKING_URI names."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{embedded(results).absolute()}"


def embedded(results: Path) -> Path:
    return results / "mlflow.db"


def without_password(text: str) -> str:
    """An address, or a message with addresses in it, as it may be shown."""
    return SECRET.sub(r"\1***", PASSWORD.sub(r"\1:***@", text))


def is_embedded(results: Path, uri: str) -> bool:
    """Whether it is the folder's own database, which is made of the records and of nothing else."""
    return uri.startswith("sqlite:///") and Path(unquote(uri.removeprefix("sqlite:///"))).resolve() == embedded(results).resolve()


class Owner:
    """Whose a run is, by its tag ``owner``: several folders and projects may share a database or server.

    In the folder's own database the owner is a constant, so that folder and database move together. Elsewhere it is the digest of the
    folder's first place, kept in .index/owner.json: a folder that has moved keeps its runs, a copy gets an id of its own.
    """

    def __init__(self, results: Path, uri: str) -> None:
        self._at = f"{socket.gethostname()}:{results.absolute()}"
        self._embedded = is_embedded(results, uri)
        self.tag = EMBEDDED if self._embedded else _owner_id(results, self._at)

    def has(self, tag: str) -> bool:
        """Versions up to 0.1 wrote host and path; in the folder's own database such runs are its own unless that other folder is there."""
        if tag == self.tag or tag == self._at.replace("'", ""):
            return True
        host, _, path = tag.partition(":")
        return self._embedded and path.startswith("/") and not (host == socket.gethostname() and Path(path).is_dir())


def _owner_id(results: Path, at: str) -> str:
    path = results / ".index" / "owner.json"
    known = _json(path)
    if known.get("at") == at:
        return str(known["id"])
    before = str(known.get("at", "")).partition(":")[2]
    is_copy = not known or _json(Path(before) / ".index" / "owner.json").get("id") == known.get("id")
    found = digest(at) if is_copy else str(known["id"])
    with suppress(OSError):  # a folder that cannot be written does not move either
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"id": found, "at": at}) + "\n", encoding="utf-8")
    return found


class Stamp:
    """What records and database looked like when `track` had last brought the one up to the other: then there is nothing to do.

    Kept for an SQLite store only; a server is always asked.
    """

    def __init__(self, store: Store, results: Path) -> None:
        self._store, self._results = store, results
        self._path = results / ".index" / "tracked.json"

    def holds(self) -> bool:
        state = self._state(self._store.fingerprint())
        return state is not None and _json(self._path).get("state") == state

    def experiments(self) -> dict[str, str]:
        """Data set -> id of its experiment, as MLflow's store had them last."""
        return {str(name): str(number) for name, number in _json(self._path).get("experiments", {}).items()}

    def set(self, experiments: Mapping[str, str], records: str | None) -> None:
        """``records``: the fingerprint of the folder before it was read, since records may have come meanwhile; None: MLflow's store
        is not, or will not stay, what the records say.
        """
        state = None if records is None else self._state(records)
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps({"state": state, "experiments": dict(experiments)}) + "\n", encoding="utf-8")

    def clear(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _state(self, records: str) -> str | None:
        """None: of a server, or of a database that is not there."""
        uri = tracking_uri(self._results)
        if not uri.startswith("sqlite:///"):
            return None
        database = unquote(uri.removeprefix("sqlite:///"))
        files = [database, f"{database}-wal", f"{database}-journal", *sorted(_artifact_folders(self._results / "artifacts"))]
        looks = [(file, found.st_mtime_ns, found.st_size, found.st_ino) for file in files if (found := _stat(file)) is not None]
        return digest([VERSION, metadata.version("mlflow"), uri, looks, records]) if looks and looks[0][0] == database else None


def _artifact_folders(folder: Path) -> Iterator[str]:
    """Of every run: what is taken out of one, or put in, changes its time."""
    with suppress(OSError):
        for experiment in os.scandir(folder):
            yield experiment.path
            with suppress(OSError):
                yield from (f"{run.path}/artifacts" for run in os.scandir(experiment))


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
