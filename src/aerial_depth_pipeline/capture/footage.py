"""Footage: the frames of whatever a user names, with the camera, telemetry and attitude that are
known of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from aerial_depth_pipeline.capture.camera_lookup import look_up_camera, resize_camera
from aerial_depth_pipeline.capture.motion.attitude import MATCHED_WIDTH, up_of_gimbal
from aerial_depth_pipeline.capture.motion.video_attitude import UpOverTime, up_over_time
from aerial_depth_pipeline.capture.sources import Fix, Source
from aerial_depth_pipeline.capture.sources.source import VIDEO_SUFFIXES
from aerial_depth_pipeline.capture.telemetry import find_telemetry
from aerial_depth_pipeline.capture.telemetry.telemetry import (
    Telemetry,
    at_times,
    smooth_positions,
    up_at_times,
)
from aerial_depth_pipeline.capture.undistortion import plan_undistortion
from aerial_depth_pipeline.files import visible_files
from aerial_depth_pipeline.formats.images import fit_width
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.geodesy import local_metres
from aerial_depth_pipeline.progress import progress

USUAL_FPS = 25.0
MOTION_FPS = 6.0  # frames a second from which the attitude is found


# By what share the focal length may be off, by the camera's origin; nothing where it is calibrated
FOCAL_DOUBT = {
    "maker_calibration": 0.005,
    "exif": 0.02,
    "self_calibration": 0.01,
    "setting": 0.1,
    "telemetry": 0.1,
    "drone_model": 0.1,
    "assumed": 0.7,  # drones' lenses have 0.5 to 1.4 image widths, the usual one 0.7
}


@dataclass
class Footage:
    """A source of frames and what is known of the camera that took them."""

    path: Path  # what the user named: a scene's folder, a folder of images, an image or a video
    source: Source
    width: int  # pixels of the frames that are read
    height: int
    known_camera: Camera | None = None  # of these; None where nothing beside or in the source tells
    camera_origin: str = ""  # `camera.yaml`, `exif`, `archive`, ...; '' without a camera
    telemetry: Telemetry | None = None  # from a file beside the source
    warnings: list[str] = field(default_factory=list)  # of files of telemetry that cannot be read

    @classmethod
    def open(
        cls, path: Path, source: Source, size: tuple[int, int], camera: str, videos_only: bool
    ) -> "Footage":
        """Look up the camera and the telemetry of a source.

        Args:
            path: what the user named.
            source: opened from it.
            size: width and height of the frames that are read.
            camera: `auto`, `file`, `exif` or `self_calibration`, see `look_up_camera`.
            videos_only: telemetry counts for videos only, and not where it may belong to another
                video of the folder.

        Raises:
            SceneError: as `look_up_camera`.
        """
        footage = cls(path, source, *size)
        folder = path if path.is_dir() else path.parent
        if (known := look_up_camera(folder, source, camera)) is not None:
            footage.known_camera, footage.camera_origin = resize_camera(known[0], *size), known[1]
        if footage.is_video or (source.continuous and not videos_only):
            video = source.path if footage.is_video else None
            telemetry, footage.warnings = find_telemetry(folder, video, source.recording)
            if not (videos_only and telemetry and _is_of_another(telemetry, source.path)):
                footage.telemetry = telemetry
        return footage

    @property
    def camera(self) -> Camera:
        """The camera of the frames that are read; a ValueError where it is not known yet."""
        if self.known_camera is None:
            raise ValueError(f"the camera of {self.path} is not known")
        return self.known_camera

    @property
    def is_video(self) -> bool:
        """Whether the source is a video file."""
        return self.source.kind == "video"

    @cached_property
    def _heights(self) -> dict[int, float]:
        return self.source.heights()

    @property
    def has_heights(self) -> bool:
        """Whether telemetry or the photographs state heights above the place of departure."""
        if self.telemetry is not None:
            heights = self.telemetry.position_N3[:, 2]
            return self.telemetry.datum == "start" and bool(np.isfinite(heights).any())
        return bool(self._heights)

    def heights(self, frames: Sequence[int], times_N: np.ndarray) -> np.ndarray:
        """Stated heights [N] in metres above the place of departure, NaN where unknown."""
        if self.telemetry is not None and self.has_heights:
            return at_times(self.telemetry, times_N)[:, 2]
        return np.array([self._heights.get(frame, np.nan) for frame in frames], float)

    def stated_focal_35mm(self) -> tuple[float, str, str] | None:
        """The 35 mm equivalent focal length in mm that telemetry states or that the drone named in
        the source has, the file that says so, and `telemetry` or `drone_model`."""
        if self.telemetry is not None and self.telemetry.focal_35mm is not None:
            return self.telemetry.focal_35mm, self.telemetry.source, "telemetry"
        focal = self.source.stated_focal_35mm()
        return None if focal is None else (focal, self.source.path.name, "drone_model")

    @cached_property
    def attitude_origin(self) -> str | None:
        """What states the gimbal's angles: `telemetry` or `photographs`; None where nothing does.
        Angles do not count where the images were rotated upright."""
        stated = self.telemetry is not None and self.telemetry.attitude_N2 is not None
        if stated and not self.source.rotated:
            return "telemetry"
        return "photographs" if self._angles else None

    @cached_property
    def _angles(self) -> dict[int, tuple[float, float]]:
        return {} if self.source.continuous else self.source.angles()

    def up(self, frames: Sequence[int], times_N: np.ndarray) -> np.ndarray:
        """The upward direction in the camera's axes [N, 3] by the stated angles, at frames of these
        indices and times in seconds; NaN where unknown."""
        if self.attitude_origin == "telemetry" and self.telemetry is not None:
            return up_at_times(self.telemetry, times_N)
        unknown = np.nan, np.nan
        return up_of_gimbal(*np.array([self._angles.get(frame, unknown) for frame in frames]).T)

    def up_from_motion(self) -> UpOverTime:
        """The upward direction by the motion of a video, which is read once for it."""
        source = self.source
        width, height = fit_width(source.width, source.height, MATCHED_WIDTH)
        camera = resize_camera(self.camera, width, height)
        try:
            undistortion = plan_undistortion(camera) if camera.is_distorted else None
        except ValueError:  # there is no undistorted image
            return UpOverTime(())
        every = max(1, round((source.fps or USUAL_FPS) / MOTION_FPS))

        def grays() -> Iterator[tuple[float, np.ndarray]]:
            frames = source.frames(width, height, lambda index: index % every == 0)
            for frame in progress(frames, f"attitude in {self.path.name}", unit="frame"):
                if frame.image is not None and np.isfinite(frame.time):
                    image = frame.image if undistortion is None else undistortion.image(frame.image)
                    yield frame.time, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)

        K_33 = camera.K if undistortion is None else undistortion.camera.K
        telemetry = self.telemetry
        if telemetry is None or not telemetry.has_places:
            return up_over_time(grays(), K_33)
        metres, _ = _metres(telemetry.position_N3, telemetry.position_N3)
        smooth = replace(telemetry, position_N3=smooth_positions(telemetry.time_N, metres))
        return up_over_time(grays(), K_33, lambda times: at_times(smooth, times))

    def positions(
        self, frames: Sequence[int], times_N: np.ndarray, warnings: list[str]
    ) -> tuple[np.ndarray, Fix | None]:
        """East, north, up [N, 3] in metres of frames of these indices and times in seconds (NaN
        where unknown), and their origin; `warnings` receives what is wrong with them."""
        telemetry, fixes = self.telemetry, self.source.fixes() if self.telemetry is None else {}
        if telemetry is not None:
            warnings += telemetry.warnings
            positions = at_times(telemetry, times_N)
        else:
            positions = np.array([fixes.get(frame, (np.nan,) * 3) for frame in frames], float)
        known = np.isfinite(positions[:, 0])
        if telemetry is not None and telemetry.has_places and not known.all():
            warnings.append(
                f"{telemetry.source} covers {known.sum()} of {len(frames)} frames; the others have"
                " no position."
            )
        elif not known.all() and fixes:
            warnings.append(
                f"{(~known).sum()} of {len(frames)} photographs of {self.source.path.name} have no"
                " position."
            )
        if not known.any():
            return np.full((len(frames), 3), np.nan), None
        return _metres(positions, positions[known] if telemetry is None else telemetry.position_N3)

    def deviations(self, frames: Sequence[int]) -> np.ndarray:
        """Standard deviation [N] along an axis, in metres, of the positions of frames of these
        indices; NaN where the receiver does not state it."""
        stated = self.source.deviations() if self.telemetry is None else {}
        return np.array([stated.get(frame, np.nan) for frame in frames], float)


def _is_of_another(telemetry: Telemetry, video: Path) -> bool:
    """Whether telemetry beside a video may belong to another video of the folder."""
    named_alike = Path(telemetry.source).stem.lower() == video.stem.lower()
    return not named_alike and len(visible_files(video.parent, VIDEO_SUFFIXES)) > 1


def _metres(position_N3: np.ndarray, all_M3: np.ndarray) -> tuple[np.ndarray, Fix]:
    """East, north, up [N, 3] in metres about the first place of `all_M3` and the first height that
    is known there; up is NaN where the height is."""
    heights = all_M3[np.isfinite(all_M3[:, 2]), 2]
    latitude, longitude = all_M3[np.isfinite(all_M3[:, 0]), :2][0].tolist()
    origin = Fix(latitude, longitude, float(heights[0]) if len(heights) else 0.0)
    known = np.isfinite(position_N3[:, 2])
    metres = local_metres(
        np.column_stack([position_N3[:, :2], np.where(known, position_N3[:, 2], origin.altitude)]),
        origin,
    )
    metres[~known, 2] = np.nan
    return metres, origin
