"""Self-calibration: the camera of a scene from its images alone."""

import logging
import tempfile
from pathlib import Path

import cv2

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import evenly
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.sfm.features import match_images
from aerial_depth_pipeline.sfm.mapping import map_scene
from aerial_depth_pipeline.sfm.scene_model import from_colmap
from aerial_depth_pipeline.sfm.settings import SfmSettings

logger = logging.getLogger(__name__)

_VIEWS = 24


def self_calibrate(images: list[Path], settings: SfmSettings | None = None) -> Camera:
    """Estimate focal length and radial distortion by structure from motion with an unknown camera.

    Args:
        images: images of one camera in order of time, all of one size. At most 24 of them are used,
            spread evenly.
        settings: settings of the reconstruction.

    Returns:
        A `SIMPLE_RADIAL` camera at the images' size.

    Raises:
        SceneError: if the images cannot be reconstructed.
    """
    quick = {"max_features": 3000, "max_image_size": 1000, "exhaustive_up_to": _VIEWS}
    settings = settings or SfmSettings(**quick)
    if len(images) < 3:
        raise SceneError(
            f"Self-calibration needs at least 3 images, there are {len(images)}; give a"
            " camera.yaml."
        )
    with tempfile.TemporaryDirectory(prefix="self_calibration") as folder:
        copies, work = Path(folder) / "images", Path(folder) / "work"
        copies.mkdir()
        names = []
        size = None
        for index, path in enumerate(evenly(images, _VIEWS)):
            # Decoded and written again: COLMAP would trust EXIF, which the frames' camera may not
            # share any more.
            image = cv2.imread(str(path))
            if image is None:
                raise SceneError(f"{path} cannot be read as an image; remove it or write it again.")
            if size not in (None, image.shape[:2]):
                raise SceneError(
                    f"{path} has another size than the images before it; one scene needs one"
                    " camera."
                )
            size = image.shape[:2]
            names.append(numbered(index, ".jpg"))
            cv2.imwrite(str(copies / names[-1]), image, [cv2.IMWRITE_JPEG_QUALITY, 97])
        database = match_images(copies, names, None, settings, work)
        model, _ = map_scene(database, copies, settings, work, refine_camera=True)
        camera = from_colmap(next(iter(model.cameras.values())))
        focal, _, _, distortion = camera.params
        message = "Self-calibration on %d of %d images: focal length %.1f pixels, distortion %.4f."
        logger.info(message, model.num_reg_images(), len(names), focal, distortion)
        return camera
