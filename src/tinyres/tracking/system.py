"""CPU, memory and GPU while a training runs, by MLflow's own monitor."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from tinyres.tracking.address import tracking_uri


@contextmanager
def system_metrics(run_id: str | None) -> Iterator[None]:
    """Log what the machine does during the body to a run, every 10 s, under `system/`; nothing where there is no run.

    `MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL` sets other seconds. MLflow sees a GPU where `nvidia-ml-py` is installed.
    """
    if run_id is None:
        yield
        return
    monitor = SystemMetricsMonitor(run_id, resume_logging=True, tracking_uri=tracking_uri())
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
