"""The points that footage itself holds, as the start of each of its frames."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from aerial_depth_pipeline.capture.extraction import extract_for_points
from aerial_depth_pipeline.capture.footage import Footage
from aerial_depth_pipeline.capture.motion.corner_tracking import follow
from aerial_depth_pipeline.capture.sources import SourceFrame
from aerial_depth_pipeline.capture.undistortion import distort
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.own_points import frame_points
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.ground import relative_inverse_depth
from aerial_depth_pipeline.geometry.surface import FEWEST_POINTS, FramePoints, start_of
from aerial_depth_pipeline.triplets.make import points_of_frames

logger = logging.getLogger(__name__)

_FARTHEST = 1.0  # seconds to the frame whose points are followed
_LEVELS, _TOLERANCE = 4, 1.0  # of following them


class FilmPoints:
    """The points of frames chosen from footage, followed into the frames between them. The footage
    is read once for it.

    Attributes:
        metric: whether they are in metres; None where the footage holds none.
        known: of how many of the frames since `restart` the points were known.
    """

    def __init__(self, footage: Footage) -> None:
        self.metric: bool | None = None
        self._footage = footage
        self._continuous = footage.source.continuous
        self._followed_from: tuple[int, np.ndarray] = -1, np.zeros((1, 1), np.uint8)
        self._folder = tempfile.TemporaryDirectory(prefix="film_points")
        folder = Path(self._folder.name) / footage.path.stem
        folder.mkdir()
        try:
            self._undistortion = extract_for_points(footage, folder)
            points = points_of_frames(folder)
        except SceneError as error:
            logger.info("predict: %s gives no points of its own: %s", footage.path.name, error)
            return
        counts = points.groupby("frame").size()
        rows = SceneFolder(folder).frame_table().set_index("frame")
        self._frames = counts.index[counts >= FEWEST_POINTS].to_numpy()
        if not len(self._frames):
            return
        self._scene = SceneFolder(folder)
        self._moments = self._frames.astype(float)
        if self._continuous:
            self._moments = rows.loc[self._frames, "time"].to_numpy(float)
        self._points = {frame: frame_points(rows) for frame, rows in points.groupby("frame")}
        self.metric = bool(points["metric"].all())
        self.restart()

    def restart(self) -> None:
        """Begin with the first frame of the footage."""
        self.known = 0
        self._middle = float(np.median(self._points[self._frames[0]].inverse_N))
        self._last: np.ndarray | None = None

    def shown(
        self, frames: Sequence[SourceFrame], slopes_B2: np.ndarray
    ) -> Iterator[tuple[FramePoints, np.ndarray, np.ndarray]]:
        """Points, image and slope of the frames that have points."""
        for frame, slope_2 in zip(frames, slopes_B2, strict=True):
            points = self._points_in(frame)
            if points is not None and frame.image is not None:
                yield points, frame.image, slope_2

    def starts(self, frames: Sequence[SourceFrame], slopes_B2: np.ndarray) -> np.ndarray:
        """`geometry.surface.start_of` [B, 2, H, W] of frames in the order of the footage.

        A frame without points starts from level ground as far away as the frame before; where its
        attitude is not known, from the surface of that frame.
        """
        found = []
        for frame, slope_2 in zip(frames, slopes_B2, strict=True):
            if frame.image is None:
                continue
            points = self._points_in(frame)
            if points is not None:
                self.known += 1
                self._last = start_of(points, frame.image, slope_2)
                self._middle = float(np.median(self._last[0]))
                found.append(self._last)
            else:
                found.append(self._without_points(frame.image.shape[:2], slope_2))
        return np.stack(found)

    def _without_points(self, size: tuple[int, int], slope_2: np.ndarray) -> np.ndarray:
        nothing = np.zeros(size, np.float32)
        if self._last is not None and not np.isfinite(slope_2).all():
            return np.stack([self._last[0], nothing])
        slope = torch.tensor(np.nan_to_num(slope_2))[None]
        ground = relative_inverse_depth(slope, *size)[0, 0].numpy()
        return np.stack([(ground / np.median(ground) * self._middle).astype(np.float32), nothing])

    def _points_in(self, frame: SourceFrame) -> FramePoints | None:
        """The points of the nearest chosen frame, where they lie in this one."""
        moment = frame.time if self._continuous else float(frame.index)
        distance = np.abs(self._moments - moment)
        nearest = int(np.argmin(distance))
        if not distance[nearest] <= (_FARTHEST if self._continuous else 0.0):  # also for NaN
            return None
        points = self._points[self._frames[nearest]]
        if distance[nearest] > 0:
            points = self._followed(points, int(self._frames[nearest]), frame)
        if len(points.inverse_N) < FEWEST_POINTS:
            return None
        return replace(points, pixels_N2=self._as_seen(points.pixels_N2))

    def _followed(self, points: FramePoints, chosen: int, frame: SourceFrame) -> FramePoints:
        """The points that can be followed from a chosen frame; as far away as they were there."""
        image = frame.image if frame.image is not None else np.zeros((1, 1, 3), np.uint8)
        if self._undistortion.moves_pixels:
            image = self._undistortion.image(image)
        if chosen != self._followed_from[0]:
            before = cv2.cvtColor(self._scene.image(chosen), cv2.COLOR_RGB2GRAY)
            self._followed_from = chosen, before
        before, now = self._followed_from[1], cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        places = np.ascontiguousarray(points.pixels_N2 - 0.5, np.float32)
        ends_N2, good_N = follow(before, now, places, _LEVELS, _TOLERANCE)
        ends_N2 = ends_N2.astype(float) + 0.5
        return replace(points, pixels_N2=ends_N2).where(good_N)

    def _as_seen(self, pixels_N2: np.ndarray) -> np.ndarray:
        """From the undistorted frame into that of the footage."""
        if not self._undistortion.moves_pixels:
            return pixels_N2
        fx, fy, cx, cy = self._undistortion.camera.params
        x, y = distort(
            self._footage.camera, (pixels_N2[:, 0] - cx) / fx, (pixels_N2[:, 1] - cy) / fy
        )
        K = self._footage.camera.K
        return np.stack([K[0, 0] * x + K[0, 2], K[1, 1] * y + K[1, 2]], 1)
