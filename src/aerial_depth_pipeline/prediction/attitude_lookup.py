"""The attitude of the camera that took footage: what the drone states, what the user says, else
what the video's motion tells."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from aerial_depth_pipeline.capture.footage import FOCAL_DOUBT, Footage
from aerial_depth_pipeline.capture.motion.attitude import up_of_gimbal
from aerial_depth_pipeline.capture.motion.video_attitude import UpOverTime
from aerial_depth_pipeline.capture.sources import SourceFrame
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.prediction.camera_calibration import calibrate_camera
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.sfm.self_calibration import DETERMINED


class Attitude:
    """The attitude of the camera that took some footage; a video without stated angles is read once
    for it, on another thread, and twice before where its camera is assumed: it may be calibrated
    then.

    Attributes:
        doubt: by how many degrees it may be off because of the camera's focal length.
    """

    def __init__(self, footage: Footage, settings: PredictSettings) -> None:
        self._footage, self._pitch = footage, settings.pitch
        self._motion: Future[UpOverTime] | None = None
        self._stated = None if settings.attitude == "none" else footage.attitude_origin
        if self._stated is None and settings.pitch is not None:
            self._stated = "setting"
        moves = self._stated is None and settings.attitude == "auto" and footage.is_video
        off = FOCAL_DOUBT.get(footage.camera_origin, 0.0)
        if footage.camera_origin == "assumed" and (moves or self._stated):
            off, is_harmless = self._calibrated()
            moves &= is_harmless
        # What the ground shows is where the horizon lies in the image. The angle from there to the
        # optical axis changes by its sine times its cosine times the focal length's error.
        self.doubt = float(np.degrees(off / 2))
        if moves:
            pool = ThreadPoolExecutor(1, thread_name_prefix="attitude")
            self._motion = pool.submit(footage.up_from_motion)
            pool.shutdown(wait=False)

    @property
    def origin(self) -> str | None:
        """What it is known from: `telemetry`, `photographs`, `setting`, `motion`, or None."""
        stretches = () if self._motion is None else self._motion.result().stretches
        moves = any(stretch.up_M3 is not None for stretch in stretches)
        return "motion" if moves else self._stated

    def _calibrated(self) -> tuple[float, bool]:
        """By what share the focal length is off after calibration, and whether an attitude from
        motion still puts the ground where it is.

        It does where the motion leaves the focal length open: any that fits has the attitude that
        fits it. Elsewhere the ground is as wrong as without one from an error of ten degrees on.
        """
        remark, is_harmless, off = "is not stated beside it", True, FOCAL_DOUBT["assumed"]
        if self._footage.is_video:
            try:
                if (deviation := calibrate_camera(self._footage)) <= DETERMINED:
                    return deviation, True
                remark = "is not determined by its motion"
            except SceneError as error:
                remark, is_harmless = f"cannot be calibrated ({error})", False
        self._footage.source.warnings.append(
            f"The focal length of {self._footage.path.name} {remark}: a usual lens is"
            f" assumed, and an attitude may be off by {np.degrees(off / 2):.0f} degrees"
            f"{'' if is_harmless else ', too much to tell it from the motion'}. Add a"
            " camera.yaml or set predict.focal_35mm."
        )
        return off, is_harmless

    def slopes(self, frames: Sequence[SourceFrame]) -> np.ndarray:
        """Slope [B, 2] of level ground (`geometry.ground.ground_slope`) in frames of the footage,
        NaN where nothing tells the attitude."""
        footage = self._footage
        times = np.array([frame.time for frame in frames])
        up_B3 = np.full((len(frames), 3), np.nan)
        if self._stated in ("telemetry", "photographs"):
            up_B3 = footage.up([frame.index for frame in frames], times)
        elif self._motion is not None:
            up_B3 = self._motion.result().at(times)
        if self._pitch is not None:
            stated = up_of_gimbal(np.float64(self._pitch), np.float64(0))
            up_B3 = np.where(np.isfinite(up_B3), up_B3, stated)
        K_B33 = torch.tensor(footage.camera.K).expand(len(frames), 3, 3)
        return ground_slope(torch.tensor(up_B3), K_B33, footage.height, footage.width).numpy()
