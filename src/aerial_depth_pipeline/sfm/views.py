"""Which frames become views of the reconstruction."""

from collections.abc import Collection

import numpy as np
import pandas as pd


def choose_views(
    table: pd.DataFrame, max_views: int, max_step: float, preferred: Collection[int] = ()
) -> list[int]:
    """Frames spread evenly over the motion of a scene.

    Args:
        table: the kept rows of `frames.parquet`, in order of time; `motion` is the share of the
            image's width that the image moved since the row before, NaN where unknown.
        max_views: at most so many.
        max_step: neighbouring views are at most so far apart (share of the width), so that they
            overlap. A scene that is longer is covered in its middle.
        preferred: frames taken where one lies near (those with exact depth, so that the result can
            be measured).

    Where no motion is known (photographs), neighbours are taken and not every n-th: those nearest
    to the middle of the positions (`east`, `north`), else of the order.

    Returns:
        Frame indices in ascending order.
    """
    frames = table["frame"].to_numpy()
    if len(frames) <= max_views:
        return [int(f) for f in frames]
    motion = table["motion"].to_numpy(float).copy()
    measured = np.isfinite(motion[1:])
    if not measured.any():
        return _neighbours(table, max_views)
    motion[1:][~measured] = np.median(motion[1:][measured])
    motion[0] = 0.0
    along = np.cumsum(np.maximum(motion, 1e-6))
    step = min(along[-1] / (max_views - 1), max_step)
    middle, half = along[-1] / 2, step * (max_views - 1) / 2
    is_preferred = np.isin(frames, list(preferred))
    chosen: list[int] = []
    for place in np.linspace(middle - half, middle + half, max_views):
        distance = np.abs(along - place)
        # A preferred frame may lie up to 0.45 of a step off its place: two neighbours never change
        # their order.
        favoured = is_preferred & (distance <= 0.45 * step)
        index = np.argmin(np.where(favoured, distance - along[-1], distance))
        chosen.append(int(frames[index]))
    return sorted(set(chosen))


def _neighbours(table: pd.DataFrame, count: int) -> list[int]:
    frames = table["frame"].to_numpy()
    places = table.reindex(columns=["east", "north"]).to_numpy(float)
    if not np.isfinite(places).all():
        places = np.arange(len(frames), dtype=float)[:, None]
    distance = np.linalg.norm(places - np.median(places, axis=0), axis=1)
    return sorted(int(frame) for frame in frames[np.argsort(distance, kind="stable")[:count]])
