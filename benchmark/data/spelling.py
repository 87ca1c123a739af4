"""What in the distinct values of a column looks like damage, or like one value in two spellings. Nothing is refused for it: it is said.

By value, not by cell: the encoder has the distinct texts of all rows, a look those of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

FEW = 100  # rows, below which little can be said of a column
ALMOST = 0.95  # of the rows
SHOWN = 3  # examples
BUCKETS = 32  # a column of numbers with no more values is as well a category
VALUES = 1 << 20  # of a column, whose spelling is compared
DECIMALS = 100_000  # different numbers, of which by chance fewer than one in a hundred are alike as float32
ENOUGH = 30  # numbers that are all round, which by chance is one in 2^30
EXACT = {"float16": 2**11, "float32": 2**24, "float64": 2**53}  # whole numbers from there on are taken for their neighbours
UNSEEN_MARKS = "[\u00ad\u200b-\u200d\u2060\ufeff]"  # characters that show nothing
AROUND = " \t\n\r\v\f\u00a0\"'`"  # blanks and quotation marks
MISSING_WORDS = {"na", "n/a", "n.a.", "<na>", "nan", "nat", "null", "(null)", "none", "nil", "undefined", "(not set)", "(blank)"}
MISSING_WORDS |= {"\\n", "?", "-", "--", ".", "0000-00-00", "0000-00-00 00:00:00"}  # in lower case
ERRORS = {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!"}  # of spreadsheets
ERRORS |= {"#WERT!", "#BEZUG!", "#ZAHL!", "#NV", "#VALEUR!", "#NOM?", "#NOMBRE!"}  # in German and French
TOO_NARROW = r"^#{3,}$"  # what a spreadsheet shows of a number that is wider than its column
NUMBER = r"^[+-]?(\d{1,15}(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?$"  # that two texts may stand for; a float tells so many digits apart
SHORTENED = r"^-?\d(\.\d+[eE]\+?|[eE]\+)\d{2}$"  # a long number, by a spreadsheet or as a float
# A number with more than figures and a point: 3,14 or 1,234.5 or 1 234, $5, 12%, (5), and a minus that is none
BY_THOUSANDS = r"\d{1,3}([ ,.'’" + "\u00a0\u202f" + r"]\d{3})+"
DRESSED = rf"^\(?[-+−–]?[$€£¥]? ?({BY_THOUSANDS}|\d+)([.,]\d+)? ?[%$€£¥-]?\)?$"
ISO_DAY = r"^\d{4}-\d{2}-\d{2}($|[ T])"
DAY = r"^(\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{1,2}/\d{1,2}/\d{2}|\d{4}[./]\d{1,2}[./]\d{1,2})($|[ T])"  # 31.01.2024, 1/31/24, 2024/01/31
MONTH = r"^(\d{1,2}-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)|(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{2})$"
# Characters that were lost or read as another encoding's, marks of HTML, and what programs print of a value instead of writing it
LEFTOVER = "\ufffd|Ã[\u0080-\u00bf]|â€|" + (
    r"&(amp|lt|gt|quot|nbsp|#\d+);|^b'.*'$|^b\".*\"$|^\[object |^(tensor|array|np\.\w+)\(| object at 0x"
)
ODD = "|".join((DRESSED, ISO_DAY, DAY, MONTH, LEFTOVER))
LONG = 1e5  # the least number that SHORTENED is asked of
TRUTHS = ({"true", "t", "yes", "y", "1", "1.0", "on"}, {"false", "f", "no", "n", "0", "0.0", "off"})
THROUGH_FLOATS = "its whole numbers from "  # how a line of ``oddities`` begins that a file's own type may say better

Cells = Callable[[NDArray[np.bool_]], int]  # which of the texts -> how many cells of all rows have one of them


def alike(texts: pl.Series) -> Iterator[str]:
    """texts: (n,) distinct values, in any order. A line, with an example, where some differ only in case, in blanks or quotation marks
    around them, or in how Unicode writes the same characters.
    """
    share = -(-len(texts) // VALUES)
    kept = []
    for start in range(0, len(texts), VALUES):  # of many values those whose folded text has one hash in so many: all spellings of it
        some = texts.slice(start, VALUES).rename("text")
        plain = some.str.len_bytes() == some.str.len_chars()  # ASCII
        folded = some if plain.all() else some.str.normalize("NFKC").str.replace_all(UNSEEN_MARKS, "")
        folded = folded.str.strip_prefix("=").str.strip_chars(AROUND).str.to_lowercase().alias("folded")
        if share > 1:
            chosen = folded.hash() % share == 0
            some, folded = some.filter(chosen), folded.filter(chosen)
        kept.append(pl.DataFrame([some, folded]))
    table = pl.concat(kept) if kept else pl.DataFrame(schema={"text": pl.String, "folded": pl.String})
    if (table["text"] == table["folded"]).all():  # as they are distinct
        return
    several = table.filter((pl.col("folded") != "") & pl.col("folded").is_duplicated())
    if len(several):
        first = several.filter(pl.col("folded") == several["folded"].min())["text"].sort()
        count = len(several) - several["folded"].n_unique()
        of = f" (of one in {share} that were looked at)" if share > 1 else ""
        yield (
            f"{count:,} value{'s' if count > 1 else ''}{of} differ{'' if count > 1 else 's'} from another only in case, in blanks "
            f"or quotation marks around the text or in unseen marks, as {first[0]!r} and {first[1]!r}: they are different values"
        )


def oddities(texts: pl.Series, rows: NDArray[np.int64], cells: Cells | None = None) -> Iterator[str]:
    """A line for each thing that is odd, in words that fit after a column's name.

    texts: (n,) distinct values, in any order, "" for a missing cell; rows: (n,) training rows that have each. Of more than VALUES texts,
    forms are looked for in a share; words for missing cells and errors of spreadsheets in all.
    """
    kept = (texts != "").to_numpy()
    marked = texts.str.starts_with("#").to_numpy()
    if marked.any():
        errors = marked & (texts.is_in(ERRORS) | texts.str.contains(TOO_NARROW)).to_numpy()
        if errors.any():
            yield _of_a_spreadsheet(texts, errors, cells)
            kept &= ~errors
    words = texts.str.to_lowercase().is_in(MISSING_WORDS).to_numpy() & kept
    share = -(-len(texts) // VALUES)
    if share > 1:
        kept &= (texts.hash() % share == 0).to_numpy() | words
    if not kept.all():
        texts, rows, words = texts.filter(pl.Series(kept)), rows[kept], words[kept]
    numbers = texts.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    yield from _forms(texts, rows, words, numbers)


def _of_a_spreadsheet(texts: pl.Series, errors: NDArray[np.bool_], cells: Cells | None) -> str:
    found = texts.filter(pl.Series(errors)).sort().to_list()
    in_cells = ""
    if cells is not None:
        count = cells(errors)
        in_cells = f" in {count:,} cell{'s' if count > 1 else ''} ({count / cells(np.ones(len(texts), np.bool_)):.1%})"
    shown = ", ".join(map(repr, found[:SHOWN]))
    return f"has {shown}{in_cells}: an error of a spreadsheet, which is a value here: name it in --null-values '{','.join(found)}'"


def _forms(texts: pl.Series, rows: NDArray[np.int64], words: NDArray[np.bool_], numbers: NDArray[np.float64]) -> Iterator[str]:
    """All (n,): words are for missing cells; numbers are NaN where the text is none. The examples do not depend on the order."""
    numeric = np.isfinite(numbers)
    total = int(rows.sum())
    share = int(rows[numeric].sum()) / total if total else 0.0
    if total >= FEW and share >= ALMOST and len(texts) > BUCKETS and not numeric.all():
        count = len(numeric) - int(numeric.sum())
        more = f" and {count - SHOWN:,} more" if count > SHOWN else ""
        yield f"has {_shown(texts, rows, ~numeric)}{more} among numbers: name what stands for a missing one in --null-values"
    elif words.any():
        yield f"has {_shown(texts, rows, words)}: if that stands for a missing cell, name it in --null-values"
    yield from _truths(texts)
    plain = texts.filter(pl.Series(numeric))
    long = float(np.abs(numbers[numeric]).max(initial=0))
    if long >= LONG and len(shortened := plain.filter(plain.str.contains(SHORTENED))):
        yield f"writes numbers as {shortened.min()!s}: their last digits may be lost, and different numbers be one value; write them out"
    if total >= FEW and share >= ALMOST:
        yield from _written_twice(plain, numbers[numeric])
        if long > EXACT["float32"]:
            yield from _rounded(plain)
    others = texts.filter(pl.Series(~numeric))
    if total >= FEW and len(others) and others.str.contains(ODD).any():
        yield from _of_others(pl.DataFrame({"text": texts, "rows": rows, "number": numbers}), share)


def _of_others(frame: pl.DataFrame, share: float) -> Iterator[str]:
    """frame: text, rows, number; share: of rows that have numbers. Of the other texts, some of which have an ODD form."""
    numeric = pl.col("number").is_finite()
    others, plain, total = frame.filter(~numeric), frame.filter(numeric), int(frame["rows"].sum())
    dressed = others.filter(others["text"].str.contains(DRESSED))
    parted = dressed["text"].str.contains(f"^[+-]?{BY_THOUSANDS}([.,]\\d+)?$").all() and (plain["number"].abs() < 1000).all()
    if share < ALMOST and len(plain) and len(dressed) and not parted and _rows(dressed) + share * total >= ALMOST * total:
        both = f"{plain['text'].min()!r}, {dressed['text'].min()!r}"
        yield f"writes numbers in several forms ({both}): what is one number may be several values; write one form"
    iso, day, month = (others.filter(others["text"].str.contains(form)) for form in (ISO_DAY, DAY, MONTH))
    dates = _rows(iso) + _rows(day)
    if len(iso) and len(day) and dates >= ALMOST * total:
        both = f"{iso['text'].min()!r}, {day['text'].min()!r}"
        yield f"writes dates in several forms ({both}): what is one day may be several values; write one form"
    elif dates >= ALMOST * total and len(rest := frame.join(pl.concat([iso, day]), on="text", how="anti")):
        yield f"has {_shown(rest['text'], rest['rows'].to_numpy())} among dates: name what stands for a missing one in --null-values"
    elif (1 - ALMOST) * total < dates < ALMOST * total <= dates + share * total:
        both = f"{pl.concat([iso, day])['text'].min()!r}, {plain['text'].min()!r}"
        yield f"holds dates and numbers ({both}): what is one day may be several values; write one form"
    if len(month) and _rows(month) < ALMOST * total:
        yield f"has {_shown(month['text'], month['rows'].to_numpy())} among other texts: did a spreadsheet take codes like 3-2 for dates?"
    if len(left := others.filter(others["text"].str.contains(LEFTOVER))):
        values_as = f"{len(left):,} value{'s' if len(left) > 1 else ''} as {str(left['text'].min())[:40]!r}"
        yield f"has {values_as}, which a program or a wrong encoding left: write the values themselves"


def _shown(texts: pl.Series, rows: NDArray[np.int64], chosen: NDArray[np.bool_] | None = None) -> str:
    """The most frequent of the chosen texts."""
    frame = pl.DataFrame({"text": texts, "rows": rows}).filter(True if chosen is None else pl.Series(chosen))
    return ", ".join(map(repr, frame.sort("rows", "text", descending=[True, False])["text"].head(SHOWN).to_list()))


def _rows(frame: pl.DataFrame) -> int:
    return int(frame["rows"].sum())


def _truths(values: pl.Series) -> Iterator[str]:
    """values: distinct."""
    if not 2 < len(values) <= sum(map(len, TRUTHS)):
        return
    lower = set(values.str.to_lowercase())
    ways = [sorted(lower & truth) for truth in TRUTHS]
    if lower <= TRUTHS[0] | TRUTHS[1] and max(map(len, ways)) > 1:
        shown = ", ".join(map(repr, ways[0] if len(ways[0]) > 1 else ways[1]))
        yield f"says one truth in several ways ({shown}): to a category they are different values"


def _written_twice(texts: pl.Series, numbers: NDArray[np.float64]) -> Iterator[str]:
    """texts: distinct, of the numbers."""
    distinct = np.unique(numbers)
    if len(distinct) < len(texts):
        table = pl.DataFrame({"text": texts, "number": numbers}).filter(pl.col("text").str.contains(NUMBER))
        plain = table.filter(pl.col("number").is_duplicated())
        if len(plain):
            shown = _alike_in(plain, "number")
            yield f"writes a number in several ways ({shown}): to a category they are different values"
    with np.errstate(over="ignore"):
        rounded = numbers.astype(np.float32)
        fractions = distinct[distinct % 1 != 0].astype(np.float32)
    if len(distinct) <= DECIMALS and len(fractions) - len(np.unique(fractions)) > (1 - ALMOST) / 2 * len(distinct):
        table = pl.DataFrame({"text": texts, "number": numbers, "rounded": rounded})
        near = table.filter(pl.col("number") % 1 != 0).sort("text").unique("number", keep="first").filter(pl.col("rounded").is_duplicated())
        shown = _alike_in(near, "rounded")
        yield f"has numbers that differ only in digits that float32 does not hold ({shown}): to a category they are different values"


def _alike_in(table: pl.DataFrame, column: str) -> str:
    """The texts that have the ``column`` of the least text."""
    first = table.sort("text")[column][0]
    return ", ".join(map(repr, table.filter(pl.col(column) == first)["text"].sort().head(SHOWN).to_list()))


def _rounded(values: pl.Series) -> Iterator[str]:
    """values: distinct texts of numbers. Whether the long ones among them are such as floats or spreadsheets leave of whole numbers."""
    whole = values.str.extract(r"^[+-]?(\d{8,19})(?:\.0*)?$", 1).cast(pl.UInt64, strict=False).drop_nulls().unique()
    times = any(((whole >= low) & (whole < 2.2 * low) & (whole % 1000 == 0)).all() for low in (10**15, 10**18))  # micro-, nanoseconds
    if len(long := whole.filter(whole >= 10**15)) >= ENOUGH and (long % 10 == 0).all():
        if not times:
            yield "its numbers of 16 digits and more all end in 0: a spreadsheet keeps 15 digits, so different numbers may be one value"
        return
    for kind, dtype in (("float64", np.float64), ("float32", np.float32)):
        beyond = whole.filter(whole > EXACT[kind]).to_numpy()
        if len(beyond) < ENOUGH or (beyond % 10 == 0).all() or (beyond.astype(dtype).astype(np.uint64) != beyond).any():
            continue
        # What was rounded is a multiple of no more than the step between such floats; ids that end with a counter's zeros are.
        if np.gcd.reduce(beyond) <= np.spacing(beyond.max().astype(dtype)):
            yield (
                f"{THROUGH_FLOATS}{EXACT[kind]:,} on are all such as {kind} holds: if they passed through it, different numbers are one "
                "value; take whole numbers from the source"
            )
            return
