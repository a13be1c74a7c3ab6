"""GTAVisionExport archives: images of a game with its depth buffer, and the camera in a table of
snapshots."""

import io
import logging
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image

from aerial_depth_pipeline.capture.sources.source import Source, SourceFrame, Wanted
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import visible_files
from aerial_depth_pipeline.geometry.cameras import Camera

logger = logging.getLogger(__name__)

_COLUMNS = ("imagepath", "timestamp", "width", "height", "proj_matrix")
_LARGEST_PAGE_FILE = 1 << 30  # bytes; what unpacks to more is no image of a game
_FARTHEST = 1e5  # metres; the sky lies at infinity
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DAMAGE = (OSError, ValueError, RuntimeError, EOFError, SyntaxError, TypeError)


@dataclass(frozen=True)
class Snapshot:
    """One row of the table."""

    entry: str  # in the archive
    time: float
    camera: Camera
    projection: np.ndarray  # [4, 4], takes points of the game's camera to clip space as columns


class GtaExport(Source):
    """A zip of multi-page TIFFs (colour, float32 depth buffer, stencil) with `snapshots.csv` beside
    or inside of it. Nothing is unpacked onto the disk, so what its names say does not matter.

    Raises:
        SceneError: where the archive or the table cannot be read, or they have nothing in common.
    """

    def __init__(self, archive: Path) -> None:
        super().__init__(archive, kind="gta", continuous=False)
        try:
            self._zip = zipfile.ZipFile(archive)
            table = self._read_table()
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
            raise SceneError(
                f"{archive} cannot be opened as a zip archive ({error}); copy it again."
            ) from error
        names = self._zip.namelist()
        entries = {_stem(n): n for n in names if n.lower().endswith((".tif", ".tiff"))}
        if missing := ", ".join(name for name in _COLUMNS if name not in table.columns):
            raise SceneError(
                f"The snapshots of {archive} lack the columns {missing}; export all of the table."
            )
        self._snapshots = self._read_snapshots(table, entries)
        if not self._snapshots:
            raise SceneError(
                f"{archive} and its snapshots.csv have no image in common ({len(entries)} TIFFs,"
                f" {len(table)} rows)."
            )
        cameras = Counter(snapshot.camera for snapshot in self._snapshots)
        self._camera, count = cameras.most_common(1)[0]
        self.width, self.height = self._camera.width, self._camera.height
        if others := len(self._snapshots) - count:
            self.warn(f"{others} snapshots of {archive.name} have another camera and are left out.")

    @classmethod
    def find(cls, raw: Path) -> "GtaExport | None":
        return cls.of_only_file(raw, visible_files(raw, {".zip"}), "archives")

    def _read_table(self) -> pd.DataFrame:
        beside, names = self.path.parent / "snapshots.csv", self._zip.namelist()
        inside = [name for name in names if PurePosixPath(name).name == "snapshots.csv"]
        if not beside.is_file() and not inside:
            raise SceneError(
                f"{self.path} has no snapshots.csv beside or inside of it; export the table"
                " snapshots as CSV with a header."
            )
        try:
            file = beside if beside.is_file() else io.BytesIO(self._zip.read(inside[0]))
            return pd.read_csv(file).rename(columns=lambda name: str(name).strip().lower())
        except ValueError as error:  # what pandas raises for every kind of damage
            raise SceneError(
                f"The snapshots.csv of {self.path} is not a table ({' '.join(str(error).split())})."
            ) from error

    def _read_snapshots(self, table: pd.DataFrame, entries: dict[str, str]) -> list[Snapshot]:
        snapshots, unusable = [], 0
        rows = table.to_dict("records")
        for time, row in zip(_seconds(table["timestamp"]), rows, strict=True):
            entry = entries.get(_stem(str(row["imagepath"])))
            if entry is None:
                continue
            try:
                matrices = (_matrix(row.get(name)) for name in ("proj_matrix", "view_matrix"))
                projection = perspective(*matrices)
                camera = camera_of(projection, int(row["width"]), int(row["height"]))
            except (ValueError, TypeError):
                unusable += 1
                continue
            snapshots.append(Snapshot(entry, time, camera, projection))
        if unusable:
            self.warn(
                f"{unusable} snapshots of {self.path.name} have no usable projection matrix and are"
                " left out."
            )
        return sorted(snapshots, key=lambda s: (s.time, s.entry))

    def own_camera(self) -> tuple[Camera, str]:
        return self._camera, "archive"

    def frames(self, width: int, height: int, wanted: Wanted) -> Iterator[SourceFrame]:
        start, damaged = self._snapshots[0].time, 0
        for index, snapshot in enumerate(self._snapshots):
            if not wanted(index):
                continue
            time, name = snapshot.time - start, snapshot.entry
            if snapshot.camera != self._camera:
                yield SourceFrame(index, time, None, "another camera", name)
                continue
            frame = self.frame_of(index, time, self._color(snapshot), name, (width, height))
            damaged += frame.image is None
            yield frame
        if damaged:
            self.warn(f"{damaged} images in {self.path.name} cannot be read and are left out.")

    def depth_frames(self) -> set[int]:
        return {i for i, snapshot in enumerate(self._snapshots) if snapshot.camera == self._camera}

    def read_depth(self, index: int) -> np.ndarray | None:
        snapshot = self._snapshots[index]
        for page in self._pages(snapshot):
            if page.mode == "F":
                return depth_from_buffer(np.asarray(page), snapshot.projection)
        return None

    def _color(self, snapshot: Snapshot) -> np.ndarray | None:
        """The first colour page; others show the same moment in other weather."""
        for page in self._pages(snapshot):
            if page.mode not in ("F", "L", "I", "I;16"):
                return np.asarray(page.convert("RGB"))
        return None

    def _pages(self, snapshot: Snapshot) -> Iterator[Image.Image]:
        try:
            if self._zip.getinfo(snapshot.entry).file_size > _LARGEST_PAGE_FILE:
                return
            with Image.open(io.BytesIO(self._zip.read(snapshot.entry))) as file:
                for number in range(getattr(file, "n_frames", 1)):
                    file.seek(number)
                    file.load()
                    yield file
        except (zipfile.BadZipFile, *_DAMAGE) as error:
            logger.warning("%s in %s cannot be read: %s", snapshot.entry, self.path, error)


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem.lower()


def _seconds(column: pd.Series) -> list[float]:
    """Times as numbers or as dates; the row's number where they are neither."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().all():
        return numbers.astype(float).tolist()
    dates = pd.to_datetime(column, errors="coerce", utc=True, format="mixed")
    if dates.notna().all():
        return ((dates - dates.min()) / pd.Timedelta(seconds=1)).tolist()
    return [float(i) for i in range(len(column))]


def _matrix(text: object) -> np.ndarray | None:
    """Sixteen numbers in any brackets, row by row; None where there is nothing."""
    if text is None or (isinstance(text, float) and np.isnan(text)):
        return None
    numbers = [float(number) for number in _NUMBER.findall(str(text))]
    if len(numbers) != 16:
        raise ValueError(f"a matrix has 16 numbers, not {len(numbers)}")
    return np.array(numbers).reshape(4, 4)


def perspective(projection_44: np.ndarray | None, view_44: np.ndarray | None) -> np.ndarray:
    """The matrix that takes camera coordinates, as columns, to clip space.

    Games multiply rows or columns, and some exports store the product with the view matrix. A
    perspective projection is known by its last row: the clip coordinate w is the distance along the
    optical axis, forwards or backwards, and nothing else.

    Raises:
        ValueError: where no reading of the matrices is a perspective projection.
    """
    if projection_44 is None:
        raise ValueError("there is no projection matrix")
    candidates = [projection_44, projection_44.T]
    for view in () if view_44 is None else (view_44, view_44.T):
        if abs(np.linalg.det(view)) > 1e-12 and np.allclose(view[3], [0, 0, 0, 1], atol=1e-6):
            candidates += [p @ np.linalg.inv(view) for p in (projection_44, projection_44.T)]
    for candidate in candidates:
        others, forward = np.delete(candidate[3], 2), candidate[3, 2]
        # A transposed projection has (0, 0, near, 0) in its last row, a right one (0, 0, +-1, 0).
        if (
            np.abs(np.abs(forward) - 1) < 1e-3
            and np.abs(others).max() < 1e-3
            and np.abs(np.diag(candidate)[:2]).min() > 1e-3
            and np.abs(candidate[2, 3]) > 1e-9
        ):
            return candidate
    raise ValueError("no reading of the matrix is a perspective projection")


def camera_of(projection_44: np.ndarray, width: int, height: int) -> Camera:
    """The pinhole camera of a perspective projection; clip space is two units wide and high, y
    up."""
    P = projection_44
    fx, fy = abs(P[0, 0]) * width / 2, abs(P[1, 1]) * height / 2
    cx, cy = width / 2 * (1 + P[0, 2] / P[3, 2]), height / 2 * (1 - P[1, 2] / P[3, 2])
    # The same camera, computed from a product of matrices, is the same camera.
    return Camera.pinhole(width, height, *(round(value, 6) for value in (fx, fy, cx, cy)))


def depth_from_buffer(buffer_HW: np.ndarray, projection_44: np.ndarray) -> np.ndarray:
    """Metric z-depth, [H, W] float32, 0 = sky, from the game's depth buffer d = (P22 z + P23) /
    (P32 z): whether near is 0 or 1, and where the camera looks, is in P."""
    P = projection_44
    with np.errstate(divide="ignore", invalid="ignore"):
        z = P[2, 3] / (buffer_HW.astype(np.float64) * P[3, 2] - P[2, 2])
    depth = z * np.sign(P[3, 2])
    usable = np.isfinite(depth) & (depth > 0) & (depth < _FARTHEST)
    return np.where(usable, depth, 0).astype(np.float32)
