"""Triplets on disk: the frames side by side and their calibration, in the SfMLearner layout."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from aerial_depth_pipeline.formats.images import scale_down, write_jpeg
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder, calibration_text
from aerial_depth_pipeline.geometry.cameras import Camera, scale_K
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.triplets.settings import TripletSettings

_AHEAD = 32  # triplets under way at once, which bounds the memory


def write_triplets(
    members: dict[int, list[int]],
    frames: SceneFolder,
    folder: TripletFolder,
    camera: Camera,
    settings: TripletSettings,
    pool: ThreadPoolExecutor,
) -> None:
    """Write `NNNNNN.jpg` and `NNNNNN_cam.txt` for each target.

    Each frame is read and scaled once for all the triplets that it belongs to, and forgotten after
    the last one.

    Args:
        members: for each target, in the order of time, the frames of its triplet by time.
        frames: the scene's frames.
        folder: where the triplets go.
        camera: the frames' camera.
        settings: size and quality.
        pool: threads that read and write.

    Raises:
        OSError: where a file cannot be written.
    """
    width, height = settings.width, settings.height
    K = scale_K(camera.K, width / camera.width, height / camera.height)
    calibration = calibration_text(K)

    def small(frame: int) -> np.ndarray:
        return scale_down(frames.image(frame), width, height)

    def write(target: int, images: list[Future]) -> None:
        # The images were submitted before, so the pool's first-in-first-out order has them done or
        # under way.
        row = np.concatenate([image.result() for image in images], axis=1)
        write_jpeg(folder.image_file(target), row, settings.jpeg_quality)
        folder.calibration_file(target).write_text(calibration, encoding="ascii")

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
