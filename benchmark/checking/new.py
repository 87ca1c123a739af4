"""A new plug-in's file, from the template of its kind."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from benchmark import plugins
from benchmark.config import NO_BACKBONE
from benchmark.discovery import BUILTIN, HOME, PACKAGE, SINGULAR, Kind, folders
from benchmark.errors import UserError

TEMPLATES = Path(__file__).parent / "templates"
CLASS, FILE = "Template", "template_name"  # what stands in a template for the names of the new class and file
RESERVED = ("all", NO_BACKBONE)  # words of suites and cells


def write(kind: Kind, name: str, folder: Path | None) -> list[str]:
    """Makes the file in ``folder``/methods and so on, or in this project's own folder, and says how to go on.

    Raises UserError: no name of a module, a name that is taken, a file that is there.
    """
    _verify_name(kind, name)
    word = SINGULAR[kind].replace(" ", "")
    if folder is None and BUILTIN.is_relative_to(PACKAGE):
        raise UserError(f"new {word} {name}: this suite is installed, not a checkout; name a folder of your own by --in FOLDER")
    path = (HOME[kind] if folder is None else folder / kind) / f"{name}.py"
    if path.exists() or path.with_suffix("").exists():
        raise UserError(f"{path}: there is a file or folder of this name already; name another, or remove it")
    text = (TEMPLATES / f"{word}.py").read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(FILE, name).replace(CLASS, _class_name(name)), encoding="utf-8")
    found = path.parent.resolve() in [Path(one).resolve() for one in folders(kind)]
    trained = {
        "methods": f"python -m benchmark run quick --methods single_embedding {name}",
        "backbones": f"python -m benchmark run quick --backbones {name}",
        "datasets": f"python -m benchmark run quick --datasets {name}",
    }
    lines = [f"{path}: written; it is listed and run as it stands"]
    if not found:
        lines.append(f"export BENCHMARK_PLUGINS={folder}")
    return [*lines, f"python -m benchmark check {name}", trained[kind]]


def _verify_name(kind: Kind, name: str) -> None:
    where = f"new {SINGULAR[kind].replace(' ', '')} {name}"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UserError(f"{where}: the name is that of a Python file: small letters, digits and _, beginning with a letter")
    if name in RESERVED:
        raise UserError(f"{where}: the word has a meaning of its own in suites; name another")
    if name in plugins.names(kind):
        raise UserError(f"{where}: a plug-in has this name already; name another")


def _class_name(name: str) -> str:
    """deep_cross_2 -> DeepCross2"""
    return "".join(part.capitalize() for part in name.split("_"))
