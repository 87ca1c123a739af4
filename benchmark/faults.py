"""Where an exception comes from, and what a raw sentence of PyTorch means in the words of the contract."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
import traceback
from collections.abc import Collection
from pathlib import Path
from types import FrameType
from typing import Any

from benchmark.discovery import HOME, KINDS, private_folders
from benchmark.errors import UserError

PROJECT = Path(__file__).parent
FRAMES = 4  # the last ones are kept
CELL = "notebook cell"  # in the place of its file; the line counts from the cell's first
# Part of a message -> what to do. Each is a mistake that the contract of models rules out.
OF_SHAPES = "it was made when the model was built for its shapes only, and kept: make it anew in each build, or keep it by functools.cache"
MEANINGS = (
    ("meta tensor", OF_SHAPES),
    ("device meta", OF_SHAPES),
    (" and meta!", OF_SHAPES),
    (", meta and ", OF_SHAPES),
    ("before Module.__init__() call", "call super().__init__() first in __init__ of a model"),
    (
        "is being used in an in-place operation",
        "forward changes a parameter in place (the table?); write x = x + … instead of x += …",
    ),
    (
        "modified by an inplace operation",
        "a tensor that the gradient needs is changed in place; write x = x + … instead of x += …",
    ),
    ("Torch not compiled with CUDA", "a model does not choose its device: leave out .cuda() and .to(device), training moves it"),
    ("Found no NVIDIA driver", "a model does not choose its device: leave out .cuda() and .to(device), training moves it"),
    (
        "Expected all tensors to be on the same device",
        "make tensors on the input's device (device=x.device), or register them as buffers",
    ),
    ("grad can be implicitly created only for scalar", "the penalty must be a scalar: take its mean or sum"),
    (
        "index out of range in self",
        "ids are global, and those of scaled and multi-valued fields are no rows; a table of your own is parts.table(width)",
    ),
    ("cannot inherit non-frozen dataclass from a frozen one", "write @dataclass(frozen=True, kw_only=True)"),
    (
        "cannot assign to field",
        "a method or a recipe is frozen, its settings do not change; keep what is computed in the model that build returns",
    ),
    ("use default_factory", "not here: a setting is no list or dict, and one of several values is a tuple, tuple[int, ...] = (1, 2)"),
    ("is a field but has no type annotation", "write its type between name and =, as in weight: float = tuned(…)"),
    ("codec can't decode", "save the file as UTF-8"),
)


class ContractError(Exception):
    """A model does not do what benchmark/contracts.py says. ``where``: "file:line" of what is to be mended, if known."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


def line_in(error: BaseException, path: str) -> str:
    """ ":17", the last line of the file that the error passed through; empty where it did not."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f":{lines[-1]}" if lines else ""


def frames(error: BaseException, own: Collection[str] = ()) -> tuple[str, ...]:
    """The last frames inside plug-ins and this project, "file:line, in function", the innermost last.

    ``own``: further modules that count as plug-ins, those of classes that stand in a notebook or a script.
    """
    found = [
        f"{place}:{line}, in {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if (place := _shown(frame.f_code.co_filename) or _own(frame, own)) is not None
    ]
    return tuple(found[-FRAMES:])


def in_words(error: BaseException, own: Collection[str] = (), otherwise: str = "") -> str:
    """One line: the last line of a plug-in that the error passed through, the error, and what its sentence means for the contract.

    ``own``: as in ``frames``. ``otherwise``: the place to name for an error that passed through none, such as one of the backward pass.
    """
    place = blamed(error, own) or otherwise
    if isinstance(error, ContractError):
        place = error.where or place
    return f"{place}{place and ': '}{raised(error)}"


def raised(error: BaseException) -> str:
    """An error and what its sentence means for the contract, in one line."""
    text = " ".join(str(error).split())
    meaning = next((words for part, words in MEANINGS if part in text), "")
    what = text if isinstance(error, ContractError) else f"{type(error).__name__}{text and ': '}{text}"
    return f"{what.rstrip('.') if meaning else what}{meaning and ': '}{meaning}"


def named(value: object) -> str:
    """What is in the place of a part of a model."""
    if value is None:
        return "None"
    return f"the class {value.__name__}" if isinstance(value, type) else f"an object of the class {type(value).__name__}"


def blamed(error: BaseException, own: Collection[str] = ()) -> str:
    """ "file:line, in function" of the last frame in a plug-in's file, or in a module of ``own``; empty where there is none."""
    inside = [
        f"{place}:{line}, in {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if (place := _shown(file) if is_plugin(file := frame.f_code.co_filename) else _own(frame, own)) is not None
    ]
    return inside[-1] if inside else ""


def _own(frame: FrameType, own: Collection[str]) -> str | None:
    """What messages call the file of a frame in one of the modules ``own``: a cell of a notebook is no file. None elsewhere, and for
    functions that a dataclass writes: nobody can open them.
    """
    if frame.f_globals.get("__name__") not in own or frame.f_code.co_filename == "<string>":
        return None
    path = Path(frame.f_code.co_filename)
    return path.name if path.is_file() else CELL


def is_plugin(filename: str) -> bool:
    """Whether the file lies in a folder of plug-ins."""
    return any(Path(filename).is_relative_to(folder) for folder in _plugin_folders())


def _plugin_folders() -> list[Path]:
    try:
        private = private_folders()
    except UserError:
        private = []
    return [*HOME.values(), *(path / kind for path in private for kind in KINDS)]


def shown(filename: str) -> str:
    """A path as messages and records show it: without the folders of this machine where it lies in the project or among plug-ins."""
    return _shown(filename) or filename


def _shown(filename: str) -> str | None:
    path = Path(filename)
    for folder in (PROJECT, *_plugin_folders()):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder.parent))
    return None


def place_of(owner: Any, name: str = "") -> str:
    """ "file:line" of a class, or of what its body says of ``name``; of a function, or of the one inside a partial."""
    while isinstance(owner, functools.partial):
        owner = owner.func
    try:
        lines, first = inspect.getsourcelines(owner)
        path = inspect.getfile(owner)
    except (OSError, TypeError):  # typed in a notebook; an object that can be called
        return str(getattr(owner, "__name__", type(owner).__name__))
    body = ast.parse(textwrap.dedent("".join(lines))).body[0] if inspect.isclass(owner) else None
    if not isinstance(body, ast.ClassDef):
        return f"{shown(path)}:{first}"
    within = [n.lineno for n in body.body if name in (getattr(n, "name", None), *(t.id for t in _targets(n)))]
    return f"{shown(path)}:{first + (within[0] if within else body.lineno) - 1}"


def _targets(node: ast.stmt) -> list[ast.Name]:
    """The names that a statement gives a value or a type."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target for target in targets if isinstance(target, ast.Name)]
