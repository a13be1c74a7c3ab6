"""Which frames are worth keeping, and why the others are not."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from aerial_depth_pipeline.capture.motion.corner_tracking import corners_of, measure_motion
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources.source import SourceFrame
from aerial_depth_pipeline.formats.images import scale_down

HOVERING, DUPLICATE, TOO_CLOSE, ROTATION = "hovering", "duplicate", "too close", "rotation"
BLUR, EXPOSURE, FEATURELESS, THINNED = "blur", "exposure", "featureless", "thinned out"
ZOOM = "zoom"  # another focal length than the one camera of a scene has

_SMALL_WIDTH = 320  # pixels; enough to see motion of a tenth of a per cent of the width
_CORNERS = 300
_BEFORE, _AFTER = 40, 12  # frames with which sharpness is compared
_SHARP_PERCENTILE = 75
_FINE, _COARSE = np.array([[1, 0, -2, 0, 1]], np.float32), np.array([[-1, 0, 1]], np.float32)
_UNKNOWN_FOCALS = (0.6, 0.8, 1.1)  # shares of the width, 80 to 49 degrees across
_LOST_OVERLAP = 0.5  # share of the corners below which a kept frame is no useful reference
# A frame that moves by less than this part of min_motion since the frame before makes no progress,
_STILL = 0.05
_PATIENCE = 20  # nor do frames of which it would take more than this many to move by min_motion
_SOME_MOTION = 0.3  # part of min_motion by which frames with known depth must differ
_RUN = 70  # frames that stay together when frames are thinned out
_SAME_IMAGE = 0.6  # grey levels
_SAME_PLACE = 1e-4  # flow, share of the width
_FEWEST_CORNERS = 20
# Share of the flow that may be left over where the camera only rotates: noise and an unknown focal
# length
_MOSTLY_ROTATION = 0.15


@dataclass(eq=False)
class FrameRecord:
    """One row of frames.parquet, with its image until that is written."""

    frame: int
    time: float
    name: str
    image: np.ndarray | None
    segment: int = 0
    sharpness: float = float("nan")
    brightness: float = float("nan")
    motion: float = float("nan")
    parallax: float = float("nan")
    kept: bool = False
    reason: str = ""
    gray: np.ndarray = field(default_factory=lambda: np.empty(0))
    corners: np.ndarray = field(default_factory=lambda: np.empty(0))


def select(
    frames: Iterable[SourceFrame],
    settings: FrameExtractionSettings,
    focal: float | None,
    continuous: bool,
    wanted: set[int],
) -> Iterator[FrameRecord]:
    """Decide frame by frame what is kept; nothing is dropped, each comes out with its decision.

    Args:
        frames: in the source's order.
        settings: thresholds.
        focal: share of the width; None where it is not known yet.
        continuous: whether neighbours can be tracked; photographs are only compared in sharpness
            and for duplicates.
        wanted: frames with known depth, kept although they are close to the last one.
    """
    judge = _Judge(settings, (focal,) if focal else _UNKNOWN_FOCALS, continuous, wanted)
    holding: list[FrameRecord] = []  # frames whose small image may still be compared with
    for item, sharp in _with_reference(map(_measure, frames)):
        judge.decide(item, sharp)
        for old in (*holding, item):
            if old is not judge.reference and old is not judge.previous:
                old.gray = old.corners = np.empty(0)
        holding = [old for old in (*holding, item) if old.gray.size]
        yield item


def _measure(frame: SourceFrame) -> FrameRecord:
    item = FrameRecord(frame.index, frame.time, frame.name, frame.image, reason=frame.reason)
    if frame.image is not None:
        gray = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        height, width = gray.shape
        small_height = max(16, round(height * _SMALL_WIDTH / width))
        wide = width > _SMALL_WIDTH
        item.gray = scale_down(gray, _SMALL_WIDTH, small_height) if wide else gray
        item.sharpness, item.brightness = sharpness(gray), float(item.gray.mean())
    return item


def sharpness(gray_HW: np.ndarray) -> float:
    """Contrast of fine detail against contrast of coarse detail, in the blurrier direction.

    Blur takes the fine detail only, and motion takes it in one direction. A little smoothing first
    keeps a sensor's noise from passing as detail. The number is comparable between neighbours.
    """
    smooth = cv2.GaussianBlur(gray_HW, (5, 5), 1.0)
    quarter = cv2.resize(gray_HW, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(quarter, (5, 5), 1.0)
    return min(
        _response(smooth, fine) / max(_response(coarse, broad), 1.0)
        for fine, broad in ((_FINE, _COARSE), (_FINE.T, _COARSE.T))
    )


def _response(gray_HW: np.ndarray, kernel: np.ndarray) -> float:
    """Root mean square of a filter's response, in grey levels."""
    filtered = cv2.filter2D(gray_HW, cv2.CV_16S, kernel)
    return cv2.norm(filtered, cv2.NORM_L2) / filtered.size**0.5


def _with_reference(items: Iterator[FrameRecord]) -> Iterator[tuple[FrameRecord, float]]:
    """Each frame with the sharpness that frames around it reach (75th percentile), looking a few
    frames ahead."""
    past: deque[float] = deque(maxlen=_BEFORE)
    ahead: deque[FrameRecord] = deque()

    def first() -> tuple[FrameRecord, float]:
        around = [s for s in (*past, *(a.sharpness for a in ahead)) if np.isfinite(s)]
        item = ahead.popleft()
        past.append(item.sharpness)
        return item, float(np.percentile(around, _SHARP_PERCENTILE)) if around else float("nan")

    for item in items:
        ahead.append(item)
        if len(ahead) > _AFTER:
            yield first()
    while ahead:
        yield first()


@dataclass
class _Judge:
    """Keeps the last kept frame and the frame before, and decides on the next."""

    settings: FrameExtractionSettings
    focals: tuple[float, ...]
    continuous: bool
    wanted: set[int]
    segment: int = 0
    reference: FrameRecord | None = None  # the last kept frame, or its stand-in after a rotation
    previous: FrameRecord | None = None  # the last frame that could be tracked
    flash: FrameRecord | None = None  # the last frame, where its brightness had jumped
    since_reference: int = 0  # frames
    broken: bool = False  # the next kept frame starts a new segment

    def decide(self, item: FrameRecord, sharp: float) -> None:
        item.segment = self.segment
        if item.image is None:
            self.broken |= item.reason == ZOOM
            return
        if item.sharpness < self.settings.min_sharpness * sharp:
            item.reason = BLUR
        elif not self.continuous:
            same = self.reference is not None and _same_image(item, self.reference)
            item.kept, item.reason = not same, DUPLICATE if same else ""
            self.reference = self.reference if same else item
        else:
            item.corners = corners_of(item.gray, _CORNERS, 6)
            if len(item.corners) < _FEWEST_CORNERS:
                item.reason = FEATURELESS
            else:
                self._track(item)

    def _track(self, item: FrameRecord) -> None:
        self.since_reference += 1
        item.reason = self._reason(item)
        self.flash = item if item.reason == EXPOSURE else None
        if not item.reason:
            self.segment, self.broken = self.segment + self.broken, False
            item.kept = True
            self.reference, self.since_reference = item, 0
        item.segment = self.segment
        if item.reason != EXPOSURE:
            self.previous = item

    def _reason(self, item: FrameRecord) -> str:
        previous, reference = self.previous, self.reference
        if previous is None or reference is None:
            return ""
        step = measure_motion(previous.gray, item.gray, previous.corners, self.focals)
        jump = self._exposure_changes(previous, item)
        same = jump and _same_after_gain(previous.gray, item.gray)
        if step.tracked < self.settings.min_tracked and not same:
            self.broken = True
            return ""
        if jump and (self.flash is None or self._exposure_changes(self.flash, item)):
            return EXPOSURE  # what stays as bright as the frame that jumped is no flash
        since = step
        if reference is not previous:
            since = measure_motion(reference.gray, item.gray, reference.corners, self.focals)
        if not np.isfinite(since.flow):
            self.broken = True  # the way from the last kept frame is lost, as after a cut
            return ""
        item.motion, item.parallax = since.flow, since.parallax
        min_motion = self.settings.min_motion
        wanted = item.frame in self.wanted and (
            reference.frame not in self.wanted or since.flow > _SOME_MOTION * min_motion
        )
        if since.flow < min_motion:
            if wanted:
                return ""
            if step.flow < _SAME_PLACE and _same_image(item, previous):
                return DUPLICATE
            progresses = since.flow * _PATIENCE > min_motion * self.since_reference
            return TOO_CLOSE if progresses and step.flow > _STILL * min_motion else HOVERING
        if since.parallax < self.settings.min_parallax:
            if since.parallax > _MOSTLY_ROTATION * since.flow:
                # Too little has moved to tell; with more way the parallax will show.
                return "" if wanted else TOO_CLOSE
            if since.tracked < _LOST_OVERLAP:
                # The camera has rotated away: what comes next has little in common with what was
                # kept.
                self.reference, self.since_reference, self.broken = item, 0, True
            return ROTATION
        if self._exposure_changes(reference, item):
            # Brightness jumped and stayed: comparing images across the jump is void.
            self.broken = True
        return ""

    def _exposure_changes(self, first: FrameRecord, second: FrameRecord) -> bool:
        change = abs(np.log((second.brightness + 1) / (first.brightness + 1)))
        return bool(change > np.log1p(self.settings.max_exposure_change))


def _same_image(first: FrameRecord, second: FrameRecord) -> bool:
    return bool(np.abs(first.gray.astype(np.int16) - second.gray).mean() < _SAME_IMAGE)


def _same_after_gain(first_HW: np.ndarray, second_HW: np.ndarray) -> bool:
    """Whether two small images show the same apart from brightness: their correlation."""
    a, b = first_HW.astype(np.float32), second_HW.astype(np.float32)
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).mean()) > 0.5 * max(float(a.std() * b.std()), 1e-6)


def thin_out(rows: list[FrameRecord], limit: int | None, wanted: set[int]) -> list[FrameRecord]:
    """Mark kept frames beyond `limit` as thinned out, those with known depth last.

    What stays are runs of neighbouring frames, since a triplet needs its neighbours: one long run
    about the middle of the way, from which the scene is reconstructed, and short ones evenly spread
    over the rest. Each run becomes a segment, and `motion` counts from the kept frame before.

    Returns:
        The frames newly marked.
    """
    kept = [row for row in rows if row.kept]
    if limit is None or len(kept) <= limit:
        return []
    with_depth = [row for row in kept if row.frame in wanted]
    others = [row for row in kept if row.frame not in wanted]
    room = max(0, limit - len(with_depth))
    chosen = {id(row) for row in _spread(with_depth, limit) + _runs(others, room)}
    dropped = [row for row in kept if id(row) not in chosen]
    for row in dropped:
        row.kept, row.reason = False, THINNED
    gaps, way, torn = 0, 0.0, False  # since the last kept frame
    segment = kept[0].segment
    for row in rows:
        if row.segment != segment:
            segment, torn = row.segment, False
        if row.reason == THINNED:
            way, torn = way + row.motion, True
        elif row.kept:
            if torn:
                gaps, row.motion = gaps + 1, way + row.motion
            way, torn = 0.0, False
        row.segment += gaps
    return dropped


def _runs(rows: list[FrameRecord], count: int) -> list[FrameRecord]:
    """`count` of the rows in runs: half of them about the middle of the way, the others spread over
    the rest."""
    if count >= len(rows):
        return rows
    way = np.cumsum(np.nan_to_num([row.motion for row in rows]) + 1e-9)
    length = count // 2
    middle = int(np.searchsorted(way, way[-1] / 2))
    start = min(max(middle - length // 2, 0), len(rows) - length)
    rest = rows[:start] + rows[start + length :]
    left = count - length
    runs = max(1, round(left / _RUN))
    ends = np.linspace(0, left, runs + 1).round().astype(int)
    # Gaps of equal length before, between and after the runs
    gaps = np.linspace(0, len(rest) - left, runs + 2)[1:-1].round().astype(int)
    chosen = rows[start : start + length]
    for first, last, gap in zip(ends[:-1], ends[1:], gaps, strict=True):
        chosen = chosen + rest[first + gap : last + gap]
    return chosen


def _spread(rows: list[FrameRecord], count: int) -> list[FrameRecord]:
    """`count` of the rows, evenly spread, both ends included."""
    if count >= len(rows):
        return rows
    places = np.linspace(0, len(rows) - 1, count)
    return [rows[i] for i in sorted({round(place) for place in places})]


def reasons(rows: Iterable[FrameRecord]) -> dict[str, int]:
    """How many frames were left out for each reason; sizes are counted together."""
    names = (row.reason for row in rows if row.reason)
    return dict(sorted(Counter(kind_of(name) for name in names).items()))


def kind_of(reason: str) -> str:
    """A reason without its details: `size 640x480` is `size`."""
    return reason.split(" ", maxsplit=1)[0] if reason.startswith("size") else reason
