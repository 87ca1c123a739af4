"""Discovery of plug-ins: a file in ``methods/``, ``datasets/`` or ``benchmark/backbones/`` is one plug-in, named after the file.

``BENCHMARK_PLUGINS`` (folders, separated like PATH) adds private ones: each folder may hold ``methods/``, ``datasets/`` and ``backbones/``.
Files whose name starts with ``_`` are not plug-ins. Nothing is imported before it is asked for by name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import inspect
import os
import pkgutil
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from benchmark.config import from_dict, known, supported, typed
from benchmark.contracts import Backbone, DataSet, Method, UserError

Kind = Literal["methods", "datasets", "backbones"]
CONTRACT: dict[Kind, type] = {"methods": Method, "datasets": DataSet, "backbones": Backbone}
PACKAGE = Path(__file__).parent
# A wheel has the folders of plug-ins inside the package (setup.py), a checkout beside it.
BUILTIN = PACKAGE / "_builtin" if (PACKAGE / "_builtin").is_dir() else PACKAGE.parent
HOME: dict[Kind, Path] = {"methods": BUILTIN / "methods", "datasets": BUILTIN / "datasets", "backbones": PACKAGE / "backbones"}


def folders(kind: Kind) -> list[str]:
    """Where plug-ins of a kind are looked for; the project's own folder first, so that a private file cannot shadow it."""
    private = [Path(p) / kind for p in os.environ.get("BENCHMARK_PLUGINS", "").split(os.pathsep) if p]
    once: dict[Path, str] = {}
    for path in (HOME[kind], *private):
        once.setdefault(path.resolve(), str(path))
    return list(once.values())


def names(kind: Kind) -> list[str]:
    """The names of all plug-ins of a kind, sorted. Imports none of them."""
    found = (module.name for module in pkgutil.iter_modules(folders(kind)) if not module.name.startswith("_"))
    return sorted(set(found))


def preset(name: str) -> Mapping[str, Any]:
    """The settings that a method's name stands for beside its class: of "roblock:no_hsic" the preset's, of a plain name none.

    Raises UserError.
    """
    _, colon, variant = name.partition(":")
    presets: Mapping[str, Mapping[str, Any]] = plugin("methods", name).presets
    return presets[variant] if colon else {}


def spelled_out(name: str) -> list[str]:
    """The names of all presets of a method for "<method>:all", any other name as it is. Raises UserError where there are none."""
    file, _, variant = name.partition(":")
    if variant != "all":
        return [name]
    presets = plugin("methods", file).presets
    if not presets:
        raise UserError(f"method {file}: it has no presets; leave {name} out")
    return [f"{file}:{preset}" for preset in presets]


def plugin(kind: Kind, name: str) -> type[Any]:
    """The one class of the file that fulfils the contract of its kind; a method's preset has the class of its file. Raises UserError."""
    file, colon, variant = name.partition(":")
    if kind == "methods" and colon:
        owner = plugin(kind, file)
        known("preset", variant, owner.presets, f"method {file}")
        return owner
    known(kind[:-1].replace("dataset", "data set"), name, names(kind), "plug-ins")
    places = [folder for folder in folders(kind) if any(module.name == name for module in pkgutil.iter_modules([folder]))]
    if len(places) > 1:
        raise UserError(f"{Path(places[1]) / name}: a plug-in in {places[0]} has this name already; rename the file")
    try:
        package = importlib.import_module(f"benchmark.{kind}")
        package.__path__ = folders(kind)
        with contextlib.redirect_stdout(sys.stderr):  # what it may print is no part of a command's output
            module = importlib.import_module(f"benchmark.{kind}.{name}")
    except (Exception, SystemExit) as error:  # a plug-in is foreign code: whatever it raises is reported as its own fault
        place = next((str(Path(f) / f"{name}.py") for f in folders(kind) if (Path(f) / f"{name}.py").exists()), name)
        line = _line(error, place)
        raise UserError(f"{place}{line}: the plug-in does not import: {type(error).__name__}: {' '.join(str(error).split())}") from error
    contract = CONTRACT[kind]
    classes: list[type[Any]] = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, contract) and c.__module__ == module.__name__ and not inspect.isabstract(c)
    ]
    if len(classes) != 1:
        raise UserError(f"{module.__file__}: a plug-in file defines exactly one {contract.__name__}; this one defines {len(classes)}")
    if not ("__dataclass_params__" in vars(classes[0]) and vars(classes[0])["__dataclass_params__"].frozen):
        raise UserError(f"{module.__file__}: {classes[0].__name__} must be a frozen dataclass: @dataclass(frozen=True, kw_only=True)")
    try:
        hints = typing.get_type_hints(classes[0])
    except Exception as error:  # a name that stands in the annotation only
        raise UserError(f"{module.__file__}: the types of its fields cannot be read: {error}") from None
    for field in dataclasses.fields(classes[0]):
        if not supported(hints[field.name]):
            kinds = "bool, int, float, str, a Literal of texts, tuple[X, ...] or X | None"
            raise UserError(f"{module.__file__}: {field.name} is of the type {field.type}; a setting must be of {kinds}")
    for attribute in ("summary", "source"):
        if not isinstance(getattr(classes[0], attribute, None), str):
            raise UserError(f"{module.__file__}: {classes[0].__name__}.{attribute} must be a text of one line")
    return classes[0]


def make(kind: Kind, name: str, options: dict[str, Any]) -> Any:
    """The plug-in with its hyper-parameters set, ``options`` before its preset's. Raises UserError for an unknown key or a wrong type."""
    owner, where = plugin(kind, name), f"{kind[:-1]} {name}"
    try:
        made = from_dict(owner, {**(preset(name) if kind == "methods" else {}), **options}, where)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # its own __post_init__
        raise UserError(f"{where}: it refuses {options}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    hints = typing.get_type_hints(owner)
    for field in dataclasses.fields(made):  # defaults too: a trial is written as JSON
        typed(hints[field.name], getattr(made, field.name), f"{where}: {field.name}")
    return made


def source_digest(kind: Kind, name: str) -> str:
    """SHA-256 of the plug-in's file: a record says with which version of the code it was made."""
    return hashlib.sha256(Path(inspect.getfile(plugin(kind, name))).read_bytes()).hexdigest()


def _line(error: BaseException, place: str) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    trace = error.__traceback__
    line = ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == place:
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    return line
