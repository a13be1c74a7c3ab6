"""Directions of travel that neighbours confirm, replace or doubt."""

import numpy as np

from aerial_depth_pipeline.capture.motion.two_view import TwoView
from aerial_depth_pipeline.geometry.poses import pose
from aerial_depth_pipeline.triplets.pairs import Segment, find_doubtful


def _pair(way, rivals=()) -> TwoView:
    T = pose(np.eye(3), -np.asarray(way, float) / np.linalg.norm(way))
    return TwoView(T, 500, 600, 10.0, tuple(rivals))


def test_neighbours_decide_between_rivals_and_doubt_what_none_explains():
    segment = Segment(list(range(20)), [100.0] * 20)
    for i in range(18):
        segment.pairs[i, i + 2] = _pair((0, 0.1 * np.sin(i), 1))
    segment.pairs[5, 7] = _pair((0, 1, 0), [_pair((0, 0, 1))])
    segment.pairs[9, 11] = _pair((0, 0, -1))
    segment.pairs[13, 15] = None
    find_doubtful(segment)
    assert segment.doubtful == {(9, 11)}
    assert segment.pairs[5, 7].T[2, 3] < -0.9


def test_turning_round_is_not_doubted():
    segment = Segment(list(range(20)), [100.0] * 20)
    for i in range(19):
        segment.pairs[i, i + 1] = _pair((1, 0, 0) if i < 9 else (-1, 0, 0))
    find_doubtful(segment)
    assert not segment.doubtful
