"""Triplets that somebody else made in the SfMLearner layout, used as they are."""

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.sources.source import Source, SourceFrame, visible_files
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.images import read_image, scale_down
from aerial_depth_pipeline.geometry.cameras import Camera

logger = logging.getLogger(__name__)

CALIBRATION_SUFFIX = "_cam.txt"
FOLDER = "dump"  # below a scene's extracted frames


@dataclass(frozen=True)
class DumpedTriplet:
    """One triplet: its picture, the number of its target and the calibration of each of its
    parts."""

    number: int
    picture: Path
    K: np.ndarray


def read_dump(folder: Path) -> list[DumpedTriplet]:
    """The triplets of a folder, in order of their targets: `<target>.jpg` with `<target>_cam.txt`
    beside it.

    Targets whose names are not numbers are numbered in order of their names.

    Raises:
        SceneError: where a calibration is not nine numbers.
    """
    pictures = [
        p
        for p in visible_files(folder, {".jpg", ".jpeg", ".png"})
        if (folder / f"{p.stem}{CALIBRATION_SUFFIX}").is_file()
    ]
    numeric = all(p.stem.isdecimal() for p in pictures) and len(
        {int(p.stem) for p in pictures if p.stem.isdecimal()}
    ) == len(pictures)
    triplets = []
    for order, picture in enumerate(pictures):
        path = folder / f"{picture.stem}{CALIBRATION_SUFFIX}"
        try:
            K = np.array(
                [
                    float(x)
                    for x in path.read_text(encoding="ascii").replace("\n", ",").split(",")
                    if x.strip()
                ]
            ).reshape(3, 3)
            if not (np.isfinite(K).all() and K[0, 0] > 0 and K[1, 1] > 0):
                raise ValueError("its focal lengths are not positive")
        except (ValueError, UnicodeDecodeError) as error:
            raise SceneError(
                f"{path} is not a calibration of nine comma-separated numbers ({error}); correct it"
                " or remove it."
            ) from error
        triplets.append(DumpedTriplet(int(picture.stem) if numeric else order, picture, K))
    return sorted(triplets, key=lambda triplet: triplet.number)


def parts_of(image_HW3: np.ndarray, K_33: np.ndarray) -> list[np.ndarray]:
    """The frames of a triplet's picture: three or five of one width, of which the principal point
    tells the rough size.

    Raises:
        ValueError: where it is neither.
    """
    width = image_HW3.shape[1]
    count = min((3, 5), key=lambda n: abs(width / n - 2 * K_33[0, 2]))
    if width % count or abs(width / count / (2 * K_33[0, 2]) - 1) > 0.3:
        raise ValueError(
            f"a picture {width} pixels wide is no row of three or five frames with a principal"
            f" point at {K_33[0, 2]:g}"
        )
    return np.split(image_HW3, count, axis=1)


class SfmLearnerDump(Source):
    """A dump as a source of frames: those are its targets. The dump itself is handed on for the
    triplets.

    Raises:
        SceneError: where no picture is a row of frames.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, kind="dump", continuous=False)
        self._triplets = read_dump(folder)
        shapes: Counter = Counter()
        for triplet in self._triplets[:: max(1, len(self._triplets) // 20)]:
            target = self._target(triplet)
            if target is not None:
                shapes[target.shape[1], target.shape[0]] += 1
        if not shapes:
            raise SceneError(
                f"{folder} has calibrations like an SfMLearner dump, but no picture in it is a row"
                " of three or five frames."
            )
        (self.width, self.height), _ = shapes.most_common(1)[0]

    @classmethod
    def find(cls, raw: Path) -> "SfmLearnerDump | None":
        texts = visible_files(raw, {".txt"})
        return cls(raw) if any(p.name.endswith(CALIBRATION_SUFFIX) for p in texts) else None

    def _target(self, triplet: DumpedTriplet) -> np.ndarray | None:
        image = read_image(triplet.picture)
        if image is None:
            return None
        try:
            parts = parts_of(image, triplet.K)
        except ValueError:
            return None
        return np.ascontiguousarray(parts[len(parts) // 2])

    def own_camera(self) -> tuple[Camera, str]:
        calibrations = Counter(tuple(triplet.K.ravel()) for triplet in self._triplets)
        K = np.array(calibrations.most_common(1)[0][0]).reshape(3, 3)
        return Camera.from_K(K, self.width, self.height), "dump"

    def frames(
        self, width: int, height: int, wanted: Callable[[int], bool]
    ) -> Iterator[SourceFrame]:
        for triplet in self._triplets:
            if not wanted(triplet.number):
                continue
            image = self._target(triplet)
            if image is None or image.shape[:2] != (self.height, self.width):
                yield SourceFrame(
                    triplet.number, float("nan"), None, "unreadable", triplet.picture.name
                )
            else:
                yield SourceFrame(
                    triplet.number,
                    float("nan"),
                    scale_down(image, width, height),
                    "",
                    triplet.picture.name,
                )

    def hand_on(self, folder: Path) -> None:
        """Copy the dump below a scene's extracted frames, for `make_triplets`."""
        (folder / FOLDER).mkdir()
        for triplet in self._triplets:
            for path in (
                triplet.picture,
                triplet.picture.with_name(f"{triplet.picture.stem}{CALIBRATION_SUFFIX}"),
            ):
                shutil.copyfile(path, folder / FOLDER / path.name)
