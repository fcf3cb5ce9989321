"""MLflow: one run per trained model, found again by content.

A run carries three names: `tinyres.training`, the hash of what went into the training (a resumed training finds its run
by it), `tinyres.weights`, the hash of what came out (`evaluate` finds the run by it, also after DVC restored the model
from its cache), and `tinyres.model`, the model's name in the study.
"""

import os

# Here, since MLflow reads them when it is imported, which every module of this package does.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no calls home; also costs time where there is no network
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default a dead server blocks one call for minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")  # seconds
os.environ.setdefault("PGCONNECT_TIMEOUT", "20")  # seconds, of PostgreSQL's own library; by default minutes
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # `tinyres sync` prints what it sent, no more
