"""Which plug-ins are this project's: those in its own folders that git tracks. House rules bind them, no file that somebody tries out."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from benchmark import plugins
from benchmark.discovery import HOME, Kind, file_of

ROOT = Path(__file__).parents[1]


@cache
def tracked_files() -> frozenset[str]:
    """Relative to the checkout; every file where this is none of git."""
    if not (ROOT / ".git").exists():
        return frozenset(str(path.relative_to(ROOT)) for folder in HOME.values() for path in folder.rglob("*.py"))
    listed = subprocess.run(["git", "ls-files", "-z", *map(str, HOME.values())], cwd=ROOT, capture_output=True, text=True, check=True)
    return frozenset(filter(None, listed.stdout.split("\0")))


def is_tracked(kind: Kind, name: str) -> bool:
    path = file_of(kind, name)
    return path.is_relative_to(ROOT) and str(path.relative_to(ROOT)) in tracked_files()


def own(kind: Kind) -> list[str]:
    """The plug-ins in this project's own folder, tracked or not; private ones are not the house's."""
    return [name for name in plugins.names(kind) if file_of(kind, name).is_relative_to(HOME[kind])]


def house_backbones() -> list[str]:
    """For tests that know a backbone's sizes, or what a method makes of it."""
    return [name for name in plugins.names("backbones") if is_tracked("backbones", name)]
