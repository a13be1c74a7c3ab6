"""Lightning's curves in the MLflow run that is already open."""

from typing import Any

import mlflow
import numpy as np
from lightning.pytorch.loggers.logger import Logger

from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.tracking import runs as tracking


class MlflowLogger(Logger):
    """Sends metrics and images to the active run and never ends it: the pipeline goes on after
    the training.

    Lightning's own logger marks the run FINISHED when the fit ends.
    """

    @property
    def name(self) -> str:
        return "mlflow"

    @property
    def version(self) -> str:
        return tracking.active_run_id()

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        tracking.log_metrics(
            {name: value for name, value in metrics.items() if name != "epoch"}, step or 0
        )

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Parameters are logged by kedro-mlflow."""

    def log_image(self, name: str, image_HW3: np.ndarray, step: int) -> None:
        """Log an image, uint8 RGB, under the step it belongs to."""
        mlflow.log_image(image_HW3, f"training/{name}/{numbered(step)}.png")
