"""What a run of chaos.py or soak.py stands on: a cluster, an MLflow server, a small disk. Each is real, here, and taken away after."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex * 2}  # of the cluster
SMALL = 1 << 20  # bytes of the disk
CLUSTER = """
import os, signal, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
print(cluster.address, nodes[1].all_processes["raylet"][0].process.pid, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


class ThreeNodes:
    """A Ray cluster on this machine, in a process of its own: a head and two more nodes with a CPU each."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-c", CLUSTER]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.address, pid = self._process.stdout.readline().split()
        self.raylet = int(pid)  # of the last node

    def end(self) -> None:
        self._process.communicate()


@contextmanager
def mlflow_server(folder: Path) -> Iterator[tuple[str, int]]:
    """Its address, and the process that leads its group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *store]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=folder
    )
    try:
        limit = time.monotonic() + 120
        while time.monotonic() < limit:
            with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=2):
                break
            time.sleep(0.2)
        yield address, server.pid
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.wait()


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """``folder`` as a file system of SMALL bytes; False where this user may not make one."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)], capture_output=True).returncode == 0
    try:
        yield made
    finally:
        if made:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
