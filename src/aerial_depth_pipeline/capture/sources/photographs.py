"""A folder of photographs as a source of frames."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from aerial_depth_pipeline.capture.motion.attitude import known_angles
from aerial_depth_pipeline.capture.sources.exif import Exif, read_exif
from aerial_depth_pipeline.capture.sources.source import (
    IMAGE_SUFFIXES,
    Fix,
    Source,
    SourceFrame,
    visible_files,
)
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.images import read_image, scale_down
from aerial_depth_pipeline.geometry.cameras import Camera


class PhotographSource(Source):
    """Photographs of one camera, in the natural order of their names.

    Photographs of another size than the majority's are given a reason and left out: they have
    another camera matrix.

    Raises:
        SceneError: where no file is an image, or no size has a majority.
    """

    def __init__(self, folder: Path, files: list[Path]) -> None:
        super().__init__(folder, kind="photographs", continuous=False)
        self._files = files
        self._exif: list[Exif | None] = [read_exif(path) for path in files]
        sizes = Counter((e.width, e.height) for e in self._exif if e is not None)
        if not sizes:
            raise SceneError(
                f"None of the {len(files)} files in {folder} is a readable image; copy them again"
                " from the camera."
            )
        (self.width, self.height), count = sizes.most_common(1)[0]
        if count * 2 <= sizes.total() and len(sizes) > 1:
            listed = ", ".join(f"{n} of {w}x{h}" for (w, h), n in sizes.most_common(4))
            raise SceneError(
                f"{folder} holds photographs of several sizes and none has a majority ({listed});"
                " put those of each camera into a scene of their own."
            )
        if count < sizes.total():
            self.warn(
                f"{sizes.total() - count} of {sizes.total()} photographs in {folder} are left out:"
                f" they are not {self.width}x{self.height}."
            )

    @classmethod
    def find(cls, raw: Path) -> "PhotographSource | None":
        for folder in (raw / "images", raw):
            if photographs := visible_files(folder, IMAGE_SUFFIXES):
                return cls(folder, photographs)
        return None

    def frames(
        self, width: int, height: int, wanted: Callable[[int], bool]
    ) -> Iterator[SourceFrame]:
        times = [e.time for e in self._exif if e is not None and e.time is not None]
        start = min(times, default=0.0)
        damaged = 0
        for index, (path, exif) in enumerate(zip(self._files, self._exif, strict=True)):
            if not wanted(index):
                continue
            time = exif.time - start if exif is not None and exif.time is not None else float("nan")
            if exif is not None and (exif.width, exif.height) != (self.width, self.height):
                yield SourceFrame(index, time, None, f"size {exif.width}x{exif.height}", path.name)
                continue
            image = read_image(path) if exif is not None else None
            if image is None or image.shape[:2] != (self.height, self.width):
                damaged += 1
                yield SourceFrame(index, time, None, "unreadable", path.name)
                continue
            yield SourceFrame(index, time, scale_down(image, width, height), "", path.name)
        if damaged:
            self.warn(f"{damaged} files in {self.path} cannot be read as images and are left out.")

    def own_camera(self) -> tuple[Camera, str] | None:
        """A pinhole camera with the median focal length of the photographs that have one and the
        principal point in the middle."""
        focals = sorted(
            e.focal
            for e in self._exif
            if e is not None and e.focal and (e.width, e.height) == (self.width, self.height)
        )
        if not focals:
            return None
        focal = focals[len(focals) // 2]
        return (
            Camera.pinhole(self.width, self.height, focal, focal, self.width / 2, self.height / 2),
            "exif",
        )

    def fixes(self) -> dict[int, Fix]:
        return {
            index: e.fix
            for index, e in enumerate(self._exif)
            if e is not None and e.fix is not None
        }

    def angles(self) -> dict[int, tuple[float, float]]:
        stated = {
            index: e.angles
            for index, e in enumerate(self._exif)
            if e is not None and e.angles is not None
        }
        angles = known_angles(list(stated.values()))
        return {} if angles is None else dict(zip(stated, map(tuple, angles.tolist()), strict=True))
