"""Features and matches of a scene's images in a COLMAP database that survives a restart."""

import logging
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import atomic_path, fingerprint_of, remove
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.progress import progress_bar
from aerial_depth_pipeline.sfm.colmap import pycolmap, run_step
from aerial_depth_pipeline.sfm.settings import SfmSettings

logger = logging.getLogger(__name__)

_FEW_FEATURES = 60
# COLMAP reports no progress; it is called for so many at once, which costs nothing.
_IMAGES_AT_ONCE = 8
_PAIRS_AT_ONCE = 100


def match_images(
    images: Path,
    names: list[str],
    camera: Camera | None,
    settings: SfmSettings,
    work: Path,
    positions_N3: np.ndarray | None = None,
    camera_model: str = "SIMPLE_RADIAL",
) -> Path:
    """Extract and match features; the database of an earlier, finished attempt is used again.

    A database takes its final name only when its step is complete, so that one left half-written by
    a killed process is never read.

    Args:
        images: folder of the images.
        names: file names in the folder, in order of time.
        camera: their common camera, or None to let COLMAP guess one of model `camera_model`.
        settings: settings of the reconstruction.
        work: folder that survives a restart.
        positions_N3: positions of the images in metres, NaN where unknown, for loop closure.

    Returns:
        The database.

    Raises:
        SceneError: if the images show too little texture for features.
    """
    work.mkdir(parents=True, exist_ok=True)
    files = [(name, (images / name).stat().st_size) for name in names]
    extraction = {
        "files": files,
        "camera": (
            [camera.model, camera.width, camera.height, camera.params] if camera else camera_model
        ),
        "settings": [
            settings.max_features,
            settings.max_image_size,
            settings.first_octave,
            settings.peak_threshold,
            settings.mask_folder,
        ],
        "version": pycolmap.__version__,
    }
    features = work / f"features-{fingerprint_of(extraction)}.db"
    if not features.exists():
        _clear(work, "features-")
        with atomic_path(features) as partial:
            _extract(partial, images, names, camera, camera_model, settings)
            _check_closed(partial)
    _check_texture(features, names)

    pairs = _pairs(names, settings, positions_N3)
    made_from = fingerprint_of(extraction, pairs, settings.match_ratio, settings.seed)
    matching = work / f"matches-{made_from}.db"
    if not matching.exists():
        _clear(work, "matches-")
        with atomic_path(matching) as partial:
            shutil.copyfile(features, partial)
            _match(partial, names, pairs, settings)
            _check_closed(partial)
    return matching


def _extract(
    database: Path,
    images: Path,
    names: list[str],
    camera: Camera | None,
    camera_model: str,
    settings: SfmSettings,
) -> None:
    options = pycolmap.FeatureExtractionOptions()
    options.num_threads = settings.threads
    options.max_image_size = settings.max_image_size or -1
    options.sift.max_num_features = settings.max_features
    options.sift.peak_threshold = settings.peak_threshold
    options.sift.first_octave = settings.first_octave
    reader = pycolmap.ImageReaderOptions()
    reader.camera_model = camera.model if camera else camera_model
    if camera:
        reader.camera_params = ",".join(repr(p) for p in camera.params)
    if settings.mask_folder:
        reader.mask_path = settings.mask_folder
    # Images are entered in their order first: extraction's threads would number them as they
    # finish, and mapping depends on the numbers.
    with pycolmap.Database.open(database):
        pass
    common = {
        "database_path": database,
        "image_path": images,
        "camera_mode": pycolmap.CameraMode.SINGLE,
    }
    entering = common | {"image_names": names, "options": reader}
    run_step(pycolmap.import_images, entering, cancellable=False)
    bar: tqdm[Any]
    with progress_bar(None, "features", len(names), "image") as bar:
        for first in range(0, len(names), _IMAGES_AT_ONCE):
            chunk = names[first : first + _IMAGES_AT_ONCE]
            arguments = common | {
                "image_names": chunk,
                "reader_options": reader,
                "extraction_options": options,
                "device": pycolmap.Device.cpu,
            }
            run_step(pycolmap.extract_features, arguments)
            bar.update(len(chunk))


def _check_texture(database: Path, names: list[str]) -> None:
    with pycolmap.Database.open(database) as content:
        ids = [image.image_id for image in content.read_all_images()]
        counts = [content.num_keypoints_for_image(image_id) for image_id in ids]
    features = int(np.median(counts)) if counts else 0
    if features < _FEW_FEATURES:
        raise SceneError(
            f"The frames show too little texture: {features} features in the median frame of"
            f" {len(names)}, at least {_FEW_FEATURES} are needed. Footage of water, snow, fog or a"
            " plain surface cannot be reconstructed; leave the scene out."
        )


def _pairs(
    names: list[str], settings: SfmSettings, positions_N3: np.ndarray | None
) -> list[tuple[int, int]]:
    """Index pairs to match: all, or neighbours in time, some farther ones, and neighbours in
    space."""
    count = len(names)
    automatic = settings.matching == "auto" and count <= settings.exhaustive_up_to
    if settings.matching == "exhaustive" or automatic:
        return list(combinations(range(count), 2))
    gaps = list(range(1, settings.overlap + 1))
    gaps += [settings.overlap * 2**k for k in range(1, 16) if settings.overlap * 2**k < count]
    pairs = {(i, i + gap) for i in range(count) for gap in gaps if i + gap < count}
    if not settings.loop_closure or positions_N3 is None:
        return sorted(pairs)
    if np.isnan(positions_N3[:, 2]).all():
        positions_N3 = positions_N3[:, :2]
    if np.isfinite(positions_N3).all(1).sum() >= 2:
        distance = np.linalg.norm(positions_N3[:, None] - positions_N3[None], axis=-1)
        along = np.diagonal(distance, 1)
        reach = settings.overlap / 2 * np.nanmedian(along) if np.isfinite(along).any() else 0
        for i in range(count):
            nearest = np.argsort(distance[i])
            near = nearest[(nearest > i + settings.overlap) & (distance[i, nearest] <= reach)]
            pairs.update((i, int(j)) for j in near[: settings.overlap])
    return sorted(pairs)


def _match(
    database: Path, names: list[str], pairs: list[tuple[int, int]], settings: SfmSettings
) -> None:
    options = pycolmap.FeatureMatchingOptions()
    options.num_threads = settings.threads
    options.sift.max_ratio = settings.match_ratio
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = settings.seed
    pycolmap.set_random_seed(settings.seed)
    listing = database.with_suffix(".txt")
    pairing = pycolmap.ImportedPairingOptions()
    pairing.match_list_path = listing
    arguments = {
        "database_path": database,
        "matching_options": options,
        "pairing_options": pairing,
        "verification_options": verification,
        "device": pycolmap.Device.cpu,
    }
    bar: tqdm[Any]
    try:
        with progress_bar(None, "matching", len(pairs), "pair") as bar:
            for first in range(0, len(pairs), _PAIRS_AT_ONCE):
                chunk = pairs[first : first + _PAIRS_AT_ONCE]
                lines = "".join(f"{names[i]} {names[j]}\n" for i, j in chunk)
                listing.write_text(lines, encoding="utf-8")
                run_step(pycolmap.match_image_pairs, arguments)
                bar.update(len(chunk))
    finally:
        remove(listing)


def _check_closed(database: Path) -> None:
    """A write-ahead log that is left would be lost when the database takes its final name."""
    log = Path(f"{database}-wal")
    if log.exists() and log.stat().st_size:
        raise RuntimeError(f"COLMAP left {log} behind; the database is not complete")


def _clear(work: Path, prefix: str) -> None:
    """Remove databases of other settings and whatever a killed process left."""
    for path in [*work.glob(f"{prefix}*.db*"), *work.glob(".partial-*")]:
        remove(path)
