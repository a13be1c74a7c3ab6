"""How level ground slopes in a test frame, where frame extraction knows the camera's attitude."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.geometry.camera_files import read_camera
from aerial_depth_pipeline.geometry.ground import ground_slope

_UP = ["up_x", "up_y", "up_z"]


def slope_of(reference: Reference, height: int, width: int) -> np.ndarray:
    """Slope [2] of level ground (`geometry.ground.ground_slope`) in a frame of that size; NaN where the attitude is not known."""
    table = reference.scene_folder / "frames.parquet"
    known = _attitudes(reference.scene_folder, table.stat().st_mtime_ns) if table.is_file() else None
    if known is None or reference.frame not in known[1]:
        return np.full(2, np.nan)
    K_33, ups = known
    slope = ground_slope(torch.tensor(ups[reference.frame])[None], torch.tensor(K_33)[None], height, width)
    return slope[0].numpy()


@lru_cache(maxsize=64)
def _attitudes(scene: Path, changed: int) -> tuple[np.ndarray, dict[int, np.ndarray]] | None:
    """Calibration and upward directions of a scene's frames; None where it has none, or none that can be read.

    `changed` is when the table was written: a scene that was made again is read again.
    """
    try:
        table = pd.read_parquet(scene / "frames.parquet", columns=["frame", *_UP]).dropna()
        camera = read_camera(scene / "camera.yaml")
    except (OSError, ValueError, KeyError):
        return None
    return camera.K, dict(zip(table["frame"].astype(int), table[_UP].to_numpy(float), strict=True))
