"""Reference pixels of an image under a depth cap."""

from functools import cached_property

import numpy as np

from aerial_depth_pipeline.evaluation.measuring.depth_alignment import aligned_depth, median


class Pixels:
    """Reference pixels with what is wanted of them again and again: their median, and the tilted
    plane's error there."""

    def __init__(self, depth_N: np.ndarray, plane_error_N: np.ndarray | None) -> None:
        self.depth_N, self.plane_error_N = depth_N, plane_error_N
        self.count = len(depth_N)

    @cached_property
    def median(self) -> float:
        return median(self.depth_N)

    @cached_property
    def plane_abs_rel(self) -> float:
        return float("nan") if self.plane_error_N is None else float(self.plane_error_N.mean())


class KnownPixels(Pixels):
    """All pixels of one image that carry a reference, under one cap.

    Attributes:
        plane_HW: inverse depth of the tilted plane that fits them, or None.
    """

    def __init__(
        self,
        depth_HW: np.ndarray,
        where_HW: np.ndarray,
        plane_HW: np.ndarray | None,
        nearest: float,
        farthest: float,
    ) -> None:
        self._where = slice(None) if where_HW.all() else where_HW.reshape(-1)
        self.plane_HW, self.nearest, self.farthest = plane_HW, nearest, farthest
        depth_N, plane_error_N = self._pick(depth_HW), None
        if plane_HW is not None and len(depth_N):
            plane_error_N = aligned_depth(self._pick(plane_HW), 1, 0, nearest, farthest)
            plane_error_N -= depth_N
            np.abs(plane_error_N, out=plane_error_N)
            plane_error_N /= depth_N
        super().__init__(depth_N, plane_error_N)

    def common(self, inverse_HW: np.ndarray) -> tuple[Pixels, np.ndarray]:
        """The pixels that also carry a prediction, and the prediction there; itself where that is
        all of them."""
        inverse_N = self._pick(inverse_HW)
        present_N = np.isfinite(inverse_N)
        if present_N.all():
            return self, inverse_N
        return (
            Pixels(
                self.depth_N[present_N],
                None if self.plane_error_N is None else self.plane_error_N[present_N],
            ),
            inverse_N[present_N],
        )

    def _pick(self, values_HW: np.ndarray) -> np.ndarray:
        return values_HW.reshape(-1)[self._where]
