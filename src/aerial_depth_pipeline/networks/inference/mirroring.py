"""Prediction averaged with that of the mirrored picture."""

from collections.abc import Callable

import numpy as np


def mirrored_mean(
    predict: Callable[..., np.ndarray], images_BHW3: np.ndarray, slope_B2: np.ndarray | None = None
) -> np.ndarray:
    """Depth [B, H, W] whose inverse is the mean of what the pictures give and what their mirror
    images give, mirrored back.

    What a network gets wrong on one side it often gets right on the other; takes twice the time.

    Args:
        predict: depth of pictures [B, H, W, 3], and of slopes where they are given, such as
            `DepthModel.predict`.
        images_BHW3: pictures of one size.
        slope_B2: slope of level ground in each picture, as in `DepthModel.predict`; None for models
            that do not look at it.
    """
    known = () if slope_B2 is None else (slope_B2,)
    mirrored = () if slope_B2 is None else (np.asarray(slope_B2) * np.array([-1, 1], np.float32),)
    there = predict(images_BHW3, *known)
    back = predict(np.ascontiguousarray(images_BHW3[:, :, ::-1]), *mirrored)[:, :, ::-1]
    return 2 / (1 / there + 1 / back)
