"""`ui` listens where it says, is one process, and ends soon after Ctrl-C, also while a browser holds its connection."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from listening import listening, tree

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_ui_is_one_process_on_one_port(tmp_path: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copyfile(empty_mlflow, tmp_path / "mlflow.db")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmark", "ui", "--results", str(tmp_path), "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            answers = _held_open(process, port)
            assert [(str(entry.address), entry.port) for entry in listening(process.pid)] == [("127.0.0.1", port)]
            assert len(list(tree(process.pid))) == 1, "MLflow's runners of jobs are eight more, and 1.2 GB"
            started = time.monotonic()
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
            assert time.monotonic() - started < 5
            _, err = process.communicate()
            assert "Traceback" not in err
            answers.close()
        finally:
            process.kill()
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "| `ui` | 127.0.0.1:5000, or `--host` and `--port` |" in text


def _held_open(process: subprocess.Popen[str], port: int) -> http.client.HTTPConnection:
    """A connection that has answered and stays."""
    until = time.monotonic() + 120
    while True:
        assert process.poll() is None and time.monotonic() < until
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/health")
            assert connection.getresponse().read() == b"OK"
            return connection
        except ConnectionRefusedError:
            connection.close()
            time.sleep(0.1)
