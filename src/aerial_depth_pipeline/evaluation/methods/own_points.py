"""What the points of the flight itself are worth without a network: the plane through those of a
frame, and the smooth surface through them."""

from collections.abc import Callable, Iterable

import numpy as np

from aerial_depth_pipeline.evaluation.method_table import OWN_PLANE, OWN_POINTS
from aerial_depth_pipeline.evaluation.methods.frame_points import points_of, points_table
from aerial_depth_pipeline.evaluation.methods.frame_slope import slope_of
from aerial_depth_pipeline.evaluation.methods.method import Frame, Method, PredictionError
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.geometry.surface import (
    FEWEST_POINTS,
    FramePoints,
    plane_of_points,
    surface_through,
)


def own_point_methods(references: Iterable[Reference]) -> list[Method]:
    """`own_points` and `own_plane`, where triplets of a scene hold points (`own_points.parquet`);
    metric where those of all scenes are."""
    scenes = {reference.triplets for reference in references}
    tables = [table for scene in scenes if (table := points_table(scene)) is not None]
    if not tables:
        return []
    metric = len(tables) == len(scenes) and all(table["metric"].all() for table in tables)

    def method(name: str, fill: Callable[..., np.ndarray]) -> Method:
        def predict(frame: Frame) -> np.ndarray:
            slope = slope_of(frame.reference, *frame.image.shape[:2])
            return fill(_points(frame.reference), frame.image, slope)

        return Method(name, predict, "inverse_depth", metric=metric)

    return [method(OWN_POINTS, surface_through), method(OWN_PLANE, plane_of_points)]


def _points(reference: Reference) -> FramePoints:
    points = points_of(reference)
    if points is None:
        raise PredictionError("left out", "the triplets of its scene hold no points")
    if (count := len(points.inverse_N)) < FEWEST_POINTS:
        raise PredictionError("missing", f"{count} points; {FEWEST_POINTS} are needed")
    return points
