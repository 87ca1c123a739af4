"""Environment and working folder of the process, put back after foreign code: what comes next finds plug-ins, data and results by them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

OF_POLARS = "_RJEM_MALLOC_CONF"  # Polars, when it is imported, adds to what it finds there: under Ray to what the driver's Polars has set
OWN = "BENCHMARK_"  # what the suite reads from the environment begins with it


@contextmanager
def as_they_were(prefix: str = "") -> Iterator[Callable[[], str]]:
    """The working folder is afterwards what it was, and so is each variable of the environment whose name begins with ``prefix``. Yields
    a function that says what was changed; what a library adds to the environment is no reason to speak.
    """
    environment, folder = _environment(prefix), _folder()

    def changed() -> str:
        names = sorted(name for name, value in environment.items() if os.environ.get(name) != value and name != OF_POLARS)
        parts = [f"the environment ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"] if names else []
        return " and ".join([*parts, *(["the working folder"] if _folder() != folder else [])])

    try:
        yield changed
    finally:
        if (now := _environment(prefix)) != environment:
            for name in now.keys() - environment.keys():
                del os.environ[name]
            os.environ.update(environment)
        if _folder() != folder:
            with suppress(OSError):  # somebody has removed it
                os.chdir(folder)


def _environment(prefix: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(prefix)}


def _folder() -> str:
    """Empty where it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""
