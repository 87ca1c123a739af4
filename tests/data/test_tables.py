from __future__ import annotations

import gzip
import hashlib
import json
from datetime import time
from pathlib import Path
from typing import Any

import pandas
import polars as pl
import pytest

from benchmark.data.files import File, content_md5, find_part
from benchmark.data.tables import Reading, read_as, read_table
from benchmark.errors import UserError


def write(folder: Path, content: bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
def test_cells_stay_the_text_they_are(tmp_path: Path, name: str) -> None:
    table = read_table(write(tmp_path, b'\xef\xbb\xbfa,b\r\n01,1e5\r\n1,\r\n"x,""y\nz",\xc3\xa9\x0b\r\n', name))
    assert table.columns == ("a", "b")
    assert table.frame.collect().rows() == [("01", "1e5"), ("1", None), ('x,"y\nz', "é\x0b")]


def test_a_carriage_return_between_quotation_marks_is_part_of_the_cell(tmp_path: Path) -> None:
    content = b'a,b\r\n1,"x\ry"\r\n"\r\n",""\r\n'
    assert read_table(write(tmp_path, content)).frame.fill_null("").collect().rows() == [("1", "x\ry"), ("\r\n", "")]


def test_numbers_of_json_lines(tmp_path: Path) -> None:
    """A whole one is written out, one that only its float is stays as it is."""
    spelled = ("1.0", "1e3", "-0.0", "0.99999999999999999999", "4503599627370497.5", "1e400", "100e-2", "9007199254740993")
    path = write(tmp_path, "\n".join(f'{{"a": {number}}}' for number in spelled).encode(), "rows.jsonl")
    found = [cell for (cell,) in read_table(path).frame.collect().rows()]
    assert found == ["1", "1000", "0", "0.99999999999999999999", "4503599627370497.5", "1e400", "1", "9007199254740993"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": 1}\n{"a": "\xed\xa0\x80"}\n', "line 2: not UTF-8 (byte 0xed)"),  # half of a character
        ('{"a": 1}'.encode("utf-16"), "line 1: not UTF-8 (byte 0xff)"),
        ('{"a": 1}'.encode("utf-16-le"), "line 1: not JSON"),
        (b'{"*": 1}\n', "column '*' has a name that is read as a pattern"),
    ],
)
def test_json_lines_are_utf8(tmp_path: Path, content: bytes, said: str) -> None:
    path = write(tmp_path, content, "rows.jsonl")
    with pytest.raises(UserError) as caught:
        read_table(path).frame.collect()
    assert said in str(caught.value) and str(caught.value).isprintable()


def test_tsv_has_tabs_and_another_separator_can_be_named(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, b"a\tb\n1\t2,3\n", "rows.tsv")).frame.collect().rows() == [("1", "2,3")]
    assert read_table(write(tmp_path, b"a;b\n1;2,3\n"), ";").frame.collect().rows() == [("1", "2,3")]


def test_parquet_becomes_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"i": [1, None], "f": [0.5, float("nan")], "b": [True, False], "s": ["01", ""]}).write_parquet(path)
    table = read_table(path)
    assert table.frame.collect().rows() == [("1", "0.5", "1", "01"), (None, None, "0", "")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"a,b\n", "no data rows"),
        (b"a,b\n1,2\n3\n4,5\n", "line 3: 1 cells, but the header has 2 columns"),
        (b"a,b\n1,2\n3,4,5\n", "line 3: 3 cells"),
        (b"a,b\n1,2\n\n3,4\n", "line 3: 1 cells (the line is blank)"),
        (b'a,b\n"1\n2",3\n4\n', "line 4: 1 cells"),
        (b'a,b\n1,"2,3\n4,5\n', "line 2: a quotation mark is opened and never closed"),
        (b'a,b\n1,x"y\n2,z"w\n', "line 2: a quotation mark stands inside a cell"),
        (b"a,b,a\n1,2,3\n", "line 1: the column 'a' is named twice"),
        (b"a,\n1,2\n", "line 1: column 2 has no name"),
        (b"a,b\n1,2\n3,\xff4\n", "line 3: not UTF-8 (byte 0xff)"),
        (b"a,\xe9\n1,2\n", "line 1: not UTF-8"),
        (b"a,b\n1,2\n3,4\r5\n", "line 3: a carriage return stands alone"),
        (b"a,b\n1,2\n\r,4\n", "line 3: a carriage return stands alone"),
        (b"a,b\n1,2\n3,4\r\r\n", "line 3: a carriage return stands alone"),
        (b"a,b\r\n1,2\r\n3,4\r", "line 3: a carriage return stands alone"),
        (b"a,*\n1,2\n", "column '*' has a name that is read as a pattern"),
        (b"^a$,b\n1,2\n", "column '^a$' has a name that is read as a pattern"),
    ],
)
def test_the_first_bad_line_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_table(path).frame.collect()
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    for name, content in {"cut.csv.gz": whole[:-12], "plain.csv.gz": b"a,b\n1,2\n", "no.parquet": b"PAR1 not"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name):
            read_table(tmp_path / name).frame.collect()
    with pytest.raises(UserError, match="no such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(UserError, match="type of file"):
        read_table(write(tmp_path, b"x", "rows.xlsx"))


def test_sequences_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"clicks": [[1, 2], [3]]}).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(UserError, match=r"'clicks'.*sequences are not supported"):
        read_table(tmp_path / "rows.parquet")


def test_all_sequences_of_a_table_are_named_in_one_line(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {
        "click": [1],
        "tags": [["x"]],
        "ids": [[1, 2]],
        "deep": [[[1]]],
        "out": [[3]],
        "taken": [[4]],
        "of": [{"k": 1}],
    }
    pl.DataFrame(columns).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text(json.dumps({name: cells[0] for name, cells in columns.items()}) + "\n")
    words = (
        "columns 'tags', 'ids' hold lists: name them in --multi to take all values; columns 'deep', 'of' hold objects or lists of lists: "
        "make them columns with one value a cell first; or name what is no field in --exclude"
    )
    for name, place in (("rows.parquet", ""), ("rows.jsonl", " line 1:")):
        with pytest.raises(UserError) as caught:
            read_as(tmp_path / name, Reading(multi=("taken",), exclude=("out",)))
        assert str(caught.value) == f"{tmp_path / name}:{place} {words}"
    more = {f"c{n}": [[n]] for n in range(22)}
    pl.DataFrame(more).write_parquet(tmp_path / "more.parquet")
    with pytest.raises(UserError, match=r"'c18', 'c19' and 2 more hold lists: name them"):
        read_table(tmp_path / "more.parquet")


def test_a_part_is_found_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no valid file"):
        find_part(tmp_path, ("valid", "dev"))
    path = write(tmp_path, b"a\n1\n", "dev.csv.gz")
    assert find_part(tmp_path, ("valid", "dev")) == File(path)
    write(tmp_path, b"a\n1\n", "valid.csv")
    with pytest.raises(UserError, match=r"valid\.csv and dev\.csv\.gz are both there"):
        find_part(tmp_path, ("valid", "dev"))


def test_the_checksum_is_of_the_uncompressed_bytes(tmp_path: Path) -> None:
    content = b"a,b\r\n1,2\r\n"
    expected = hashlib.md5(content).hexdigest()
    assert content_md5(File(write(tmp_path, content))) == content_md5(File(write(tmp_path, content, "rows.csv.gz"))) == expected


@pytest.mark.parametrize("numbers", [[3, None, 0], [None, None], [-1, 5], [5, 1 << 20], [(1 << 20) - 1, 0], [-(2**63), 2**63 - 1]], ids=str)
@pytest.mark.parametrize("ending", ["parquet", "arrow", "stream"])
def test_whole_numbers_become_text(tmp_path: Path, ending: str, numbers: list[int | None]) -> None:
    frame, path = pl.DataFrame({"i": numbers, "few": [1] * len(numbers)}, {"i": pl.Int64, "few": pl.UInt8}), tmp_path / f"rows.{ending}"
    if ending == "stream":
        path = path.with_suffix(".arrow")
        frame.write_ipc_stream(path)
    else:
        (frame.write_parquet if ending == "parquet" else frame.write_ipc)(path)
    found = read_table(path).frame.collect()
    assert found["i"].to_list() == [None if n is None else str(n) for n in numbers] and found["few"].to_list() == ["1"] * len(numbers)


@pytest.mark.parametrize("dtype", [pl.Float16, pl.Float32, pl.Float64])
@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_floats_of_every_width_keep_their_fractions(tmp_path: Path, ending: str, dtype: type[pl.DataType]) -> None:
    """What Polars makes of a float16's floor is the number itself, and 0.25 and 0.75 were both 0."""
    path, numbers = tmp_path / f"rows{ending}", [0.25, 0.75, -1.5, 3.0, -0.0, float("nan"), None, 1000.0]
    frame = pl.DataFrame({"x": pl.Series(numbers, dtype=dtype)})
    frame.write_parquet(path) if ending == ".parquet" else frame.write_ipc(path)
    assert read_table(path).frame.collect()["x"].to_list() == ["0.25", "0.75", "-1.5", "3", "0", None, None, "1000"]


def test_a_type_that_is_another_librarys_is_named_and_may_be_excluded(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pandas.DataFrame({"x": [1, 2], "day": pandas.period_range("2020", periods=2)}).to_parquet(path)
    with pytest.raises(UserError, match=r"column 'day' holds pandas\.period, which is no plain value; make it text first, or name it in"):
        read_table(path)
    assert read_as(path, Reading(exclude=("day",))).frame.collect()["x"].to_list() == ["1", "2"]


def test_times_of_a_day_keep_what_is_less_than_a_second(tmp_path: Path) -> None:
    times = [time(1, 2, 3), time(1, 2, 3, 500_000), time(1, 2, 3, 1), None]
    pl.DataFrame({"x": times}).write_parquet(tmp_path / "rows.parquet")
    texts = read_table(tmp_path / "rows.parquet").frame.collect()["x"].to_list()
    assert texts[0] == "01:02:03" and len(set(texts)) == 4 and texts[1].startswith("01:02:03.5") and texts[3] is None
