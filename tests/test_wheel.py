"""The wheel, from a copy of the checkout to a run: it is whole, it holds nothing else, and it works where there is no checkout.

Nothing here needs the network: setuptools comes from the environment of the tests, and so does what the suite depends on.
"""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from benchmark.__main__ import main

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKED = {"benchmark": "benchmark", "methods": "benchmark/_builtin/methods", "datasets": "benchmark/_builtin/datasets"}
FEW_ROWS = "\n[options.datasets.synthetic]\nrows = 2000\n"


def executed(command: list[str | Path], folder: Path) -> str:
    """Standard output of a command that sees neither the checkout nor the user's settings of this suite."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("BENCHMARK_")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(folder: str) -> set[str]:
    """The files of a folder of the checkout, relative to it; without what Python, an editor or a file manager leaves behind."""
    paths = (path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {
        path.as_posix() for path in paths if "__pycache__" not in path.parts and not path.name.startswith(".") and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since a build leaves folders behind."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in (*PACKED, "tests", "docs"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, checkout)
    for litter in ("results/reference/script.py", "build/lib/benchmark/deleted_since_the_last_build.py"):
        (checkout / litter).parent.mkdir(parents=True)
        (checkout / litter).touch()
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "dist"]
    executed([sys.executable, "-m", "pip", "wheel", ".", *options], checkout)
    [built] = (checkout / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that has the wheel, and of the tests' environment the other packages."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    interpreter = folder / "bin" / "python"
    executed([sys.executable, "-m", "pip", "--python", interpreter, "install", "--no-deps", "--no-index", wheel], folder)
    # Only now, or pip would find this project installed already. Python reads no .pth files in a folder that a .pth file
    # names: the tests' environment may hold an editable installation, which is such a file.
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return interpreter


def test_the_wheel_holds_every_file_of_the_package_and_of_the_plugin_folders_and_no_other(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = {name.split(".dist-info/")[1]: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name}
    assert files == {f"{place}/{name}" for folder, place in PACKED.items() for name in contents(folder)}
    assert {f"benchmark/suites/{path.name}" for path in (ROOT / "benchmark" / "suites").iterdir()} <= files
    assert about["top_level.txt"].split() == ["benchmark"]
    assert about["licenses/LICENSE"] == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "License-Expression: MIT\n" in about["METADATA"]


def test_the_wheel_runs_where_there_is_no_checkout(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = Path(executed([python, "-c", "import benchmark; print(benchmark.__file__)"], tmp_path).strip()).parents[1]
    assert packages.is_relative_to(python.parents[1])
    benchmark: list[str | Path] = [python, "-m", "benchmark"]
    assert executed([*benchmark, "--version"], tmp_path) == f"{PROJECT['name']} {PROJECT['version']}\n"

    listed = executed([*benchmark, "list"], tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("BENCHMARK_CACHE", "BENCHMARK_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    assert main(["list"]) == 0 and listed == capsys.readouterr().out

    quick = (packages / "benchmark" / "suites" / "quick.toml").read_text(encoding="utf-8")
    (tmp_path / "short.toml").write_text(quick.replace("epochs = 6", "epochs = 1") + FEW_ROWS)
    shown = executed(
        [*benchmark, "run", "short.toml", "--backbones", "dcnv2", "--scales", "1", "--no-track", "--executor", "local"], tmp_path
    )
    assert "synthetic: 5 of 5 cells finished" in shown and "training.epochs=1" in shown
    assert {path.name for path in tmp_path.iterdir()} == {"short.toml", "results", ".cache"}
    records = [json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "results" / "records").iterdir()]
    assert [record["status"] for record in records] == ["finished"] * 5
    assert {record["trial"]["cell"]["method"] for record in records} == set(tomllib.loads(quick)["methods"])
