"""Texts that say when a row was made -> numbers that sort as the times do. One form for all rows, and nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import polars as pl

from benchmark.errors import UserError

NUMBER, LOCAL, ZONED = "a number", "an ISO date or time", "an ISO time with a zone"
ERA = (-62_135_596_800_000_000, 253_402_300_799_999_999)  # microseconds: what datetime holds
SECONDS, MILLISECONDS = (1e9, 2.2e9), (1e12, 2.2e12)  # since 1970: of the years 2001 to 2039
UNITS = {"seconds": SECONDS, "milliseconds": MILLISECONDS}
TIMES = 10  # different ones, of fewer nothing is said
_OF_DAY = re.compile(r"%[-_0]?[HkIlTRrXcs+]")  # of chrono's marks those that say when in a day, without or with its padding
EXAMPLES = "2024-01-31, 2024-01-31 23:59, 2024-01-31T23:59:59.5Z or 2024-01-31 23:59:59+01:00"


def moments(where: str, column: str, texts: pl.Series, date_format: str = "") -> tuple[pl.Series, Callable[[float], str]]:
    """(n,) texts -> (n,) numbers, and how one of them is shown. All cells have the form of the first: a number, an ISO date or time, or
    with a ``date_format`` (chrono's, as in %d.%m.%Y %H:%M) that. Times become microseconds, those with a zone in UTC.

    Raises UserError at the first cell that is empty or not of the form.
    """

    def refuse(found: pl.Series, said: str) -> None:
        bad = found.is_null().arg_true()
        if len(bad):
            row = int(bad[0])
            shown = repr(texts[row][:40]) if texts[row] else "an empty cell"
            raise UserError(f"{where}: row {row + 1}, column {column!r}: {shown} {said}")

    if "%Z" in date_format:
        raise UserError(f"{where}: date_format = {date_format!r}: a zone's name does not say how far it is from UTC; %z (+01:00) does")
    if date_format:
        return _by_format(texts, date_format, refuse), _moment
    first = texts.head(1)
    for form, parse in ((NUMBER, _numbers), (LOCAL, _local), (ZONED, _zoned)):
        if parse(first).null_count():
            continue
        found = parse(texts)
        refuse(found, f"is no time like that of row 1, {first[0]!r}, which is {form}; every row needs one to split by time")
        if form == NUMBER:
            _check_order(where, column, texts, found)
        return (found, _number) if form == NUMBER else (_of_our_era(found, refuse), _moment)
    refuse(
        _numbers(first), f"is no time that is read without being told how: a number, or ISO ({EXAMPLES}); name its form by --date-format"
    )
    raise AssertionError


def units(some: pl.Series, others: pl.Series) -> tuple[str, str] | None:
    """What the one's numbers and the others' count since 1970, where the ones are seconds and the others milliseconds."""
    found = [next((unit for unit, span in UNITS.items() if numbers.is_between(*span).all()), "") for numbers in (some, others)]
    return (found[0], found[1]) if all(found) and found[0] != found[1] else None


def far_apart(column: str, ages: pl.Series, shown: Callable[[float], str]) -> Iterator[str]:
    """A line for a first or last time that is further from all others than these span, as 1970-01-01 and 9999-12-31 are. ages, shown: as of
    ``moments``.
    """
    times = ages.unique().sort()
    if len(times) < TIMES:
        return
    first, second, before, last = (times[place] for place in (0, 1, -2, -1))
    for time, gap, span in ((first, second - first, last - second), (last, last - before, before - first)):
        if gap > span:
            count = int((ages == time).sum())
            rows = f"{count:,} row{'s are' if count > 1 else ' is'} of {shown(time)}"
            yield f"{column}: {rows}, further from all others than these span: does it stand for no time?"


def is_iso(texts: pl.Series) -> pl.Series:
    """(n,) which are ISO dates or times, with a zone or without."""
    return _local(texts).is_not_null() | _zoned(texts).is_not_null()


def _numbers(texts: pl.Series) -> pl.Series:
    whole = texts.cast(pl.Int64, strict=False)  # a float would take nanoseconds for one time
    if not whole.null_count():
        return whole
    numbers = texts.cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite().fill_null(False), None)


def _check_order(where: str, column: str, texts: pl.Series, numbers: pl.Series) -> None:
    """Raises UserError for numbers that do not grow with time: days written as 31012024 or 1312024, and seconds among milliseconds."""
    year_last = numbers.is_between(1_010_000, 31_129_999) & (numbers % 10_000).is_between(1900, 2100) & (numbers % 1 == 0)
    if year_last.all():
        raise UserError(
            f"{where}: column {column!r}: its numbers end with a year, as {texts[0]!r} does, and do not grow with time; "
            "name their form by --date-format, as in %d%m%Y"
        )
    seconds, milliseconds = numbers.is_between(*SECONDS), numbers.is_between(*MILLISECONDS)
    if seconds.any() and milliseconds.any() and (seconds | milliseconds).all():
        row = int((milliseconds if seconds[0] else seconds).arg_true()[0])
        raise UserError(
            f"{where}: row {row + 1}, column {column!r}: {texts[0]!r} and {texts[row]!r} are seconds and milliseconds since 1970; write one"
        )


def _local(texts: pl.Series) -> pl.Series:
    return _completed(texts).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us").dt.epoch("us")


def _zoned(texts: pl.Series) -> pl.Series:
    zoned = _completed(texts.str.replace(r"[Zz]$", "+00:00"))
    return zoned.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", strict=False, time_unit="us", time_zone="UTC").dt.epoch("us")


def _completed(texts: pl.Series) -> pl.Series:
    """With a day, a blank and seconds where ISO leaves them out: 2024-01 -> 2024-01-01 00:00:00"""
    spaced = texts.str.replace(r"^(\d{4}-\d{2}-\d{2})[Tt]", "${1} ").str.replace(r"^(\d{4}-\d{2})$", "${1}-01")
    spaced = spaced.str.replace(r"^(\d{4}-\d{2}-\d{2})$", "${1} 00:00:00")
    return spaced.str.replace(r"^(\d{4}-\d{2}-\d{2} \d{2}:\d{2})($|[+-])", "${1}:00${2}")


def _by_format(texts: pl.Series, date_format: str, refuse: Callable[[pl.Series, str], None]) -> pl.Series:
    zone = "UTC" if "%z" in date_format or "%:z" in date_format or "%#z" in date_format else None
    has_time = _OF_DAY.search(date_format.replace("%%", "")) is not None  # read as a date, a text would lose them without a word
    try:
        if has_time:
            found = texts.str.to_datetime(date_format, strict=False, time_unit="us", time_zone=zone).dt.epoch("us")
        else:
            found = texts.str.to_date(date_format, strict=False).cast(pl.Datetime("us")).dt.epoch("us")
    except pl.exceptions.PolarsError as error:
        raise UserError(f"date_format = {date_format!r}: {' '.join(str(error).split())[:150]}; write it as in %d.%m.%Y %H:%M") from None
    refuse(found, f"is no time of the form {date_format}")
    return _of_our_era(found, refuse)


def _of_our_era(moments: pl.Series, refuse: Callable[[pl.Series, str], None]) -> pl.Series:
    refuse(moments.set(~moments.is_between(*ERA), None), "is no time of the years 1 to 9999, in UTC")
    return moments


def _number(moment: float) -> str:
    return str(moment) if isinstance(moment, int) else f"{moment:.15g}"


def _moment(moment: float) -> str:
    shown = datetime.fromtimestamp(moment / 1e6, UTC).replace(tzinfo=None)
    return shown.isoformat(" ").removesuffix(" 00:00:00")
