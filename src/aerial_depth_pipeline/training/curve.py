"""The curve of a training, kept in a file so that it survives a kill, and handed on to another
logger."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from aerial_depth_pipeline.training.samples import spread

_POINTS = 20


class MetricsLogger(Protocol):
    """What takes the curves of a training, such as one of Lightning's loggers."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Take figures of a step."""


class Curve:
    """A logger for `train` that keeps figures by step.

    What an earlier part of the same training wrote stays up to the step at which this part begins.

    Args:
        path: the file, lines of JSON.
        forward: a logger that gets everything as well, or None.
    """

    def __init__(self, path: Path, forward: MetricsLogger | None = None) -> None:
        self._path, self._forward, self._started = Path(path), forward, False

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Keep figures of one step."""
        step = step or 0
        if not self._started:
            self._started = True
            self._path.parent.mkdir(parents=True, exist_ok=True)
            kept = [json.dumps(line) + "\n" for line in self._lines() if line["step"] < step]
            self._path.write_text("".join(kept), encoding="utf-8")
        figures = {name: float(value) for name, value in metrics.items()}
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, "metrics": figures}) + "\n")
        if self._forward is not None:
            self._forward.log_metrics(metrics, step)

    def log_image(self, name: str, image_HW3: Any, step: int) -> None:
        """Hand an image on, where the other logger takes images."""
        draw = getattr(self._forward, "log_image", None)
        if draw is not None:
            draw(name, image_HW3, step)

    def points(self) -> dict[str, list[tuple[int, float]]]:
        """Loss and validation figures: name → at most 20 points (step, value), evenly spread, the
        first and the last among them."""
        found: dict[str, list[tuple[int, float]]] = {}
        for line in self._lines():
            for name, value in line["metrics"].items():
                if name == "train/total" or name.startswith("val/"):
                    found.setdefault(name, []).append((line["step"], value))
        return {name: spread(points, _POINTS) for name, points in found.items()}

    def _lines(self) -> Iterator[dict[str, Any]]:
        text = self._path.read_text(encoding="utf-8") if self._path.is_file() else ""
        for line in text.splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # cut off by a kill
                return
