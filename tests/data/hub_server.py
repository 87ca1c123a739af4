"""A local server that answers for dataset repositories as the Hugging Face hub does, and fails on demand.

    with serve({("toy/clicks", "train.csv"): b"..."}) as hub:
        hub.faults.append(Fault(cut=1000))  # the first download breaks off after 1,000 bytes
        subprocess.run(..., env=hub.environment(tmp_path))
        assert [asked.range for asked in hub.downloads] == [None, "bytes=1000-"]

huggingface_hub reads its environment when it is imported: run what is to be tested in a process of its own.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

FOREVER = 10**9


@dataclass
class Fault:
    """What goes wrong with the next ``times`` requests of ``method`` for a file. GET is for its bytes, HEAD for what is known of it."""

    method: str = "GET"
    times: int = 1
    status: int = 0  # this HTTP status instead of an answer
    code: str = ""  # with it: the hub's X-Error-Code
    bare: bool = False  # an answer without the hub's headers
    cut: int | None = None  # the connection ends after so many bytes of the body
    stall: int | None = None  # after so many bytes nothing comes until `hub.released` is set, and then the rest
    short: int | None = None  # the body ends after so many bytes, and Content-Length says that this is all
    damaged: bool = False  # the body's last byte is another one
    whole: bool = False  # a range is ignored: all of the file comes


class Asked(NamedTuple):
    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class Hub:
    """The running server."""

    url: str
    files: dict[tuple[str, str], bytes]  # (repository, file) -> bytes; may change while it runs
    linked: bool  # files lie at another host, as the hub keeps large ones: a request for one is sent on
    faults: list[Fault] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)  # all of them, in order
    downloads: list[Asked] = field(default_factory=list)  # those that asked for a file's bytes, where the bytes lie
    sent: int = 0  # bytes of files that were sent
    released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """This process's environment, with the hub at this server and its cache in ``home``."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "SSL_CERT_")) and not name.lower().endswith("_proxy")
        }
        here = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "NO_PROXY": "*"}
        here["HF_HUB_DISABLE_TELEMETRY"] = "1"  # with it there would be requests for other things than files
        here["SSL_CERT_DIR"] = os.devnull  # no certificates: reading them would take longer than a download
        return kept | here | more

    def wait_until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Returns when the condition holds; raises TimeoutError."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"after {seconds} s: {self.requests}")
            time.sleep(0.01)

    def _fault(self, method: str) -> Fault:
        with self._lock:
            for fault in self.faults:
                if fault.method == method and fault.times > 0:
                    fault.times -= 1
                    return fault
        return Fault()


@contextmanager
def serve(files: Mapping[tuple[str, str], bytes], linked: bool = False) -> Iterator[Hub]:
    """The server, on a free port of this machine, until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.hub = hub = Hub(f"http://127.0.0.1:{server.server_port}", dict(files), linked)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that was killed or still keeps its connection must not hold up the test
    hub: Hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        hub, path = self.server.hub, unquote(self.path)
        asked = Asked(self.command, path, self.headers["Range"], self.headers["Authorization"])
        hub.requests.append(asked)
        # The first is where the hub has a file, the second where its bytes lie when it is linked.
        place = re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path) or re.fullmatch(
            r"/bytes/([^/]+/[^/]+)/([^/]+)/(.+)", path
        )
        if not place:
            return self._head(404)
        repo, revision, file = place.groups()
        pointer = hub.linked and path.startswith("/datasets/")
        fault = Fault() if pointer and self.command == "GET" else hub._fault(self.command)
        if self.command == "GET" and not pointer:
            hub.downloads.append(asked)
        known = {name for name, _ in hub.files}
        commit = hashlib.sha1(repo.encode()).hexdigest()
        if fault.status:
            return self._head(fault.status, {"X-Error-Code": fault.code} if fault.code else {})
        if repo not in known:
            return self._head(404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        if revision not in ("main", commit):
            return self._head(404, {"X-Error-Code": "RevisionNotFound"})
        if (repo, file) not in hub.files:
            return self._head(404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found", "X-Repo-Commit": commit})

        data = hub.files[repo, file]
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if pointer:
            etag = hashlib.sha256(data).hexdigest()
            headers |= {"X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{etag}"', "ETag": '"of the pointer"'}
            headers |= {"X-Xet-Hash": etag, "X-Xet-Refresh-Route": f"{hub.url}/xet"}
            headers |= {"Location": f"http://localhost:{self.server.server_port}/bytes/{quote(repo)}/{revision}/{quote(file)}"}
            return self._head(302, headers)
        headers["ETag"] = f'"{hashlib.sha1(b"blob %d" % len(data) + bytes(1) + data).hexdigest()}"'
        if fault.bare:
            headers = {}
        self._content(data, headers, fault)

    def _head(self, status: int, headers: Mapping[str, str] | None = None, length: int = 0) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _content(self, data: bytes, headers: dict[str, str], fault: Fault) -> None:
        hub, size, status = self.server.hub, len(data), 200
        if fault.damaged:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if fault.short is not None:
            data = data[: fault.short]
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if wanted and not fault.whole:
            start, status = int(wanted[1]), 206
            headers |= {"Content-Range": f"bytes {start}-{max(start, len(data)) - 1}/{size}"}
            data = data[start:]
        if "gzip" in self.headers.get("Accept-Encoding", "") and self.command == "GET":  # the hub, too, does so with text
            data = gzip.compress(data)
            headers |= {"Content-Encoding": "gzip"}
        self._head(status, headers, len(data))
        if self.command == "HEAD":
            return
        pause = fault.cut if fault.stall is None else fault.stall
        first = data[:pause]
        self.wfile.write(first)
        hub.sent += len(first)
        if fault.cut is not None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault.stall is not None:
            hub.released.wait()
            self.wfile.write(data[pause:])
            hub.sent += len(data) - len(first)
