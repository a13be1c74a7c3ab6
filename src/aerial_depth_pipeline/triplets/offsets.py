"""How many kept frames lie between a target and its sources: by the parallax that they show."""

import numpy as np

from aerial_depth_pipeline.triplets.pairs import PairGeometry, Segment, Target
from aerial_depth_pipeline.triplets.settings import TripletSettings

_SAMPLES = 12  # pairs that `frame_offset: auto` looks at for each offset it tries


def choose_offset(
    segments: list[Segment], geometry: PairGeometry, settings: TripletSettings
) -> int:
    """The offset at which the median parallax of sampled pairs is nearest to the middle of the
    range."""
    goal = _goal(settings)
    longest = max(len(segment.frames) for segment in segments)
    offset, best, closeness = 1, 1, np.inf
    while offset <= max(1, (longest - 1) // 2):
        pairs = [(s, (p, p + offset)) for s in segments for p in range(len(s.frames) - offset)]
        if not pairs:  # no segment has a second frame
            break
        places = np.linspace(0, len(pairs) - 1, min(_SAMPLES, len(pairs)))
        pairs = [pairs[i] for i in sorted({round(place) for place in places})]
        geometry.ensure(pairs, "frame offset")
        views = [segment.pairs[pair] for segment, pair in pairs]
        # Pairs without a pose are too far apart: without them the others would look near.
        parallax = [np.inf if view is None else view.parallax / geometry.width for view in views]
        middle = float(np.median(parallax))
        if abs(np.log(middle / goal)) < closeness:
            best, closeness = offset, abs(np.log(middle / goal))
        if middle >= goal:
            break
        # The parallax grows about in proportion; twice as far at most, since a first step of a
        # pixel says little.
        offset = max(offset + 1, min(2 * offset, round(offset * goal / middle)))
    return best


def adapt_offsets(
    targets: list[Target], geometry: PairGeometry, settings: TripletSettings, scene: str
) -> None:
    """Give targets with too much or too little parallax, or too near to an end, another offset
    where that brings their parallax into the range."""
    low, high = settings.min_parallax, settings.max_parallax
    before = []
    for target in targets:
        offset, parallax, widest = target.offset, target.parallax, target.widest
        other = offset
        if offset > widest:
            other = widest if widest >= offset / 2 else 0
        elif np.isfinite(parallax) and not low <= parallax <= high:
            other = min(widest, max(1, round(offset * _goal(settings) / max(parallax, 1e-4))))
        if other >= 1 and other != offset:
            before.append((target, offset, parallax))
            target.offset = other
    changed = [target for target, *_ in before]
    geometry.measure(changed, f"two-view geometry of {scene}, other offsets")
    for target, offset, parallax in before:
        if not low <= target.parallax <= high:
            target.offset, target.parallax = offset, parallax


def _goal(settings: TripletSettings) -> float:
    return float(np.sqrt(settings.min_parallax * settings.max_parallax))
