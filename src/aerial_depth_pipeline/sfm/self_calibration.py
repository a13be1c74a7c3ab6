"""The camera of a scene of which nothing is known, from its images alone."""

import logging
import tempfile
from pathlib import Path

import cv2
import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.sfm.features import match_images
from aerial_depth_pipeline.sfm.mapping import map_scene
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
    settings = settings or SfmSettings(
        max_features=3000, max_image_size=1000, exhaustive_up_to=_VIEWS
    )
    if len(images) < 3:
        raise SceneError(
            f"Self-calibration needs at least 3 images, there are {len(images)}; give a"
            " camera.yaml."
        )
    chosen = [
        images[i]
        for i in sorted(
            set(np.linspace(0, len(images) - 1, min(len(images), _VIEWS)).round().astype(int))
        )
    ]
    with tempfile.TemporaryDirectory(prefix="self_calibration") as folder:
        pictures = Path(folder) / "images"
        pictures.mkdir()
        names = []
        size = None
        for index, path in enumerate(chosen):
            # Decoded and written again: COLMAP would trust EXIF, which the frames' camera may not
            # share any more.
            picture = cv2.imread(str(path))
            if picture is None:
                raise SceneError(f"{path} cannot be read as an image; remove it or write it again.")
            if size not in (None, picture.shape[:2]):
                raise SceneError(
                    f"{path} has another size than the images before it; one scene needs one"
                    " camera."
                )
            size = picture.shape[:2]
            names.append(numbered(index, ".jpg"))
            cv2.imwrite(str(pictures / names[-1]), picture, [cv2.IMWRITE_JPEG_QUALITY, 97])
        database = match_images(pictures, names, None, settings, Path(folder) / "work")
        model, _ = map_scene(
            database, pictures, settings, Path(folder) / "work", refine_camera=True
        )
        camera = next(iter(model.cameras.values()))
        logger.info(
            "Self-calibration on %d of %d images: focal length %.1f pixels, distortion %.4f.",
            model.num_reg_images(),
            len(names),
            camera.params[0],
            camera.params[3],
        )
        return Camera(camera.model_name, camera.width, camera.height, tuple(camera.params))
