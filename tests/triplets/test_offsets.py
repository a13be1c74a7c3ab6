"""The offset between the frames of a triplet, by the parallax of sampled pairs."""

import numpy as np

from aerial_depth_pipeline.capture.motion.two_view import TwoView
from aerial_depth_pipeline.triplets.offsets import choose_offset
from aerial_depth_pipeline.triplets.pairs import Segment
from aerial_depth_pipeline.triplets.settings import TripletSettings


class Geometry:
    """Parallax in proportion to the time between frames, and no pose beyond a twentieth
    of the width."""

    width = 100

    def __init__(self, speeds: dict[int, float]) -> None:
        self.speeds = speeds  # parallax a frame by the segment's number of frames

    def ensure(self, wanted, title):
        for segment, (first, last) in wanted:
            parallax = self.speeds[len(segment.frames)] * (last - first)
            view = TwoView(np.eye(4), 500, 800, parallax * self.width)
            segment.pairs[first, last] = view if parallax < 0.05 else None


def segment(frames: int) -> Segment:
    return Segment(list(range(frames)), [100.0] * frames)


def test_the_median_parallax_lies_in_the_middle_of_the_range():
    settings = TripletSettings(min_parallax=0.02, max_parallax=0.08)
    assert choose_offset([segment(100)], Geometry({100: 0.01}), settings) == 4


def test_pairs_without_a_pose_are_too_far_apart():
    # Wherever the flight is fast, wide pairs have no pose; what is left has little parallax.
    speeds = dict(zip(range(60, 72), np.geomspace(0.002, 0.02, 12), strict=True))
    segments = [segment(frames) for frames in speeds]
    median = float(np.median([*speeds.values()]))
    offset = choose_offset(segments, Geometry(speeds), TripletSettings())
    assert 0.03 < offset * median < 0.045  # the middle of the range is 0.04
