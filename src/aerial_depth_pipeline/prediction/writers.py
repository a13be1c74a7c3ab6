"""Files of predicted frames: video or images side by side, depth maps, point clouds."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.footage import USUAL_FPS, Footage
from aerial_depth_pipeline.capture.sources import SourceFrame
from aerial_depth_pipeline.files import BoundedExecutor
from aerial_depth_pipeline.formats.depth_maps import write_depth, write_depth_png
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import write_jpeg
from aerial_depth_pipeline.formats.point_clouds import write_ply
from aerial_depth_pipeline.formats.videos import VideoWriter
from aerial_depth_pipeline.prediction.scale import normalised_pixels
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.reporting.colours import plasma


class FrameWriter:
    """Writes each frame's files behind the network's back; a context manager.

    Attributes:
        count: frames so far.
    """

    def __init__(
        self,
        footage: Footage,
        settings: PredictSettings,
        output: Path,
        colour_range: tuple[float, float],
        png_step: float,
    ) -> None:
        self.count = 0
        self._settings, self._output = settings, output
        self._colour_range, self._png_step = colour_range, png_step
        self._normalised = normalised_pixels(footage.camera) if settings.points_every else None
        folders = {
            "side_by_side": settings.side_by_side and not footage.is_video,
            "depth": settings.tiff_every,
            "uncertainty": settings.uncertainty_every,
            "depth_png": settings.png_every,
            "points": settings.points_every,
        }
        for name in (name for name, wanted in folders.items() if wanted):
            (output / name).mkdir()
        self._stack = ExitStack()
        self._video: VideoWriter | None = None
        if settings.side_by_side and footage.is_video:
            fps = (footage.source.fps or USUAL_FPS) / settings.stride
            size = 2 * footage.width, footage.height
            video = VideoWriter(output / "side_by_side.mp4", *size, fps, "prediction")
            self._video = self._stack.enter_context(video)
        self._in_order = self._stack.enter_context(BoundedExecutor(1, 8))
        self._files = self._stack.enter_context(BoundedExecutor(2, 16))

    def __enter__(self) -> "FrameWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]

    def write(
        self, frame: SourceFrame, depth_HW: np.ndarray, error_HW: np.ndarray | None = None
    ) -> None:
        """Write what the settings want of this frame; `error_HW` is its expected relative error."""
        settings, number, output = self._settings, self.count, self._output
        self.count += 1
        name = numbered(frame.index) + (f"_{Path(frame.name).stem}" if frame.name else "")
        if settings.side_by_side:
            self._in_order.submit(self._write_side_by_side, name, frame.image, depth_HW)
        if settings.tiff_every and number % settings.tiff_every == 0:
            self._files.submit(write_depth, output / "depth" / f"{name}.tiff", depth_HW)
        if error_HW is not None and settings.uncertainty_every:
            if number % settings.uncertainty_every == 0:
                path = output / "uncertainty" / f"{name}.tiff"
                self._files.submit(write_depth, path, error_HW)
        if settings.png_every and number % settings.png_every == 0:
            path = output / "depth_png" / f"{name}.png"
            self._files.submit(write_depth_png, path, depth_HW, self._png_step)
        if settings.points_every and number % settings.points_every == 0:
            path = output / "points" / f"{name}.ply"
            self._files.submit(self._write_points, path, frame.image, depth_HW)

    def _write_side_by_side(self, name: str, image_HW3: np.ndarray, depth_HW: np.ndarray) -> None:
        image = np.concatenate([image_HW3, plasma(depth_HW, *self._colour_range)], 1)
        if self._video is not None:
            self._video.write(image)
        else:
            write_jpeg(self._output / "side_by_side" / f"{name}.jpg", image, 92)

    def _write_points(self, path: Path, image_HW3: np.ndarray, depth_HW: np.ndarray) -> None:
        """Every n-th point in the camera's coordinates: x right, y down, z forward."""
        assert self._normalised is not None
        n = self._settings.points_stride
        z_N1 = depth_HW[::n, ::n].reshape(-1, 1)
        points_N2 = self._normalised[::n, ::n].reshape(-1, 2) * z_N1
        points_N3 = np.concatenate([points_N2, z_N1], 1)
        write_ply(path, points_N3, image_HW3[::n, ::n].reshape(-1, 3))
