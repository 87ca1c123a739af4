"""The pages' templates: whatever a record or a file named is text in them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup, escape

HERE = Path(__file__).parent
CODE = re.compile(r"`([^`\n]+)`")


def coded(text: str) -> Markup:
    """The text, with what stands between backticks, as on a terminal, as code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))


@cache
def template(name: str) -> Template:
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["coded"] = coded
    return environment.get_template(name)


@cache
def part(*names: str) -> Markup:
    """Files of this folder, one after another, as they are."""
    return Markup("".join((HERE / name).read_text(encoding="utf-8") for name in names))
