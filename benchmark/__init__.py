"""A benchmark suite for embedding collapse in recommendation (CTR) models. Start at ``benchmark/__main__.py``.

From Python: benchmark/api.py. What ``__all__`` names is imported when it is first used: ``import benchmark`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.api import build, dataset, leaderboard, prepared, results, run, spectrum, train
    from benchmark.config import Suite
    from benchmark.errors import Incompatible, UserError
    from benchmark.records import Record

    __version__: str

__all__ = [
    "Incompatible",
    "Record",
    "Suite",
    "UserError",
    "__version__",
    "build",
    "dataset",
    "leaderboard",
    "prepared",
    "results",
    "run",
    "spectrum",
    "train",
]
_ELSEWHERE = {
    "Incompatible": "benchmark.errors",
    "Record": "benchmark.records",
    "Suite": "benchmark.config",
    "UserError": "benchmark.errors",
}


if not TYPE_CHECKING:  # or every name would be taken for one that is there

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from benchmark.commandline import version

            return version()
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_ELSEWHERE.get(name, "benchmark.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
