"""Ray started on this machine, where no other machine reaches it, or joined at an address. ray_tune.py sets Ray's environment before."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray
import torch
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config, InnerGcsClient  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RpcError

import benchmark
from benchmark.config import cache_folder
from benchmark.errors import UserError
from benchmark.search.leftovers import scratch
from benchmark.training.room import usable_cpus

TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
TMPDIR = "RAY_TMPDIR"
LONGEST = 107 - len("/session_2026-11-28_09-45-34_151131_1234567/sockets/plasma_store")  # bytes of Ray's folder: a socket's path has 107
SHORT = ("/tmp", "/var/tmp", "/dev/shm")  # where Ray's folder goes when TMPDIR is too long for it
ANSWER = 2000  # milliseconds for a cluster to answer


@contextmanager
def connected(address: str | None, cpus: int | None = None, gpus: int | None = None) -> Iterator[None]:
    """Ray with at most so many CPUs and GPUs of this machine, or the cluster at ``address``; afterwards it is ended, or left.

    Ray of this machine listens on the loopback interface only, asks for a token that is this run's own, and keeps its files in a folder
    that other users cannot enter: it leaves nothing in the home folder. Raises UserError.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        try:
            if address is None:
                options = _local(stack, cpus, gpus)
            else:
                _reach(address)
                options = {"address": address}
            stack.callback(ray.shutdown)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.init(**options, runtime_env={"env_vars": _environment()}, logging_level=logging.CRITICAL, log_to_driver=False)
        except AuthenticationError:
            raise _no_token(address) from None
        except (OSError, ValueError, RuntimeError) as error:
            where = f"--address {address}" if address else "Ray on this machine"
            raise UserError(f"{where}: cannot connect: {' '.join(str(error).split())[:300]}; --executor local works without Ray") from None
        yield


def _environment() -> dict[str, str]:
    """Of the workers: what plug-ins and data they find is what the driver finds; and what keeps their memory as large as a trial needs."""
    checkout = str(Path(benchmark.__file__).parents[1])
    paths = [checkout, *(p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != checkout)]
    private = [p for p in os.environ.get("BENCHMARK_PLUGINS", "").split(os.pathsep) if p]
    return {
        "BENCHMARK_CACHE": str(cache_folder()),
        # A worker has a new thread for each trial. Where Ray's own threads hold all heaps that glibc allows (8 a core), it gets the next
        # of them, where what the training has freed stays: on two cores a worker grew by some 20 MB with each trial.
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),
        "BENCHMARK_WITHOUT": os.environ.get("BENCHMARK_WITHOUT", ""),
        "BENCHMARK_PLUGINS": os.pathsep.join(str(Path(p).absolute()) for p in private),
        "PYTHONPATH": os.pathsep.join(str(Path(p).absolute()) for p in paths),
    }


def _local(stack: ExitStack, cpus: int | None, gpus: int | None) -> dict[str, Any]:
    """What Ray is started with here; ``stack`` takes it back."""
    stack.enter_context(_own_token())
    stack.enter_context(_loopback())
    folder = _folder(stack)
    return {
        # An instance of its own, also where one that a killed driver left behind is still around. Next to nothing goes through the object
        # store; its default is 30 % of the memory.
        "address": "local",
        "include_dashboard": False,
        "object_store_memory": 128 * 2**20,
        "num_cpus": usable_cpus(cpus),
        "_node_ip_address": "127.0.0.1",
        **({} if folder is None else {"_temp_dir": folder}),
        **({} if gpus is None else {"num_gpus": min(gpus, torch.cuda.device_count())}),
    }


@contextmanager
def _loopback() -> Iterator[None]:
    """Ray takes the loopback address for this machine's other one unless it believes that there are no clusters here, as on macOS."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _own_token() -> Iterator[None]:
    """Ray would make one in the home folder, for all that this user ever starts. Whoever has set any of ``TOKEN`` goes first."""
    before = {name: os.environ.get(name) for name in TOKEN}
    if not any(before.values()):
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    _look_again()
    try:
        yield
    finally:
        _set(before)
        _look_again()


def _set(environment: Mapping[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _look_again() -> None:
    """Ray keeps what it once found in the environment."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _folder(stack: ExitStack) -> str | None:
    """A folder of this run's own for Ray's sockets and logs; None: Ray's usual one under RAY_TMPDIR, which has no room for another level.

    Raises UserError where paths in RAY_TMPDIR are too long, or no folder can be written.
    """
    told = os.environ.get(TMPDIR)
    if told and len(os.fsencode(told)) + len("/ray") > LONGEST:
        shown = told if len(told) < 100 else f"{told[:50]}…"
        most = LONGEST - len("/ray")
        raise UserError(f"{TMPDIR}={shown}: {len(os.fsencode(told)):,} bytes; Ray's sockets leave it {most}, name a shorter folder")
    reasons = []
    for base in [told] if told else [tempfile.gettempdir(), *SHORT]:
        try:
            with ExitStack() as tried:
                found = str(Path(tried.enter_context(scratch(base)), "r"))  # one level below: Ray opens its own to all users
                if len(os.fsencode(found)) <= LONGEST:
                    stack.push(tried.pop_all())
                    return found
        except OSError as error:
            reasons.append(f"{base}: {error.strerror}")
        else:
            if told:
                return None
    raise UserError(f"Ray needs a folder with a short path that can be written ({'; '.join(reasons)}): name one in {TMPDIR}")


def _reach(address: str) -> None:
    """Ray itself tries an address where nobody answers, or wants a token, for minutes, and fills the terminal meanwhile. Raises UserError.

    Raises AuthenticationError where a token is missing or wrong.
    """
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator or not port.isdigit():
        return  # "auto" and the like
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            pass
    except (OSError, OverflowError) as error:
        raise UserError(f"--address {address}: nobody answers there ({error}); --executor local works without Ray") from None
    if address.startswith("ray://"):
        return
    try:
        with _silenced():
            InnerGcsClient.standalone(address, None, ANSWER)
    except RpcError:
        raise UserError(f"--address {address}: what answers there is no Ray cluster; name the port of its head, 6379 by default") from None


def _no_token(address: str | None) -> UserError:
    asks = "asks for another token than this process has" if AuthenticationTokenLoader.instance().has_token() else "asks for a token"
    where = f"--address {address}: the cluster" if address else "Ray on this machine"
    return UserError(f"{where} {asks}; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or the file ~/.ray/auth_token to the cluster's token")


@contextmanager
def _silenced() -> Iterator[None]:
    """Without what Ray's C++ code writes to stderr."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
