"""A plug-in's name -> what was found, one line after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark import plugins
from benchmark.checking.backbones import check_backbone
from benchmark.checking.datasets import check_dataset
from benchmark.checking.finding import Finding
from benchmark.checking.methods import check_method
from benchmark.discovery import KINDS, SINGULAR, Kind, file_of, one_of_plugins
from benchmark.errors import UserError
from benchmark.faults import shown
from benchmark.surroundings import as_they_were
from benchmark.training.torch_state import standard_state


def kind_of(name: str, kind: Kind | None) -> Kind:
    """Raises UserError for a name that no plug-in has, or several kinds have."""
    found = [one for one in KINDS if name.partition(":")[0] in plugins.names(one) and kind in (None, one)]
    if len(found) == 1:
        return found[0]
    if found:
        kinds = " or ".join(f"--kind {SINGULAR[one].replace(' ', '')}" for one in found)
        raise UserError(f"check {name}: several plug-ins have this name; add {kinds}")
    wanted = [one for one in KINDS if kind in (None, one)]
    one_of_plugins("plug-in", name, {one for k in wanted for one in plugins.names(k)}, "check", *wanted)
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

    On one thread: a machine's other work, and its number of cores, change no number. Torch is as in a trial, and afterwards as it was: what
    a plug-in sets for the whole process reaches neither what is found of it nor the next one. Raises UserError: no such plug-in.
    """
    kind = kind_of(name, kind)
    if origin is not None and kind != "datasets":
        raise UserError(f"check {name}: --from is for data sets only; leave it out")
    with as_they_were() as process, standard_state(1) as at_import:
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
        summary = " ".join(owner.summary.split())  # one of several lines is a finding of its own
        place = shown(str(file_of(kind, name)))
        yield Finding("ok", "file", f"{place}: one {SINGULAR[kind]}, {owner.__name__}: {summary}")
        set_by_import = at_import()
        with standard_state(1) as meanwhile:
            if kind == "methods":
                yield from check_method(name, beside, presets, cost)
            elif kind == "backbones":
                yield from check_backbone(name, beside, cost)
            else:
                yield from check_dataset(name, origin)
            set_meanwhile = meanwhile()
        if moved := process():
            yield Finding("note", "process", f"{place}: it changes {moved} of the process; that is put back after every trial")
        for when, changed in (("its import", set_by_import), ("what it does", set_meanwhile)):
            if changed:
                advice = "set it around the part that needs it; it is put back for every trial"
                yield Finding("note", "torch", f"{place}: {when} changes torch for the whole process: {'; '.join(changed)}: {advice}")
