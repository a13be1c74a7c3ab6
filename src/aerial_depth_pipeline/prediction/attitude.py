"""How the camera was held that took the footage: what the drone states, what the user says, else
what the video's motion tells."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch

from aerial_depth_pipeline.capture.camera_lookup import resize_camera
from aerial_depth_pipeline.capture.motion.attitude import MATCHED_WIDTH, up_of_gimbal
from aerial_depth_pipeline.capture.motion.video_attitude import UpOverTime, up_over_time
from aerial_depth_pipeline.capture.sources.source import Fix, SourceFrame
from aerial_depth_pipeline.capture.telemetry.telemetry import (
    Telemetry,
    at_times,
    smooth_positions,
    up_at_times,
)
from aerial_depth_pipeline.capture.undistortion import plan_undistortion
from aerial_depth_pipeline.formats.images import fit_width
from aerial_depth_pipeline.geometry.geodesy import local_metres
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.prediction.footage import USUAL_FPS, Footage
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.progress import progress

_LOOKS_A_SECOND = 6.0


class Attitude:
    """The attitude of the camera that took some footage.

    Attributes:
        origin: what it is known from: `telemetry`, `photographs`, `setting`, `motion`, or None.
    """

    def __init__(self, footage: Footage, settings: PredictSettings) -> None:
        """Find out what tells the attitude; a video without telemetry of it is looked through
        once."""
        self._footage, self._pitch = footage, settings.pitch
        self._motion: UpOverTime | None = None
        self._stated: dict[int, tuple[float, float]] = {}
        self.origin: str | None = None
        telemetry = None if footage.source.turned else footage.telemetry
        if (
            settings.attitude != "none"
            and telemetry is not None
            and telemetry.attitude_N2 is not None
        ):
            self.origin = "telemetry"
        elif (
            settings.attitude != "none"
            and not footage.source.continuous
            and (stated := footage.source.angles())
        ):
            self.origin, self._stated = "photographs", stated
        elif settings.pitch is not None:
            self.origin = "setting"
        elif settings.attitude == "auto" and footage.is_video:
            self._motion = _up_from_motion(footage)
            self.origin = (
                "motion"
                if any(stretch.up_M3 is not None for stretch in self._motion.stretches)
                else None
            )

    def slopes(self, frames: Sequence[SourceFrame]) -> np.ndarray:
        """Slope [B, 2] of level ground (`geometry.ground.ground_slope`) in frames of the footage,
        NaN where nothing tells the attitude."""
        times = np.array([frame.time for frame in frames])
        up_B3 = np.full((len(frames), 3), np.nan)
        if self.origin == "telemetry":
            up_B3 = up_at_times(self._footage.telemetry, times)
        elif self.origin == "photographs":
            up_B3 = up_of_gimbal(
                *np.array([self._stated.get(frame.index, (np.nan, np.nan)) for frame in frames]).T
            )
        elif self.origin == "motion":
            up_B3 = self._motion.at(times)
        if self._pitch is not None:
            up_B3 = np.where(
                np.isfinite(up_B3), up_B3, up_of_gimbal(np.float64(self._pitch), np.float64(0))
            )
        K_B33 = torch.tensor(self._footage.camera.K).expand(len(frames), 3, 3)
        return ground_slope(
            torch.tensor(up_B3), K_B33, self._footage.height, self._footage.width
        ).numpy()


def _up_from_motion(footage: Footage) -> UpOverTime:
    source = footage.source
    width, height = fit_width(source.width, source.height, MATCHED_WIDTH)
    camera = resize_camera(footage.camera, width, height)
    try:
        undistortion = plan_undistortion(camera) if camera.is_distorted else None
    except ValueError:  # no undistorted picture exists
        return UpOverTime(())
    every = max(1, round((source.fps or USUAL_FPS) / _LOOKS_A_SECOND))

    def pictures() -> Iterator[tuple[float, np.ndarray]]:
        frames = source.frames(width, height, lambda index: index % every == 0)
        for frame in progress(frames, f"attitude in {footage.path.name}", unit="frame"):
            if frame.image is not None and np.isfinite(frame.time):
                image = frame.image if undistortion is None else undistortion.image(frame.image)
                yield frame.time, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)

    K_33 = camera.K if undistortion is None else undistortion.camera.K
    telemetry = None if footage.telemetry is None else _smoothed(footage.telemetry)
    return up_over_time(
        pictures(), K_33, None if telemetry is None else lambda times: at_times(telemetry, times)
    )


def _smoothed(telemetry: Telemetry) -> Telemetry:
    """The same with positions in metres, freed of the receiver's noise."""
    known = np.isfinite(telemetry.position_N3).all(1)
    origin = Fix(*telemetry.position_N3[known][0]) if known.any() else Fix(0.0, 0.0, 0.0)
    place = origin.latitude, origin.longitude, origin.altitude
    metres = local_metres(telemetry.position_N3, place)
    return replace(telemetry, position_N3=smooth_positions(telemetry.time_N, metres))
