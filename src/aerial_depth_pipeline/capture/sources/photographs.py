"""A folder of photographs as a source of frames."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.motion.attitude import known_angles
from aerial_depth_pipeline.capture.sources.exif import Fix, centred_pinhole, read_exif
from aerial_depth_pipeline.capture.sources.source import IMAGE_SUFFIXES, Source, SourceFrame, Wanted
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import visible_files
from aerial_depth_pipeline.formats.images import read_image
from aerial_depth_pipeline.geometry.cameras import Camera


class PhotographSource(Source):
    """Photographs of one camera, in the natural order of their names; those of another size than
    the majority's, which have another camera matrix, are left out with a reason.

    Raises:
        SceneError: where no file is an image, or no size has a majority.
    """

    def __init__(self, folder: Path, files: list[Path]) -> None:
        super().__init__(folder, kind="photographs", continuous=False)
        self._files = files
        self._exif = {i: exif for i, exif in enumerate(map(read_exif, files)) if exif}
        sizes = Counter(exif.size for exif in self._exif.values())
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

    def frames(self, width: int, height: int, wanted: Wanted) -> Iterator[SourceFrame]:
        times = {i: exif.time for i, exif in self._exif.items() if exif.time is not None}
        start = min(times.values(), default=0.0)
        damaged = 0
        for index, path in enumerate(self._files):
            if not wanted(index):
                continue
            exif, time = self._exif.get(index), times.get(index, float("nan")) - start
            if exif is not None and exif.size != (self.width, self.height):
                size = f"size {exif.width}x{exif.height}"
                yield SourceFrame(index, time, None, size, path.name)
                continue
            image = None if exif is None else read_image(path)
            frame = self.frame_of(index, time, image, path.name, (width, height))
            damaged += frame.image is None
            yield frame
        if damaged:
            self.warn(f"{damaged} files in {self.path} cannot be read as images and are left out.")

    def own_camera(self) -> tuple[Camera, str] | None:
        """The maker's calibration where the photographs state one and the same, else a pinhole
        camera with the median focal length of those that have one."""
        size = self.width, self.height
        alike = [exif for exif in self._exif.values() if exif.size == size]
        calibrated = {exif.calibrated for exif in alike}
        if len(calibrated) == 1 and (camera := calibrated.pop()) is not None:
            return camera, "maker_calibration"
        focals = sorted(exif.focal for exif in alike if exif.focal)
        return (centred_pinhole(focals[len(focals) // 2], *size), "exif") if focals else None

    def fixes(self) -> dict[int, Fix]:
        return {i: exif.fix for i, exif in self._exif.items() if exif.fix is not None}

    def deviations(self) -> dict[int, float]:
        stated = ((i, exif.fix_deviation) for i, exif in self._exif.items())
        return {i: deviation for i, deviation in stated if deviation is not None}

    def heights(self) -> dict[int, float]:
        stated = ((i, exif.above_start) for i, exif in self._exif.items())
        return {i: height for i, height in stated if height is not None}

    def angles(self) -> dict[int, tuple[float, float]]:
        stated = {i: exif.angles for i, exif in self._exif.items() if exif.angles is not None}
        angles = known_angles(np.array(list(stated.values())))
        return {} if angles is None else dict(zip(stated, map(tuple, angles.tolist()), strict=True))
