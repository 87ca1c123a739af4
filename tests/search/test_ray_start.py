"""Ray as a run starts it: where it listens, with how many CPUs, in which folder, with whose token; and what is said where it cannot."""

from __future__ import annotations

import importlib
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import standin_search as standin
from listening import listening

from benchmark.errors import UserError
from benchmark.search.leftovers import PREFIX

SECURITY = (standin.ROOT / "SECURITY.md").read_text(encoding="utf-8")
# How the commands of the processes that listen begin, and their names in SECURITY.md.
LISTENERS = {
    "gcs_server": "gcs_server",
    "raylet ": "raylet",
    "ray::": "workers",
    "RuntimeEnvAgent": "runtime environment agent",
    "standin_search.py": "driver",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, without Ray's settings of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def ray_start() -> Any:
    importlib.import_module("benchmark.search.ray_tune")  # the first: it sets Ray's environment
    return importlib.import_module("benchmark.search.ray_start")


def start(results: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, standin.__file__, str(results), "ray", "1", "1", "0.5"]
    return subprocess.Popen(
        command,
        cwd=standin.ROOT,
        env={**os.environ, "PYTHONPATH": str(standin.ROOT), **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.long
def test_only_this_machine_reaches_a_run_and_it_leaves_nothing(home: Path, tmp_path: Path) -> None:
    log, temporary = tmp_path / "log", Path(tempfile.mkdtemp(dir="/tmp", prefix="t"))
    long = temporary / ("x" * 85)
    long.mkdir()
    settings = {"STANDIN_LOG": str(log), "STANDIN_EPOCH_SECONDS": "2", "TMPDIR": str(long), "SLURM_CPUS_PER_TASK": "1"}
    before = set(Path("/tmp").glob(f"{PREFIX}*"))
    driver = start(tmp_path / "results", **settings)
    try:
        until = time.monotonic() + 120
        while not log.exists():
            assert driver.poll() is None and time.monotonic() < until, driver.communicate()
            time.sleep(0.05)
        found = listening(driver.pid)
        [folder] = [path for path in set(Path("/tmp").glob(f"{PREFIX}*")) - before if list(path.glob("*/session_*/sockets/*"))]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "other users' processes reach no socket in it"
        _, err = driver.communicate(timeout=120)
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
    assert driver.returncode == 0, err
    assert all(entry.is_local for entry in found), found
    names = {name for entry in found for begin, name in LISTENERS.items() if begin in entry.command}
    assert names == set(LISTENERS.values()) and all(any(begin in entry.command for begin in LISTENERS) for entry in found), found
    assert all(f"| {name} |" in SECURITY for name in names)
    workers = {line.split()[1] for line in log.read_text().splitlines()}
    assert len(workers) == 1, "SLURM leaves it one CPU"
    assert not home.exists() and not folder.exists() and not list(long.iterdir())
    long.rmdir()
    temporary.rmdir()


@pytest.mark.long
def test_a_cluster_that_wants_a_token(home: Path, tmp_path: Path) -> None:
    """Ray as it starts by itself; under `ray start --head` the same."""
    token = secrets.token_hex(32)
    said = {}
    with _head(token) as port:
        code = f"from benchmark.search.ray_tune import ray_start\nwith ray_start.connected('127.0.0.1:{port}'): print('connected')"
        for given in ("", "0" * 64, token):
            more = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": given} if given else {}
            command = [sys.executable, "-W", "ignore", "-c", code]
            done = subprocess.run(command, cwd=standin.ROOT, env={**os.environ, **more}, capture_output=True, text=True, timeout=120)
            assert "gcs_client.cc" not in done.stderr, "Ray's own words"
            said[given] = done.stdout + (done.stderr.splitlines() or [""])[-1].partition(": ")[2]
    asks = f"--address 127.0.0.1:{port}: the cluster asks for"
    do = "; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or the file ~/.ray/auth_token to the cluster's token"
    assert said == {"": f"{asks} a token{do}", "0" * 64: f"{asks} another token than this process has{do}", token: "connected\n"}


def test_what_answers_at_an_address(ray_start: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def answer(error: Exception | None) -> Callable[..., None]:
        def standalone(address: str, cluster: None, milliseconds: int) -> None:
            os.write(2, b"gcs_client.cc: Ray's own words")
            if error is not None:
                raise error

        return standalone

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        for error, words in (
            (ray_start.AuthenticationError("no"), "the cluster asks for a token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or the file"),
            (ray_start.RpcError("timed out"), "what answers there is no Ray cluster"),
        ):
            monkeypatch.setattr(ray_start, "InnerGcsClient", SimpleNamespace(standalone=answer(error)))
            with pytest.raises(UserError, match=words) as caught, ray_start.connected(address):
                pass
            assert str(caught.value).startswith(f"--address {address}: ") and "\n" not in str(caught.value)
    with pytest.raises(UserError, match="nobody answers there"), ray_start.connected(address):
        pass
    assert capfd.readouterr().err == ""


def test_a_token_of_the_runs_own_and_only_while_it_lasts(ray_start: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen() -> dict[str, str]:
        with ray_start._own_token():
            return {name: os.environ[name] for name in ray_start.TOKEN if name in os.environ}

    one, other = seen(), seen()
    assert one["RAY_AUTH_MODE"] == "token" and len(one["RAY_AUTH_TOKEN"]) == 64 and one != other
    assert not set(ray_start.TOKEN) & os.environ.keys() and not home.exists()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert seen() == {"RAY_AUTH_MODE": "disabled"}
    monkeypatch.setenv("RAY_AUTH_TOKEN", "mine")
    assert seen() == {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "mine"} and os.environ["RAY_AUTH_TOKEN"] == "mine"


def test_what_ray_is_started_with(ray_start: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.training.room._quotas", lambda groups, tree: iter([]))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    monkeypatch.setattr(ray_start.torch.cuda, "device_count", lambda: 4)
    before = ray_start.ray_constants.ENABLE_RAY_CLUSTER

    def started(cpus: int | None = None, gpus: int | None = None) -> dict[str, object]:
        with ExitStack() as stack:
            found: dict[str, object] = ray_start._local(stack, cpus, gpus)
            return found

    assert started()["num_cpus"] == 6 and "num_gpus" not in started() and started()["_node_ip_address"] == "127.0.0.1"
    assert started(2, 1)["num_cpus"] == 2 and started(2, 1)["num_gpus"] == 1 and started(9, 9)["num_gpus"] == 4
    assert started(gpus=0)["num_gpus"] == 0
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert started()["num_cpus"] == 3
    assert ray_start.ray_constants.ENABLE_RAY_CLUSTER is before


class _head:
    """Ray's GCS with a token, in a process of its own that ends with it."""

    CODE = """
import logging, sys
import ray
ray.init(address="local", include_dashboard=False, object_store_memory=80 * 2**20, num_cpus=1, logging_level=logging.CRITICAL)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""

    def __init__(self, token: str) -> None:
        environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_USAGE_STATS_ENABLED": "0"}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", self.CODE],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip().rpartition(":")[2]

    def __exit__(self, *error: object) -> None:
        self._process.communicate(timeout=60)


def test_a_folder_with_room_for_sockets(ray_start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen() -> str | None:
        with ExitStack() as stack:
            found: str | None = ray_start._folder(stack)
            assert found is None or (os.path.isdir(os.path.dirname(found)) and len(found) <= ray_start.LONGEST)
        assert found is None or not os.path.exists(os.path.dirname(found))
        return found

    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
    assert str(chosen()).startswith("/dev/shm/")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 85)))
    assert str(chosen()).startswith("/tmp/")
    monkeypatch.setattr(ray_start, "SHORT", ("/proc/a", "/proc/b"))
    with pytest.raises(UserError, match="RAY_TMPDIR"):
        chosen()
    monkeypatch.setenv("RAY_TMPDIR", "/dev/shm")
    assert str(chosen()).startswith("/dev/shm/")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="x" * 20) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        assert chosen() is None, "Ray's own place: /ray has room, a folder of the run's own has not"
    for long in ("/tmp/" + "x" * 85, "/" + "é" * 20_000):
        monkeypatch.setenv("RAY_TMPDIR", long)
        with pytest.raises(UserError, match="shorter") as caught:
            chosen()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    monkeypatch.setenv("RAY_TMPDIR", "/proc/nothing")
    with pytest.raises(UserError, match="RAY_TMPDIR"):
        chosen()
