"""The points of the flight that a test frame shows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from aerial_depth_pipeline.evaluation.methods.frame_slope import slope_of
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.files import evenly
from aerial_depth_pipeline.formats.own_points import frame_points
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder
from aerial_depth_pipeline.geometry.surface import FEWEST_POINTS, FramePoints, start_of
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.held_back_points import FRAMES, look_at_points


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


def weight_in_scene(model: Callable[..., np.ndarray], reference: Reference) -> float:
    """The share of what a model adds to the surface that is kept in the scene of a frame
    (`networks.held_back_points`)."""
    file = _file(reference.triplets)
    if file is None or not isinstance(model, DepthModel):
        return 1.0
    known = _WEIGHTS.setdefault(model, {})
    if file not in known:
        frames = [replace(reference, frame=int(frame)) for frame in _read(*file)["frame"].unique()]
        known[file] = look_at_points(model, _shown(evenly(frames, FRAMES))).weight
    return known[file]


_WEIGHTS: WeakKeyDictionary[DepthModel, dict[tuple[Path, int], float]] = WeakKeyDictionary()


def _shown(references: Iterable[Reference]) -> Iterator[tuple[FramePoints, np.ndarray, np.ndarray]]:
    """Points, image and slope of each frame."""
    for reference in references:
        image = SceneFolder(reference.scene_folder).image(reference.frame)
        points = points_of(reference)
        if points is not None:
            yield points, image, slope_of(reference, *image.shape[:2])


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
    file = _file(triplets)
    return None if file is None else _read(*file)


def _file(triplets: Path | None) -> tuple[Path, int] | None:
    """The file and when it was written: one that was made again is read again."""
    path = None if triplets is None else TripletFolder(triplets).table_file("own_points")
    return None if path is None or not path.is_file() else (path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, written: int) -> pd.DataFrame:
    return pd.read_parquet(path)
