"""The attitude of the camera that took footage: what the drone states, what the user says, else
what the video's motion tells."""

from collections.abc import Sequence

import numpy as np
import torch

from aerial_depth_pipeline.capture.footage import Footage
from aerial_depth_pipeline.capture.motion.attitude import up_of_gimbal
from aerial_depth_pipeline.capture.motion.video_attitude import UpOverTime
from aerial_depth_pipeline.capture.sources import SourceFrame
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.prediction.settings import PredictSettings


class Attitude:
    """The attitude of the camera that took some footage; a video without stated angles is read once
    for it.

    Attributes:
        origin: what it is known from: `telemetry`, `photographs`, `setting`, `motion`, or None.
    """

    def __init__(self, footage: Footage, settings: PredictSettings) -> None:
        self._footage, self._pitch = footage, settings.pitch
        self._motion = UpOverTime(())
        self.origin = None if settings.attitude == "none" else footage.attitude_origin
        if self.origin is None and settings.pitch is not None:
            self.origin = "setting"
        elif self.origin is None and settings.attitude == "auto" and footage.is_video:
            self._motion = footage.up_from_motion()
            if any(stretch.up_M3 is not None for stretch in self._motion.stretches):
                self.origin = "motion"

    def slopes(self, frames: Sequence[SourceFrame]) -> np.ndarray:
        """Slope [B, 2] of level ground (`geometry.ground.ground_slope`) in frames of the footage,
        NaN where nothing tells the attitude."""
        footage = self._footage
        times = np.array([frame.time for frame in frames])
        up_B3 = np.full((len(frames), 3), np.nan)
        if self.origin in ("telemetry", "photographs"):
            up_B3 = footage.up([frame.index for frame in frames], times)
        elif self.origin == "motion":
            up_B3 = self._motion.at(times)
        if self._pitch is not None:
            stated = up_of_gimbal(np.float64(self._pitch), np.float64(0))
            up_B3 = np.where(np.isfinite(up_B3), up_B3, stated)
        K_B33 = torch.tensor(footage.camera.K).expand(len(frames), 3, 3)
        return ground_slope(torch.tensor(up_B3), K_B33, footage.height, footage.width).numpy()
