"""A folder in the original's layout: `NNNNNN.png` and `calib_cam_to_cam.txt` with `P_rect_00`."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.sources.photographs import PhotographSource
from aerial_depth_pipeline.capture.sources.source import IMAGE_SUFFIXES, SourceFrame, Wanted
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import visible_files
from aerial_depth_pipeline.geometry.cameras import Camera

CALIBRATION = "calib_cam_to_cam.txt"


class PreparedFolder(PhotographSource):
    """Numbered frames of a video, already extracted; a frame's number is its file's.

    Raises:
        SceneError: where there are no numbered images.
    """

    def __init__(self, raw: Path) -> None:
        files = next(filter(None, map(_numbered, (raw, raw / "images", raw / "frames"))), None)
        if files is None:
            raise SceneError(
                f"{raw} has a {CALIBRATION} but no numbered images (000000.png, ...); put them"
                " beside it."
            )
        super().__init__(files[0].parent, files, by_time=False)
        self.kind, self.continuous = "prepared", True
        self._numbers = [int(path.stem) for path in files]
        self._calibration = raw / CALIBRATION

    @classmethod
    def find(cls, raw: Path) -> "PreparedFolder | None":
        return cls(raw) if (raw / CALIBRATION).is_file() else None

    def frames(self, width: int, height: int, wanted: Wanted) -> Iterator[SourceFrame]:
        for frame in super().frames(width, height, lambda index: wanted(self._numbers[index])):
            yield replace(frame, index=self._numbers[frame.index])

    def own_camera(self) -> tuple[Camera, str]:
        return _read_calibration(self._calibration, self.width, self.height), CALIBRATION


def _numbered(folder: Path) -> list[Path]:
    files = [path for path in visible_files(folder, IMAGE_SUFFIXES) if path.stem.isdecimal()]
    return sorted(files, key=lambda path: int(path.stem))


def _read_calibration(path: Path, width: int, height: int) -> Camera:
    """The camera of P_rect_00 (and S_rect_00, the size, where it is there), at the images' size."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = dict(re.findall(r"^\s*(P_rect_00|S_rect_00)\s*:\s*(.*)$", text, re.MULTILINE))
    try:
        P = np.array([float(number) for number in lines["P_rect_00"].split()]).reshape(3, 4)
        size = lines.get("S_rect_00", f"{width} {height}").split()
        camera = Camera.from_K(P[:, :3] / P[2, 2], *(round(float(number)) for number in size))
        if abs(camera.width / camera.height / (width / height) - 1) > 0.01:
            raise SceneError(
                f"{path} is for {camera.width}x{camera.height}, but the images are"
                f" {width}x{height}; correct S_rect_00 and P_rect_00."
            )
        return camera.resized(width, height)
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise SceneError(
            f"{path} has no usable P_rect_00 ({error}); it is a line 'P_rect_00: ' with twelve"
            " numbers, row by row."
        ) from error
