"""Where the rows of a user's table lie: a file, a folder with a part in each file or subfolder, a folder of part files, a pattern."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from benchmark.data.files import COMPRESSED, PACKED, READ, SUFFIXES, File, find_part, packed, plain_name
from benchmark.data.store import PARTS
from benchmark.data.tables import Piece, Reading, Table, read_as, read_tables
from benchmark.errors import UserError

SPELLINGS = {"train": ("train",), "valid": ("valid", "val", "validation", "dev"), "test": ("test",)}  # of files and split-column cells
ROWS = "rows"  # a table that is to be divided
KEEPERS = {"_delta_log": "a Delta", ".hoodie": "a Hudi", "metadata/version-hint.text": "an Iceberg"}  # say which files still count
COPY = re.compile(r"( ?\(\d+\)| - Copy| copy)(?=\.[^/]*$)")  # x (1).csv, x - Copy.csv, x copy.csv
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # Hive's missing cell


def tables_of(source: Path, reading: Reading) -> Mapping[str, Table]:
    """train, valid and test; or ROWS, which are to be divided; or ROWS and test, of which the first are to be divided in two.

    Raises UserError where there is no table, a part is missing, or a name stands for several files.
    """
    if _is_pattern(source):
        return {ROWS: _joined(source, _pieces(source, _matches(source)), reading)}
    if not source.is_dir():
        archived = packed(source) if source.is_file() and source.suffix == ".zip" else []
        if source.suffix == ".zip" and source.is_file() and not archived:
            raise UserError(f"{source}: there is no table in it; looked for files that end in {', '.join(PACKED)}")
        if len(archived) < 2:
            return {ROWS: read_as(archived[0] if archived else source, reading)}
        held = {file.name.split(".")[0] for file in archived}
        wanted = {part: names for part, names in SPELLINGS.items() if part != "valid" or held & set(names) or not {"train", "test"} <= held}
        return _named(_in_turn(wanted, lambda names, like: read_as(find_part(source, names), like), reading))
    named = _in_turn(SPELLINGS, lambda names, like: _part(source, names, like), reading)
    if not named and (files := _files_in(source)):
        _check_no_parts(source, files)
        return {ROWS: _joined(source, _pieces(source, files), reading)}
    if set(named) == {"train", "test"}:
        return _named(named)
    for part in PARTS:
        if part not in named:  # says what is missing
            find_part(source, SPELLINGS[part])
    return named


def _in_turn(
    wanted: Mapping[str, tuple[str, ...]], opened: Callable[[tuple[str, ...], Reading], Table | None], reading: Reading
) -> Mapping[str, Table]:
    """The parts that are there. What the first says of its numbers is true of the others."""
    found: dict[str, Table] = {}
    for part, names in wanted.items():
        table = opened(names, reading)
        if table is not None:
            found[part] = table
            first = next(iter(found.values()))
            reading = reading._replace(numeric=first.numeric, spans=first.spans)
    return found


def _check_no_parts(folder: Path, files: Sequence[Path]) -> None:
    """Raises UserError where files that are to be one table, or their folders, are called like parts: train_0.csv and clicks-testing.csv.
    A Hive key's value, split=test, is a column.
    """
    plain = {(shown := os.path.relpath(path, folder)): re.sub(r"[^/]+=[^/]*/", "", shown.lower()) for path in files}
    of_part = {
        part: shown for part in ("train", "test") for shown, name in plain.items() if re.search(rf"(?<![a-z]){part}(ing)?(?![a-z])", name)
    }
    if len(of_part) == 2:
        both = " and ".join(of_part.values())
        raise UserError(f"{folder}: {both} are named like parts; put each into a folder, or name all by a pattern: '{folder}/*'")


def _named(tables: Mapping[str, Table]) -> Mapping[str, Table]:
    """Of train and test alone, train is to be divided."""
    return tables if "valid" in tables else {ROWS: tables["train"], "test": tables["test"]}


def files_of(source: Path) -> Mapping[str, Path]:
    """The visible files that a table is read from, by the name that says where they lie; of a single file that one."""
    if _is_pattern(source):
        return {os.path.relpath(path, _root(source)): path for path in _matches(source)}
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    _check_not_within([source])
    if source.is_file():
        return {source.name: source}
    if not source.is_dir():
        raise UserError(f"{source}: neither a file nor a folder")
    return {os.path.relpath(path, source): path for path in sorted(_visible(source))}


def _is_pattern(source: Path) -> bool:
    return glob.has_magic(str(source)) and not source.exists()


def _root(source: Path) -> Path:
    """The deepest folder that a pattern names outright."""
    return next(parent for parent in source.parents if not glob.has_magic(str(parent)))


def _matches(source: Path) -> list[Path]:
    found = sorted(map(Path, glob.glob(str(source), recursive=True)))
    shown = [path for path in found if not _is_hidden(path.name)]
    files = [file for path in shown for file in (_files_in(path) if path.is_dir() else [_checked(path)])]
    _check_not_within(files)
    if not files:
        hint = "; [ ] in a folder's own name is written [[] ]" if "[" in str(source) else ""
        raise UserError(f"{source}: no file has such a name{hint}")
    return list(dict.fromkeys(files))


def unread_in(source: Path, tables: Mapping[str, Table]) -> list[str]:
    """The files of a folder of parts that look like tables and are no part."""
    if "test" not in tables or not source.is_dir():
        return []
    parts = {name for names in SPELLINGS.values() for name in names}
    names = sorted(path.name for path in source.iterdir() if path.name.endswith(SUFFIXES) and plain_name(path) not in parts)
    return [name for name in names if not _is_hidden(name)]


def copies(source: Path, checksums: Mapping[str, str]) -> Iterator[str]:
    """A line for files of a table that are the same byte for byte, and one for a file and what by its name is its copy, or the file
    compressed; ``checksums``: of ``files_of``'s. Files without rows are often alike.
    """
    names: dict[str, list[str]] = {}
    for name, checksum in checksums.items():
        names.setdefault(checksum, []).append(name)
    files = files_of(source) if any(len(alike) > 1 for alike in names.values()) else {}
    twice = [alike for alike in names.values() if len(alike) > 1 and _has_rows(files[alike[0]])]
    for alike in twice[:1]:
        more = f", and so do {len(twice) - 1} groups of files more" if len(twice) > 1 else ""
        yield f"{' and '.join(alike[:2])} hold the same bytes{more}: are their rows to count twice?"
    known = {name for alike in twice for name in alike}
    for name in checksums:
        unpacked = next((name.removesuffix(ending) for ending in COMPRESSED if name.endswith(ending)), name)
        original = next((one for one in (unpacked, COPY.sub("", unpacked), COPY.sub("", name)) if one != name and one in checksums), "")
        if original and name not in known:
            yield f"{original} and {name} are named like one file and its copy: are their rows to count twice?"
            return


def _has_rows(path: Path) -> bool:
    try:
        return len(read_as(path, Reading()).frame.head(1).collect()) > 0
    except UserError:
        return False


def _part(folder: Path, names: tuple[str, ...], reading: Reading) -> Table | None:
    """One part: a file (see find_part), or a folder of part files called train or, as Spark does, train.parquet."""
    folders = [path for name in names for suffix in ("", *SUFFIXES) if (path := folder / f"{name}{suffix}").is_dir()]
    files = [folder / f"{name}{suffix}" for name in names for suffix in SUFFIXES if (folder / f"{name}{suffix}").is_file()]
    if folders and (files or len(folders) > 1):
        raise UserError(f"{folder}: {' and '.join(path.name for path in (*folders, *files))} are both there; keep one of them")
    if folders:
        return _joined(folders[0], _pieces(folders[0], _files_in(folders[0])), reading)
    return read_as(find_part(folder, names), reading) if files or any(folder.glob("*.zip")) else None


def _joined(where: Path, pieces: Sequence[Piece], reading: Reading) -> Table:
    if not pieces:
        raise UserError(f"{where}: there is no table in it; looked for {READ}")
    kinds = {piece.file.kind for piece in pieces}
    if len(kinds) > 1:
        raise UserError(
            f"{where}: it holds {' and '.join(sorted(kinds))} files; name those of one kind by a pattern, as in '{where}/*.csv'"
        )
    return read_tables(where, pieces, reading)


def _pieces(where: Path, files: Iterable[Path]) -> list[Piece]:
    root = _root(where) if _is_pattern(where) else where
    return [Piece(File(path), tuple(_keys(path, path.relative_to(root).parts[:-1]).items())) for path in files]


def _keys(path: Path, folders: Iterable[str]) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for name in folders:
        key, equals, value = name.partition("=")
        if equals and found.setdefault(unquote(key), unquote(value)) != unquote(value):
            raise UserError(f"{path}: its folders say twice what {unquote(key)!r} is; take one of them out")
    return {key: None if value == NO_VALUE else value for key, value in found.items()}


def _files_in(folder: Path) -> list[Path]:
    """All tables in it, however deep, in the order of their names. Raises UserError for a file that is no table."""
    files = sorted(_visible(folder))
    for path in files:
        if not path.name.endswith(SUFFIXES):
            raise UserError(f"{path}: this type of file is not read; it must end in {READ}, or lie elsewhere")
    return files


def _visible(folder: Path) -> Iterator[Path]:
    """Every file that is not hidden, nor a mark such as Spark's _SUCCESS; links are followed. Raises UserError for what cannot be read."""
    seen = set()
    for inside, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        real = os.path.realpath(inside)
        if real in seen:
            raise UserError(f"{inside}: the folder {real} is here twice, by a link; remove the link")
        seen.add(real)
        _check_not_kept(Path(inside))
        folders[:] = [name for name in folders if not _is_hidden(name)]
        yield from (_checked(Path(inside) / name) for name in files if not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    """As Spark has it: _day=1 is a key."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _check_not_kept(folder: Path) -> None:
    """Raises UserError for the folder of a table whose engine keeps account of its files."""
    kept = next((name for name in KEEPERS if (folder / name).exists()), "")
    if kept:
        raise UserError(
            f"{folder}: {KEEPERS[kept]} table ({kept} is there), some of whose files hold rows that were changed or deleted; "
            "have your engine write it as plain Parquet"
        )


def _check_not_within(places: Iterable[Path]) -> None:
    """As ``_check_not_kept``, of all folders that the files and folders lie in."""
    for folder in sorted({folder for place in places for folder in place.absolute().parents}):
        _check_not_kept(folder)


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: {'a link that leads nowhere' if path.is_symlink() else 'neither a file nor a folder'}; take it away")
    return path


def _raise(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror})")
