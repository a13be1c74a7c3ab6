"""What depth models take: RGB images of one size."""

from collections.abc import Sequence

import numpy as np


def image_batch(images_BHW3: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """RGB images of one size as one array [B, H, W, 3], uint8.

    Raises:
        ValueError: where they are not three-channel uint8 of one size.
    """
    images = np.asarray(images_BHW3)
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(
            "expected RGB images [B, H, W, 3] of one size and of type uint8, got"
            f" {images.shape} of type {images.dtype}"
        )
    return images
