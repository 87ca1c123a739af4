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
RUN_NAME, CREATED, DURATION = "attributes.`Run Name`", "runDateAndNestInfo", "duration"  # the page's own columns, which are always there
# Columns of the cells from the left, and their widths in pixels: so many as hold their longest text, all together what a screen of 1,440
# pixels has beside the side bar. The difference is the tag, which has its interval; sorting by it takes the metric, which the page's menu
# has. A run's name begins with its row, and is repeated in columns, so that it may be cut; the rest is in each run, and in the own page.
COLUMNS = {
    "tags.`method`": 160,
    "tags.`backbone`": 72,
    "tags.`scale`": 48,
    "metrics.`1 AUC`": 68,
    "metrics.`1 AUC sd`": 70,
    "tags.`delta`": 132,
    "tags.`verdict`": 172,
    "metrics.`3 logloss`": 70,
    "metrics.`4 rank last`": 74,
    "metrics.`5 dense`": 76,
}
WIDTHS = {RUN_NAME: 110, CREATED: 44, **COLUMNS, DURATION: 80}
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
        "selectedColumns": list(COLUMNS),
        "columnOrder": list(WIDTHS),  # widths alone the page leaves alone
        "columnWidths": WIDTHS,
        # The page takes the state as it is, without its own defaults.
        **{name: [] for name in ("runsPinned", "runsHidden")},
        **{name: {} for name in ("runsExpanded", "runsVisibilityMap", "groupsExpanded")},
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
