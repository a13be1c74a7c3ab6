"""The points of the flight that a test frame shows."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.evaluation.methods.frame_slope import slope_of
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.formats.own_points import frame_points
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder
from aerial_depth_pipeline.geometry.surface import FEWEST_POINTS, FramePoints, start_of


def points_of(reference: Reference) -> FramePoints | None:
    """A frame's points, in pixels of the frame; None where its scene holds none."""
    table = points_table(reference.triplets)
    if table is None:
        return None
    return frame_points(table[table["frame"] == reference.frame])


def start_of_frame(reference: Reference, image_HW3: np.ndarray) -> np.ndarray | None:
    """`geometry.surface.start_of` for a frame; None with too few points."""
    points = points_of(reference)
    if points is None or len(points.inverse_N) < FEWEST_POINTS:
        return None
    return start_of(points, image_HW3, slope_of(reference, *image_HW3.shape[:2]))


def all_metric(references: Iterable[Reference]) -> bool:
    """Whether every frame has enough points, all in metres."""
    for reference in references:
        table = points_table(reference.triplets)
        if table is None:
            return False
        metric = table.loc[table["frame"] == reference.frame, "metric"]
        if len(metric) < FEWEST_POINTS or not metric.all():
            return False
    return True


def points_table(triplets: Path | None) -> pd.DataFrame | None:
    """All points of a scene, or None."""
    path = None if triplets is None else TripletFolder(triplets).table_file("own_points")
    if path is None or not path.is_file():
        return None
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> pd.DataFrame:
    """The table; `changed` is when it was written: one that was made again is read again."""
    return pd.read_parquet(path)
