"""One version, the one in pyproject.toml, wherever it is written or printed."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import pytest

from benchmark import commandline

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def written(file: str, pattern: str) -> list[str]:
    return re.findall(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_citation_has_the_project_s_version_and_licence() -> None:
    assert written("CITATION.cff", r"^version: (.+)$") == [PROJECT["version"]]
    assert written("CITATION.cff", r"^license: (.+)$") == [PROJECT["license"]]


def test_the_citation_has_the_day_of_that_version() -> None:
    dates = dict(re.findall(r"^## \[(.+)\] - (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert written("CITATION.cff", r"^date-released: (.+)$") == [dates[PROJECT["version"]]]


def test_the_readme_names_the_wheel_of_the_project_s_version() -> None:
    assert written("README.md", r"embedding_collapse_benchmark-(\d.*?)-py3-none-any\.whl") == [PROJECT["version"]]


def test_the_newest_version_of_the_changelog_is_the_project_s() -> None:
    headings = written("CHANGELOG.md", r"^## (.+)$")
    assert headings[0] == "[Unreleased]"
    versions = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:]]
    found = [match[1] for match in versions if match]
    assert len(found) == len(versions) and found[0] == PROJECT["version"]
    assert found == sorted(found, key=lambda version: [int(part) for part in version.split(".")], reverse=True)


def test_the_version_without_an_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> NoReturn:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert commandline.version() == PROJECT["version"]
    monkeypatch.setattr(commandline, "PACKAGE", tmp_path / "benchmark")
    assert commandline.version() == "unknown"


def test_version_prints_name_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        commandline.parse(["--version"])
    assert stopped.value.code == 0 and capsys.readouterr().out == f"{PROJECT['name']} {commandline.version()}\n"
