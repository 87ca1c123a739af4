"""The environment that has FuxiCTR and DeepCTR-Torch, and where their scripts are. Nothing here imports them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from benchmark.config import cache_folder
from benchmark.errors import UserError

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
SCRIPTS: Mapping[str, Path] = MappingProxyType(
    {"FuxiCTR": HERE / "fuxictr_training.py", "DeepCTR-Torch": HERE / "deepctr_training.py"},
)
PREPROCESSING = HERE / "fuxictr_preprocessing.py"
HAVE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"FuxiCTR": ("dcnv2", "xdeepfm", "finalmlp"), "DeepCTR-Torch": ("dcnv2", "xdeepfm")},
)


def environment() -> Path:
    """The Python of an environment with the peers, in the cache, made on the first call. Raises UserError when it cannot be made."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = cache_folder() / "peers" / digest
    if not (folder / "complete").exists():
        print(f"setting up the peers' environment in {folder}: some minutes", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise UserError(f"the peers' environment in {folder} cannot be made: {last[0][:300]}")
        (folder / "complete").touch()
    return folder / "bin" / "python"
