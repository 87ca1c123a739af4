"""Suite files: those that come along, changed in a few places, and such as nobody writes. A Suite with the file's values, or a line."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drawn import Drawn, Kind, Wrong, judged

from benchmark.config import SUITES, Suite, Training, read_suite

FIELDS = tuple(f.name for f in dataclasses.fields(Suite))
SETTINGS = tuple(f.name for f in dataclasses.fields(Training))
KEYS = (
    *FIELDS,
    *SETTINGS,
    *("roblock", "synthetic", "dcnv2", "weight", "no_such_key", "Seeds", "seeds ", "é"),
    *('""', '"a\\nb"', '"a\\tb"', '"\\u0000"', '"\\u001b[31m"', '"a.b"', "'\"'", "-", "1", "a.b", "training.epochs", ".".join("a" * 100)),
)
HEADS = ("", "training", "grid", "grid.methods.roblock", "options.methods.roblock", "options.datasets.synthetic", "options", "[also]")
VALUES = (
    *("1", "0", "2", "3", "-1", "true", "1.0", "0.5", "1e-3", "nan", "inf", "-inf", "-0.0", "1e400", "9" * 20, "0o7", "0x1F", "1_0"),
    *("9" * 5000, "0x" + "F" * 5000, "-" + "9" * 400, "1." + "0" * 5000),
    *('"all"', '"none"', '""', '"1"', '"roblock"', '"synthetic"', '"a\\nb"', '"\\u0000"', '"\\u2028"', '"""\na\nb"""', "'é'"),
    *("'\U0001f600'",),
    *("[]", "{}", "[[1]]", "[1, 2]", "[2, 1]", "[1, 1]", '["all"]', '["roblock", "roblock"]', "[1, 'a']", "[{}]", "[0.1, 0.2]"),
    *("{ a = 1 }",),
    *("1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "1979-13-45", "[1979-05-27]", "{ a = 07:32:00 }", "[" * 99 + "]" * 99),
    *("[" * 5000,),
    *("{ datasets = ['synthetic'] }", "[{ scales = [0] }]", "[{ scales = [4] }]", "{ methods = { roblock = { weight = [1, 2] } } }"),
)
BYTES = (
    *(b"\n", b"#", b'"', b"'", b"]", b"[", b"=", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3\xa9", b",", b"{"),
    *(b"\x1b",),
)


def _lines(path: Path) -> tuple[str, ...]:
    """A suite file with each value on one line, without comments."""
    found: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if found and found[-1].count("[") > found[-1].count("]"):
            found[-1] += " " + line.strip()
        else:
            found.append(line)
    return tuple(found)


BASES = (("datasets = ['synthetic']",), *map(_lines, sorted(SUITES.glob("*.toml"), key=lambda path: (path.stat().st_size, path.name))))


def _value(drawn: Drawn, depth: int = 0) -> str:
    if depth < 3 and drawn.once_in(6):
        inside = [_value(drawn, depth + 1) for _ in range(1 + drawn.below(3))]
        if drawn.once_in(2):
            return "{ " + ", ".join(f"{drawn.of(KEYS)} = {value}" for value in inside) + " }"
        return f"[{', '.join(inside)}]"
    return drawn.of(VALUES)


def _change(drawn: Drawn, lines: list[str]) -> str:
    """Changes the lines in one place. The key that then has another value, if it is one."""
    place = drawn.below(len(lines)) if lines else 0
    what = drawn.below(6)
    if what == 0 and lines and "=" in lines[place]:
        key = lines[place].partition("=")[0].strip()
        lines[place] = f"{key} = {_value(drawn)}"
        return key
    if what <= 1:
        key = drawn.of(KEYS)
        lines.insert(0 if drawn.once_in(3) else place, f"{key} = {_value(drawn)}")
        return key
    if what == 2:
        head, key = drawn.of(HEADS), drawn.of(KEYS)
        lines += [f"[{head}]", f"{key} = {_value(drawn)}"]
        return "grid" if head.startswith("grid") else key
    if what == 3 and lines:
        del lines[place]
    elif what == 4 and lines:
        lines.insert(drawn.below(len(lines)), lines[place])
    elif lines:
        key = drawn.of(KEYS)
        lines[place] = lines[place].replace(lines[place].partition("=")[0].strip(), key, 1)
    return ""


def make(data: bytes) -> tuple[bytes, str]:
    """The file, and the key at which it says something else than one that is sound; "" where that is none or several."""
    drawn = Drawn(data)
    lines = list(BASES[min(drawn.below(len(BASES)), drawn.below(len(BASES)))])  # a short one more often: it takes less time
    keys = [_change(drawn, lines) for _ in range(drawn.of((1, 1, 1, 2, 3)))]
    if drawn.once_in(256):
        keys.append("")
        lines.insert(0, f"training.{'a.' * 1500}a = 1")  # takes tomllib many milliseconds
    text = "\n".join(lines).encode()
    for _ in range(drawn.of((0, 0, 0, 0, 0, 1, 3))):
        place = drawn.below(len(text) + 1)
        text = text[:place] + drawn.of(BYTES) + text[place + drawn.below(2) :]
        keys.append("")
    return text, keys[0] if len(keys) == 1 else ""


def check(data: bytes, folder: Path) -> bool:
    content, key = make(data)
    path = folder / "mine.toml"
    path.write_bytes(content)

    def shown() -> str:
        return content.decode(errors="backslashreplace")

    named = [str(path), *([key] if key.isidentifier() and _is_toml(content) else [])]
    suite = judged(shown, named, lambda: read_suite(str(path)))
    if suite is None:
        return False
    said = tomllib.loads(content.decode())
    for name, value in said.items():
        if not _same(getattr(suite, name), value):
            raise Wrong(f"{name} is {getattr(suite, name)!r}, the file says {value!r}\n{shown()}")
    if not (suite.seeds >= 1 <= suite.budget and suite.products() and json.dumps(dataclasses.asdict(suite), allow_nan=False)):
        raise Wrong(f"no sound suite: {suite}\n{shown()}")
    return True


def _is_toml(content: bytes) -> bool:
    try:
        return bool(tomllib.loads(content.decode()))
    except (ValueError, RecursionError):
        return False


def _same(found: Any, said: Any) -> bool:
    """Lists are tuples in a suite, and one value may stand for a list of one."""
    if isinstance(found, tuple):
        entries = said if isinstance(said, list) else [said]
        return len(found) == len(entries) and all(map(_same, found, entries))
    if isinstance(found, Mapping):
        return isinstance(said, dict) and found.keys() == said.keys() and all(_same(found[name], said[name]) for name in said)
    return type(found) is type(said) and bool(found == said)


SUITE_FILES = Kind("suite files", check, size=40, share=35)
