"""The examples of the README and of docs/plugins.md, pasted into a fresh checkout: they pass ``check``, and every test stays green.

The checkout is this one as it stands, and git tracks in it what it tracks here: the three files are new to git, as they are to whoever
pastes one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import commandline
from benchmark.__main__ import main

ROOT = Path(__file__).parents[1]
README, PAGE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/plugins.md"))
PLACES = {"apart": "methods", "gated_rows": "benchmark/backbones", "odd_even": "datasets"}
# Those that run over the plug-ins found are run for the three names only.
ENUMERATING = (
    "tests/checking/test_check.py",
    "tests/golden/test_golden.py",
    "tests/methods",
    "tests/ops/test_models.py",
    "tests/training/test_trial.py",
)
LITTER = {".venv", ".cache", "__pycache__"}
WHOLE = ("tests/test_house.py", "tests/test_plugins.py", "tests/test_readme.py", "tests/test_floors.py")


def examples() -> dict[str, str]:
    """Name of the plug-in -> its file, as the text before the block names it."""
    found = {}
    for text in (README, PAGE):
        for place, code in re.findall(r"`((?:methods|benchmark/backbones|datasets)/\w+\.py)`:\n\n```python\n(.*?)```", text, re.DOTALL):
            assert len(code.splitlines()) <= 45
            found[Path(place).stem] = code
            assert str(Path(place).parent) == PLACES[Path(place).stem]
    return found


def ran(command: list[str], folder: Path, given: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "BENCHMARK_PLUGINS", "BENCHMARK_CACHE")}
    done = subprocess.run(command, cwd=folder, env=environment, input=given, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    tracked = everything = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not LITTER & set(path.parts)]
    if (ROOT / ".git").exists():
        tracked, everything = (ran(["git", "ls-files", "-z", *which], ROOT).split("\0") for which in ((), ("-co", "--exclude-standard")))
    for name in filter(None, everything):
        if (ROOT / name).is_file():  # one that is deleted may still be tracked
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    ran(["git", "init", "--quiet"], folder)
    there = "\0".join(name for name in tracked if name and (folder / name).is_file())
    ran(["git", "add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul"], folder, there)
    for name, code in examples().items():
        (folder / PLACES[name] / f"{name}.py").write_text(code, encoding="utf-8")
    return folder


def test_the_pages_have_an_example_of_each_kind() -> None:
    assert set(examples()) == set(PLACES)


@pytest.mark.parametrize("name", PLACES)
def test_an_example_passes_check(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / Path(PLACES[name]).name
    folder.mkdir()
    (folder / f"mine_{name}.py").write_text(examples()[name])
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    assert main(["check", f"mine_{name}"]) == 0
    shown = capsys.readouterr().out
    assert "FAILED" not in shown and "inert" not in shown


def test_every_command_line_of_the_page_parses() -> None:
    lines = re.findall(r"^    python -m benchmark (.*?)(?:  +#.*)?$", PAGE, re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        commandline.parse(line.split())


def test_every_file_the_page_points_to_is_there() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert targets
    for target in targets:
        assert (ROOT / "docs" / target).exists(), target


@pytest.mark.long
def test_pasted_files_leave_the_tests_green(checkout: Path) -> None:
    """What the house asks for besides is said at the end, and fails nothing."""
    pytest_ = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    shown = ran([*pytest_, *ENUMERATING, "-k", " or ".join(PLACES)], checkout)
    assert int(re.findall(r"(\d+) passed", shown)[-1]) >= 15
    shown = ran([*pytest_, *WHOLE], checkout)
    for name, missing in (("apart", "add a row to the table in docs/methods.md"), ("gated_rows", "write its formula as plain loops into")):
        [line] = [line for line in shown.splitlines() if f"{name}.py: git does not track it; before it does, {missing}" in line]
        assert str(checkout) in line


def test_a_tracked_file_is_held_to_the_rules_of_the_house(checkout: Path) -> None:
    ran(["git", "add", "methods/apart.py"], checkout)
    try:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_house.py", "-k", "apart"]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=600)
        assert done.returncode == 1 and "apart.py: add a row to the table in docs/methods.md" in done.stdout
    finally:
        ran(["git", "rm", "--cached", "--quiet", "methods/apart.py"], checkout)
