"""Records are the truth: one JSON file per training, written once, atomically. Boards and MLflow are views of them."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmark.config import Trial
from benchmark.errors import UserError
from benchmark.values import from_dict, to_dict

Status = Literal["finished", "diverged", "incompatible", "failed"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one trial gave. ``metrics`` values are finite; what could not be measured is absent."""

    trial: Trial
    status: Status
    reason: str = ""  # why, when not finished; in one line, since boards and progress show it in one
    frames: tuple[str, ...] = ()  # of one that failed: the last places in plug-in and project, "file:line, in function", innermost last
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[Mapping[str, float], ...] = ()  # one entry per epoch
    cost: Mapping[str, float] = field(default_factory=dict)  # parameters_table, parameters_dense, flops_per_sample, samples_per_second, …
    environment: Mapping[str, str] = field(default_factory=dict)  # versions, device, host
    fingerprints: Mapping[str, str] = field(default_factory=dict)  # of the data, and of the code of method, backbone and training
    notes: tuple[str, ...] = ()  # what every board must say about the data

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", " ".join(self.reason.split())[:500])

    @property
    def trial_id(self) -> str:
        return self.trial.trial_id

    def to_json(self) -> str:
        content = {"trial_id": self.trial_id, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}}
        content["trial"] = to_dict(self.trial)
        return json.dumps(content, indent=1, allow_nan=False) + "\n"


def record_from_json(text: str, where: str) -> Record:
    """The record in ``text``. Raises UserError when it is not one, or does not carry its own id."""
    try:
        content = json.loads(text)
        claimed = content.pop("trial_id")
        record = from_dict(Record, content, where)
        trial_id = record.trial_id
    except UserError as error:  # an impossible setting does not know which record it is in
        raise UserError(str(error) if where in str(error) else f"{where}: {error}") from None
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise UserError(f"{where}: not a record; move it out of the folder") from None
    if trial_id != claimed:
        raise UserError(f"{where}: the trial does not hash to its id {claimed}: edited by hand? move it out of the folder")
    return record


class Store:
    """The folder of records: ``<results>/records/<trial_id>.json``. Files of another machine can be dropped into it."""

    def __init__(self, results: Path) -> None:
        self.folder = results / "records"

    def create(self) -> None:
        """Make the folder and prove that it can be written. Raises UserError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise UserError(
                f"{self.folder}: the results folder cannot be written ({error.strerror}); name another with --results"
            ) from None

    def path(self, trial_id: str) -> Path:
        return self.folder / f"{trial_id}.json"

    def paths(self) -> list[Path]:
        """The files of the records, in the order of their ids. Raises UserError for a folder that cannot be read."""
        try:
            return sorted(path for path in self.folder.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"{self.folder}: the records cannot be read ({error.strerror}); name another folder with --results") from None

    def get(self, trial_id: str) -> Record | None:
        path = self.path(trial_id)
        return self.read(path) if path.exists() else None

    def read(self, path: Path) -> Record:
        """Raises UserError for a file that is not a record, or bears another's name: a copy would count as one more seed."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise UserError(f"{path}: not a readable record ({reason}); move it out of the folder") from None
        record = record_from_json(text, str(path))
        if path.stem != record.trial_id:
            raise UserError(f"{path}: this is the record {record.trial_id}: name it {record.trial_id}.json, or move it out of the folder")
        return record

    def write(self, record: Record) -> None:
        """Atomically: a reader, or a kill at any moment, sees the whole record or none."""
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(record.to_json())
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path(record.trial_id))
        except BaseException:
            os.unlink(name)
            raise
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def __iter__(self) -> Iterator[Record]:
        """All records, in the order of their ids. Raises UserError at the first file that is not one."""
        for path in self.paths():
            yield self.read(path)
