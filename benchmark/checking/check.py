"""A plug-in's name -> what was found, one line after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmark import plugins
from benchmark.checking.backbones import check_backbone
from benchmark.checking.datasets import check_dataset
from benchmark.checking.finding import Finding
from benchmark.checking.methods import check_method
from benchmark.discovery import KINDS, SINGULAR, Kind, file_of
from benchmark.errors import UserError
from benchmark.faults import shown
from benchmark.values import one_of


def kind_of(name: str, kind: Kind | None) -> Kind:
    """Raises UserError for a name that no plug-in has, or several kinds have."""
    found = [one for one in KINDS if name.partition(":")[0] in plugins.names(one) and kind in (None, one)]
    if len(found) == 1:
        return found[0]
    if found:
        kinds = " or ".join(f"--kind {SINGULAR[one].replace(' ', '')}" for one in found)
        raise UserError(f"check {name}: several plug-ins have this name; add {kinds}")
    one_of("plug-in", name, {one for k in KINDS if kind in (None, k) for one in plugins.names(k)}, "check")
    raise UserError(f"check {name}: no plug-in has this name")


def check(
    name: str,
    kind: Kind | None = None,
    origin: Path | None = None,
    beside: Sequence[str] | None = None,
    presets: bool = True,
    cost: bool = True,
) -> Iterator[Finding]:
    """All findings about a plug-in, as they come. ``beside``: the backbones that a method is checked with, or the
    methods that a backbone is; None: every backbone, and METHODS of benchmark/checking/backbones.py.

    On one thread: a machine's other work, and its number of cores, change no number. Raises UserError: no such plug-in.
    """
    kind = kind_of(name, kind)
    if origin is not None and kind != "datasets":
        raise UserError(f"check {name}: --from is for data sets only; leave it out")
    path = file_of(kind, name)
    try:
        owner = plugins.plugin(kind, name)
    except UserError as error:
        if ":" in name and name.partition(":")[0] in plugins.names(kind):
            plugins.plugin(kind, name.partition(":")[0])  # the file is sound: no such preset is the user's mistake
            raise
        yield Finding("FAILED", "file", str(error))
        return
    if origin is not None and owner.embedded:
        raise UserError(f"check {name}: it is generated, and has no files; leave --from out")
    yield Finding("ok", "file", f"{shown(str(path))}: one {SINGULAR[kind]}, {owner.__name__}: {owner.summary}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if kind == "methods":
            yield from check_method(name, beside, presets, cost)
        elif kind == "backbones":
            yield from check_backbone(name, beside, cost)
        else:
            yield from check_dataset(name, origin)
    finally:
        torch.set_num_threads(threads)
