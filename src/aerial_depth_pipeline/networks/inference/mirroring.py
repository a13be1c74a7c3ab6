"""Prediction averaged with that of the mirrored image."""

from collections.abc import Callable

import numpy as np


def mirrored_mean(
    predict: Callable[..., np.ndarray], images_BHW3: np.ndarray, slope_B2: np.ndarray | None = None
) -> np.ndarray:
    """Depth [B, H, W] whose inverse is the mean of the prediction and of the mirrored images'
    prediction, mirrored back.

    What a network gets wrong on one side it often gets right on the other; takes twice the time.

    Args:
        predict: depth of images [B, H, W, 3], and of slopes where they are given, such as
            `DepthModel.predict`.
        images_BHW3: images of one size.
        slope_B2: slope of level ground in each image, as in `DepthModel.predict`; None for models
            without it.
    """
    slopes = [] if slope_B2 is None else [slope_B2]
    mirrored_slopes = [np.asarray(slope) * np.array([-1, 1], np.float32) for slope in slopes]
    depth = predict(images_BHW3, *slopes)
    mirrored = predict(np.ascontiguousarray(images_BHW3[:, :, ::-1]), *mirrored_slopes)
    return 2 / (1 / depth + 1 / mirrored[:, :, ::-1])
