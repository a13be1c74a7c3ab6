"""Triplets that somebody else made in the SfMLearner layout, used as they are."""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.sources.source import Source, SourceFrame, Wanted, visible_files
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.images import read_image
from aerial_depth_pipeline.geometry.cameras import Camera

CALIBRATION_SUFFIX = "_cam.txt"
FOLDER = "dump"  # below a scene's extracted frames


@dataclass(frozen=True)
class DumpedTriplet:
    """One triplet: the number of its target, its image, and the calibration of each frame in it."""

    number: int
    path: Path
    K: np.ndarray

    @property
    def calibration(self) -> Path:
        """The file of the calibration."""
        return self.path.with_name(f"{self.path.stem}{CALIBRATION_SUFFIX}")


def read_dump(folder: Path) -> list[DumpedTriplet]:
    """The triplets of a folder, in order of their targets: `<target>.jpg` with `<target>_cam.txt`
    beside it.

    Targets whose names are not numbers are numbered in order of their names.

    Raises:
        SceneError: where a calibration is not nine numbers.
    """
    images = visible_files(folder, {".jpg", ".jpeg", ".png"})
    paths = [p for p in images if (folder / f"{p.stem}{CALIBRATION_SUFFIX}").is_file()]
    numbers = [int(p.stem) for p in paths if p.stem.isdecimal()]
    if len(set(numbers)) < len(paths):
        numbers = list(range(len(paths)))
    triplets = []
    for number, path in zip(numbers, paths, strict=True):
        calibration = folder / f"{path.stem}{CALIBRATION_SUFFIX}"
        triplets.append(DumpedTriplet(number, path, read_calibration(calibration)))
    return sorted(triplets, key=lambda triplet: triplet.number)


def read_calibration(path: Path) -> np.ndarray:
    """K [3, 3] of one frame of a triplet: nine numbers, row by row.

    Raises:
        SceneError: where it is something else.
    """
    try:
        numbers = path.read_text(encoding="ascii").replace("\n", ",").split(",")
        K = np.array([float(number) for number in numbers if number.strip()]).reshape(3, 3)
        if not (np.isfinite(K).all() and K[0, 0] > 0 and K[1, 1] > 0):
            raise ValueError("its focal lengths are not positive")
    except (ValueError, UnicodeDecodeError) as error:
        raise SceneError(
            f"{path} is not a calibration of nine comma-separated numbers ({error}); correct it"
            " or remove it."
        ) from error
    return K


def parts_of(image_HW3: np.ndarray, K_33: np.ndarray) -> list[np.ndarray]:
    """The frames of a triplet's image: three or five of one width, of which the principal point
    tells the rough size.

    Raises:
        ValueError: where it is neither.
    """
    width = image_HW3.shape[1]
    count = min((3, 5), key=lambda n: abs(width / n - 2 * K_33[0, 2]))
    if width % count or abs(width / count / (2 * K_33[0, 2]) - 1) > 0.3:
        raise ValueError(
            f"an image {width} pixels wide is no row of three or five frames with a principal"
            f" point at {K_33[0, 2]:g}"
        )
    return np.split(image_HW3, count, axis=1)


class SfmLearnerDump(Source):
    """A dump as a source of frames: those are its targets. The dump itself is handed on for the
    triplets.

    Raises:
        SceneError: where no image is a row of frames.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, kind="dump", continuous=False)
        self._triplets = read_dump(folder)
        sample = self._triplets[:: max(1, len(self._triplets) // 20)]
        targets = [target for triplet in sample if (target := _target(triplet)) is not None]
        if not targets:
            raise SceneError(
                f"{folder} has calibrations like an SfMLearner dump, but no image in it is a row of"
                " three or five frames."
            )
        sizes = Counter((target.shape[1], target.shape[0]) for target in targets)
        (self.width, self.height), _ = sizes.most_common(1)[0]

    @classmethod
    def find(cls, raw: Path) -> "SfmLearnerDump | None":
        texts = visible_files(raw, {".txt"})
        return cls(raw) if any(p.name.endswith(CALIBRATION_SUFFIX) for p in texts) else None

    def own_camera(self) -> tuple[Camera, str]:
        calibrations = Counter(tuple(triplet.K.ravel()) for triplet in self._triplets)
        K = np.array(calibrations.most_common(1)[0][0]).reshape(3, 3)
        return Camera.from_K(K, self.width, self.height), "dump"

    def frames(self, width: int, height: int, wanted: Wanted) -> Iterator[SourceFrame]:
        for triplet in (t for t in self._triplets if wanted(t.number)):
            image, name = _target(triplet), triplet.path.name
            yield self.frame_of(triplet.number, float("nan"), image, name, (width, height))

    def hand_on(self, folder: Path) -> None:
        """Copy the dump below a scene's extracted frames, for `make_triplets`."""
        (folder / FOLDER).mkdir()
        for triplet in self._triplets:
            for path in (triplet.path, triplet.calibration):
                shutil.copyfile(path, folder / FOLDER / path.name)


def _target(triplet: DumpedTriplet) -> np.ndarray | None:
    image = read_image(triplet.path)
    try:
        parts = [] if image is None else parts_of(image, triplet.K)
    except ValueError:
        return None
    return np.ascontiguousarray(parts[len(parts) // 2]) if parts else None
