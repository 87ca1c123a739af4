"""The files that a command is asked for: whole, or as they were."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from benchmark.errors import UserError


def write(path: Path, content: str | bytes) -> None:
    """In the place of what was there, with its rights; a text as UTF-8. A full disk, or a kill at any moment, leaves the old file.

    What is no file, a pipe say, is written as it is. Raises UserError where it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    target = Path(os.path.realpath(path))  # of a link what it leads to
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        building = target.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            building.write_bytes(data)
            if target.exists():
                shutil.copymode(target, building)
            os.replace(building, target)
        except BaseException:
            with suppress(OSError):
                building.unlink()
            raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); name another place") from None
