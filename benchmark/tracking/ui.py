"""The command that serves a results folder's MLflow to a browser. Imports no mlflow: the server does that once."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from benchmark.errors import UserError
from benchmark.tracking import view
from benchmark.tracking.place import Stamp, embedded, tracking_uri, without_password

LOCAL = ("localhost", "127.0.0.1", "[::1]")


def ui_command(results: Path, host: str = "127.0.0.1", port: int = 5000) -> tuple[list[str], dict[str, str]]:
    """The command that serves the embedded store to a browser, and its environment: this process's, with telemetry
    and job runners off unless it says otherwise.

    Raises UserError: no store yet, port taken, a server elsewhere.
    """
    server = os.environ.get("MLFLOW_TRACKING_URI")
    if server:
        shown = without_password(server)
        raise UserError(f"MLFLOW_TRACKING_URI is set: browse {shown} itself, or unset it to see the store in {results}")
    if not embedded(results).exists() and not any((results / "records").glob("*.json")):
        raise UserError(f"{results}: no mlflow.db there yet; start a run, or make it from the records with `python -m benchmark track`")
    if not 0 < port < 65536:
        raise UserError(f"--port {port}: a port is a number from 1 to 65535")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family):
            pass
    except OSError as error:
        raise UserError(f"{host}:{port}: cannot listen there ({error.strerror}); choose another with --port") from None
    # What `mlflow server` itself starts, by the way in which it says what to serve: the command imports all of mlflow to do so, and takes
    # as long as the server.
    command = [sys.executable, "-W", "ignore", "-m", "uvicorn", "--factory", "benchmark.tracking.served:app", "--host", host]
    command += ["--port", str(port)]
    served = {
        "BENCHMARK_UI_RESULTS": str(results.absolute()),
        "_MLFLOW_SERVER_FILE_STORE": tracking_uri(results),
        "_MLFLOW_SERVER_REGISTRY_STORE": tracking_uri(results),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": (results / "artifacts").absolute().as_uri(),
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(allowed(host, port)),
    }
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return [*command, "--log-level", "warning", "--timeout-graceful-shutdown", "2"], {**quiet, **os.environ, **served}


def allowed(host: str, port: int) -> list[str]:
    """Names under which MLflow answers; others are refused, against DNS rebinding. For all interfaces (0.0.0.0, ::) this machine's."""
    shown = f"[{host}]" if ":" in host else host
    names = [*LOCAL, shown]
    if host in ("0.0.0.0", "::", ""):
        names += [socket.gethostname(), socket.getfqdn(), *_addresses()]
    return [entry for name in dict.fromkeys(names) for entry in (name, f"{name}:{port}")]


def _addresses() -> list[str]:
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        return []
    return [f"[{address}]" if ":" in address else address for address in sorted(found)]


def boards(stamp: Stamp, server: str) -> dict[str, str]:
    """Data set -> where a browser finds its leaderboard when ``server`` (http://host:port) serves the store."""
    return {name: view.address(server, number) for name, number in sorted(stamp.experiments().items())}
