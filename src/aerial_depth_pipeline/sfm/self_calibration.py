"""Self-calibration: the camera of a scene from its images alone."""

import logging
import tempfile
from pathlib import Path

import cv2

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import evenly
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.sfm.colmap import pycolmap, run_step
from aerial_depth_pipeline.sfm.features import match_images
from aerial_depth_pipeline.sfm.mapping import map_scene
from aerial_depth_pipeline.sfm.scene_model import from_colmap
from aerial_depth_pipeline.sfm.settings import SfmSettings

logger = logging.getLogger(__name__)

_VIEWS = 24
DETERMINED = 0.2  # deviation up to which images determine the focal length
# A reconstruction with an unknown camera ends before the camera has settled: it is adjusted again
# without the features that fit worst.
_ROUNDS, _ITERATIONS = 3, 200
_LARGEST_ERROR, _SMALLEST_ANGLE = 1.0, 1.0  # pixels, degrees


def self_calibrate(images: list[Path], settings: SfmSettings | None = None) -> Camera:
    """The camera of `calibrate`; warns where the images leave its focal length open."""
    camera, deviation = calibrate(images, settings)
    if deviation > DETERMINED:
        logger.warning(
            "The motion leaves the focal length of %.0f pixels open; give a camera.yaml.",
            camera.K[0, 0],
        )
    return camera


def calibrate(images: list[Path], settings: SfmSettings | None = None) -> tuple[Camera, float]:
    """Estimate focal length and radial distortion by structure from motion with an unknown camera.

    Args:
        images: images of one camera in order of time, all of one size. At most 24 of them are used,
            spread evenly.
        settings: settings of the reconstruction.

    Returns:
        A `SIMPLE_RADIAL` camera at the images' size, and by what share its focal length may be off:
        the standard deviation for features that are off by a pixel, infinite where there is none.
        Straight flights, above all straight down, do not determine it.

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
        _settle(model)
        camera = from_colmap(next(iter(model.cameras.values())))
        focal, _, _, distortion = camera.params
        deviation = _deviation(model)
        message = (
            "Self-calibration on %d of %d images: focal length %.1f pixels (deviation %.1f %%),"
            " distortion %.4f."
        )
        registered = model.num_reg_images()
        logger.info(message, registered, len(names), focal, 100 * deviation, distortion)
        return camera, deviation


def _settle(model: pycolmap.Reconstruction) -> None:
    """Bundle adjustment with Cauchy's loss until the camera changes no more."""
    for _ in range(_ROUNDS):
        run_step(_adjuster(model).solve, {}, cancellable=False)
        observations = pycolmap.ObservationManager(model)
        observations.filter_all_points3D(_LARGEST_ERROR, _SMALLEST_ANGLE)


def _deviation(model: pycolmap.Reconstruction) -> float:
    """Standard deviation of the focal length for errors of a pixel, as a share of it."""
    options = pycolmap.BACovarianceOptions()
    found = pycolmap.estimate_ba_covariance(options, model, _adjuster(model))
    # The parameters are known by their place in memory: this is no copy.
    params = next(iter(model.cameras.values())).params
    covariance = None if found is None else found.get_other_params_cov(params)
    return float("inf") if covariance is None else float(covariance[0, 0] ** 0.5 / params[0])


def _adjuster(model: pycolmap.Reconstruction) -> pycolmap.CeresBundleAdjuster:
    # Not pycolmap.bundle_adjustment: it switches COLMAP's log on again.
    options, config = pycolmap.BundleAdjustmentOptions(), pycolmap.BundleAdjustmentConfig()
    options.print_summary = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.solver_options.max_num_iterations = _ITERATIONS
    options.ceres.solver_options.function_tolerance = 1e-9
    for image in model.reg_image_ids():
        config.add_image(image)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    return pycolmap.create_default_ceres_bundle_adjuster(options, config, model)
