"""A prepared data set -> what stands in it, field by field, as a table, markdown, CSV or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, NamedTuple, Never

import numpy as np
import pandas
from numpy.typing import NDArray
from tabulate import tabulate
from tqdm import tqdm

from benchmark.data.store import PARTS, Prepared
from benchmark.data.vocabulary import FIRST, MISSING, UNSEEN
from benchmark.errors import UserError
from benchmark.metrics.spectral import gaussian_reference
from benchmark.reporting.leaderboard import Format
from benchmark.reporting.text import cell, inert, shown
from benchmark.schema import Field
from benchmark.values import plain

BLOCK = 1 << 17  # rows looked at once: 20 MB of 39 fields
WIDTHS = (10, 40)  # of the table: the base width, and that at scale 4
IA = "information_abundance"


@dataclass(frozen=True, kw_only=True)
class FieldRow:
    """One field. Counts are training rows, shares lie in [0, 1]. None where there is no such thing: a scaled field has one row of the table
    and neither values nor an unseen id; another field may have no value. Of a multi-valued field counts, ``top_share`` and ``unseen_…`` are
    of the values in its cells, not of rows. The JSON keys are the fields, in this order.
    """

    field: str
    cardinality: int  # rows of the table, special ids included
    count_min: int | None  # training rows of a value: quantiles over the values
    count_median: int | None
    count_90: int | None
    count_max: int | None
    top_share: float | None  # of the training rows: the most frequent value's
    missing_train: float
    missing_valid: float
    missing_test: float
    unseen_train: float | None  # rarer than the minimum count
    unseen_valid: float | None
    unseen_test: float | None
    learned: int  # rows of the table that training has seen, those of special ids included
    values_per_row: float | None  # of a multi-valued field: mean over the training rows
    information_abundance_gaussian: Mapping[int, float]  # width -> mean over Gaussian tables (learned × width)


@dataclass(frozen=True, kw_only=True)
class Description:
    """All that is said of a data set. The JSON keys are the fields, in this order."""

    dataset: str
    fingerprint: str
    rows: Mapping[str, int]  # part -> rows
    positive_rates: Mapping[str, float]  # part -> share of label 1
    fields: int
    values: int  # rows of the embedding table
    notes: tuple[str, ...]
    by_field: tuple[FieldRow, ...]


class _Special(NamedTuple):
    """Shares of one part, in one field."""

    missing: float  # of the rows: id 0
    unseen: float  # of the rows: id 1, which in a scaled field is a number like any other; of a multi-valued field's values: row 1


def describe(prepared: Prepared, output: Format = "table", widths: Sequence[int] = WIDTHS) -> str:
    """The description of a data set as text: ``table`` and ``markdown`` for people; ``csv``, a row a field, and ``json`` with every key.

    ``widths``: of the embedding table, for which the information abundance of Gaussian rows is shown. Raises UserError for a width
    below 1, and for arrays that are damaged. See ``description`` for what is read.
    """
    return render(description(prepared, widths), output)


def description(prepared: Prepared, widths: Sequence[int] = WIDTHS) -> Description:
    """Counts validation and test rows in one pass over each; of the training part all is known already. Raises as ``describe`` does.

    In memory are a block of rows and the training counts of all values.
    """
    if min(widths, default=1) < 1:
        raise UserError(f"describe: width {min(widths)}; it must be at least 1")
    schema, rows = prepared.schema, prepared.rows
    parts = ("valid", "test")
    # tqdm draws over its own line, which a log file or a pipe cannot.
    with tqdm(
        total=sum(rows[part] for part in parts),
        desc=f"reading {prepared.name}",
        unit=" rows",
        unit_scale=True,
        leave=False,
        disable=not sys.stderr.isatty(),
    ) as bar:
        (valid, valid_rate), (test, test_rate) = (_counted(prepared, part, bar) for part in parts)
    return Description(
        dataset=prepared.name,
        fingerprint=prepared.fingerprint,
        rows=rows,
        positive_rates={"train": schema.positive_rate, "valid": valid_rate, "test": test_rate},
        fields=len(schema.fields),
        values=schema.values,
        notes=prepared.notes,
        by_field=tuple(
            _field_row(*of_field, rows["train"], widths)
            for of_field in zip(schema.fields, prepared.value_counts(), valid, test, strict=True)
        ),
    )


def render(found: Description, output: Format) -> str:
    """The description as text, see ``describe``. In CSV every row repeats what is said of the whole data set."""
    if output == "json":
        return json.dumps(asdict(found), indent=1, allow_nan=False, ensure_ascii=False)
    if output == "csv":
        content = [{name: inert(value) for name, value in _flat(found, row).items()} for row in found.by_field]
        text: str = pandas.DataFrame(content, dtype=object).to_csv(index=False)
        return text
    heading = f"{plain(found.dataset)}@{found.fingerprint}: {found.fields:,} fields, {found.values:,} values"
    parts = [[part, f"{found.rows[part]:,}", _percent(found.positive_rates[part])] for part in PARTS]
    columns = _columns(found.by_field, output)
    tables = [
        _table(["part", "rows", "positive\n%"], parts, ("part",), output),
        _table(list(columns), [[text(row) for text in columns.values()] for row in found.by_field], ("field",), output),
    ]
    lines = [*(f"note: {plain(note)}" for note in found.notes), *_legend(found.by_field)]
    if output == "markdown":
        heading, lines = f"### {heading}", [f"- {line}" for line in lines]
    return shown("\n\n".join([heading, *tables, "\n".join(lines)]), output)


def _counted(prepared: Prepared, part: str, bar: tqdm[Never]) -> tuple[list[_Special], float]:
    """For each field its shares, and the share of label 1."""
    ids, labels = prepared.arrays(part)
    rows, size = ids.shape
    missing, unseen = np.zeros(size, np.int64), np.zeros(size, np.int64)
    bags = prepared.schema.bags_of()
    occurrences = {place: np.zeros(len(of_field.sizes), np.int64) for place, of_field in bags.items()}
    positives = 0
    for start in range(0, rows, BLOCK):
        block = ids[start : start + BLOCK]
        missing += np.count_nonzero(block == MISSING, axis=0)
        unseen += np.count_nonzero(block == UNSEEN, axis=0)
        for place, found in occurrences.items():
            found += np.bincount(block[:, place], minlength=len(found))
        positives += int(np.count_nonzero(labels[start : start + BLOCK]))
        bar.update(len(block))
    shares = (unseen / rows).tolist()
    for place, found in occurrences.items():
        counts = bags[place].counts(found, prepared.schema.fields[place].cardinality)
        shares[place] = float(counts[UNSEEN] / max(1, counts[UNSEEN:].sum()))
    return list(map(_Special, (missing / rows).tolist(), shares)), positives / rows


def _field_row(
    field: Field,
    counts: NDArray[np.int64],  # (cardinality,) training occurrences of each row of the table
    valid: _Special,
    test: _Special,
    rows: int,  # of the training part
    widths: Sequence[int],
) -> FieldRow:
    scaled = field.factors > 0
    values = counts[:0] if scaled else counts[FIRST:]
    missing = rows - counts[0] if scaled else counts[MISSING]  # a scaled field's only count is of what is there
    # The counts that at least half and nine tenths of the values do not exceed, as data/vocabulary takes its quantiles: counts that occur.
    quantiles = np.quantile(values, (0, 0.5, 0.9, 1), method="inverted_cdf").tolist() if len(values) else None
    low, median, high, top = quantiles or (None,) * 4
    places = int(counts[UNSEEN:].sum()) if field.bags else rows  # where a value can stand
    learned = int(np.count_nonzero(counts))
    return FieldRow(
        field=field.name,
        cardinality=field.cardinality,
        count_min=low,
        count_median=median,
        count_90=high,
        count_max=top,
        top_share=None if top is None else top / places,
        missing_train=float(missing / rows),
        missing_valid=valid.missing,
        missing_test=test.missing,
        unseen_train=None if scaled else float(counts[UNSEEN] / max(1, places)),
        unseen_valid=None if scaled else valid.unseen,
        unseen_test=None if scaled else test.unseen,
        learned=learned,
        values_per_row=places / rows if field.bags else None,
        information_abundance_gaussian={width: gaussian_reference(learned, width)[IA] for width in widths},
    )


def _flat(found: Description, row: FieldRow) -> dict[str, object]:
    """A line of the CSV: the data set's keys, then the field's."""
    whole: dict[str, object] = {"dataset": found.dataset, "fingerprint": found.fingerprint}
    whole |= {f"rows_{part}": found.rows[part] for part in PARTS}
    whole |= {f"positive_rate_{part}": found.positive_rates[part] for part in PARTS}
    whole |= {"fields": found.fields, "values": found.values, "notes": "; ".join(found.notes)}
    own = {f.name: getattr(row, f.name) for f in fields(row) if f.name != f"{IA}_gaussian"}
    return whole | own | {f"{IA}_gaussian_{width}": value for width, value in row.information_abundance_gaussian.items()}


def _columns(found: Sequence[FieldRow], output: Format) -> dict[str, Callable[[FieldRow], str]]:
    """Header -> the text of a field's cell."""
    columns: dict[str, Callable[[FieldRow], str]] = {
        "field": lambda r: cell(" ".join(r.field.split()), output),
        "cardi-\nnality": lambda r: f"{r.cardinality:,}",
        "count\nmin": lambda r: _count(r.count_min),
        "count\nmedian": lambda r: _count(r.count_median),
        "count\n90 %": lambda r: _count(r.count_90),
        "count\nmax": lambda r: _count(r.count_max),
        "top\n%": lambda r: _percent(r.top_share),
        "missing\ntrain\n%": lambda r: _percent(r.missing_train),
        "unseen\ntrain\n%": lambda r: _percent(r.unseen_train),
        "unseen\nvalid\n%": lambda r: _percent(r.unseen_valid),
        "unseen\ntest\n%": lambda r: _percent(r.unseen_test),
    }
    if not any(row.unseen_train for row in found):
        del columns["unseen\ntrain\n%"]  # no training value is rarer than the minimum count
    if any(row.values_per_row is not None for row in found):
        columns["values\nper row"] = lambda r: "-" if r.values_per_row is None else f"{r.values_per_row:.2f}"

    def abundance(width: int) -> Callable[[FieldRow], str]:
        return lambda row: f"{row.information_abundance_gaussian[width]:.2f}"

    return columns | {f"IA\nGauss\nd = {width}": abundance(width) for width in found[0].information_abundance_gaussian}


def _legend(found: Sequence[FieldRow]) -> list[str]:
    lines = [
        "values, cardinality: rows of the embedding table; each field has one for missing cells and one for unseen values among them.",
        "count: training rows of a value: quantiles over the field's values, those two left out; top: the share of training rows with max.",
        "unseen: a value that training does not have, or has more rarely than the minimum count.",
        "IA Gauss: information abundance, Σσ/σ_1, of a table of independent Gaussian rows, as many as training has seen and d wide (mean).",
        "A record's information_abundance_over_gaussian is divided by it. It is what noise reaches; the bound is min(rows seen, d).",
        "A field with fewer rows seen than d cannot collapse, and stays out of the leaderboard's means.",
    ]
    if any(row.unseen_valid is None for row in found):
        lines.insert(1, "A field with - for unseen is scaled: it has one row alone, which is multiplied by the number in the cell.")
    if any(row.values_per_row is not None for row in found):
        lines.insert(3, "values per row: of a multi-valued field; its count, top and unseen are of values, not of rows.")
    return lines


def _table(headers: list[str], rows: list[list[str]], left: Sequence[str], output: Literal["table", "markdown"]) -> str:
    return tabulate(
        rows,
        headers=[header.replace("-\n", "").replace("\n", " ") if output == "markdown" else header for header in headers],
        tablefmt="github" if output == "markdown" else "simple",
        colalign=["left" if header in left else "right" for header in headers],
        disable_numparse=True,
    )


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _percent(share: float | None) -> str:
    """Two decimals; "0" is none at all."""
    if share is None:
        return "-"
    return "0" if share == 0 else "<0.01" if share < 5e-5 else f"{100 * share:.2f}"
