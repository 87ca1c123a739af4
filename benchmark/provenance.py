"""Which code made a record: a digest of a module and of all that it imports from this project."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import linecache
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

UNKNOWN = "unknown"  # in the place of a digest: the source cannot be had
PLAIN = (bool, int, float, str)


def code_digest(module: str, path: Path) -> str:
    """12 hexadecimal digits over the module at ``path`` and every module of ``benchmark`` that it imports, directly or through others.

    Of each the syntax tree counts, without docstrings: comments, blank lines and formatting change nothing, a number or a name does.
    """
    return _digest({name: _tree(file) for name, file in _reached(module, path).items()})


def class_digest(owner: type) -> str:
    """12 hexadecimal digits over a class of a notebook or a script; ``UNKNOWN`` where its source cannot be had.

    They cover its own source and, of what it names directly or through others: functions, classes and plain values of its module, and
    modules of ``benchmark``, as ``code_digest`` takes them.
    """
    namespace = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
    texts: dict[str, str] = {}
    files: dict[str, Path] = {}
    waiting: list[tuple[str, object]] = [(owner.__qualname__, owner)]
    while waiting:
        name, one = waiting.pop()
        module = one.__name__ if inspect.ismodule(one) else getattr(one, "__module__", "")
        if module.startswith("benchmark.") and (path := _file(module)) is not None:
            files |= _reached(module, path)
        elif isinstance(one, PLAIN):
            texts[name] = repr(one)
        elif name not in texts and module == owner.__module__ and (inspect.isclass(one) or inspect.isfunction(one)):
            tree = _source_tree(one)
            if tree is None:
                return UNKNOWN
            texts[name] = _text(tree)
            waiting += [(n.id, namespace[n.id]) for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in namespace]
            waiting += [(base.__qualname__, base) for base in one.__mro__[1:]] if inspect.isclass(one) else []
    return _digest(texts | {name: _tree(file) for name, file in files.items()})


def _source_tree(one: object) -> ast.AST | None:
    """Of a function or a class; None where the source cannot be had."""
    if inspect.isclass(one):
        # Python cannot tell the file of a class in a notebook, where __main__ has none. It can tell that of the class's functions.
        codes = [value.__code__ for value in vars(one).values() if inspect.isfunction(value)]
        for code in codes:
            for node in ast.walk(_parsed("".join(linecache.getlines(code.co_filename)))):
                if isinstance(node, ast.ClassDef) and node.name == one.__name__ and _spans(node, code.co_firstlineno):
                    return node
    try:
        found = _parsed(textwrap.dedent(inspect.getsource(one)))  # type: ignore[arg-type]
    except (OSError, TypeError):
        return None
    return found if found.body else None


def _parsed(source: str) -> ast.Module:
    """Empty where the source is not whole: what a lambda's line is, or a part of a statement."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def _spans(node: ast.ClassDef, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or 0)


def _digest(texts: dict[str, str]) -> str:
    total = hashlib.sha256()
    for name, text in sorted(texts.items()):
        total.update(f"{name} {text}\n".encode())
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
        waiting += [(imported, place) for imported in _imports(name, file) if (place := _file(imported)) is not None]
    return found


@cache
def _imports(module: str, path: Path) -> tuple[str, ...]:
    """What the file imports of ``benchmark``: modules, and names that may be modules. Imports for type checking alone run no code."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(_names(_of_file(path), package))


def _of_file(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())  # as Python reads it: with a mark at its beginning, or in the encoding that it names


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("benchmark."))
        elif isinstance(node, ast.ImportFrom) and ((module := _from(node, package)) + ".").startswith("benchmark."):
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        else:
            yield from _names(node, package)


def _from(node: ast.ImportFrom, package: str) -> str:
    """The module that the names come from: of ``from ._shared import …`` in a plug-in's file the one beside it."""
    if not node.level:
        return node.module or ""
    try:
        return importlib.util.resolve_name("." * node.level + (node.module or ""), package)
    except ImportError:  # above the uppermost package: Python cannot import it either
        return ""


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
    return _text(_of_file(path))


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
