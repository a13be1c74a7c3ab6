"""Triplets that somebody else made in the SfMLearner layout, used as they are."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.capture.sources.source import Source, SourceFrame, Wanted
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import visible_files
from aerial_depth_pipeline.formats.triplet_folder import CALIBRATION_SUFFIX, TripletFolder
from aerial_depth_pipeline.geometry.cameras import Camera

FOLDER = "dump"  # below a scene's extracted frames


class SfmLearnerDump(Source):
    """A dump as a source of frames, its targets. The dump itself is handed on for the triplets.

    Raises:
        SceneError: where no image is a row of frames.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, kind="dump", continuous=False)
        self._triplets = TripletFolder(folder).dump()
        sample = self._triplets[:: max(1, len(self._triplets) // 20)]
        targets = [target for triplet in sample if (target := triplet.target()) is not None]
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
            image, name = triplet.target(), triplet.path.name
            yield self.frame_of(triplet.number, float("nan"), image, name, (width, height))

    def hand_on(self, folder: Path) -> None:
        """Copy the dump below a scene's extracted frames, for `make_triplets`."""
        (folder / FOLDER).mkdir()
        for triplet in self._triplets:
            for path in (triplet.path, triplet.calibration):
                shutil.copyfile(path, folder / FOLDER / path.name)
