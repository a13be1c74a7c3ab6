"""Triplets on disk: the frames side by side and their calibration, in the SfMLearner layout."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.sources.sfmlearner import CALIBRATION_SUFFIX
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import read_frame, scale_down, write_jpeg
from aerial_depth_pipeline.geometry.cameras import Camera, scale_K
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.triplets.settings import TripletSettings

_AHEAD = 32  # triplets under way at once, which bounds the memory


def write_triplets(
    members: dict[int, list[int]],
    frames: Path,
    folder: Path,
    camera: Camera,
    settings: TripletSettings,
    pool: ThreadPoolExecutor,
) -> None:
    """Write `NNNNNN.jpg` and `NNNNNN_cam.txt` for each target.

    Each frame is read and scaled once for all the triplets that it belongs to, and forgotten after
    the last one.

    Args:
        members: for each target, in the order of time, the frames of its triplet by time.
        frames: the folder of `NNNNNN.jpg`.
        folder: where the triplets go.
        camera: the frames' camera.
        settings: size and quality.
        pool: threads that read and write.

    Raises:
        OSError: where a file cannot be written.
    """
    width, height = settings.width, settings.height
    K = scale_K(camera.K, width / camera.width, height / camera.height)
    calibration = ",".join(repr(float(value)) for value in K.ravel())

    def small(frame: int) -> np.ndarray:
        return scale_down(read_frame(frames / numbered(frame, ".jpg")), width, height)

    def write(target: int, images: list[Future]) -> None:
        # The images were submitted before, so the pool's first-in-first-out order has them done or
        # under way.
        row = np.concatenate([image.result() for image in images], axis=1)
        write_jpeg(folder / numbered(target, ".jpg"), row, settings.jpeg_quality)
        path = folder / numbered(target, CALIBRATION_SUFFIX)
        path.write_text(calibration, encoding="ascii")

    last_use = {frame: target for target, group in members.items() for frame in group}
    images: dict[int, Future] = {}
    pending: deque[Future] = deque()
    for target, group in progress(members.items(), "triplets", len(members), "triplet"):
        for frame in group:
            if frame not in images:
                images[frame] = pool.submit(small, frame)
        pending.append(pool.submit(write, target, [images[frame] for frame in group]))
        for frame in group:
            if last_use[frame] == target:
                del images[frame]
        if len(pending) > _AHEAD:
            pending.popleft().result()
    for future in pending:
        future.result()
