"""What every backend of dense depth returns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RawDepth:
    """Depth of one view before other views were asked.

    Attributes:
        depth_HW: z-depth, float32, 0 = none.
        score_HW: how well the view matches its sources there, −1 … 1.
    """

    depth_HW: np.ndarray
    score_HW: np.ndarray

    @classmethod
    def empty(cls, height: int, width: int) -> "RawDepth":
        """No depth anywhere."""
        return cls(np.zeros((height, width), np.float32), np.full((height, width), -1, np.float32))
