"""One torch thread: the tests' tensors are tiny, and on a busy machine a second thread makes them ten times slower.

No network, and no file that this machine's user has downloaded: tests of the download name a hub of their own (data/hub_server.py).
"""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": os.devnull}  # before anything imports huggingface_hub, which reads them then

REMARKS = pytest.StashKey[list[str]]()


@pytest.fixture
def remarks(request: pytest.FixtureRequest) -> list[str]:
    """Lines to be printed when all tests are done: what is no failure, but somebody has to know."""
    return request.config.stash.setdefault(REMARKS, [])


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, to be copied: MLflow makes one in fifty steps, which take seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(REMARKS, []):
        terminalreporter.write_line(line)
