"""Settings as flags: of training, of a method and a backbone (`train`), of a data set (`prepare`). Their dataclass fields say all of it."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark import plugins
from benchmark.config import Training
from benchmark.errors import UserError
from benchmark.named import default_of
from benchmark.settings import setting_of
from benchmark.values import from_text, to_text

Settings = dict[str, Any]  # what the user set; the rest keeps its default


def published(known: argparse.Namespace) -> Mapping[str, Any]:
    """The defaults of training that the named data set and method bring along."""
    published: dict[str, Any] = {}
    if known.dataset in plugins.names("datasets"):
        published |= plugins.plugin("datasets", known.dataset).training
    return published | dict(plugins.plugin("methods", known.method).training)


def setting_groups(known: argparse.Namespace) -> dict[str, tuple[str, type]]:
    """prefix of the flags -> title, dataclass."""
    if known.command == "prepare":
        name = dataset_plugin(known.dataset)
        return {"": (f"settings of the data set {name}", plugins.plugin("datasets", name))}
    groups: dict[str, tuple[str, type]] = {"": ("training", Training)}
    method = plugins.plugin("methods", known.method)
    groups["method."] = (f"method {known.method}", method)
    if method.uses_backbone:
        groups["backbone."] = (f"backbone {known.backbone}", plugins.plugin("backbones", known.backbone))
    return groups


def dataset_plugin(reference: str) -> str:
    """The plug-in that prepares what the user named: a path goes to ``csv``."""
    path = Path(reference)
    is_path = len(path.parts) > 1 or path.suffix != "" or (path.exists() and reference not in plugins.names("datasets"))
    return "csv" if is_path else reference


def add_settings(command: argparse.ArgumentParser, prefix: str, title: str, owner: type, instead: Mapping[str, Any] = {}) -> None:
    """A flag for each setting of ``owner``; ``instead`` are defaults that go before its own."""
    group = command.add_argument_group(title)
    hints = typing.get_type_hints(owner)
    for field in dataclasses.fields(owner):
        if (prefix, field.name) == ("backbone.", "depth"):
            continue  # --depth
        shown = to_text(instead.get(field.name, default_of(field)))  # nothing: the field's own help says what that stands for
        default = "required" if _required(field) else f"default {shown}" if shown else ""
        choices = typing.get_args(hints[field.name]) if typing.get_origin(hints[field.name]) is typing.Literal else ()
        said = setting_of(field)
        words = "; ".join(part for part in (said.help, ", ".join(choices), default) if part)
        # argparse fills in what stands after a % sign.
        group.add_argument(_flag(prefix, field.name), dest=f"{prefix}{field.name}", metavar=said.metavar, help=words.replace("%", "%%"))


def read_settings(parsed: argparse.Namespace, prefix: str, owner: type) -> Settings:
    """What the user set. Raises UserError for a value of the wrong type, and for a setting without a default that was not given."""
    hints = typing.get_type_hints(owner)
    given: Settings = {}
    for field in dataclasses.fields(owner):
        flag, text = _flag(prefix, field.name), getattr(parsed, f"{prefix}{field.name}", None)
        if text is not None:
            given[field.name] = from_text(hints[field.name], text, flag)
        elif _required(field) and (prefix, field.name) != ("backbone.", "depth"):
            raise UserError(f"python -m benchmark {parsed.command}: {flag} is missing; add {flag} {setting_of(field).metavar}")
    return given


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _flag(prefix: str, name: str) -> str:
    return f"--{prefix}{name}" if prefix else f"--{name.replace('_', '-')}"
