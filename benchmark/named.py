"""A method or a backbone as a user gives it: by the name of a plug-in, or as an object of a class that may stand in a notebook."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from benchmark import plugins
from benchmark.discovery import SINGULAR, Kind
from benchmark.errors import UserError
from benchmark.faults import place_of
from benchmark.settings import name_of
from benchmark.values import from_dict, to_dict

if TYPE_CHECKING:
    from benchmark.contracts import Backbone
    from benchmark.method import Method

Made = TypeVar("Made", bound="Method | Backbone")


@dataclass(frozen=True)
class Named(Generic[Made]):
    """The object, and what a cell calls it."""

    name: str
    options: Mapping[str, Any]  # the settings that were chosen; the others have their defaults
    made: Made


def named(kind: Kind, chosen: str | Method | Backbone, options: Mapping[str, Any]) -> Named[Any]:
    """Of a name, the plug-in with ``options``. Of an object, the name of its plug-in or else of its class, and the fields in which it
    differs from the defaults: a plug-in's object is the same contestant as its name.

    Raises UserError: unknown name, impossible setting, a class that does not keep the contract or has the name of a plug-in that it is not.
    """
    if isinstance(chosen, str):
        return Named(chosen, dict(options), plugins.make(kind, chosen, options))
    contract, what = plugins.contract_of(kind), SINGULAR[kind]
    owner = type(chosen)
    if isinstance(chosen, type):
        raise UserError(f"{what} {chosen.__name__}: this is a class; give an object of it: {chosen.__name__}()")
    if not isinstance(chosen, contract):
        raise UserError(f"{what} {chosen!r}: give the name of a {what}, or an object of a class of {contract.__name__}")
    if options:
        raise UserError(f"{what} {owner.__name__}: an object has its settings in its fields; give it no others ({', '.join(options)})")
    plugins.keeps_the_contract(owner, contract)
    name = name_of(owner)
    if name in plugins.names(kind) and plugins.plugin(kind, name) is not owner:
        raise UserError(f"{place_of(owner)}: a plug-in is called {name} already; give the class another name")
    fields = [field for field in dataclasses.fields(chosen) if field.init]
    made = from_dict(owner, {field.name: getattr(chosen, field.name) for field in fields}, f"{what} {name}")
    texts = to_dict(made)
    return Named(name, {field.name: texts[field.name] for field in fields if getattr(made, field.name) != default_of(field)}, made)


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of a setting; MISSING where the user has to give a value."""
    return field.default if field.default_factory is MISSING else field.default_factory()
