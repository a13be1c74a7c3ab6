"""H.264 videos."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np

Purpose = Literal["footage", "prediction", "report"]
# The number of threads is fixed because it changes the file. Footage: no macroblock tree, whose
# choices in small frames hang on stale memory. Prediction: look-ahead costs memory for little.
_OPTIONS: dict[Purpose, dict[str, str]] = {
    "footage": {
        "crf": "17",
        "preset": "medium",
        "threads": "1",
        "g": "30",
        "x264-params": "mbtree=0",
    },
    "prediction": {"crf": "20", "preset": "veryfast", "threads": "2", "rc-lookahead": "10"},
    "report": {"crf": "23", "preset": "veryfast"},
}


class VideoWriter:
    """H.264 (yuv420p) from RGB images [H, W, 3] uint8 of one even size; a context manager.

    Args:
        purpose: quality and speed; under `footage` and `prediction` the same images give the same
            file.

    Raises:
        ValueError: for an image of another size.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float, purpose: Purpose) -> None:
        self._footage = purpose == "footage"
        # What people open in a browser has its index in front.
        options: dict[str, str] = {} if self._footage else {"movflags": "+faststart"}
        self._container = av.open(str(path), "w", options=options)
        rate = Fraction(fps).limit_denominator(1000 if purpose == "report" else 1001)
        self._stream = self._container.add_stream("libx264", rate=rate)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.options = dict(_OPTIONS[purpose])

    def write(self, image_HW3: np.ndarray) -> None:
        """Append a frame."""
        if image_HW3.shape[:2] != (self._stream.height, self._stream.width):
            raise ValueError("all frames of a video must have one size")
        image, layout = np.ascontiguousarray(image_HW3), "rgb24"
        if self._footage:
            image, layout = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), "yuv420p"
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(image, format=layout)):
            self._container.mux(packet)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()


def write_video(images: Iterable[np.ndarray], path: Path, fps: float) -> int:
    """Write images [H, W, 3] uint8 RGB of one even size for a report; their number, and no file for
    0.

    Raises:
        ValueError: if the images differ in size.
    """
    images = iter(images)
    first = next(images, None)
    if first is None:
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, first.shape[1], first.shape[0], fps, "report") as video:
        video.write(first)
        count = 1
        for image in images:
            video.write(image)
            count += 1
    return count
