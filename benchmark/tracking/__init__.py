"""Records and live progress to MLflow, a view that can be rebuilt from the records at any time."""

import os

# Before mlflow is imported, which reads them then. A user's own setting goes first.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_CONFIGURE_LOGGING": "0",
}.items():
    os.environ.setdefault(_name, _value)
