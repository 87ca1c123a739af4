"""Building a model to see whether it can be built: on the meta device, where nothing has values, and without working any out."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from benchmark.discovery import KINDS
from benchmark.errors import Incompatible, UserError

Built = TypeVar("Built")
CONSTANTS = {torch.arange, torch.eye, torch.linspace, torch.tril_indices, torch.triu_indices}
LARGEST = 10**7  # numbers of a constant that is made: 40 MB
PLUGINS = tuple(f"benchmark.{kind}." for kind in KINDS)
IN_PLACE = {torch.Tensor.normal_, *(getattr(nn.init, name) for name in dir(nn.init) if name.endswith("_") and not name.startswith("_"))}


@contextmanager
def forgotten() -> Iterator[None]:
    """What functions of plug-ins keep by ``functools.cache`` from within is forgotten afterwards: tensors without values are of no use to
    a training, and a constant that is made once may be one.
    """
    caches = _caches()
    before = [cache.cache_info().misses for cache in caches]
    try:
        yield
    finally:
        for cache, misses in zip(caches, before, strict=True):
            if cache.cache_info().misses != misses:
                cache.cache_clear()


def _caches() -> list[Any]:
    """Of the plug-ins that are imported, and of what they import from their folder; of classes in a script or a notebook, too."""
    modules = [vars(module) for name, module in list(sys.modules.items()) if name == "__main__" or name.startswith(PLUGINS)]
    found = [value for names in modules for value in names.values()]
    found += [value for owner in found if isinstance(owner, type) for value in vars(owner).values()]
    plain = [value.__func__ if isinstance(value, staticmethod | classmethod) else value for value in found]
    return [value for value in plain if isinstance(value, functools._lru_cache_wrapper)]


class TooLarge(MemoryError):
    """A constant of more than ``LARGEST`` numbers."""


def without_values(build: Callable[[], Built], exact: bool = False) -> Built:
    """``build()`` where the default device is "meta". torch's own way to leave out values imports its compiler, two seconds before a
    run; so what models are commonly made of is left out here, and only a model that cannot be built so is built in torch's way. Large
    constants have no values then; ``exact``: raises TooLarge for a model that has such.
    """
    try:
        with _Unfilled():
            return build()
    except (Incompatible, UserError):
        raise
    except Exception as error:  # as where a constant meets a parameter
        if exact and isinstance(error, TooLarge):
            raise
        return build()


class _Unfilled(TorchFunctionMode):
    """Small constants are made as ever, on the CPU; what is drawn or scaled on the meta device has its shape only."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if "out" in kwargs and func in CONSTANTS and kwargs["out"].is_meta:
            return kwargs["out"]
        if func in CONSTANTS and kwargs.get("device") is None:
            if _numbers(func, *args, **kwargs) > LARGEST:
                raise TooLarge(f"{func.__name__}{args}")
            return func(*args, **{**kwargs, "device": "cpu"})
        if func is torch.randn and kwargs.get("device") is None:
            return torch.empty(*args, **{name: value for name, value in kwargs.items() if name != "generator"})
        if args and isinstance(args[0], torch.Tensor) and args[0].is_meta:
            if func in IN_PLACE:
                return args[0]
            if func is functional.normalize:
                return torch.empty(args[0].shape, dtype=args[0].dtype)
        return func(*args, **kwargs)


def _numbers(func: Callable[..., Any], *args: Any, **named: Any) -> float:
    """How many numbers a constant has, at most. torch's own answer, on the meta device, imports its compiler."""

    def at(place: int, name: str, default: float = 0) -> float:
        return float(args[place] if place < len(args) else named.get(name, default))

    if func is torch.eye:
        return at(0, "n") * at(1, "m", at(0, "n"))
    if func is torch.linspace:
        return at(2, "steps")
    if func is torch.arange:  # its one argument is the end
        only = len(args) == 1 and "end" not in named
        start, end = (0.0, at(0, "end")) if only else (at(0, "start"), at(1, "end"))
        return (end - start) / at(1 if only else 2, "step", 1)
    return 2 * at(0, "row") * at(1, "col")
