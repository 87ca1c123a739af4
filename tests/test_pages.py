"""The pages of docs/: every command line of theirs parses, every file and heading that they point to is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from benchmark import commandline

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
SUITES = sorted((ROOT / "benchmark" / "suites").glob("*.toml"))
COMMAND = re.compile(r"^(?:    |\$ |# +)python -m benchmark (.*?)(?: +[#(&].*)?$", re.MULTILINE)


def commands(path: Path) -> list[str]:
    """Those on lines of their own; a line that a backslash ends goes on in the next."""
    return COMMAND.findall(re.sub(r"\\\n *", "", path.read_text(encoding="utf-8")))


def headings(path: Path) -> set[str]:
    """As GitHub names them in an address."""
    lines = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-") for line in lines}


def test_commands_are_found() -> None:
    assert sum(len(commands(path)) for path in (*PAGES, *SUITES)) > 100


# The README's own test has the method that one of its lines names.
@pytest.mark.parametrize("path", [*PAGES[1:], *SUITES], ids=lambda path: path.name)
def test_every_command_line_parses(path: Path) -> None:
    for line in set(commands(path)):
        commandline.parse(shlex.split(line))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        name, _, heading = target.partition("#")
        there = path.parent / name if name else path
        if not name.startswith("http"):
            assert there.exists(), target
            assert not heading or heading in headings(there), target
