"""Where plug-ins are found: a file in ``methods/``, ``datasets/`` or ``benchmark/backbones/`` is one plug-in, named after the file.

``BENCHMARK_PLUGINS`` (folders, separated like PATH) adds private ones: each folder holds ``methods/``, ``datasets/`` or ``backbones/``.
Files whose name starts with ``_`` are not plug-ins. Nothing here imports a plug-in: what a list says of one is read from its text.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from benchmark.errors import UserError
from benchmark.values import one_of

Kind = Literal["methods", "datasets", "backbones"]
KINDS: tuple[Kind, ...] = ("methods", "backbones", "datasets")
SINGULAR: dict[Kind, str] = {"methods": "method", "backbones": "backbone", "datasets": "data set"}
PACKAGE = Path(__file__).parent
VARIABLE = "BENCHMARK_PLUGINS"
# A wheel has the folders of plug-ins inside the package (setup.py), a checkout beside it.
BUILTIN = PACKAGE / "_builtin" if (PACKAGE / "_builtin").is_dir() else PACKAGE.parent
HOME: dict[Kind, Path] = {"methods": BUILTIN / "methods", "datasets": BUILTIN / "datasets", "backbones": PACKAGE / "backbones"}


def private_folders() -> list[Path]:
    """The folders that ``BENCHMARK_PLUGINS`` names. Raises UserError for one that is not there or holds none of the three folders."""
    found = [Path(path) for path in _absolute(os.environ.get(VARIABLE, ""))]
    for path in found:
        if not path.is_dir():
            raise UserError(f"BENCHMARK_PLUGINS: {path} is no folder; name the one that holds methods/, backbones/ or datasets/")
        if not any((path / kind).is_dir() for kind in KINDS):
            raise UserError(f"BENCHMARK_PLUGINS: {path} holds no folder methods/, backbones/ or datasets/; put the plug-in in one of them")
    return found


def _absolute(value: str) -> list[str]:
    """As Python makes the files that it imports: what an error passed through is found by comparing the two."""
    return [os.path.abspath(Path(path).expanduser()) for path in value.split(os.pathsep) if path]


def pin_private_folders() -> None:
    """Relative folders in ``BENCHMARK_PLUGINS`` are from now on those of the present working folder, whatever a plug-in makes that."""
    if value := os.environ.get(VARIABLE):
        os.environ[VARIABLE] = os.pathsep.join(_absolute(value))


def folders(kind: Kind) -> list[str]:
    """Where plug-ins of a kind are looked for; the project's own folder first: a private file cannot shadow it. Raises UserError."""
    once: dict[Path, str] = {}
    for path in (HOME[kind], *(folder / kind for folder in private_folders())):
        once.setdefault(path.resolve(), str(path))
    return list(once.values())


def names(kind: Kind) -> list[str]:
    """The names of all plug-ins of a kind, sorted. Imports none of them. Raises UserError."""
    return sorted({name for folder in folders(kind) for name in _modules(folder) if not name.startswith("_")})


def _modules(folder: str) -> frozenset[str]:
    """The names of the modules in a folder; none where it is missing."""
    try:
        return _modules_then(folder, os.stat(folder).st_mtime_ns)
    except OSError:
        return frozenset()


@lru_cache(maxsize=64)  # a suite asks for its methods once a cell
def _modules_then(folder: str, changed: int) -> frozenset[str]:
    """``changed``: when a file was last added to the folder or taken away."""
    return frozenset(module.name for module in pkgutil.iter_modules([folder]))


def one_of_plugins(what: str, name: str, choices: Iterable[str], where: str, *kinds: Kind) -> str:
    """``name`` if it is one of ``choices``. Raises UserError with the nearest one, or, where a folder right here has a plug-in of that
    name, with how that is found: ``BENCHMARK_PLUGINS`` holds in one shell alone.
    """
    found, file_name = set(choices), f"{name.partition(':')[0]}.py"
    beside = [] if name in found else [path for kind in kinds for path in sorted(Path().glob(f"*/{kind}/*.py")) if path.name == file_name]
    if beside:
        setting = os.pathsep.join([*map(str, private_folders()), str(beside[0].parents[1])])
        raise UserError(f"{where}: unknown {what} {name!r}; {beside[0]} is found with BENCHMARK_PLUGINS={setting}")
    return one_of(what, name, found, where)


def file_of(kind: Kind, name: str) -> Path:
    """The file of a plug-in; of a preset that of its method. Raises UserError where two folders have the name."""
    name = name.partition(":")[0]
    found = [Path(folder) for folder in folders(kind) if name in _modules(folder)]
    files = [package if (package := folder / name / "__init__.py").exists() else folder / f"{name}.py" for folder in found]
    if len(files) > 1:
        raise UserError(f"{files[1]}: a plug-in in {found[0]} has this name already; rename the file")
    return files[0]


@dataclass(frozen=True)
class Entry:
    """What a list says of a plug-in."""

    summary: str
    source: str
    presets: tuple[str, ...] = ()


def entry(kind: Kind, name: str) -> Entry | None:
    """Read from the file's text; None where summary and source are no plain texts there.

    Raises UserError: it cannot be parsed, or imports a module that is not installed.

    Importing all plug-ins takes seconds, since they import torch.
    """
    path = file_of(kind, name)
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), path.name)
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UserError(f"{path}{line}: the plug-in does not import: {type(error).__name__}: {' '.join(str(error).split())}") from None
    for number, module in _imported(tree):
        if importlib.util.find_spec(module) is None:
            raise UserError(
                f"{path}:{number}: the plug-in does not import: ModuleNotFoundError: No module named {module!r}{beside(path, module)}"
            )
    found = [texts for node in tree.body if isinstance(node, ast.ClassDef) and {"summary", "source"} <= (texts := _texts(node)).keys()]
    if len(found) != 1:
        return None
    [texts] = found
    return Entry(texts["summary"][0], texts["source"][0], texts.get("presets", ()))


def beside(path: Path, module: str | None) -> str:
    """How the plug-in ``path`` imports what Python does not find, where that is a file in its folder, which is not on Python's path;
    otherwise empty.
    """
    here = module and any(place.exists() for place in (path.parent / f"{module}.py", path.parent / module / "__init__.py"))
    return f"; it lies beside this file: write from .{module} import …" if here else ""


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and first name of every import at the top of the file."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]


def _texts(node: ast.ClassDef) -> dict[str, tuple[str, ...]]:
    """Attributes of the class that are plain texts, and the names in a plain dictionary."""
    found: dict[str, tuple[str, ...]] = {}
    for line in node.body:
        target = line.targets[0] if isinstance(line, ast.Assign) else line.target if isinstance(line, ast.AnnAssign) else None
        value = getattr(line, "value", None)
        if not isinstance(target, ast.Name):
            continue
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found[target.id] = (value.value,)
        elif isinstance(value, ast.Dict) and all(isinstance(key, ast.Constant) for key in value.keys):
            found[target.id] = tuple(str(key.value) for key in value.keys if isinstance(key, ast.Constant))
    return found
