"""The control groups of this process, by which schedulers and containers limit what it may take (cgroups(7))."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

GROUPS, TREE = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def control_groups(controller: str, groups: Path = GROUPS, tree: Path = TREE) -> Iterator[tuple[Path, int]]:
    """Folders of the groups that ``controller`` ("cpu", "memory") has this process in, and of those above them, each with its version.

    In a container the tree begins at its own group, whatever path the process is said to have. A folder need not be there.
    """
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            roots, version = [tree, tree / "unified"], 2
        elif controller in controllers.split(","):
            roots, version = [tree / controllers, tree / controller], 1
        else:
            continue
        for root in roots:
            own = root / path.lstrip("/")
            yield from ((folder, version) for folder in (own, *own.parents) if folder.is_relative_to(root))


def words_of(path: Path) -> list[str]:
    """Of a file, separated by blanks; none where it is not there."""
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []
