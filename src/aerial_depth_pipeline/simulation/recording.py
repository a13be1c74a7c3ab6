"""A flight's files, as a drone would leave them: H.264 video, DJI-style telemetry, the camera, and
the truth beside them."""

import datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

_EQUATOR, _FLATTENING = 6378137.0, 1 / 298.257223563  # WGS 84


class VideoWriter:
    """Writes RGB frames [H, W, 3] uint8 to an H.264 file (yuv420p); use it as a context manager."""

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        self._container = av.open(str(path), "w")
        self._stream = self._container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1001)
        )
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        # The same frames must give the same file: one thread, and no macroblock tree, whose choices
        # in small frames hang on stale memory.
        self._stream.options = {
            "crf": "17",
            "preset": "medium",
            "threads": "1",
            "g": "30",
            "x264-params": "mbtree=0",
        }

    def write(self, image: np.ndarray) -> None:
        """Append a frame."""
        planes = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2YUV_I420)
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")):
            self._container.mux(packet)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()


def write_depth(path: Path, depth_HW: np.ndarray) -> None:
    """Write z-depth in metres as a deflate-compressed float32 TIFF, 0 where there is none."""
    if not cv2.imwrite(
        str(path),
        depth_HW.astype(np.float32),
        [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_ADOBE_DEFLATE],
    ):
        raise OSError(f"{path} could not be written")


def write_poses(path: Path, poses_F44: np.ndarray) -> None:
    """Write `poses.csv`: frame and the twelve numbers of cam_from_world, row by row."""
    names = ",".join(f"cam_from_world_{row}{column}" for row in range(3) for column in range(4))
    lines = [f"frame,{names}"]
    for index, pose in enumerate(poses_F44):
        lines.append(f"{index}," + ",".join(f"{value:.9f}" for value in pose[:3].ravel()))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def to_geographic(local_N3: np.ndarray, origin: tuple[float, float, float]) -> np.ndarray:
    """Latitude, longitude (degrees) and altitude (metres) [N, 3] of local metres east, north, up,
    near the origin (WGS 84)."""
    latitude, longitude, altitude = origin
    eccentricity = _FLATTENING * (2 - _FLATTENING)
    sine = np.sin(np.radians(latitude))
    across = _EQUATOR / np.sqrt(1 - eccentricity * sine**2)
    along = across * (1 - eccentricity) / (1 - eccentricity * sine**2)
    north = np.degrees(local_N3[:, 1] / (along + altitude))
    east = np.degrees(local_N3[:, 0] / ((across + altitude) * np.cos(np.radians(latitude))))
    return np.stack([latitude + north, longitude + east, altitude + local_N3[:, 2]], -1)


def write_srt(
    path: Path,
    centers_F3: np.ndarray,
    fps: float,
    origin: tuple[float, float, float],
    noise: float,
    takeoff: float,
    rng: np.random.Generator,
) -> None:
    """Write telemetry in the bracketed dialect of DJI's subtitles; `FrameCnt: 1` is the video's
    frame 0.

    Args:
        centers_F3: true positions of the camera in local metres.
        noise: standard deviation of the written positions in metres; half of its variance wanders
            slowly, as a receiver's error does.
        takeoff: height of the place of departure in local metres: `rel_alt` counts from it.
    """
    count = len(centers_F3)
    wander, error = np.empty((count, 3)), rng.standard_normal(3)
    for index in range(count):
        wander[index] = error
        error = 0.98 * error + np.sqrt(1 - 0.98**2) * rng.standard_normal(3)
    measured = centers_F3 + noise * np.sqrt(0.5) * (wander + rng.standard_normal((count, 3)))
    geographic = to_geographic(measured, origin)
    start = datetime.datetime(2026, 5, 3, 10, 0, 0)
    blocks = []
    for index in range(count):
        begin, end = (round(i * 1000 / fps) for i in (index, index + 1))
        moment = start + datetime.timedelta(milliseconds=begin)
        latitude, longitude, altitude = geographic[index]
        blocks.append(
            f"{index + 1}\n{_timecode(begin)} --> {_timecode(end)}\n"
            f'<font size="28">FrameCnt: {index + 1}, DiffTime: {end - begin}ms\n'
            f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}\n"
            f"[iso: 100] [shutter: 1/1000.0] [fnum: 2.8] [ev: 0] [focal_len: 24.00] "
            f"[latitude: {latitude:.7f}] [longitude: {longitude:.7f}] "
            f"[rel_alt: {measured[index, 2] - takeoff:.3f} abs_alt: {altitude:.3f}] [ct: 5500]"
            " </font>\n"
        )
    path.write_text("\n".join(blocks), encoding="utf-8")


def _timecode(milliseconds: int) -> str:
    seconds, milli = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d},{milli:03d}"
