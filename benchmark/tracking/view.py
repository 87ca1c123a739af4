"""The leaderboard as a view of MLflow's own runs page: cells only, in the board's order, with the columns that count.

MLflow keeps a shared view of an experiment in a tag: its state as JSON, compressed, in base 64. The page opens it by name, so that
nobody has to choose among hundreds of metrics first. Looked up in MLflow 3.17's page; a later one that reads its state otherwise ignores
the tag and shows its plain list.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

KEY = "leaderboard"
TAG = f"mlflow.sharedViewState.{KEY}"
NOTE = "mlflow.note.content"
# As many as stand on a screen of 1,440 pixels without scrolling: the page gives each the same width. The rest is in each run, and in the
# project's own page. Depth is in a run's name.
METRICS = ("1 AUC", "1 AUC sd", "2 delta")
TAGS = ("method", "backbone", "scale", "verdict")
PLAIN = "workflowType=machine_learning"  # of an address: the side bar of model training, not that of GenAI
BOARD = "/board"  # where `ui` serves the project's own page
PLACE = "0 row"  # metric of a cell: its place on the board; no two cells share one, as they may a rank, or an AUC as it is rounded


def tags(note: str) -> dict[str, str]:
    """Of an experiment: its view, its kind ("model development" has no GenAI side bar), and its description, where there is one yet."""
    return {TAG: state(), "mlflow.experimentKind": "custom_model_development", **({NOTE: note} if note else {})}


def state() -> str:
    """The value of the tag."""
    content: dict[str, Any] = {
        "searchFilter": "tags.stage = 'cell'",
        "orderByKey": f"metrics.`{PLACE}`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*(f"metrics.`{name}`" for name in METRICS), *(f"tags.`{name}`" for name in TAGS)],
        # The page takes the state as it is, without its own defaults.
        **{name: [] for name in ("columnOrder", "runsPinned", "runsHidden")},
        **{name: {} for name in ("columnWidths", "runsExpanded", "runsVisibilityMap", "groupsExpanded")},
        **{name: False for name in ("viewMaximized", "runListHidden", "isAccordionReordered")},
        **{name: True for name in ("useGroupedValuesInCharts", "hideEmptyCharts", "autoRefreshEnabled")},
        "runsHiddenMode": "FIRST_20_RUNS",
        "groupBy": None,
    }
    packed = zlib.compress(json.dumps(content).encode())
    return f"deflate;{base64.b64encode(packed).decode()}"


def run_address(experiment_id: str, run_id: str) -> str:
    """Where a browser that is on the server finds a run."""
    return f"/#/experiments/{experiment_id}/runs/{run_id}?{PLAIN}"


def artifact_address(experiment_id: str, run_id: str, name: str) -> str:
    """The same of a file of a run, relative to MLflow's page, wherever that is."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{name}?{PLAIN}"


def address(server: str, experiment_id: str) -> str:
    """Where a browser finds the view of an experiment."""
    return f"{server}/#/experiments/{experiment_id}/runs?{PLAIN}&viewStateShareKey={KEY}"
