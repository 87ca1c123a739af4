"""A file of a dataset repository on the Hugging Face hub, downloaded once into the hub's own cache.

huggingface_hub 2.4 deletes what it holds of a file when its download ends early, so its next call would start at zero. Here the bytes go
to <blob>.incomplete in the cache, are asked for from where they stop, and become the blob when all are there. huggingface_hub finds the
blob and files it. It is imported late: most commands download nothing, and it takes a second.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tqdm import tqdm

from benchmark.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

WAITS = (1.0, 5.0, 15.0, 30.0)  # seconds before each new try; bytes gained start the row anew
INSTEAD = "or name a folder that has the files with `--from FOLDER`"

T = TypeVar("T")


def fetch(repo: str, file: str) -> Path:
    """The file of a dataset repository on the Hugging Face hub, from its cache or downloaded into it.

    A cached file is taken as it is, without asking whether the hub has a newer one. A download that was interrupted, by whatever, goes on
    where it stopped. Raises UserError where there is no such file or no access, for too little free disk, in offline mode, and when the
    connection stays broken.
    """
    from huggingface_hub import constants, is_offline_mode, try_to_load_from_cache

    what, cache = f"{file} of {repo}", Path(constants.HF_HUB_CACHE)
    cached = try_to_load_from_cache(repo, file, repo_type="dataset")
    if isinstance(cached, str):
        return Path(cached)
    if is_offline_mode():
        raise UserError(f"{what}: not in {cache}, and HF_HUB_OFFLINE forbids downloading it; unset it, {INSTEAD}")
    try:
        return _download(what, repo, file, cache)
    except OSError as error:  # of the disk; those of the network are UserErrors by now
        reason = " ".join(str(error).split())
        raise UserError(
            f"{what}: downloading it into {cache} failed ({reason}); mend that, set HF_HOME to another folder, {INSTEAD}"
        ) from None


def _download(what: str, repo: str, file: str, cache: Path) -> Path:
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    meta = _persist(what, lambda: get_hf_file_metadata(hf_hub_url(repo, file, repo_type="dataset")))
    if meta.commit_hash is None or meta.etag is None or meta.size is None:
        raise UserError(
            f"{what}: {constants.ENDPOINT} does not answer as a hub does; correct or unset HF_ENDPOINT, check the proxy, {INSTEAD}"
        )
    url, etag, size = hf_hub_url(repo, file, repo_type="dataset", revision=meta.commit_hash), meta.etag, meta.size

    folder = repo_folder_name(repo_id=repo, repo_type="dataset")
    blob, lock = cache / folder / "blobs" / etag, cache / ".locks" / folder / f"{etag}.lock"
    partial = blob.with_name(f"{etag}.incomplete")
    blob.parent.mkdir(parents=True, exist_ok=True)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):  # the hub's own for this blob: a second process waits, and finds it done
        if not blob.exists():
            _persist(what, lambda: _receive(what, url, partial, size), lambda: _held(partial))
            if not _intact(partial, etag, size):
                partial.unlink()
                raise UserError(
                    f"{what}: arrived damaged, its checksum is not the one {constants.ENDPOINT} states; download it again, {INSTEAD}"
                )
            with partial.open("rb") as whole:
                os.fsync(whole.fileno())  # a blob that is there is taken for complete
            os.replace(partial, blob)
    return Path(_persist(what, lambda: hf_hub_download(repo, file, repo_type="dataset")))


def _receive(what: str, url: str, partial: Path, size: int) -> None:
    """Fill ``partial`` up to ``size``. Raises UserError for too little free disk, and what the network raises."""
    from httpx2 import RemoteProtocolError
    from huggingface_hub import constants, get_session
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    held = _held(partial)
    if held > size:
        partial.unlink()
        held = 0
    needed, free = size - held, shutil.disk_usage(partial.parent).free
    if needed > free:
        raise UserError(
            f"{what}: needs {needed / 1e9:.2f} GB, and {partial.parent} has {free / 1e9:.2f} GB free; "
            f"free some space, set HF_HOME to a folder on another disk, {INSTEAD}"
        )
    with partial.open("ab") as out:
        if held == size:
            return
        # "identity": a range of a compressed answer would be one of other bytes.
        headers = build_hf_headers(headers={"Accept-Encoding": "identity"} | ({"Range": f"bytes={held}-"} if held else {}))
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", url, headers=headers, timeout=timeout, follow_redirects=True) as answer:
            if answer.is_error:
                raise HfHubHTTPError(f"HTTP {answer.status_code}", response=answer)
            part = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
            start = int(part[1]) if part else 0  # a server may ignore the range and send all of it
            out.truncate(start)
            hidden = constants.HF_HUB_DISABLE_PROGRESS_BARS or None  # None: shown on a terminal
            with tqdm(desc=what, total=size, initial=start, unit="B", unit_scale=True, leave=False, disable=hidden) as bar:
                for piece in answer.iter_bytes():
                    out.write(piece)
                    bar.update(len(piece))
    if _held(partial) != size:
        raise RemoteProtocolError(f"{_held(partial):,} of {size:,} bytes came")


def _persist(what: str, step: Callable[[], T], held: Callable[[], int] = lambda: 0) -> T:
    """What ``step`` returns, tried again after each of WAITS while the network is to blame; ``held`` counts the bytes won so far.

    Raises UserError when that is in vain, or would be.
    """
    from httpx2 import InvalidURL, RequestError, UnsupportedProtocol
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    most, waits = held(), list(WAITS)
    while True:
        try:
            return step()
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status < 500 and status not in (408, 429):
                raise UserError(f"{what}: {_refusal(error)}, {INSTEAD}") from None
            trouble = f"HTTP {status}"
        except (InvalidURL, UnsupportedProtocol):
            raise UserError(f"{what}: {constants.ENDPOINT} is no web address; correct or unset HF_ENDPOINT, {INSTEAD}") from None
        except (RequestError, LocalEntryNotFoundError) as error:  # the latter: of hf_hub_download, when it cannot reach the hub
            trouble = " ".join(str(error).split()) or type(error).__name__
        if held() > most:
            most, waits = held(), list(WAITS)
        if not waits:
            raise UserError(
                f"{what}: the download from {constants.ENDPOINT} keeps failing ({trouble}); "
                f"the same command resumes it where it stopped, {INSTEAD}"
            )
        wait = waits.pop(0)
        print(f"{what}: {trouble}; trying again in {wait:g} s", file=sys.stderr, flush=True)
        time.sleep(wait)


def _refusal(error: HfHubHTTPError) -> str:
    """What is wrong and what to do, for an answer that another try would not change."""
    from huggingface_hub import constants
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    status, hub = error.response.status_code, constants.ENDPOINT
    if isinstance(error, EntryNotFoundError | RevisionNotFoundError):
        return f"the dataset repository at {hub} has no such file; check the name"
    if isinstance(error, GatedRepoError) or status == 403:
        return f"{hub} refuses access (HTTP {status}); accept its terms on its page there and log in with `hf auth login`"
    if isinstance(error, RepositoryNotFoundError) or status == 401:  # without a login the hub answers 401 for what does not exist, too
        return f"{hub} has no such dataset repository, or it is private (HTTP {status}); check the name, log in with `hf auth login`"
    if status == 404:
        return f"{hub} has no such dataset repository or file; check the names"
    return f"{hub} refuses the download (HTTP {status}); check HF_ENDPOINT and the proxy"


def _held(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0


def _intact(path: Path, etag: str, size: int) -> bool:
    """Whether the bytes are those of the ETag: a file's SHA-256 or its Git id. Any other kind says nothing about them."""
    if re.fullmatch("[0-9a-f]{64}", etag):
        digest = hashlib.sha256()
    elif re.fullmatch("[0-9a-f]{40}", etag):
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    else:
        return True
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == etag
