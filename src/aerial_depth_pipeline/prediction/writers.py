"""Files that prediction leaves: film, depth maps, point clouds."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

_LARGEST_UINT16 = 65535


class Film:
    """H.264 from RGB frames [H, W, 3] uint8 of even size; a context manager. The same frames give
    the same file."""

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        self._container = av.open(str(path), "w", options={"movflags": "+faststart"})
        self._stream = self._container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1001)
        )
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        # The number of threads is fixed because it changes the file; look-ahead costs memory for
        # little.
        self._stream.options = {
            "crf": "20",
            "preset": "veryfast",
            "threads": "2",
            "rc-lookahead": "10",
        }

    def write(self, image_HW3: np.ndarray) -> None:
        """Append a frame."""
        for packet in self._stream.encode(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(image_HW3), format="rgb24")
        ):
            self._container.mux(packet)

    def __enter__(self) -> "Film":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()


def colour_range(depths_HW: list[np.ndarray]) -> tuple[float, float]:
    """Near and far end of one colour scale for all of the given depth: the 1st and 99th
    percentile."""
    values = np.concatenate([depth[::4, ::4].ravel() for depth in depths_HW])
    near, far = (float(value) for value in np.percentile(values, [1, 99]))
    return (near, far) if far > near * 1.01 else (near * 0.95, far * 1.05)


def plasma(depth_HW: np.ndarray, near: float, far: float) -> np.ndarray:
    """Inverse depth in plasma colours [H, W, 3], uint8 RGB: `near` bright, `far` dark."""
    level = np.clip((1 / depth_HW - 1 / far) / (1 / near - 1 / far), 0, 1)
    return cv2.cvtColor(
        cv2.applyColorMap((level * 255 + 0.5).astype(np.uint8), cv2.COLORMAP_PLASMA),
        cv2.COLOR_BGR2RGB,
    )


def write_png(path: Path, depth_HW: np.ndarray, step: float) -> None:
    """Write depth as 16-bit PNG in units of `step`; what is farther than it can hold gets its
    largest value."""
    _, data = cv2.imencode(
        ".png", np.clip(np.rint(depth_HW / step), 1, _LARGEST_UINT16).astype(np.uint16)
    )
    path.write_bytes(data)


def write_points(
    path: Path, depth_HW: np.ndarray, image_HW3: np.ndarray, normalised_HW2: np.ndarray, stride: int
) -> None:
    """Write a coloured point cloud (binary PLY) in the camera's coordinates: x right, y down, z
    forward, in the depth's unit."""
    z = depth_HW[::stride, ::stride].ravel()
    points = np.empty(
        z.size,
        [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")],
    )
    normalised = normalised_HW2[::stride, ::stride].reshape(-1, 2)
    points["x"], points["y"], points["z"] = normalised[:, 0] * z, normalised[:, 1] * z, z
    points["red"], points["green"], points["blue"] = image_HW3[::stride, ::stride].reshape(-1, 3).T
    properties = "".join(
        f"property {'float' if kind == '<f4' else 'uchar'} {name}\n"
        for name, kind in points.dtype.descr
    )
    with path.open("wb") as stream:
        stream.write(
            "ply\nformat binary_little_endian 1.0\nelement vertex"
            f" {z.size}\n{properties}end_header\n".encode("ascii")
        )
        stream.write(points.tobytes())


class InBackground:
    """Runs calls on other threads with at most `waiting` of them unfinished, so that memory does
    not grow; errors come back.

    One thread keeps the order of the calls.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._waiting = waiting
        self._futures: deque[Future] = deque()

    def submit(self, function: Callable, *arguments: object) -> None:
        """Run `function(*arguments)` soon; waits while too many calls are unfinished.

        Raises:
            Exception: whatever an earlier call raised.
        """
        while len(self._futures) >= self._waiting:
            self._futures.popleft().result()
        self._futures.append(self._pool.submit(function, *arguments))

    def __enter__(self) -> "InBackground":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            while self._futures:
                self._futures.popleft().result()
