"""MLflow's server with the project's own page beside it, at one address: ``/board``. ``ui`` starts it.

The page has what MLflow cannot show, figures and intervals; each of its rows leads to the cell's run, and the run's description back.
"""

from __future__ import annotations

import contextlib
import html
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from benchmark.commandline import DISTRIBUTION, version
from benchmark.errors import UserError
from benchmark.records import Store
from benchmark.reporting.page.report import page
from benchmark.tracking import view
from benchmark.tracking.place import Stamp
from benchmark.tracking.stores import opened

# MLflow's page opens its assistant on a browser's first visit, over a quarter of the board, unless its storage says that it has done so.
KEY = b"mlflow.assistant.fab.autoOpenedOnFirstLoad_v1"
FIRST_VISIT = b"<script>{const k='" + KEY + b"';localStorage.getItem(k)||localStorage.setItem(k,'true')}</script>"
RESULTS, HOSTS = "BENCHMARK_UI_RESULTS", "MLFLOW_SERVER_ALLOWED_HOSTS"  # environment: the folder; names under which pages are given
MEANWHILE = 6.0  # seconds after which the page is made, asked for or not: by then MLflow's own first page is out of the door
ASGI = Callable[..., Any]  # an application, and what it sends with


class Board:
    """The page of a results folder, made again when its records have changed."""

    def __init__(self, results: Path) -> None:
        self._results, self._lock = results, Lock()
        self._made: tuple[str, str] | None = None  # what the records looked like, and their page

    def html(self) -> str:
        with self._lock:
            store = Store(self._results)
            looks = store.fingerprint()
            if self._made is None or self._made[0] != looks:
                self._made = looks, page(store, str(store.folder), f"{DISTRIBUTION} {version()}", self._links(store))
            return self._made[1]

    def made_ready(self) -> None:
        """Before anybody asks. What makes it fail is said to who does."""
        with contextlib.suppress(Exception):
            self.html()

    def _links(self, store: Store) -> dict[str, str]:
        """Key of a cell -> where its run is, on this server."""
        numbers = Stamp(store, self._results).experiments()
        runs = {run.key.removeprefix("cell "): run.run_id for run in opened(self._results).known() if run.key.startswith("cell ")}
        cells = {entry.record.trial.cell.key: entry.record.trial.cell.dataset for entry in store.scan()[0]}
        return {key: view.run_address(numbers[dataset], runs[key]) for key, dataset in cells.items() if key in runs and dataset in numbers}


def beside(server: ASGI, board: Board, hosts: list[str]) -> ASGI:
    """An ASGI application: ``server`` but for /board, and with FIRST_VISIT in its page. ``hosts``: other names are refused, as MLflow
    refuses them (DNS rebinding).
    """

    async def answer(request: Request) -> Response:
        if request.headers.get("host") not in hosts:
            return PlainTextResponse("unknown host; start ui with --host and the name that you use", 403)
        try:
            return HTMLResponse(await run_in_threadpool(board.html))
        except UserError as error:
            return HTMLResponse(f"<!DOCTYPE html><title>board</title><p>{html.escape(str(error))}</p>")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].rstrip("/") == view.BOARD:
            response = await answer(Request(scope))
            await response(scope, receive, send)
        else:
            await server(scope, receive, _with_first_visit(send) if scope["type"] == "http" and scope["path"] == "/" else send)

    return application


def _with_first_visit(send: ASGI) -> ASGI:
    """Holds the head of a response back until its whole body is there, whose length changes."""
    begun: dict[str, Any] = {}
    parts: list[bytes] = []

    async def pass_on(message: Any) -> None:
        if message["type"] == "http.response.start":
            begun.update(message)
            return
        parts.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = b"".join(parts).replace(b"<head>", b"<head>" + FIRST_VISIT, 1)
        headers = [(name, value) for name, value in begun["headers"] if name != b"content-length" or not body]
        await send({**begun, "headers": [*headers, *([(b"content-length", str(len(body)).encode())] if body else [])]})
        await send({"type": "http.response.body", "body": body})

    return pass_on


def app() -> ASGI:
    """For uvicorn, which calls it in the server's process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.server.fastapi_app import app as server
    board = Board(Path(os.environ[RESULTS]))
    ready = Timer(MEANWHILE, board.made_ready)
    ready.daemon = True
    ready.start()
    return beside(server, board, os.environ[HOSTS].split(","))
