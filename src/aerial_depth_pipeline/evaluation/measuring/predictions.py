"""Predictions of a frame, or why there is none."""

from collections.abc import Callable

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.methods.method import (
    Frame,
    Method,
    PredictionError,
    as_inverse,
)

Prediction = np.ndarray | PredictionError


def _inverse(method: Method, prediction: Prediction | None, frame: Frame) -> Prediction:
    """A method's inverse depth, from what it predicted if it works alone."""
    if not method.alone:
        prediction = _attempt(method.predict, frame)
    if prediction is None or isinstance(prediction, PredictionError):
        return prediction or PredictionError("missing", "there is no prediction")
    array = prediction
    return _attempt(lambda frame: as_inverse(method, array, frame), frame)


def _attempt(function: Callable[[Frame], np.ndarray], frame: Frame) -> Prediction:
    try:
        return function(frame)
    except PredictionError as error:
        return error
    except SceneError as error:
        return PredictionError("damaged", str(error))
