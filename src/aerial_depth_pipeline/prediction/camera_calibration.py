"""The camera of a video that nothing states, from the video's own frames."""

import tempfile
from functools import partial
from pathlib import Path

from aerial_depth_pipeline.capture.extraction import calibration_frames
from aerial_depth_pipeline.capture.footage import MOTION_FPS, USUAL_FPS, Footage
from aerial_depth_pipeline.capture.selection import select
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import write_jpeg
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.sfm.self_calibration import DETERMINED, calibrate

_VIEWS, _QUALITY = 24, 97


def calibrate_camera(footage: Footage) -> float:
    """Put the camera that the frames of a video tell in the place of an assumed one; the video is
    read twice for it.

    Returns:
        The deviation of the focal length, as `sfm.self_calibration.calibrate` gives it; the
        assumed camera stays where it is above `DETERMINED`.

    Raises:
        SceneError: where the frames cannot be reconstructed.
    """
    source, settings = footage.source, FrameExtractionSettings()
    read = partial(source.frames, footage.width, footage.height)
    every = max(1, round((source.fps or USUAL_FPS) / MOTION_FPS))
    frames, rows = read(lambda index: index % every == 0), []
    selected = select(frames, settings, None, source.continuous, set())
    for row in progress(selected, f"camera of {footage.path.name}", unit="frame"):
        row.image = None
        rows.append(row)
    if not any(row.kept for row in rows):
        raise SceneError(f"No frame of {footage.path} can be used.")
    chosen = {row.frame for row in calibration_frames(rows, _VIEWS)}
    with tempfile.TemporaryDirectory(prefix="camera_calibration") as folder:
        images = []
        for frame in read(lambda index: index in chosen):
            if frame.image is not None:
                images.append(Path(folder) / numbered(frame.index, ".jpg"))
                write_jpeg(images[-1], frame.image, _QUALITY)
        camera, deviation = calibrate(images)
    if deviation <= DETERMINED:
        footage.known_camera, footage.camera_origin = camera, "self_calibration"
    return deviation
