"""A data set's name -> its prepared folder: what trials and cells ask for."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from benchmark import plugins
from benchmark.data.store import Prepared, folder_of, open_prepared, prepared_names
from benchmark.discovery import one_of_plugins
from benchmark.errors import UserError
from benchmark.settings import but_defaults, from_record
from benchmark.values import to_text


def ensure_recorded(name: str, recorded: Mapping[str, Any]) -> Prepared:
    """``ensure_prepared`` by the options as a cell names them (``Prepared.recorded``)."""
    known = name in plugins.names("datasets")
    return ensure_prepared(name, from_record(plugins.plugin("datasets", name), recorded) if known else recorded)


def known_dataset(name: str, known: Collection[str], where: str) -> str:
    """``name`` if it is one of ``known``. Raises UserError with the nearest one, or, for a file, with what makes a data set of it."""
    if name not in known and os.path.exists(name):  # of any text, which Path.exists is not
        what = f"{name} is a file or folder, and no data set yet; `python -m benchmark prepare {name}` makes one of it"
        raise UserError(f"{where}: {what}, and says its name")
    return one_of_plugins("data set", name, known, where, "datasets")


def ensure_prepared(name: str, options: Mapping[str, Any]) -> Prepared:
    """The prepared data set of that name: a plug-in's, or a user's file prepared under its own name.

    An embedded data set is prepared here and now. Raises UserError: unknown name, not prepared, other encoder version.
    """
    plug_ins = plugins.names("datasets")
    if name in plug_ins:
        options = but_defaults(plugins.plugin("datasets", name), options)
    if name in plug_ins and plugins.plugin("datasets", name).embedded:
        from benchmark.data.prepare import prepare  # only here: it imports Polars

        return prepare(name, options, None)
    folder = folder_of(name, options)
    if (folder / "schema.json").exists():
        return open_prepared(folder)
    known_dataset(name, {*plug_ins, *prepared_names()}, "data sets")
    flags = "".join(f" --{option.replace('_', '-')} {to_text(value)}" for option, value in options.items())
    which = f" with the options {dict(options)}" if options else ""
    raise UserError(
        f"data set {name} is not prepared{which}: run `python -m benchmark prepare {name}{flags}`, with --from FOLDER if you have its files"
    )
