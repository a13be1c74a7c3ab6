"""Pairs of kept frames: which ones a triplet needs, and their two-view geometry."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2
import numpy as np

from aerial_depth_pipeline.capture.motion.two_view import TwoView, View, prepare, relative_pose
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.poses import angle_between, invert
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.triplets.settings import TripletSettings

Pair = tuple[int, int]  # positions in a segment, the earlier one first
Poses = dict[int, np.ndarray]  # `cam_from_world` [4, 4] of frames

_VIEWS_IN_MEMORY = 96
_NEIGHBOURS = 4  # pairs before and after with which a direction of travel is compared
_DIRECTION_TOLERANCE = np.radians(60)


@dataclass
class Segment:
    """Kept frames without a cut between them, and the relative poses of pairs of them."""

    frames: list[int]
    brightness: list[float]
    pairs: dict[Pair, TwoView | None] = field(default_factory=dict)
    doubtful: set[Pair] = field(default_factory=set)


@dataclass
class Target:
    """A kept frame on its way to being a target."""

    segment: Segment
    position: int  # in the segment
    reach: int  # sources on either side
    offset: int  # kept frames from one frame of the triplet to the next
    parallax: float = float("nan")  # mean of the nearest pairs, share of the width
    inliers: int = 0  # fewest of all pairs
    reason: str = ""  # why it is no target; '' where it is one

    @property
    def frame(self) -> int:
        """The frame's number."""
        return self.segment.frames[self.position]

    @property
    def widest(self) -> int:
        """The largest offset for which the segment has all sources."""
        after = len(self.segment.frames) - 1 - self.position
        return min(self.position, after) // self.reach

    @property
    def frames(self) -> list[int]:
        """Numbers of all frames of the triplet, by time."""
        steps = range(-self.reach, self.reach + 1)
        return [self.segment.frames[self.position + k * self.offset] for k in steps]

    def pairs(self, reach: int | None = None) -> list[Pair]:
        """The pairs of the target with its sources, the nearest ones first."""
        p, n = self.position, self.offset
        steps = range(1, (reach or self.reach) + 1)
        return [pair for k in steps for pair in ((p - k * n, p), (p, p + k * n))]


class PairGeometry:
    """Two-view geometry of pairs of frames, each frame prepared once while it is near."""

    def __init__(
        self, scene: SceneFolder, settings: TripletSettings, pool: ThreadPoolExecutor
    ) -> None:
        camera = scene.camera()
        self.width, self.K, self.corners = camera.width, camera.K, settings.corners
        self._scene, self._settings, self.pool = scene, settings, pool
        self._views: OrderedDict[int, View] = OrderedDict()
        self._lock = threading.Lock()

    def ensure(self, wanted: Iterable[tuple[Segment, Pair]], title: str) -> None:
        """Compute the pairs that are not known yet."""
        unknown = {(id(s), pair): (s, pair) for s, pair in wanted if pair not in s.pairs}
        missing = list(unknown.values())
        views = self.pool.map(lambda item: self._relative_pose(*item), missing)
        known = progress(views, title, len(missing), "pair")
        for (segment, pair), two_view in zip(missing, known, strict=True):
            segment.pairs[pair] = two_view

    def measure(self, targets: list[Target], title: str) -> None:
        """Compute the pairs of targets that have all sources, and the parallax of all."""
        complete = [target for target in targets if target.offset <= target.widest]
        self.ensure([(t.segment, pair) for t in complete for pair in t.pairs()], title)
        for target in targets:
            nearest = [target.segment.pairs.get(pair) for pair in target.pairs(1)]
            parallax = [view.parallax / self.width for view in nearest if view is not None]
            target.parallax = float(np.mean(parallax)) if parallax else float("nan")

    def _relative_pose(self, segment: Segment, pair: Pair) -> TwoView | None:
        first, second = (self.view(segment.frames[position]) for position in pair)
        return relative_pose(first, second, self.K, self._settings.max_epipolar_error)

    def view(self, frame: int) -> View:
        """A frame prepared for tracking."""
        with self._lock:
            if frame in self._views:
                self._views.move_to_end(frame)
                return self._views[frame]
        gray = cv2.cvtColor(self._scene.image(frame), cv2.COLOR_RGB2GRAY)
        view = prepare(gray, self.corners)
        with self._lock:
            self._views[frame] = view
            while len(self._views) > _VIEWS_IN_MEMORY:
                self._views.popitem(last=False)
        return view


def find_doubtful(segment: Segment) -> None:
    """Compare each pair's direction of travel with the pairs before and after. One that agrees with
    neither takes the rival pose that does, where a plane left it one; else it is doubtful."""
    by_offset: dict[int, list[tuple[Pair, TwoView]]] = {}
    for pair, two_view in sorted(segment.pairs.items(), key=lambda item: item[0]):
        if two_view is not None:
            by_offset.setdefault(pair[1] - pair[0], []).append((pair, two_view))
    for pairs in by_offset.values():
        way = np.array([_direction(two_view) for _, two_view in pairs])
        for index, (pair, two_view) in enumerate(pairs):
            before = way[max(0, index - _NEIGHBOURS) : index]
            after = way[index + 1 : index + 1 + _NEIGHBOURS]
            medians = [np.median(side, axis=0) for side in (before, after) if len(side) >= 2]
            candidates = [two_view, *two_view.rivals]
            angles = [_disagreement(candidate, medians) for candidate in candidates]
            if angles[0] <= _DIRECTION_TOLERANCE:
                continue
            if min(angles) <= _DIRECTION_TOLERANCE:
                segment.pairs[pair] = best = candidates[angles.index(min(angles))]
                way[index] = _direction(best)
            else:
                segment.doubtful.add(pair)


def _direction(two_view: TwoView) -> np.ndarray:
    """Where the later camera lies, seen from the earlier one."""
    return invert(two_view.T)[:3, 3]


def _disagreement(two_view: TwoView, medians: list[np.ndarray]) -> float:
    """Angle to the nearer of the neighbours' directions; 0 without neighbours."""
    angles = [float(angle_between(_direction(two_view), median)) for median in medians]
    return min(angles, default=0.0)
