"""The curves of a training in the MLflow run that is already open."""

import mlflow
import numpy as np

from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.tracking import runs as tracking


class MlflowLogger:
    """Takes metrics and images from a `Curve`. Lightning's own logger would mark the run FINISHED
    when the fit ends, but the pipeline goes on."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Log figures of a step, without the epoch."""
        figures = {name: value for name, value in metrics.items() if name != "epoch"}
        tracking.log_metrics(figures, step)

    def log_image(self, name: str, image_HW3: np.ndarray, step: int) -> None:
        """Log an image, uint8 RGB, under the step it belongs to."""
        mlflow.log_image(image_HW3, f"training/{name}/{numbered(step)}.png")
