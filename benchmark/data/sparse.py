"""libsvm, libfm and libffm files as frames of text, as users of factorisation machines have Frappe, MovieLens and Criteo.

    label index:value index:value …                 libsvm, libfm: the n-th entry of a line is the field f<n>, so every line has as many
    label field:index:value field:index:value …     libffm: the field is f<field>; one that a line does not have is a missing cell

A field's value is its index, whether indices are counted within the field or over all. A field that always has the same index and values
other than 1 is a number. The label is 0 or 1, or −1 or 1, and becomes 0 or 1; what stands behind a # is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import polars as pl

from benchmark.data.files import MARK, File, Opened
from benchmark.data.prefetch import prefetched
from benchmark.data.spans import Crossing, Spans, bounds_of, crossing, index_of, spans_of
from benchmark.errors import UserError
from benchmark.sources import BETWEEN

BLOCK = 1 << 22  # bytes parsed at once; no line may be longer
ENOUGH = 10_000  # lines of a file without names of fields, to tell numbers from categories
LABEL = "label"
_WRITTEN = {"0": "0 0.0 0.000000 -1 -1.0 -1.000000", "1": "1 1.0 1.000000 +1 +1.0"}  # C's %g, Python's str and C's %f
_LABELS = {text: label for label, texts in _WRITTEN.items() for text in texts.split()}


class _Form(NamedTuple):
    """What the first block of lines says of the file."""

    fields: tuple[str, ...]
    named: bool  # whether each entry names its field (libffm)
    numeric: Mapping[str, str]  # field -> its one index
    spans: Spans  # where no two fields' overlap, and entries do not name their fields
    crossing: Crossing | None = None  # where a few lines alone are why they overlap


def sparse(
    file: File,
    multi: tuple[str, ...] = (),
    numeric: Mapping[str, str] | None = None,
    fields: tuple[str, ...] = (),
    spans: Spans | None = None,
) -> Opened:
    """``multi``: fields of which a line may have several entries; their values come as one text, with BETWEEN between them. ``numeric``:
    the fields that are numbers, and their index, as another file of the table has them; None: this file says it. ``fields``: those of all
    files of the table, where each entry names its own; none given: those of this file's first lines. ``spans``: of the fields' indices, as
    another file of the table has them.

    Raises UserError at the first bad line.
    """
    first = next(_blocks(file), None)
    if first is None:
        raise UserError(f"{file}: the file is empty; every line must be a label and index:value entries")
    form = _form(file, *first, multi)
    if form.named and fields:
        form = form._replace(fields=fields)
    if numeric is not None:  # in a few lines a number may happen to be 1 throughout
        form = form._replace(numeric={name: numeric[name] for name in form.fields if name in numeric})

    if spans is not None:
        form = form._replace(spans=spans if set(spans) == set(form.fields) and not form.named else {})
    remarks: dict[str, str] = {}
    if form.crossing is not None:
        remarks[form.crossing.name] = _amiss(form.crossing.other, first[0] + form.crossing.line, form.crossing.found)

    def batches(chosen: list[str] | None) -> Iterator[pl.DataFrame]:
        negatives: set[bool] = set()  # whether they are written −1: 0 beside it would be a third label
        for number, lines in prefetched(_blocks(file)):
            labels = lines["text"].str.split(" ").list.first().unique()
            negatives |= {label.startswith("-1") for label in labels if _LABELS.get(label) == "0"}
            if len(negatives) > 1:
                last = number + lines["line"][-1]
                raise UserError(f"{file}: up to line {last} there are the labels -1 and 0; a label is 0 or 1, or -1 or 1")
            frame = None if form.named else _in_places(lines, form)
            if frame is None:
                entries = _entries(file, number, lines, form.named)
                frame = _wide(file, number, lines, entries, form, multi)
                _check_places(file, number, entries, form, remarks)
            yield frame if chosen is None else frame.select(chosen)

    return Opened((LABEL, *form.fields), batches, numeric=form.numeric, named=form.named, remarks=remarks, spans=form.spans)


def in_order(fields: Iterable[str]) -> tuple[str, ...]:
    """f2 before f10; without the label."""
    return tuple(sorted((name for name in fields if name != LABEL), key=lambda name: int(name[1:])))


def _blocks(file: File) -> Iterator[tuple[int, pl.DataFrame]]:
    """(number of the first line, frame of ``line``, a number from 0, and ``text``), blank lines left out."""
    with file.opened(bar=True) as stream:
        number, rest, started = 1, b"", False
        while True:
            block = stream.read(BLOCK)
            data = rest + (block if started else block.removeprefix(MARK))
            started = True
            end = data.rfind(b"\n") + 1 if block else len(data)
            rest = data[end:]
            if len(rest) > BLOCK:
                raise UserError(f"{file}: line {number + data.count(10, 0, end)}: more than {BLOCK >> 20} MiB; is a line end missing?")
            if end:
                try:
                    texts = data[:end].decode().removesuffix("\n").split("\n")
                except UnicodeDecodeError as error:
                    raise UserError(f"{file}: line {number + data.count(10, 0, error.start)}: not UTF-8; convert the file first") from None
                text = pl.col("text").str.replace(r"#.*", "").str.replace_all(r"\s+", " ").str.strip_chars(" ")
                lines = pl.DataFrame({"text": texts}).with_row_index("line").with_columns(text).filter(pl.col("text") != "")
                if len(lines):
                    yield number, lines
                number += len(texts)
            if not block:
                return


def _entries(file: File, number: int, lines: pl.DataFrame, named: bool) -> pl.DataFrame:
    """A row for each entry: line, place (from 0), field (where named), index, value; all but line and place as text."""
    # One list of texts a line, without the label; then one entry a row.
    entries = lines.select("line", pl.col("text").str.split(" ").list.slice(1)).with_columns(place=pl.int_ranges(pl.col("text").list.len()))
    entries = entries.explode("text", "place").filter(pl.col("text").is_not_null())
    pattern = r"^(\d+):(\d+):([^:\s]+)$" if named else r"^()(\d+):([^:\s]+)$"
    found = entries.with_columns(
        pl.col("text").str.extract_groups(pattern).struct.rename_fields(["field", "index", "value"]).alias("parts")
    )
    found = found.unnest("parts")
    bad = found.filter(pl.col("index").is_null())
    if len(bad):
        wanted = "field:index:value, as in its first line" if named else "index:value, whole numbers before the colon"
        raise UserError(f"{file}: line {number + bad['line'][0]}: {bad['text'][0][:40]!r} is not {wanted}")
    return found.drop("text")


def _form(file: File, number: int, lines: pl.DataFrame, multi: tuple[str, ...]) -> _Form:
    tokens = lines["text"][0].split(" ")
    if len(tokens) < 2:
        raise UserError(f"{file}: line {number + lines['line'][0]}: a label alone; a line is a label and index:value entries")
    named = tokens[1].count(":") == 2
    entries = _with_names(_entries(file, number, lines if named else lines.head(ENOUGH), named), named)
    fields = entries.select("name", order=pl.col("field").cast(pl.Int64, strict=False) if named else pl.col("place")).unique().sort("order")
    of_field = entries.group_by("name").agg(
        pl.col("index").n_unique().alias("indices"),
        pl.col("index").first(),
        ones=_is_one().all(),
    )
    numbers = of_field.filter((pl.col("indices") == 1) & ~pl.col("ones"))
    numeric = dict(numbers.select("name", "index").iter_rows())
    numeric = {name: numeric[name] for name in fields["name"] if name in numeric and name not in multi}
    if named:
        return _Form(tuple(fields["name"]), named, numeric, {})
    spans = spans_of(entries)
    return _Form(tuple(fields["name"]), named, numeric, spans, None if spans else crossing(entries))


def _check_places(file: File, number: int, entries: pl.DataFrame, form: _Form, remarks: dict[str, str]) -> None:
    """Where the fields have indices of their own, as those counted over all fields are: raises UserError for a line that has one of each
    field, but in another order; one that has another field's index otherwise becomes a remark.
    """
    bounds = bounds_of(form.spans)
    placed = _with_names(entries, False).with_columns(index=index_of())
    outside = [
        (pl.col("name") == name) & ~pl.col("index").is_between(below, above, closed="none") for name, (below, above) in bounds.items()
    ]
    bad = placed.filter(pl.any_horizontal(outside)) if bounds else placed.clear()
    for line, name, index in bad.select("line", "name", "index").iter_rows():
        indices = placed.filter(pl.col("line") == line)["index"].to_list()
        fitting = zip(sorted(indices), bounds.values(), strict=False)
        if len(indices) == len(bounds) and all(below < one < above for one, (below, above) in fitting):
            raise UserError(
                f"{file}: line {number + line}: its entries stand in another order than those of the first lines ({name} has {index}); "
                "a value's place in its line is its field (libffm, field:index:value, names the field)"
            )
        if name not in remarks:
            other = next((other for other, (least, greatest) in form.spans.items() if least <= index <= greatest), "another field")
            remarks[name] = _amiss(other, number + line, index)


def _amiss(other: str, line: int, index: int) -> str:
    return f"has an index among those of {other} in the first lines (line {line}: {index}): does every line have one entry of each field?"


def _is_one() -> pl.Expr:
    return (pl.col("value").cast(pl.Float64, strict=False) == 1).fill_null(False)


def _with_names(entries: pl.DataFrame, named: bool) -> pl.DataFrame:
    number = pl.col("field") if named else (pl.col("place") + 1).cast(pl.String)
    return entries.with_columns(("f" + number).alias("name"))


def _in_places(lines: pl.DataFrame, form: _Form) -> pl.DataFrame | None:
    """As ``_wide``, of lines whose n-th entry is the n-th field, without taking them apart entry by entry; None where a line is wrong."""
    tokens = lines.select(pl.col("text").str.split(" "))
    if (tokens["text"].list.len() != 1 + len(form.fields)).any():
        return None
    places = enumerate((LABEL, *form.fields))
    parts = tokens.select(pl.col("text").list.get(place).str.split_exact(":", 2).alias(name) for place, name in places)

    def part(name: str, number: int) -> pl.Expr:
        return pl.col(name).struct.field(f"field_{number}")

    label = part(LABEL, 0).replace_strict(_LABELS, default=None, return_dtype=pl.String)
    sound = [label.is_not_null() & part(LABEL, 1).is_null()]
    bounds = bounds_of(form.spans)
    for name in form.fields:
        index, value = part(name, 0), part(name, 1)
        right = index == form.numeric[name] if name in form.numeric else value.cast(pl.Float64, strict=False) == 1
        place = index.cast(pl.UInt64, strict=False)
        within = place.is_between(*bounds[name], closed="none") if name in bounds else place.is_not_null()
        sound += [within & right & (value != "") & part(name, 2).is_null()]
    cells = [part(name, 1 if name in form.numeric else 0).alias(name) for name in form.fields]
    found = parts.select(label.alias(LABEL), *cells, sound=pl.all_horizontal(*sound).fill_null(False))
    return found.drop("sound") if found["sound"].all() else None


def _wide(file: File, number: int, lines: pl.DataFrame, entries: pl.DataFrame, form: _Form, multi: tuple[str, ...]) -> pl.DataFrame:
    """A row for each line, a column for each field. Raises UserError at the first bad label, line or entry."""

    def refuse(bad: pl.DataFrame, said: str) -> None:
        if len(bad):
            row = bad.sort("line").row(0, named=True)
            raise UserError(f"{file}: line {number + row['line']}: {said.format(**row)}")

    lines = lines.with_columns(pl.col("text").str.split(" ").list.first().alias("given"))
    labels = lines["given"].replace_strict(_LABELS, default=None, return_dtype=pl.String)
    refuse(lines.filter(labels.is_null()), "{given!r} is no label; a label is 0 or 1, or -1 or 1")
    if not form.named:
        width = len(form.fields)
        lengths = lines.join(entries.group_by("line").agg(pl.len().alias("entries")), on="line", how="left").fill_null(0)
        refuse(
            lengths.filter(pl.col("entries") != width),
            f"{{entries}} entries, but the first lines have {width}; a value's place in its line is its field, so every line must have as "
            "many (libffm, field:index:value, names the field)",
        )
    entries = _with_names(entries, form.named)
    refuse(entries.filter(~pl.col("name").is_in(form.fields)), f"field {{field}} is in none of the first lines ({', '.join(form.fields)})")
    numeric = pl.col("name").is_in(list(form.numeric))
    one = pl.col("name").replace_strict(form.numeric, default=None, return_dtype=pl.String)
    refuse(
        entries.filter(numeric & (pl.col("index") != one)),
        "{name} has the index {index}, but is a number under one index in the first lines",
    )
    refuse(
        entries.filter(~numeric & ~_is_one()),
        "{name} has the value {value}; of a field with several indices only 1 is read (a category); make numbers a field of their own",
    )
    cells = entries.with_columns(pl.when(numeric).then(pl.col("value")).otherwise(pl.col("index")).alias("cell"))
    if form.named:
        times = cells.group_by("line", "name", maintain_order=True).agg(pl.col("cell").str.join(BETWEEN), pl.len().alias("times"))
        refuse(
            times.filter((pl.col("times") > 1) & ~pl.col("name").is_in(multi)), "{name} has {times} entries; name it in --multi to take all"
        )
        cells = times
    wide = cells.pivot("name", index="line", values="cell")
    frame = lines.select("line", labels.alias(LABEL)).join(wide, on="line", how="left", maintain_order="left")
    return frame.select(LABEL, *(name if name in wide.columns else pl.lit(None, pl.String).alias(name) for name in form.fields))
