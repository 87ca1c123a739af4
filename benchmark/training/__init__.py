"""One trial: data and model in, record out. Plain functions; no Ray, no MLflow."""
