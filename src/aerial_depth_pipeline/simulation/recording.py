"""A flight's files, as a drone would leave them: H.264 video, DJI-style telemetry, the camera, and
the truth beside them."""

import datetime
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.geometry.geodesy import Geographic, to_geographic


def write_srt(
    path: Path,
    centers_F3: np.ndarray,
    fps: float,
    origin: Geographic,
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
