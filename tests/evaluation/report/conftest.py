from collections.abc import Callable

import numpy as np
import pytest
from tests.worlds.evaluation_scenes import index_of, relief

from aerial_depth_pipeline.evaluation.evaluate import Measurements, measure
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings


@pytest.fixture
def model() -> Callable[[np.ndarray], np.ndarray]:
    """The truth with ripples that grow from frame to frame."""

    def predict(image: np.ndarray) -> np.ndarray:
        index = index_of(image)
        return relief(index) * (1 + 0.02 * index * np.sin(np.arange(80) / 5)).astype(np.float32)

    return predict


@pytest.fixture
def measured(
    references: list[Reference], model: Callable[[np.ndarray], np.ndarray]
) -> Measurements:
    """What is measured of it."""
    settings = EvaluationSettings(bootstrap_samples=0, caps=[40.0])
    return measure(model, {"flight": references}, {}, "town", settings)
