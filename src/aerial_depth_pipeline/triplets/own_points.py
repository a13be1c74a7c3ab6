"""The points that a film itself holds: corners of every kept frame, triangulated over frames
before and after it with their two-view poses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.linalg import lsqr

from aerial_depth_pipeline.capture.motion.corner_tracking import follow
from aerial_depth_pipeline.capture.motion.triangulation import CornerDepths, triangulate
from aerial_depth_pipeline.capture.motion.two_view import TwoView, prepare
from aerial_depth_pipeline.formats.cameras import HEIGHT_COLUMN, UP_COLUMNS
from aerial_depth_pipeline.formats.own_points import COLUMNS
from aerial_depth_pipeline.geometry.poses import invert
from aerial_depth_pipeline.geometry.stated_heights import ground_contradicts
from aerial_depth_pipeline.triplets.pairs import Pair, PairGeometry, Segment

_GOAL = 0.04  # parallax of the pair that is chosen on either side, share of the width
_MAX_RESIDUAL = 0.7  # pixels
_POSITION_NOISE = 0.3  # metres, of smoothed positions
_SINGLE_FIX = 1.5  # metres, of a photograph's position
_UNKNOWN_SPEED = 3.0  # standard deviation of a length's logarithm where only the time is known
_CHANGE_OF_SPEED = 0.03  # relative, between pairs that overlap in time
_LEAST_RATIO_ERROR = 0.003
_LARGEST_DEVIATION = 0.5  # relative, of a point that is kept
_ROUNDS, _USUAL = 4, 2.0  # of least squares; residual, in deviations, up to which it counts fully
_FEWEST_INLIERS = 60  # of a pair whose corners become points: fewer fit a wrong pose as well
_FEWEST_SHARED = 20  # corners that tell the lengths of two pairs apart


@dataclass(frozen=True)
class Tracks:
    """The corners of a frame and where they lie in the frames before and after."""

    frame: int
    pairs: list[Pair]
    starts_N2: np.ndarray
    ends_SN2: np.ndarray
    T_S44: np.ndarray  # to the other frames, translations of length 1

    def depths(self, lengths_S: np.ndarray, K_33: np.ndarray) -> CornerDepths:
        """Triangulate with translations of these lengths."""
        T_S44 = self.T_S44.copy()
        T_S44[:, :3, 3] *= lengths_S[:, None]
        return triangulate(self.starts_N2, self.ends_SN2, T_S44, K_33, _MAX_RESIDUAL)

    def log_ratios(self, K_33: np.ndarray) -> np.ndarray:
        """Logarithm of the first pair's length by the second's, at the corners that both see."""
        logs = []
        for s in range(2):
            side = replace(self, ends_SN2=self.ends_SN2[[s]], T_S44=self.T_S44[[s]])
            logs.append(np.log(side.depths(np.ones(1), K_33).inverse_N))
        ratios = logs[0] - logs[1]
        return ratios[np.isfinite(ratios)]


def own_points(
    segments: Iterable[Segment],
    geometry: PairGeometry,
    positions: Mapping[int, np.ndarray],
    kept: pd.DataFrame,
) -> tuple[pd.DataFrame, dict[Pair, float]]:
    """Triangulated corners of all frames of the segments, one row a point, and the length of the
    way between the frames of every pair.

    Args:
        segments: with the two-view poses of their pairs.
        geometry: gives the frames' images and the calibration.
        positions: of all frames in metres; empty where they are not known, and then the unit of a
            segment is its mean step.
        kept: rows of `frames.parquet`. Photographs are metric only where their positions are
            stated to be accurate: single fixes are off by a tenth of a step and more.

    Returns:
        The columns of `formats.own_points`.
        Lengths in the same unit, by the numbers of both frames, the earlier one first.
    """
    ways: dict[Pair, float] = {}
    noise = _position_noise(kept)
    metric = bool(positions) and (noise is None or noise <= _POSITION_NOISE)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in COLUMNS}
    for segment in segments:
        tracks = _tracks_of(segment, geometry)
        lengths = pair_lengths(segment, tracks, geometry.K, positions, noise)
        ways |= {(segment.frames[a], segment.frames[b]): way for (a, b), way in lengths.items()}
        depths = {
            position: each.depths(np.array([lengths[pair] for pair in each.pairs]), geometry.K)
            for position, each in tracks.items()
        }
        confirmed = None if noise is None else _confirmed_pairs(tracks, depths)
        for position, each in tracks.items():
            if confirmed is not None and confirmed.isdisjoint(each.pairs):
                continue
            found = depths[position]
            rows = found.deviation_N < _LARGEST_DEVIATION * found.inverse_N
            # What only one of two frames agrees with moves by itself, or was not followed well.
            followed_SN = np.isfinite(each.ends_SN2).all(-1)
            rows &= found.agrees_SN.sum(0) == followed_SN.sum(0)
            columns["frame"].append(np.full(rows.sum(), each.frame))
            columns["x"].append(each.starts_N2[rows, 0].astype(np.float32))
            columns["y"].append(each.starts_N2[rows, 1].astype(np.float32))
            columns["inverse_depth"].append(found.inverse_N[rows].astype(np.float32))
            columns["deviation"].append(found.deviation_N[rows].astype(np.float32))
            columns["views"].append(found.agrees_SN[:, rows].sum(0))
            columns["metric"].append(np.full(rows.sum(), metric))
            size = geometry.view(each.frame).gray.shape
            columns["height"].append(np.full(rows.sum(), size[0]))
            columns["width"].append(np.full(rows.sum(), size[1]))
    whole = dict.fromkeys(("frame", "views", "width", "height"), np.int64) | {"metric": bool}
    table: dict[str, np.ndarray | list] = {
        name: np.concatenate(parts) if parts else [] for name, parts in columns.items()
    }
    return pd.DataFrame(table).astype(whole), ways


def contradict_heights(points: pd.DataFrame, known: pd.DataFrame, K_33: np.ndarray) -> bool:
    """Whether metres of own points put the ground far from where the stated heights of the frames
    do; upward directions, in `known` beside these, tell how far below a camera a point lies."""
    columns = [*UP_COLUMNS, HEIGHT_COLUMN]
    of_frames = known.set_index("frame")[columns].reindex(points["frame"])
    up_N3, height_N = np.split(of_frames.to_numpy(float), [3], axis=1)
    pixels_N3 = np.column_stack([points[["x", "y"]].to_numpy(float), np.ones(len(points))])
    rays_N3 = pixels_N3 @ np.linalg.inv(K_33).T
    level_N = height_N[:, 0] + (up_N3 * rays_N3).sum(1) / points["inverse_depth"].to_numpy(float)
    known = np.isfinite(level_N)
    return ground_contradicts(level_N[known], height_N[known, 0])


def usable_pairs(segment: Segment) -> dict[Pair, TwoView]:
    """The pairs whose two-view pose can be trusted."""
    known = segment.pairs.items()
    return {pair: view for pair, view in known if view and pair not in segment.doubtful}


def pair_lengths(
    segment: Segment,
    tracks: Mapping[int, Tracks],
    K_33: np.ndarray,
    positions: Mapping[int, np.ndarray],
    noise: float | None = None,
) -> dict[Pair, float]:
    """Lengths of the translations of all pairs, by one smooth scale along the segment: in metres
    where positions are known, else in proportion, with a geometric mean of 1.

    Least squares over their logarithms: the corners that both pairs of a frame see give the ratio
    of the pairs' lengths, pairs that overlap in time have nearly the same speed, and each length is
    that between the positions, up to their noise; what is far off counts little.

    Args:
        noise: of the positions of photographs, metres, whose steps have no speed; None for a film.
    """
    pairs = sorted(usable_pairs(segment))
    if not pairs:
        return {}
    doubt = _POSITION_NOISE if noise is None else noise
    number = {pair: column for column, pair in enumerate(pairs)}
    first_P, last_P = (np.array([segment.frames[pair[i]] for pair in pairs]) for i in (0, 1))
    time_P = np.log(last_P - first_P)
    equations: list[tuple[dict[int, float], float, float]] = []  # terms, their sum, its deviation
    for column, pair in enumerate(pairs):
        measured, deviation = float(time_P[column]), _UNKNOWN_SPEED
        if positions:
            length = max(_way(segment, pair, positions, along=noise is None), 0.1 * doubt)
            measured, deviation = float(np.log(length)), doubt / length
        equations.append(({column: 1.0}, measured, deviation))
    overlap_P = first_P[1:] < last_P[:-1] if noise is None else np.zeros(0, bool)
    for column in np.flatnonzero(overlap_P).tolist():
        change = float(time_P[column + 1] - time_P[column])
        equations.append(({column + 1: 1.0, column: -1.0}, change, _CHANGE_OF_SPEED))
    for each in tracks.values():
        ratio_N = each.log_ratios(K_33) if len(each.pairs) == 2 else np.empty(0)
        if len(ratio_N) >= _FEWEST_SHARED:
            middle = float(np.median(ratio_N))
            spread = 1.5 * float(np.median(np.abs(ratio_N - middle)))  # about a standard deviation
            deviation = max(1.25 * spread / len(ratio_N) ** 0.5, _LEAST_RATIO_ERROR)
            terms = {number[each.pairs[0]]: 1.0, number[each.pairs[1]]: -1.0}
            equations.append((terms, middle, deviation))
    entries = [
        (row, column, factor / deviation)
        for row, (terms, _, deviation) in enumerate(equations)
        for column, factor in terms.items()
    ]
    rows, columns, values = (np.array(part) for part in zip(*entries, strict=True))
    matrix = csr_array((values, (rows, columns)), shape=(len(equations), len(pairs)))
    right = np.array([total / deviation for _, total, deviation in equations])
    log_P, weight = np.zeros(len(pairs)), np.ones(len(equations))
    for _ in range(_ROUNDS):
        scaled = (matrix * weight[:, None]).tocsr()
        log_P = lsqr(scaled, weight * right, x0=log_P, atol=1e-10, btol=1e-10)[0]
        # A position that jumps does not make its steps longer.
        weight = 1 / np.sqrt(1 + ((matrix @ log_P - right) / _USUAL) ** 2)
    if not positions:
        log_P = log_P - log_P.mean()
    return dict(zip(pairs, np.exp(log_P).tolist(), strict=True))


def _confirmed_pairs(tracks: Mapping[int, Tracks], depths: Mapping[int, CornerDepths]) -> set[Pair]:
    """The pairs that share a frame with another pair which most corners agree with in both: two
    photographs far apart have a wrong pose more easily than neighbours of a film."""
    confirmed: set[Pair] = set()
    for position, each in tracks.items():
        in_both_N = np.isfinite(each.ends_SN2).all((0, 2)) & (len(each.pairs) == 2)
        agrees_N = np.asarray(depths[position].agrees_SN.all(0))
        if in_both_N.sum() >= _FEWEST_SHARED and agrees_N[in_both_N].mean() > 0.5:
            confirmed |= set(each.pairs)
    return confirmed


def _position_noise(kept: pd.DataFrame) -> float | None:
    """Of the positions of photographs, metres, as stated or as usual; None for a film."""
    if kept["motion"].notna().any():
        return None
    if "position_deviation" not in kept or kept["position_deviation"].isna().all():
        return _SINGLE_FIX
    return float(kept["position_deviation"].median())


def _way(
    segment: Segment, pair: Pair, positions: Mapping[int, np.ndarray], along: bool = True
) -> float:
    """Distance in metres between the frames of a pair, `along` the direction of the flight about
    them: noise across it would make every short step longer."""
    first, last = pair
    if not along:
        return float(
            np.linalg.norm(positions[segment.frames[last]] - positions[segment.frames[first]])
        )
    beyond = min(2 * (last - first), first, len(segment.frames) - 1 - last)
    places = (first, last, first - beyond, last + beyond)
    start, end, before, after = (positions[segment.frames[place]] for place in places)
    return float((end - start) @ (after - before) / max(np.linalg.norm(after - before), 1e-9))


def _tracks_of(segment: Segment, geometry: PairGeometry) -> dict[int, Tracks]:
    """Tracks of the frames by their position in the segment, where a pair of theirs has a pose."""
    best: dict[tuple[int, int], tuple[float, Pair]] = {}
    usable = {
        pair: view
        for pair, view in usable_pairs(segment).items()
        if view.inliers >= _FEWEST_INLIERS
    }
    for pair, two_view in usable.items():
        misfit = abs(float(np.log(max(two_view.parallax / geometry.width, 1e-4) / _GOAL)))
        for place in (0, 1):
            key = pair[place], place
            best[key] = min(best.get(key, (np.inf, pair)), (misfit, pair))
    # The pair in which this frame is the second leads to a frame before it.
    chosen = {
        position: [best[position, place][1] for place in (1, 0) if (position, place) in best]
        for position in sorted({position for position, _ in best})
    }

    def track(position: int) -> Tracks:
        poses = {pair: usable[pair].T for pair in chosen[position]}
        return _track(position, poses, segment, geometry)

    return dict(zip(chosen, geometry.pool.map(track, chosen), strict=True))


def _track(
    position: int, poses: Mapping[Pair, np.ndarray], segment: Segment, geometry: PairGeometry
) -> Tracks:
    """Follow a frame's corners to the other frame of each pair."""
    # Two frames confirm a point: corners too weak for a pose are good enough.
    gray_HW = geometry.view(segment.frames[position]).gray
    view = prepare(gray_HW, geometry.corners, with_weak=True)
    ends, T_S44 = [], []
    for pair, T_44 in poses.items():
        is_first = pair[0] == position
        other = geometry.view(segment.frames[pair[1] if is_first else pair[0]])
        places, good = follow(view.gray, other.gray, view.corners, 5, _MAX_RESIDUAL)
        ends.append(np.where(good[:, None], places + 0.5, np.nan))
        T_S44.append(T_44 if is_first else invert(T_44))
    T = np.array(T_S44)
    T[:, :3, 3] /= np.linalg.norm(T[:, :3, 3], axis=1, keepdims=True)
    return Tracks(segment.frames[position], [*poses], view.corners + 0.5, np.array(ends), T)
