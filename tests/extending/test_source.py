"""docs/extending.md: a kind of footage is a class and a line."""

import numpy as np
from tests.worlds.footage import CAMERA, World, no_calibration, straight_flight

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources import SOURCES
from aerial_depth_pipeline.capture.sources.source import Source, SourceFrame
from aerial_depth_pipeline.formats.images import read_frame, scale_down


class ArrayFile(Source):
    """`frames.npz`: an array `images` [N, H, W, 3] uint8 and the frames per second, `fps`."""

    def __init__(self, path):
        super().__init__(path, kind="array")
        with np.load(path) as content:
            self._images, self.fps = content["images"], float(content["fps"])
        self.height, self.width = self._images.shape[1:3]

    @classmethod
    def find(cls, raw):
        path = raw / "frames.npz"
        return cls(path) if path.is_file() else None

    def frames(self, width, height, wanted):
        for index, image in enumerate(self._images):
            if wanted(index):
                yield SourceFrame(index, index / self.fps, scale_down(image, width, height))

    def own_camera(self):
        return CAMERA, "frames.npz"


def test_frames_are_extracted_from_it(tmp_path):
    SOURCES.insert(0, ArrayFile)
    world, raw, out = World(), tmp_path / "raw", tmp_path / "out"
    images = [world.render(pose)[0] for pose in straight_flight(12)]
    raw.mkdir()
    out.mkdir()
    np.savez(raw / "frames.npz", images=np.stack(images), fps=10)
    summary = extract_frames(raw, out, FrameExtractionSettings(), no_calibration)
    assert summary["kind"] == "array" and summary["camera_source"] == "frames.npz"
    kept = sorted((out / "frames").glob("*.jpg"))
    assert len(kept) == summary["kept"] >= 3
    difference = read_frame(kept[0]).astype(int) - images[int(kept[0].stem)]
    assert np.abs(difference).mean() < 4
