"""Downloads through huggingface_hub from a local server, each in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import random
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import IO, cast

import pytest
from data.hub_server import FOREVER, Fault, Hub, serve

REPO, FILE = "toy/clicks", "parts/train.csv"
DATA = random.Random(0).randbytes(300_000)
HALF = len(DATA) // 2

# A process that has imported torch and all, but not huggingface_hub, which reads the environment when imported. It forks a child for
# each download: one that started from nothing would take seconds.
NURSERY = """
import json, os, signal, sys, traceback
import httpx2  # the slowest part of importing huggingface_hub, and it reads no environment
from benchmark.errors import UserError
from benchmark.data import download
assert "huggingface_hub" not in sys.modules, "importing it takes a second, which most commands would spend for nothing"
for line in sys.stdin:
    order = json.loads(line)
    if "wait" in order:
        print(os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]), flush=True)
    elif pid := os.fork():
        print(pid, flush=True)
    else:
        os.environ.clear()
        os.environ.update(order["environment"])
        for number, path in enumerate((os.devnull, order["out"], order["err"])):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOCTTY), number)
        download.WAITS = (0.02, 0.04)
        signal.alarm(60)  # an endless try fails its test and holds up no other
        try:
            exec(order["code"])
            status = 0
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(status)
"""

FETCH = """
try:
    print(download.fetch(*NAMES))
except UserError as error:
    print(error, file=sys.stderr)
    sys.stderr.flush()
    os._exit(2)
"""


@dataclass
class Child:
    pid: int
    out: Path
    err: Path


@dataclass
class Result:
    status: int
    out: str
    err: str

    @property
    def path(self) -> Path:
        assert self.status == 0, self.err
        return Path(self.out.strip())

    @property
    def complaint(self) -> str:
        """The UserError's message."""
        assert self.status == 2, self.err
        assert not self.out
        last = self.err.splitlines()[-1]
        assert self.err.endswith(last + "\n")
        return last


class Nursery:
    """Starts downloads with this test's hub and cache."""

    def __init__(self, orders: IO[str], answers: IO[str], hub: Hub, folder: Path) -> None:
        self._orders, self._answers, self._hub, self._folder, self._children = orders, answers, hub, folder, 0
        self.home = folder / "home"

    def start(self, repo: str = REPO, file: str = FILE, before: str = "", err: str = "", **environment: str) -> Child:
        self._children += 1
        out = self._folder / f"{self._children}.out"
        child = Child(0, out, Path(err) if err else out.with_suffix(".err"))
        order = {"code": f"NAMES = {(repo, file)}\n{dedent(before)}\n{FETCH}", "out": str(child.out), "err": str(child.err)}
        child.pid = self._ask(order | {"environment": self._hub.environment(self.home) | environment})
        return child

    def wait(self, child: Child) -> Result:
        status = self._ask({"wait": child.pid})
        return Result(status, child.out.read_text(), "" if child.err.is_char_device() else child.err.read_text())

    def fetch(self, repo: str = REPO, file: str = FILE, before: str = "", **environment: str) -> Result:
        return self.wait(self.start(repo, file, before, **environment))

    def partial(self) -> Path:
        """The one half-finished file in the cache."""
        (found,) = self.home.rglob("*.incomplete")
        return found

    def blobs(self) -> list[Path]:
        return [path for path in self.home.rglob("blobs/*") if path.suffix != ".incomplete"]

    def _ask(self, order: object) -> int:
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()
        return int(self._answers.readline())


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


@pytest.fixture(params=["plain"])
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    with serve({(REPO, FILE): DATA}, linked=request.param == "linked") as hub:
        yield hub


@pytest.fixture
def nursery(process: subprocess.Popen[str], hub: Hub, tmp_path: Path) -> Nursery:
    return Nursery(cast(IO[str], process.stdin), cast(IO[str], process.stdout), hub, tmp_path)


both = pytest.mark.parametrize("hub", ["plain", "linked"], indirect=True)


@both
def test_a_file_is_downloaded_once(hub: Hub, nursery: Nursery) -> None:
    first = nursery.fetch()
    assert first.path.read_bytes() == DATA
    assert first.path.is_relative_to(nursery.home)
    assert first.path.parts[-2:] == ("parts", "train.csv")
    assert not first.err
    assert [asked.range for asked in hub.downloads] == [None]
    requests = len(hub.requests)

    assert nursery.fetch().path == first.path
    assert len(hub.requests) == requests


@pytest.mark.parametrize("hub", ["linked"], indirect=True)
def test_the_token_is_for_the_hub_alone(hub: Hub, nursery: Nursery) -> None:
    assert nursery.fetch(HF_TOKEN="hf_secret").path.read_bytes() == DATA
    (download,) = hub.downloads
    assert download.authorization is None
    assert {asked.authorization for asked in hub.requests if asked.path.startswith("/datasets/")} == {"Bearer hf_secret"}


@both
def test_a_broken_connection_is_resumed(hub: Hub, nursery: Nursery) -> None:
    hub.faults.append(Fault(cut=HALF))
    result = nursery.fetch()
    assert result.path.read_bytes() == DATA
    first, second = hub.downloads
    assert (first.range, second.range) == (None, f"bytes={HALF}-")
    assert hub.sent == len(DATA)
    assert result.err.count("trying again in 0.02 s\n") == 1 == result.err.count("\n")


def test_waits_start_anew_when_bytes_were_gained(hub: Hub, nursery: Nursery) -> None:
    """Eight breaks with two waits: a long download over a bad line arrives."""
    hub.faults.append(Fault(cut=len(DATA) // 10, times=8))
    assert nursery.fetch().path.read_bytes() == DATA
    assert len(hub.downloads) == 9
    assert hub.sent == len(DATA)


def test_a_server_without_ranges_sends_all_again(hub: Hub, nursery: Nursery) -> None:
    hub.faults += [Fault(cut=HALF), Fault(whole=True)]
    assert nursery.fetch().path.read_bytes() == DATA
    assert [asked.range for asked in hub.downloads] == [None, f"bytes={HALF}-"]

    hub.files[REPO, "other.csv"] = DATA[::-1]
    hub.faults.append(Fault(cut=HALF, whole=True, times=FOREVER))  # never more than half of it: an end to the tries all the same
    assert "keeps failing" in nursery.fetch(file="other.csv").complaint


@both
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_ends_half_way_is_taken_up_by_the_next(hub: Hub, nursery: Nursery, ending: signal.Signals) -> None:
    hub.faults.append(Fault(stall=HALF))
    child = nursery.start()
    hub.wait_until(lambda: any(path.stat().st_size >= HALF // 2 for path in nursery.home.rglob("*.incomplete")))
    os.kill(child.pid, ending)
    result = nursery.wait(child)
    assert result.status == {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 1}[ending]
    assert ending == signal.SIGKILL or result.err.endswith("KeyboardInterrupt\n")
    assert not result.out
    held = nursery.partial().stat().st_size
    assert HALF // 2 <= held <= HALF

    assert nursery.fetch().path.read_bytes() == DATA
    assert [asked.range for asked in hub.downloads] == [None, f"bytes={held}-"]
    assert not list(nursery.home.rglob("*.incomplete"))


def test_two_processes_download_it_once(hub: Hub, nursery: Nursery) -> None:
    hub.faults.append(Fault(stall=HALF))
    children = [nursery.start(), nursery.start()]
    hub.wait_until(lambda: len(hub.requests) == 3)  # two ask what there is, one for the bytes
    hub.released.set()
    assert [nursery.wait(child).path.read_bytes() for child in children] == [DATA, DATA]
    assert len(hub.downloads) == 1


def test_a_silent_connection_is_given_up_and_resumed(hub: Hub, nursery: Nursery) -> None:
    hub.faults.append(Fault(stall=HALF))
    result = nursery.fetch(HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert result.path.read_bytes() == DATA
    assert "timed out" in result.err
    assert [asked.range for asked in hub.downloads] == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 500), ("GET", 500), ("GET", 429)])
def test_server_errors_that_pass(hub: Hub, nursery: Nursery, method: str, status: int) -> None:
    hub.faults.append(Fault(method, status=status, times=2))
    result = nursery.fetch()
    assert result.path.read_bytes() == DATA
    assert result.err.count(f"HTTP {status}; trying again in ") == 2


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_server_errors_that_stay(hub: Hub, nursery: Nursery, method: str) -> None:
    hub.faults.append(Fault(method, status=500, times=FOREVER))
    complaint = nursery.fetch().complaint
    assert f"{FILE} of {REPO}: the download from {hub.url} keeps failing (HTTP 500)" in complaint
    assert "the same command resumes it" in complaint
    assert "--from FOLDER" in complaint
    assert [asked.method for asked in hub.requests].count(method) == 3


def test_after_server_errors_that_stay_the_same_call_resumes(hub: Hub, nursery: Nursery) -> None:
    hub.faults += [Fault(cut=HALF), Fault(status=502, times=3)]  # bytes were gained, so the two waits come once more
    assert "HTTP 502" in nursery.fetch().complaint
    assert nursery.fetch().path.read_bytes() == DATA
    assert hub.downloads[-1].range == f"bytes={HALF}-"
    assert hub.sent == len(DATA)


def test_no_server(nursery: Nursery) -> None:
    with serve({}) as gone:
        pass
    complaint = nursery.fetch(HF_ENDPOINT=gone.url).complaint
    assert f"the download from {gone.url} keeps failing (" in complaint
    assert "Connection refused" in complaint
    assert "--from FOLDER" in complaint


@pytest.mark.parametrize(
    ("repo", "file", "fault", "message"),
    [
        (REPO, "none.csv", None, "the dataset repository at {url} has no such file; check the name"),
        ("toy/none", FILE, None, "{url} has no such dataset repository, or it is private (HTTP 404)"),
        (REPO, FILE, Fault("HEAD", status=404), "{url} has no such dataset repository or file"),
        (
            REPO,
            FILE,
            Fault("HEAD", status=401),
            "{url} has no such dataset repository, or it is private (HTTP 401); check the name, log in",
        ),
        (REPO, FILE, Fault("HEAD", status=401, code="GatedRepo"), "{url} refuses access (HTTP 401); accept its terms"),
        (REPO, FILE, Fault("HEAD", status=403, code="GatedRepo"), "{url} refuses access (HTTP 403); accept its terms"),
        (REPO, FILE, Fault("GET", status=403), "{url} refuses access (HTTP 403)"),
        (REPO, FILE, Fault("GET", status=410), "{url} refuses the download (HTTP 410)"),
        (REPO, FILE, Fault("HEAD", bare=True), "{url} does not answer as a hub does; correct or unset HF_ENDPOINT"),
    ],
)
def test_what_another_try_would_not_change(hub: Hub, nursery: Nursery, repo: str, file: str, fault: Fault | None, message: str) -> None:
    if fault:
        fault.times = 1  # the parameters are shared between runs
        hub.faults.append(fault)
    result = nursery.fetch(repo, file)
    assert result.complaint.startswith(f"{file} of {repo}: {message.format(url=hub.url)}")
    assert result.complaint.endswith("--from FOLDER`")
    assert result.err == result.complaint + "\n"
    assert len(hub.requests) == (2 if fault and fault.method == "GET" else 1)


def test_an_address_that_is_none(nursery: Nursery) -> None:
    assert "nowhere is no web address; correct or unset HF_ENDPOINT" in nursery.fetch(HF_ENDPOINT="nowhere").complaint
    assert "is no web address" in nursery.fetch(HF_ENDPOINT="http://no\x7fwhere").complaint


def free(size: int) -> str:
    return f"""
        import shutil
        from types import SimpleNamespace
        shutil.disk_usage = lambda path: SimpleNamespace(total=10**12, used=0, free={size})
    """


def test_too_little_free_disk(hub: Hub, nursery: Nursery) -> None:
    hub.files[REPO, FILE] = data = DATA * 40  # 12 MB
    complaint = nursery.fetch(before=free(len(data) - 1)).complaint
    blobs = nursery.home / "hub" / "datasets--toy--clicks" / "blobs"
    assert complaint.startswith(f"{FILE} of {REPO}: needs 0.01 GB, and {blobs} has 0.01 GB free; free some space, set HF_HOME to ")
    assert not hub.downloads

    hub.faults += [Fault(cut=len(data) - 1000), Fault(status=500, times=3)]
    assert "HTTP 500" in nursery.fetch().complaint
    rest = len(data) - nursery.partial().stat().st_size  # what is there already needs no room any more
    hub.faults.clear()
    assert "GB free" in nursery.fetch(before=free(rest - 1)).complaint
    assert nursery.fetch(before=free(rest)).path.read_bytes() == data


def test_a_cache_that_cannot_be_written(hub: Hub, nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    complaint = nursery.fetch(HF_HOME=str(tmp_path / "file" / "home")).complaint
    assert complaint.startswith(
        f"{FILE} of {REPO}: downloading it into {tmp_path / 'file' / 'home' / 'hub'} failed ([Errno 20] Not a directory: "
    )
    assert not hub.downloads


def test_a_disk_that_fills_up_on_the_way(nursery: Nursery) -> None:
    limit = (
        f"import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, {(HALF, HALF)})"
    )
    assert "failed ([Errno 27] File too large)" in nursery.fetch(before=limit).complaint
    assert nursery.fetch().path.read_bytes() == DATA


def test_offline(hub: Hub, nursery: Nursery) -> None:
    complaint = nursery.fetch(HF_HUB_OFFLINE="1").complaint
    assert complaint.startswith(
        f"{FILE} of {REPO}: not in {nursery.home / 'hub'}, and HF_HUB_OFFLINE forbids downloading it; unset it, or "
    )
    assert not hub.requests
    path = nursery.fetch().path
    assert nursery.fetch(HF_HUB_OFFLINE="1").path == path


def test_a_cached_file_needs_no_hub(nursery: Nursery) -> None:
    path = nursery.fetch().path
    assert nursery.fetch(HF_ENDPOINT="http://127.0.0.1:9").path == path


@both
def test_a_short_answer_is_not_taken_for_the_file(hub: Hub, nursery: Nursery) -> None:
    hub.faults.append(Fault(short=HALF, times=FOREVER))
    complaint = nursery.fetch().complaint
    assert "keeps failing (150,000 of 300,000 bytes came)" in complaint
    assert not nursery.blobs()
    assert not list(nursery.home.rglob("train.csv"))

    hub.faults.clear()
    assert nursery.fetch().path.read_bytes() == DATA
    assert hub.downloads[-1].range == f"bytes={HALF}-"


@both
def test_damaged_bytes_are_not_taken_for_the_file(hub: Hub, nursery: Nursery) -> None:
    hub.faults.append(Fault(damaged=True))
    assert "arrived damaged" in nursery.fetch().complaint
    assert not [path for path in nursery.home.rglob("*") if path.is_file() and path.stat().st_size]
    assert nursery.fetch().path.read_bytes() == DATA


def test_a_half_finished_file_that_is_too_long_starts_over(hub: Hub, nursery: Nursery) -> None:
    hub.faults += [Fault(cut=HALF), Fault(status=500, times=3)]
    assert "HTTP 500" in nursery.fetch().complaint
    with nursery.partial().open("ab") as partial:
        partial.write(DATA)
    assert nursery.fetch().path.read_bytes() == DATA
    assert hub.downloads[-1].range is None


def test_an_empty_file(hub: Hub, nursery: Nursery) -> None:
    hub.files[REPO, "empty.csv"] = b""
    assert nursery.fetch(file="empty.csv").path.read_bytes() == b""


def test_a_terminal_shows_how_far_it_is(nursery: Nursery) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))  # a terminal without columns has no room for a bar
    os.set_blocking(ours, False)
    try:
        child = nursery.start(err=os.ttyname(theirs))
        assert nursery.wait(child).path.read_bytes() == DATA
        shown = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert f"{FILE} of {REPO}" in shown
    assert "/300k" in shown
