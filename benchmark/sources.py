"""The contract of data sets: what a plug-in in datasets/ is, and what it hands to the encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from benchmark.errors import UserError as UserError
from benchmark.schema import Pooling
from benchmark.settings import Configured
from benchmark.settings import setting as setting

if TYPE_CHECKING:
    import numpy as np
    import polars
    from numpy.typing import NDArray

BETWEEN = "|"  # the values of a cell of a multi-valued column
INSIDE = "¦"  # what becomes of BETWEEN inside one of them


class Column(NamedTuple):
    """An input column. categorical: a row of the table for each value. numeric: put into equally frequent buckets, a row for each.
    scaled: one row, times the number (0 where it is missing). multi: several values in a cell, with BETWEEN between them; a row for each
    value, and the ``pooling`` of the rows of a cell's values. Of a cell the first ``most`` values are taken; empty ones are none.
    """

    name: str
    kind: Literal["categorical", "numeric", "scaled", "multi"] = "categorical"
    pooling: Pooling = "mean"
    most: int = 16


class Division(NamedTuple):
    """How the rows of one frame are divided."""

    part_of: Callable[[int, polars.Series | None], NDArray[np.uint8]]  # number of rows, ``column`` as text -> 0 train, 1 valid, 2 test
    column: str | None = None  # that the division goes by
    notes: list[str] | None = None  # filled by part_of: said by every record and every board


class Build(NamedTuple):
    """What others' build of the same data came to. Where this one's differs, every record and board says so."""

    by: str
    rows: Mapping[str, int]  # of each part
    positives: Mapping[str, int]
    values: int | None = None  # of all categorical fields: that have a row of their own, neither missing nor too rare


@dataclass(frozen=True)
class Source:
    """What a data set plug-in hands to the encoder."""

    # "train", "valid", "test", in this order; with a division one frame under any name, or "rows" and "test": rows are train and valid then
    parts: Mapping[str, polars.LazyFrame]
    label: str  # column with 0 and 1
    columns: tuple[Column, ...]
    min_count: int = 1  # rarer training values become out-of-vocabulary
    missing_is_unseen: bool = False  # missing cells of categorical columns share the row of values that are unseen or too rare
    buckets: int = 32  # of equal training frequency, for each numeric column
    division: Division | None = None
    shown_as: Mapping[str, str] = field(default_factory=dict)  # what messages call a part; its name if it is not there
    notes: tuple[str, ...] = ()  # said by every record and every board, e.g. a checksum that differs
    published: Build | None = None
    examined: bool = False  # whether what looks wrong in the encoded parts becomes a note, too: nobody has vouched for them
    known: Mapping[str, float] = field(default_factory=dict)  # metrics known in advance, e.g. {"test/bayes_auc": 0.8}
    noticed: Callable[[], Iterable[str]] = tuple  # asked when all rows were read: more notes
    probability: str | None = None  # column with P(label = 1), where it is known: valid and test metrics are expected ones then


class Stream(ABC):
    """A training part that is drawn while a model trains: no row comes twice.

    Its values are numbers 0…, and the cells of valid and test, which are prepared as ever, are the same numbers. Rows are a function of the
    data set's settings and of ``draw``'s arguments alone, whoever draws them, in whatever order, in any thread.
    """

    rows: int  # of an epoch
    positive_rate: float
    counts: tuple[NDArray[np.int64], ...]  # for each column, by value: the expected occurrences in an epoch, at least 1

    @abstractmethod
    def draw(self, seed: int, block: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """A block of rows: values (n, F) and labels (n,). ``seed``: another one for every epoch of every trial; ``block``: from 0."""


@dataclass(frozen=True, kw_only=True)
class DataSet(Configured, ABC):
    """Where rows come from. Dataclass fields are its settings (`[options.datasets.<name>]` in a suite file, flags of `prepare`)."""

    KIND = "dataset"
    summary: ClassVar[str]  # one line for `benchmark list`
    source: ClassVar[str]  # where the rows come from
    embedded: ClassVar[bool] = False  # True: made on first use, nothing to download
    training: ClassVar[Mapping[str, Any]] = {}  # defaults of `Training` that the data set's published configurations use

    def paired(self) -> tuple[str, str] | None:
        """Two categorical columns whose pair of values a model can learn by heart, e.g. user and item. Test AUC is then told also over the
        rows whose pair no training row has. None: there are no such two.
        """
        return None

    def stream(self) -> Stream | None:
        """The training part, where it is drawn while a model trains; ``load`` then has no part "train"."""
        return None

    @abstractmethod
    def load(self, source_path: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        """Find (or make) the rows. ``source_path`` is what the user gave as --from. Raises UserError."""
