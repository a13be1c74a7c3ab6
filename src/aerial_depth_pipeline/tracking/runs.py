"""MLflow for nodes: everything goes to the run that kedro-mlflow opened, and nowhere if tracking is
off."""

import json
import math
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Metric

_REFUSED = re.compile(r"[^\w/.\- :]")


def is_tracking() -> bool:
    """Whether a run is open."""
    return mlflow.active_run() is not None


def log_metrics(metrics: Mapping[str, float], step: int | None = None, run_id: str = "") -> None:
    """Log metrics of the open run, or of another one; values that are not finite are left out,
    since the UI cannot plot them, and signs that MLflow refuses are left out of names."""
    now, values = int(time.time() * 1000), {name: float(metrics[name]) for name in metrics}
    records = [
        Metric(_REFUSED.sub("", name), value, now, step or 0)
        for name, value in values.items()
        if math.isfinite(value)
    ]
    run = None if run_id else mlflow.active_run()
    run_id = run.info.run_id if run else run_id
    if run_id:
        for start in range(0, len(records), 900):  # a request holds at most 1,000
            mlflow.MlflowClient().log_batch(run_id, metrics=records[start : start + 900])


def log_folder(folder: Path, name: str) -> None:
    """Log what is in a local folder as artifacts below `name`."""
    if is_tracking():
        mlflow.log_artifacts(str(folder), name)


def log_report(name: str, items: Mapping[str, object]) -> None:
    """Log items by file name (`pandas.DataFrame`, `str`, `PIL.Image`, matplotlib `Figure` or local
    `Path`) as artifacts below `name`."""
    if not is_tracking():
        return
    import pandas as pd
    from matplotlib.figure import Figure
    from PIL.Image import Image

    for file_name, item in items.items():
        artifact = f"{name}/{file_name}"
        match item:
            case pd.DataFrame():
                mlflow.log_text(item.to_csv(index=False), artifact)
            case str():
                mlflow.log_text(item, artifact)
            case Image():
                mlflow.log_image(item, artifact)
            case Figure():
                mlflow.log_figure(item, artifact, save_kwargs={"dpi": 100})
            case Path():
                mlflow.log_artifact(str(item), name)


def log_dict(content: dict[str, Any], name: str) -> None:
    """Log a dictionary as a JSON artifact."""
    if is_tracking():
        mlflow.log_text(json.dumps(content, indent=2, default=str), name)


def set_tags(tags: dict[str, Any]) -> None:
    """Set tags of the run."""
    if is_tracking():
        mlflow.set_tags(tags)
