"""Prepared data sets: where they lie, and how they are opened. Nothing here imports Polars: a worker only maps arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark import plugins
from benchmark.config import cache_folder
from benchmark.data.integrity import BAGS, counted, fingerprint, is_stamped, stamp, states_of
from benchmark.data.pairs import unseen_pairs
from benchmark.errors import UserError
from benchmark.schema import FIRST, Bags, Field, Schema
from benchmark.settings import recorded
from benchmark.sources import DataSet
from benchmark.values import canonical, digest, from_dict

if TYPE_CHECKING:
    import torch

    from benchmark.data.batches import Rows, TrainingRows
    from benchmark.sources import Stream

VERSION = 2  # of the encoder: a folder written by another version is not opened
PARTS = ("train", "valid", "test")
ROUNDING = 1e-9  # of a positive rate
AGAIN = "prepare the data set again"
EXPECTED = "valid and test metrics are expected ones over the labels, whose probabilities are known: there is no label noise in them"


@dataclass(frozen=True, kw_only=True)
class Content:
    """schema.json, as the encoder writes it."""

    version: int
    fingerprint: str
    identity: Mapping[str, Any]
    fields: tuple[str, ...]
    cardinalities: tuple[int, ...]
    factors: tuple[int, ...]
    rows: Mapping[str, int]
    positive_rates: Mapping[str, float]
    notes: tuple[str, ...]
    known: Mapping[str, float]
    probabilities: bool = False  # whether those of the valid and test labels are there
    streamed: bool = False  # whether the training part is drawn, not there
    bags: tuple[int, ...] = ()  # of each field; none where no field is multi-valued
    pooling: tuple[Literal["", "mean", "sum"], ...] = ()  # of each field, in the same way; "" for one that is not multi-valued

    def __post_init__(self) -> None:
        texts = all(isinstance(self.identity.get(key), str) for key in ("name", "dataset"))
        if not texts or not isinstance(self.identity.get("options"), Mapping):
            raise UserError("identity is incomplete")
        if not len(self.fields) == len(self.cardinalities) == len(self.factors) or not self.fields or min(self.cardinalities) < 1:
            raise UserError("fields, cardinalities and factors do not fit")
        if any(factors < 0 or (factors and size != 1) for factors, size in zip(self.factors, self.cardinalities, strict=True)):
            raise UserError("a scaled field has one row")
        if self.bags or self.pooling:
            multi = [bool(bags) for bags in self.bags]
            special = [size >= FIRST and bags >= FIRST for size, bags in zip(self.cardinalities, self.bags, strict=False) if bags]
            if len(multi) != len(self.fields) or multi != [bool(pooling) for pooling in self.pooling] or not special or not all(special):
                raise UserError("bags and pooling do not fit the fields")
            if any(factors and bags for factors, bags in zip(self.factors, self.bags, strict=True)):
                raise UserError("a multi-valued field has no factors")
        if not set(PARTS) <= self.rows.keys() & self.positive_rates.keys() or not 0 < self.positive_rates["train"] < 1:
            raise UserError("rows or positive_rates is incomplete")

    @property
    def inputs(self) -> tuple[Field, ...]:
        plain = map(Field, self.fields, self.cardinalities, self.factors, self.bags or (0,) * len(self.fields))
        if not self.pooling:
            return tuple(plain)
        return tuple(one._replace(pooling=kind) if kind else one for one, kind in zip(plain, self.pooling, strict=True))


class Fold(NamedTuple):
    """Training and validation rows. On purpose there is no test field: this is all that a tuner gets."""

    train: TrainingRows
    valid: Rows


@dataclass(frozen=True)
class Prepared:
    """A data set on disk. ``ensure_prepared(prepared.name, prepared.options)`` finds it again."""

    name: str
    folder: Path
    schema: Schema
    fingerprint: str  # of the encoded arrays and field names, 12 hexadecimal digits
    notes: tuple[str, ...]  # what every record and board must say
    known: Mapping[str, float]  # metrics known in advance, e.g. "test/bayes_auc"
    rows: Mapping[str, int]  # part -> rows
    options: Mapping[str, Any]  # of the plug-in; empty for a user's file that was prepared under its own name
    recorded: Mapping[str, Any]  # the options as records name them, see ``settings.recorded``
    probabilities: bool  # whether those of valid and test labels are known
    streamed: bool  # whether the training part is drawn while a model trains
    made_from: tuple[str, Mapping[str, Any]]  # the plug-in and its options
    training: Mapping[str, Any]  # the plug-in's defaults of `Training`
    pair: tuple[str, str] | None = None  # two fields whose pair of values a model can learn by heart

    def value_counts(self) -> list[NDArray[np.int64]]:
        """For each field the training occurrences of every row of its table, (cardinality,)."""
        ends = np.cumsum([field.cardinality for field in self.schema.fields])
        counts = np.load(self.folder / "counts.npy")
        self._check_unchanged()
        return np.split(counts, ends[:-1])

    def fold(self, device: torch.device, resident: bool | None = None) -> Fold:
        """``resident``: see Rows."""
        return Fold(self._training_rows(device, resident), self._rows("valid", device, resident))

    def test(self, device: torch.device, resident: bool | None = None) -> Rows:
        return self._rows("test", device, resident)

    def unseen_pairs(self) -> NDArray[np.bool_] | None:
        """(test rows,) whether a row's pair of values is in no training row; None where the data set names no two fields for it."""
        if self.pair is None:
            return None
        names = [field.name for field in self.schema.fields]
        first, second = map(names.index, self.pair)
        return unseen_pairs(self.arrays("train")[0], self.arrays("test")[0], (first, second))

    def arrays(self, part: str) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """Local ids (n, F) and labels (n,) of a part, memory-mapped; of a streamed training part one epoch, drawn with seed 0.

        Raises UserError when the folder is not what it was when opened.
        """
        self._check_unchanged()  # or other data would be called damaged
        if part == "train" and self.streamed:
            from benchmark.data.streamed import first_epoch  # imports torch

            return first_epoch(self._stream())
        mapped = _mapped(self.folder, part, self.rows[part], len(self.schema.fields))
        self._check_unchanged()
        return mapped

    def _check_unchanged(self) -> None:
        """After a file was opened: a training that takes hours must not be scored on another division of the rows."""
        if _schema(self.folder).fingerprint != self.fingerprint:
            raise UserError(f"{self.folder}: the data set was prepared anew while it was in use; start the run again")

    def _rows(self, part: str, device: torch.device, resident: bool | None) -> Rows:
        from benchmark.data.batches import Rows  # imports torch, which listing and preparing data do without

        ids, labels = self.arrays(part)
        known = (
            _array(self.folder, f"{part}.probabilities", np.float64, (self.rows[part],)) if self.probabilities and part != "train" else None
        )
        self._check_unchanged()
        return Rows(ids, labels, self._offsets(), device, resident, known)

    def _training_rows(self, device: torch.device, resident: bool | None) -> TrainingRows:
        if not self.streamed:
            return self._rows("train", device, resident)
        from benchmark.data.streamed import Streamed

        self._check_unchanged()
        return Streamed(self._stream(), self._offsets(), device)

    def _offsets(self) -> NDArray[np.int64]:
        """(F,): what is added to a field's local ids."""
        return np.cumsum([0, *(field.ids for field in self.schema.fields[:-1])])

    def _stream(self) -> Stream:
        name, options = self.made_from
        stream: Stream | None = plugins.make("datasets", name, options).stream()
        if stream is None:
            raise UserError(f"{self.folder}: data set {name} draws its training part no longer; {AGAIN}")
        return stream


def folder_of(name: str, options: Mapping[str, Any]) -> Path:
    """Where a data set is prepared: one folder for each choice of options."""
    return cache_folder() / "datasets" / (f"{name}-{digest(dict(options))[:8]}" if options else name)


def open_prepared(folder: Path) -> Prepared:
    """Reads schema.json and maps the arrays; no row is copied. Raises UserError for another encoder's or a damaged folder."""
    content = _schema(folder)
    identity = content.identity
    fields = content.inputs
    for part in PARTS[1:] if content.streamed else PARTS:
        _mapped(folder, part, content.rows[part], len(fields))
    for part in PARTS[1:] if content.probabilities else ():
        _array(folder, f"{part}.probabilities", np.float64, (content.rows[part],))
    _array(folder, "counts", np.int64, (sum(content.cardinalities),))
    made: DataSet = plugins.make("datasets", identity["dataset"], dict(identity["options"]))
    pair = made.paired()
    if not set(pair or ()) <= set(content.fields):
        raise UserError(f"{folder}: the data set's pair of fields, {', '.join(pair or ())}, is not in it; {AGAIN}")
    factors = _array(folder, "factors", np.float32, (sum(content.factors),)) if any(content.factors) else None
    schema = Schema(fields, content.positive_rates["train"], factors, _bags(folder, sum(content.bags)) if content.bags else None)
    if not is_stamped(folder):
        _verify(folder, content, schema, made)
    given = identity["options"]
    under_its_name = identity["name"] == identity["dataset"]
    return Prepared(
        name=identity["name"],
        folder=folder,
        schema=schema,
        fingerprint=content.fingerprint,
        notes=(*content.notes, EXPECTED) if content.probabilities else content.notes,
        known=content.known,
        rows={part: content.rows[part] for part in PARTS},
        options=given if under_its_name else {},
        recorded=recorded(type(made), given) if under_its_name else {},
        probabilities=content.probabilities,
        streamed=content.streamed,
        made_from=(identity["dataset"], given),
        training=made.training,
        pair=pair,
    )


def _verify(folder: Path, content: Content, schema: Schema, made: DataSet) -> None:
    """Reads everything once, and stamps the folder. Raises UserError where it is not what was written: edited, or damaged on the disk."""
    states, parts = states_of(folder), PARTS[1:] if content.streamed else PARTS
    sizes = [field.ids for field in schema.fields]
    stream = made.stream() if content.streamed else None
    complaints = []
    kinds = list(zip(content.bags, content.pooling, strict=True))
    if fingerprint(folder, content.fields, parts, content.probabilities, stream, kinds) != content.fingerprint:
        complaints.append("arrays or names of fields are not those of its fingerprint")
    outside = [
        schema.fields[place].name
        for place, bags in schema.bags_of().items()
        if bags.members.min() < 0 or bags.members.max() >= schema.fields[place].cardinality
    ]
    if outside:
        complaints.append(f"{', '.join(outside)} has bags of rows outside its cardinality")
    for part in parts:
        ids, labels = _mapped(folder, part, content.rows[part], len(sizes))
        if (ids.max(0) >= sizes).any() or ids.min() < 0:
            complaints.append(f"{part} has ids outside a field's cardinality")
        elif part == "train" and not outside and not counted(folder, ids, schema):
            complaints.append("counts.npy does not count the training part")
        if not abs(float(labels.mean()) - content.positive_rates[part]) <= ROUNDING:
            complaints.append(f"the positive rate of {part} is not that of its labels")
    if complaints:
        raise UserError(f"{folder}: edited or damaged ({'; '.join(complaints)}); {AGAIN}")
    stamp(folder, states)


def _bags(folder: Path, count: int) -> Bags:
    """Raises UserError where sizes and members do not fit."""
    sizes = _array(folder, BAGS[0], np.int32, (count,))
    if sizes.min() < 1:
        raise UserError(f"{folder}: damaged ({BAGS[0]}.npy: a bag without a row); {AGAIN}")
    return Bags(sizes, _array(folder, BAGS[1], np.int32, (int(sizes.sum(dtype=np.int64)),)))


def identity_of(folder: Path) -> Mapping[str, Any] | None:
    """What a prepared folder was made from; None where there is none, or one of another encoder version."""
    try:
        return _schema(folder).identity if (folder / "schema.json").exists() else None
    except UserError:
        return None


def prepared_names() -> list[str]:
    """Names that ``ensure_prepared`` finds without options."""
    return sorted(folder.name for folder, identity in _prepared() if identity["name"] == folder.name)


def prepared_with_options() -> list[str]:
    """The others, as "flights (train_fraction=0.25)"."""
    others = (identity for folder, identity in _prepared() if identity["name"] != folder.name)
    return sorted(
        f"{identity['name']} ({', '.join(f'{name}={canonical(value)}' for name, value in sorted(identity['options'].items()))})"
        for identity in others
    )


def _prepared() -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path in (cache_folder() / "datasets").glob("[!.]*/schema.json"):
        identity = identity_of(path.parent)
        if identity:
            yield path.parent, identity


def _schema(folder: Path) -> Content:
    try:
        content = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
        version = content["version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{folder}: not a prepared data set; {AGAIN}") from None
    if version != VERSION:
        raise UserError(f"{folder}: written by version {version} of the encoder, this is version {VERSION}; {AGAIN}")
    try:
        return from_dict(Content, content, "schema.json")
    except UserError as error:
        raise UserError(f"{folder}: damaged ({error}); {AGAIN}") from None


def _mapped(folder: Path, part: str, rows: int, fields: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    return _array(folder, f"{part}.ids", np.int32, (rows, fields)), _array(folder, f"{part}.labels", np.uint8, (rows,))


def _array(folder: Path, name: str, dtype: type[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(folder / f"{name}.npy", mode="r")
    except Exception as error:  # of a damaged header NumPy's parser raises many things, tokenize.TokenError among them
        raise UserError(f"{folder}: damaged ({name}.npy: {' '.join(str(error).split())[:100]}); {AGAIN}") from None
    if array.dtype != dtype or array.shape != shape:
        raise UserError(f"{folder}: damaged ({name}.npy does not fit schema.json); {AGAIN}")
    return array
