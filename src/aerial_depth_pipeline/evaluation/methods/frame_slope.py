"""How level ground slopes in a test frame, where the camera's attitude is known."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.formats.cameras import UP_COLUMNS
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.ground import ground_slope


def slope_of(reference: Reference, height: int, width: int) -> np.ndarray:
    """Slope [2] of level ground (`geometry.ground.ground_slope`) in a frame of that size; NaN where
    the attitude is not known."""
    known = None
    table = None if reference.triplets is None else reference.triplets / "attitude.parquet"
    if table is not None and table.is_file():
        known = _attitudes(table, reference.scene_folder, table.stat().st_mtime_ns)
    if known is None or reference.frame not in known[1]:
        return np.full(2, np.nan)
    K_33, ups = known
    slope = ground_slope(
        torch.tensor(ups[reference.frame])[None], torch.tensor(K_33)[None], height, width
    )
    return slope[0].numpy()


@lru_cache(maxsize=64)
def _attitudes(
    table: Path, scene: Path, changed: int
) -> tuple[np.ndarray, dict[int, np.ndarray]] | None:
    """Calibration and upward directions of a scene's frames; None where they cannot be read.

    `changed` is when the table was written: one that was made again is read again.
    """
    try:
        attitudes = pd.read_parquet(table, columns=["frame", *UP_COLUMNS]).dropna()
        camera = SceneFolder(scene).camera()
    except (SceneError, OSError, ValueError, KeyError):
        return None
    return camera.K, dict(
        zip(attitudes["frame"].astype(int), attitudes[UP_COLUMNS].to_numpy(float), strict=True)
    )
