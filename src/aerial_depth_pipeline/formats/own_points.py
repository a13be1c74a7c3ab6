"""`own_points.parquet`: the flight's own points that each kept frame shows, one row a point."""

import pandas as pd

from aerial_depth_pipeline.geometry.surface import FramePoints

COLUMNS = ["frame", "x", "y", "inverse_depth", "deviation", "views", "metric", "width", "height"]
"""Frame; place in pixels; inverse depth and its standard deviation; other frames that agree;
whether the unit is the metre; size of the frame in pixels."""


def frame_points(
    rows: pd.DataFrame, size: tuple[int, int] | None = None, unit: float = 1.0
) -> FramePoints:
    """The points of one frame.

    Args:
        rows: of the frame.
        size: width and height, where its image is resized; the frame's own by default.
        unit: by what inverse depth is divided, as by a training unit over the table's.
    """
    pixels_N2 = rows[["x", "y"]].to_numpy(float)
    if size is not None:
        pixels_N2 = pixels_N2 / rows[["width", "height"]].to_numpy(float) * size
    inverse_N, deviation_N = (
        rows[name].to_numpy(float) / unit for name in ("inverse_depth", "deviation")
    )
    return FramePoints(pixels_N2, inverse_N, deviation_N)
