"""A video of input and predicted depth side by side."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from aerial_depth_pipeline.evaluation.panels import depth_range, plasma

_MEMORY = 0.9


def write_side_by_side(
    images: Iterable[np.ndarray], predict: Callable[[np.ndarray], np.ndarray], path: Path, fps: float = 15, width: int = 640
) -> int:
    """Write an H.264 MP4: the frame on the left, its depth in plasma colours on the right (bright near).

    The colour scale follows the predictions slowly, so that it does not flicker.

    Args:
        images: frames [H, W, 3] uint8 RGB of one size.
        predict: from a frame to z-depth [H, W].
        path: the file.
        fps: frames a second.
        width: of each half in pixels; made even.

    Returns:
        The number of frames; nothing is written for 0.
    """
    count, stream, ends = 0, None, None
    container = None
    try:
        for image in images:
            size = (width // 2 * 2, round(width * image.shape[0] / image.shape[1] / 2) * 2)
            depth = np.asarray(predict(image), np.float32)
            now = np.reciprocal(np.array(depth_range(depth)))
            ends = now if ends is None else _MEMORY * ends + (1 - _MEMORY) * now
            halves = (image, plasma(depth, 1 / ends[0], 1 / ends[1]))
            both = np.hstack([cv2.resize(half, size, interpolation=cv2.INTER_AREA) for half in halves])
            if container is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                container = av.open(str(path), "w", options={"movflags": "faststart"})
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
                stream.width, stream.height, stream.pix_fmt = both.shape[1], both.shape[0], "yuv420p"
                stream.options = {"crf": "23", "preset": "veryfast"}
            elif both.shape[:2] != (stream.height, stream.width):
                raise ValueError("all frames of a video must have one size")
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(both), format="rgb24")):
                container.mux(packet)
            count += 1
        if container is not None:
            for packet in stream.encode():
                container.mux(packet)
    finally:
        if container is not None:
            container.close()
    return count
