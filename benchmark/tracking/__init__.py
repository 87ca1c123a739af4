"""Records and live progress to MLflow, a view that can be rebuilt from the records at any time."""

import os

# Before mlflow is imported, which reads them then. A user's own setting goes first.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_CONFIGURE_LOGGING": "0",
    # A server that does not answer is to cost a run seconds: its records do not depend on it.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)
