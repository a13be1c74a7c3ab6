"""Triplets in the SfMLearner layout: a scene's `<target>.jpg` with the frames side by side and
`<target>_cam.txt`, and a domain's lists `train.txt`, `val.txt`, `test.txt`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.files import visible_files
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import read_image

CALIBRATION_SUFFIX = "_cam.txt"


@dataclass(frozen=True)
class DumpedTriplet:
    """One triplet: the number of its target, its files, and the calibration of each frame in it."""

    number: int
    path: Path  # of the image
    calibration: Path
    K: np.ndarray

    def frames(self) -> list[np.ndarray]:
        """The frames by time, none where the image does not decode.

        Raises:
            ValueError: as `parts_of`.
        """
        image = read_image(self.path)
        return [] if image is None else parts_of(image, self.K)

    def target(self) -> np.ndarray | None:
        """The frame in the middle; None where there is none."""
        try:
            frames = self.frames()
        except ValueError:
            return None
        return np.ascontiguousarray(frames[len(frames) // 2]) if frames else None


@dataclass(frozen=True)
class TripletFolder:
    """A scene's triplets; its tables are those of docs/design.md."""

    path: Path

    def image_file(self, target: int) -> Path:
        """The frames of a triplet side by side, by time."""
        return self.path / numbered(target, ".jpg")

    def calibration_file(self, target: int) -> Path:
        """The calibration of each frame of a triplet."""
        return self.path / numbered(target, CALIBRATION_SUFFIX)

    def matched_file(self, target: int) -> Path:
        """z-depth of a target by matching with other views, where they confirm it."""
        return self.path / "matched" / numbered(target, ".tiff")

    def targets(self) -> list[int]:
        """The target frames that have a triplet."""
        return sorted(int(path.stem) for path in self.path.glob("*.jpg"))

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables `poses`, `targets`, `attitude`, `points`, `own_points`, `footprints`.

        Raises:
            SceneError: where it is missing or damaged.
        """
        path = self.table_file(name)
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise SceneError(
                f"{path} cannot be read ({error}). Make the triplets again."
            ) from error

    def table_file(self, name: str) -> Path:
        """The Parquet file of a table."""
        return self.path / f"{name}.parquet"

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write one of the tables."""
        table.to_parquet(self.table_file(name), index=False)

    def dump(self) -> list[DumpedTriplet]:
        """All triplets, somebody else's as well, in order of their targets. Targets whose names are
        not numbers are numbered in order of their names.

        Raises:
            SceneError: where a calibration is not nine numbers.
        """
        images = visible_files(self.path, {".jpg", ".jpeg", ".png"})
        files = [(path, self.path / f"{path.stem}{CALIBRATION_SUFFIX}") for path in images]
        files = [(path, calibration) for path, calibration in files if calibration.is_file()]
        numbers = [int(path.stem) for path, _ in files if path.stem.isdecimal()]
        if len(set(numbers)) < len(files):
            numbers = list(range(len(files)))
        triplets = [
            DumpedTriplet(number, *paths, read_calibration(paths[1]))
            for number, paths in zip(numbers, files, strict=True)
        ]
        return sorted(triplets, key=lambda triplet: triplet.number)


def read_calibration(path: Path) -> np.ndarray:
    """K [3, 3] of one frame of a triplet: nine numbers, row by row; a SceneError where it is
    something else."""
    try:
        numbers = path.read_text(encoding="ascii").replace("\n", ",").split(",")
        K = np.array([float(number) for number in numbers if number.strip()]).reshape(3, 3)
        if not (np.isfinite(K).all() and K[0, 0] > 0 and K[1, 1] > 0):
            raise ValueError("its focal lengths are not positive")
    except (OSError, ValueError) as error:
        raise SceneError(
            f"{path} is not a calibration of nine comma-separated numbers ({error}); correct it"
            " or remove it, or make the triplets again."
        ) from error
    return K


def calibration_text(K_33: np.ndarray) -> str:
    """The text of a calibration."""
    return ",".join(repr(float(value)) for value in K_33.ravel())


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


def read_list(folder: Path, split: str) -> list[tuple[str, int]]:
    """The triplets of a split, scene and target frame, from its list.

    Raises:
        UserError: where the list is missing or a line is something else.
    """
    path = Path(folder) / f"{split}.txt"
    if not path.is_file():
        raise UserError(
            f"{path} is missing: there are no triplets. Run 'kedro run --pipelines=prepare' first."
        )
    entries = []
    for line in filter(str.strip, path.read_text(encoding="utf-8").splitlines()):
        scene, _, target = line.strip().rpartition(" ")
        if not scene or " " in scene or not target.isdecimal():
            raise UserError(
                f"{path} holds the line '{line}'; each line must be '<scene> <target frame>'. Make"
                " the triplets again."
            )
        entries.append((scene, int(target)))
    return entries


def write_list(folder: Path, split: str, triplets: Iterable[tuple[str, int]]) -> None:
    """Write the list of a split."""
    lines = [f"{scene} {numbered(target)}\n" for scene, target in triplets]
    (Path(folder) / f"{split}.txt").write_text("".join(lines), encoding="utf-8")
