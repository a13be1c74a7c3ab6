"""Prediction averaged with that of the mirrored image."""

from collections.abc import Callable

import numpy as np


def mirrored_mean(
    predict: Callable[..., np.ndarray],
    images_BHW3: np.ndarray,
    slope_B2: np.ndarray | None = None,
    start_B2HW: np.ndarray | None = None,
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
        start_B2HW: as in `DepthModel.predict`; only with `slope_B2`.
    """
    known, mirrored_known = [], []
    if slope_B2 is not None:
        known.append(slope_B2)
        mirrored_known.append(np.asarray(slope_B2) * np.array([-1, 1], np.float32))
    if start_B2HW is not None:
        known.append(start_B2HW)
        mirrored_known.append(np.ascontiguousarray(start_B2HW[..., ::-1]))
    depth = predict(images_BHW3, *known)
    mirrored = predict(np.ascontiguousarray(images_BHW3[:, :, ::-1]), *mirrored_known)
    return 2 / (1 / depth + 1 / mirrored[:, :, ::-1])
