"""Plug-ins by name: the one class of a file, checked against its contract, and made with its settings."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import random
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from benchmark.discovery import SINGULAR, Kind, beside, file_of, folders, one_of_plugins
from benchmark.discovery import names as names
from benchmark.errors import UserError
from benchmark.faults import line_in, place_of, raised, shown
from benchmark.provenance import class_digest, code_digest
from benchmark.settings import Configured, name_of, unannotated
from benchmark.sources import DataSet
from benchmark.surroundings import OWN, as_they_were
from benchmark.values import from_dict, one_of, supported, typed

EVERY = "all"  # in the place of a name: each of them
KEPT: set[type] = set()  # classes that were found to keep the contract


def contract_of(kind: Kind) -> type:
    """What a plug-in of the kind is a subclass of. The contract of models imports torch, which preparing data does without."""
    if kind == "datasets":
        return DataSet
    from benchmark.contracts import Backbone
    from benchmark.method import Method

    return Method if kind == "methods" else Backbone


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
    if variant != EVERY:
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
        one_of("preset", variant, owner.presets, f"method {file}")
        return owner
    one_of_plugins(SINGULAR[kind], name, names(kind), "plug-ins", kind)
    path = file_of(kind, name)
    if name == EVERY:
        raise UserError(f"{path}: the word {EVERY} stands for every plug-in in suites; rename the file")
    try:
        package = importlib.import_module(f"benchmark.{kind}")
        package.__path__ = folders(kind)
        with (
            contextlib.redirect_stdout(sys.stderr),
            _same_numbers(),
            as_they_were(OWN),
        ):  # what it may print is no part of a command's output
            module = importlib.import_module(f"benchmark.{kind}.{name}")
    except (Exception, SystemExit) as error:  # a plug-in is foreign code: whatever it raises is reported as its own fault
        line = line_in(error, str(path))
        raise UserError(
            f"{path}{line}: the plug-in does not import: {raised(error)}{beside(path, getattr(error, 'name', None))}"
        ) from error
    contract = contract_of(kind)
    classes: list[type[Any]] = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, contract) and c.__module__ == module.__name__ and not inspect.isabstract(c)
    ]
    if not classes:
        raise UserError(_none_in(module, contract, shown(str(path))))
    if len(classes) != 1:
        found = f"this one defines {len(classes)}: {', '.join(c.__name__ for c in classes)}"
        raise UserError(f"{place_of(classes[1])}: a plug-in file defines exactly one {contract.__name__}; {found}")
    if classes[0] not in KEPT:  # a class is loaded once, and asked for with every trial
        keeps_the_contract(classes[0], contract)
        KEPT.add(classes[0])
    return classes[0]


@contextlib.contextmanager
def _same_numbers() -> Iterator[None]:
    """What a file draws of global generators when it is imported is the same in every process: a record has no seed for it. Whoever else
    draws numbers is not disturbed.
    """
    torch: Any = sys.modules.get("torch")  # what is not imported yet begins with the number that it is put to here
    before = random.getstate(), np.random.get_state(), torch and torch.default_generator.get_state()
    random.seed(0)
    np.random.seed(0)
    if torch:
        torch.default_generator.manual_seed(torch.Generator().initial_seed())
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        if torch:
            torch.default_generator.set_state(before[2])


def _none_in(module: types.ModuleType, contract: type, path: str) -> str:
    """What to say of a file without a class that fulfils the contract: what the one that comes nearest lacks."""
    own = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__]
    for owner in own:
        if issubclass(owner, contract):
            missing = ", ".join(f"{name}()" for name in sorted(getattr(owner, "__abstractmethods__", ())))
            return f"{place_of(owner)}: {owner.__name__} lacks {missing}, which every {contract.__name__} has"
    for owner in own:
        if "summary" in vars(owner) or len(own) == 1:
            return f"{place_of(owner)}: {owner.__name__} is no {contract.__name__}; write class {owner.__name__}({contract.__name__})"
    return f"{path}: a plug-in file defines exactly one {contract.__name__}; this one defines 0"


def keeps_the_contract(owner: type[Any], contract: type) -> None:
    """What can be said of a plug-in's class before it is used. Raises UserError, one line that begins with file and line."""

    def refuse(name: str, words: str) -> NoReturn:
        raise UserError(f"{place_of(owner, name)}: {owner.__name__}{name and '.'}{name} {words}")

    kept = vars(owner).get("__dataclass_params__")
    if kept is None or not kept.frozen:
        refuse("", "must be a frozen dataclass: @dataclass(frozen=True, kw_only=True)")
    if not kept.eq:
        refuse("", "has eq=False, so that any two of its settings count as the same: @dataclass(frozen=True, kw_only=True)")
    if "space" in vars(owner):
        refuse("space", "is the old form; a setting says its range itself: weight: float = tuned(1e-3, low=1e-5, high=1e-1, log=True)")
    if owner.__post_init__ is not Configured.__post_init__:
        refuse("__post_init__", "would take the place of the check of the settings' bounds; name it validate")
    for name in _taken(owner):
        refuse(
            name, "is a setting of a name that the contract has a meaning for; call it otherwise, or leave its type out if you mean that"
        )
    if contract.__name__ == "Method" and not callable(owner.build):
        refuse("build", "is no function; write def build(self, parts: Parts) -> CTRModel")
    if contract.__name__ == "Method" and list(inspect.signature(owner.build).parameters) != ["self", "parts"]:
        refuse("build", f"{inspect.signature(owner.build)} is the old form; write build(self, parts: Parts) -> CTRModel")
    for name in unannotated(owner):
        refuse(name, f"has no annotation, so it is no setting; write {name}: float = … (or int, bool, str)")
    try:
        hints = typing.get_type_hints(owner)
    except Exception as error:  # a name that stands in the annotation only
        refuse("", f"has settings whose types cannot be read: {error}")
    for field in dataclasses.fields(owner):
        if not supported(hints[field.name]):
            kinds = "bool, int, float, str, a Literal of texts, tuple[X, ...] or X | None"
            refuse(field.name, f"is of the type {field.type}; a setting must be of {kinds}")
    for attribute in ("summary", "source"):
        if not isinstance(getattr(owner, attribute, None), str):
            refuse(attribute, "must be a text of one line")
    if contract.__name__ == "Backbone" and "depth" not in vars(owner):
        refuse("", "has no depth; write depth: int = setting(2, at_least=1, at_most=MOST_DEPTH)")
    settings = [field.name for field in dataclasses.fields(owner)]
    presets = getattr(owner, "presets", {})
    if not isinstance(presets, Mapping) or not all(isinstance(chosen, Mapping) for chosen in presets.values()):
        refuse("presets", f'is {presets!r}; it names settings for each variant: presets: ClassVar = {{"strong": {{"weight": 1.0}}}}')
    for variant, chosen in presets.items():
        if not isinstance(variant, str) or not re.fullmatch(r"[\w.-]+", variant) or variant == EVERY:
            words = f'names one {variant!r}; a name is letters, digits, "_", "-" and ".", and not "{EVERY}", which stands for all of them'
            refuse("presets", words)
        if unknown := sorted(set(chosen) - set(settings), key=str):
            one_of("setting", unknown[0], settings, f"{place_of(owner, 'presets')}: preset {variant}")


def _taken(owner: type[Any]) -> Iterator[str]:
    """Names of settings of the class's own that would take the place of what its bases are asked for, such as ``build`` or ``summary``."""
    inherited = {name for base in owner.__mro__[1:] for name in [*vars(base), *inspect.get_annotations(base)]}
    settings = {field.name for base in owner.__mro__[1:] if dataclasses.is_dataclass(base) for field in dataclasses.fields(base)}
    yield from (field.name for field in dataclasses.fields(owner) if field.name in inherited - settings)


def make(kind: Kind, name: str, options: Mapping[str, Any]) -> Any:
    """The plug-in with its settings, ``options`` before its preset's. Raises UserError for an unknown key or a wrong type or value."""
    owner, where = plugin(kind, name), f"{SINGULAR[kind].replace(' ', '')} {name}"
    try:
        made = from_dict(owner, {**(preset(name) if kind == "methods" else {}), **options}, where)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # its own validate
        line = line_in(error, str(file_of(kind, name)))
        raise UserError(
            f"{file_of(kind, name)}{line}: it refuses {f'the settings {dict(options)}' if options else 'its defaults'}: {raised(error)}"
        ) from error
    hints = typing.get_type_hints(owner)
    for field in dataclasses.fields(made):  # defaults too: a trial is written as JSON
        try:
            typed(hints[field.name], getattr(made, field.name), f"{where}: {field.name}")
        except UserError as error:
            if field.name in options:
                raise
            raise UserError(f"{place_of(owner, field.name)}: {error}") from None  # looked for now alone: that parses the file
    return made


def code_of(kind: Kind, name: str) -> str:
    """The digest of a plug-in's code and of what it imports from this project. Raises UserError."""
    owner = plugin(kind, name)
    return code_digest(owner.__module__, file_of(kind, name))


def code_of_class(kind: Kind, owner: type[Any]) -> str:
    """The same of a class, which need not be a plug-in's. Raises UserError."""
    name = name_of(owner)
    return code_of(kind, name) if name in names(kind) and plugin(kind, name) is owner else class_digest(owner)
