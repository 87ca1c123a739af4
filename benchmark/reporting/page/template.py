"""The pages' templates: whatever a record or a file named is text in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

HERE = Path(__file__).parent


@cache
def template(name: str) -> Template:
    return Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(name)


@cache
def part(*names: str) -> Markup:
    """Files of this folder, one after another, as they are."""
    return Markup("".join((HERE / name).read_text(encoding="utf-8") for name in names))
