"""Data sets whose split is published: three files with known checksums, in an archive on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from benchmark.data.download import fetch
from benchmark.data.files import content_md5, find_part
from benchmark.data.tables import Table, read_table
from benchmark.errors import UserError
from benchmark.sources import Build, Column, DataSet, Source


@dataclass(frozen=True, kw_only=True)
class Published(DataSet):
    """A data set of BARS (github.com/reczoo/BARS): ``<archive>.zip`` of the hub's data set repository reczoo/<archive>.

    A plug-in says what stands in the files, and may turn their rows into others (``rows``). No option changes the split.
    """

    archive: ClassVar[str]
    md5: ClassVar[Mapping[str, str]]  # part -> of the uncompressed file
    label: ClassVar[str] = "label"
    columns: ClassVar[tuple[Column, ...]]
    min_count: ClassVar[int] = 1
    remarks: ClassVar[tuple[str, ...]] = ()  # what every board must say of it
    # BARS's own build, from the logs of its trainings: rows and positives as they stand there. Values: the parameters of its logistic
    # regression or factorisation machine leave a row for each value and one more in each field (5,390 of Frappe_x1, whose training part
    # has 5,379 values).
    build: ClassVar[Build]

    def load(self, source_path: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        """From a folder or zip archive that the user has, or downloaded. Raises UserError for a file that is not the published one."""
        name = self.archive.lower()
        location = source_path or fetch(f"reczoo/{self.archive}", f"{self.archive}.zip")
        tables: dict[str, Table] = {}
        notes = [f"{name}: {remark}" for remark in self.remarks]
        for part, published in self.md5.items():
            file = find_part(location, (part,), (".csv", ".csv.gz"))
            found = content_md5(file)
            if found != published:
                what = f"{part} differs from the official file (md5 {found} instead of {published})"
                if not allow_checksum_mismatch:
                    again = f"; if it was cut off, delete {location.resolve()} and run the command again" if source_path is None else ""
                    raise UserError(
                        f"{file}: {what}{again}; to use it all the same, and have every board say so, add --allow-checksum-mismatch"
                    )
                notes.append(f"{name}: {what}")
            tables[part] = read_table(file)
            for column in (self.label, *self.needed()):
                if column not in tables[part].columns:
                    raise UserError(f"{file}: the column {column!r} is missing; this is not a {self.archive} file")
        return Source(
            parts={part: self.rows(table.frame) for part, table in tables.items()},
            shown_as={part: str(table.file) for part, table in tables.items()},
            label=self.label,
            columns=self.columns,
            min_count=self.min_count,
            notes=tuple(notes),
            published=self.build,
        )

    def needed(self) -> tuple[str, ...]:
        """Columns of the files that ``rows`` reads."""
        return tuple(column.name for column in self.columns)

    def rows(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """The files' rows, all columns text, as the encoder takes them."""
        return frame
