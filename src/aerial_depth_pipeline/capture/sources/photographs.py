"""A folder of photographs as a source of frames."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.motion.attitude import known_angles
from aerial_depth_pipeline.capture.sources.exif import Exif, read_exif
from aerial_depth_pipeline.capture.sources.focal_length import centred_pinhole
from aerial_depth_pipeline.capture.sources.leftovers import advice_for
from aerial_depth_pipeline.capture.sources.photograph_sets import left_out
from aerial_depth_pipeline.capture.sources.source import (
    IMAGE_SUFFIXES,
    Fix,
    Source,
    SourceFrame,
    Wanted,
)
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import evenly, files_below, in_natural_order, visible_files
from aerial_depth_pipeline.formats.deep_images import Range, value_range
from aerial_depth_pipeline.formats.images import read_deep_image, read_image
from aerial_depth_pipeline.geometry.cameras import Camera

_SAMPLED = 12  # photographs that tell the range of values


class PhotographSource(Source):
    """Photographs of one camera, in the order in which they were taken as far as they say when,
    else in the natural order of their names. What another camera, lens or band took is left out
    with a reason.

    Raises:
        SceneError: where no file is an image, or all are panoramas.
    """

    def __init__(self, folder: Path, files: list[Path], by_time: bool = True) -> None:
        super().__init__(folder, kind="photographs", continuous=False)
        exifs = list(map(read_exif, files))
        order = _order_of_times(exifs) if by_time else range(len(files))
        self._files = [files[place] for place in order]
        self._exif = {i: exif for i, place in enumerate(order) if (exif := exifs[place])}
        if not self._exif:
            advice = sorted(filter(None, {advice_for(path) for path in files}))
            raise SceneError(
                f"None of the {len(files)} files in {folder} is a readable image;"
                f" {'; '.join(advice) or 'copy them again from the camera'}."
            )
        self._left_out = left_out({i: (self._files[i].stem, e) for i, e in self._exif.items()})
        self._left_out |= {i: "panorama" for i, exif in self._exif.items() if exif.is_panorama}
        self._taken = {i: e for i, e in self._exif.items() if i not in self._left_out}
        if not self._taken:
            raise SceneError(
                f"The photographs in {folder} show all around (360°), which no camera with a focal"
                " length does; export views of it as ordinary pictures."
            )
        self.width, self.height = next(iter(self._taken.values())).size
        self._limits: Range | None = None
        self._warn_of_doubts()

    def _warn_of_doubts(self) -> None:
        total, reasons = len(self._exif), Counter(self._left_out.values())
        if reasons:
            listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
            focals = sorted(exif.focal for exif in self._taken.values() if exif.focal)
            lens = f" with a lens of {focals[len(focals) // 2]:.0f} px" if focals else ""
            self.warn(
                f"{reasons.total()} of {total} photographs in {self.path} are left out because one"
                f" camera took the others, {self.width}x{self.height}{lens}: {listed}. Put them"
                " into a scene of their own."
            )
        for what, doubts in (
            ("focal length", [exif.focal_doubt for exif in self._taken.values()]),
            ("position", [exif.fix_doubt for exif in self._taken.values()]),
        ):
            for doubt, count in Counter(filter(None, doubts)).items():
                self.warn(
                    f"{count} of {total} photographs in {self.path} state a {what} that is not used"
                    f" ({doubt})."
                )

    @classmethod
    def find(cls, raw: Path) -> "PhotographSource | None":
        below = [p for p in files_below(raw / "images") if p.suffix.lower() in IMAGE_SUFFIXES]
        if below := in_natural_order((path for path in below if path.is_file()), raw):
            return cls(raw / "images", below)
        files = visible_files(raw, IMAGE_SUFFIXES)
        return cls(raw, files) if files else None

    def _range(self) -> Range | None:
        """The values of photographs with more than 8 bits that become black and white, one range
        for all; None of 8 bits."""
        if self._limits is None and any(exif.is_deep for exif in self._taken.values()):
            sampled = (read_deep_image(self._files[i]) for i in evenly(list(self._taken), _SAMPLED))
            self._limits = value_range(image for image in sampled if image is not None)
        return self._limits

    def frames(self, width: int, height: int, wanted: Wanted) -> Iterator[SourceFrame]:
        times = {i: exif.time for i, exif in self._exif.items() if exif.time is not None}
        start = min(times.values(), default=0.0)
        damaged = []
        for index, path in enumerate(self._files):
            if not wanted(index):
                continue
            time = times.get(index, float("nan")) - start
            name = path.relative_to(self.path).as_posix()
            if (reason := self._left_out.get(index)) is not None:
                yield SourceFrame(index, time, None, reason, name)
                continue
            image = read_image(path, self._range()) if index in self._taken else None
            frame = self.frame_of(index, time, image, name, (width, height))
            if frame.image is None:
                damaged.append(path)
            yield frame
        if unknown := [path for path in damaged if advice_for(path) is None]:
            self.warn(
                f"{len(unknown)} files in {self.path} cannot be read as images and are left out"
                f" ({unknown[0].name}): copy them again, or convert them to JPEG or to TIFF with"
                " one or three channels."
            )

    def own_camera(self) -> tuple[Camera, str] | None:
        """The maker's calibration where the photographs state one and the same, else a pinhole
        camera with the median focal length of those that have one."""
        size = self.width, self.height
        alike = list(self._taken.values())
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


def _order_of_times(exifs: list[Exif | None]) -> list[int]:
    """The places of photographs, given in the order of their names, by the time they were taken.
    What does not say when stays behind what is named before it; what was taken in the same second
    keeps the order of names, which a counter that starts again at 1 cuts in two."""
    known = [exif.time if exif else None for exif in exifs]
    times = [time for time in known if time is not None]
    if not times:
        return list(range(len(exifs)))
    filled, last = [], times[0]
    for time in known:
        last = last if time is None else time
        filled.append(last)
    drops = np.roll(filled, 1) - np.array(filled)
    first = int(drops.argmax())
    return sorted(range(len(filled)), key=lambda i: (filled[i], (i - first) % len(filled)))
