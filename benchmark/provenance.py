"""Which code made a record: a digest of a module and of all that it imports from this project."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def code_digest(module: str, path: Path) -> str:
    """12 hexadecimal digits over the module at ``path`` and every module of ``benchmark`` that it imports, directly or through others.

    Of each the syntax tree counts, without docstrings: comments, blank lines and formatting change nothing, a number or a name does.
    """
    total = hashlib.sha256()
    for name, file in sorted(_reached(module, path).items()):
        total.update(f"{name} {_tree(file)}\n".encode())
    return total.hexdigest()[:12]


def _reached(module: str, path: Path) -> dict[str, Path]:
    """Module -> file."""
    found: dict[str, Path] = {}
    waiting = [(module, path)]
    while waiting:
        name, file = waiting.pop()
        if name in found:
            continue
        found[name] = file
        waiting += [(imported, place) for imported in _imports(file) if (place := _file(imported)) is not None]
    return found


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """What the file imports of ``benchmark``: modules, and names that may be modules. Imports for type checking alone run no code."""
    return tuple(_names(ast.parse(path.read_text(encoding="utf-8"))))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("benchmark."))
        elif isinstance(node, ast.ImportFrom) and node.module and (node.module + ".").startswith("benchmark."):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from _names(node)


@cache
def _file(module: str) -> Path | None:
    """The source file of a module of this project; None for a name that is no module."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a name inside a module
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None and spec.origin.endswith(".py") else None


@cache
def _tree(path: Path) -> str:
    return _text(ast.parse(path.read_text(encoding="utf-8")))


def _text(node: object) -> str:
    """The tree in one spelling that does not depend on Python's version: ``ast.dump`` leaves out other things in other versions."""
    if isinstance(node, list):
        return "[" + ",".join(map(_text, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    body = getattr(node, "body", None)
    documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node) is not None
    parts = []
    for name, value in ast.iter_fields(node):
        if value is None or value == [] or name in ("ctx", "kind", "type_comment"):
            continue
        parts.append(f"{name}={_text(body[1:] if documented and name == 'body' and body else value)}")
    return f"{type(node).__name__}({','.join(parts)})"
