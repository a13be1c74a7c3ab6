"""The points that a flight itself holds, against its exact depth and its true steps."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.triplets.test_make import SETTINGS

from aerial_depth_pipeline.capture.motion.two_view import TwoView
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.poses import camera_center
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.own_points import Tracks, own_points, pair_lengths
from aerial_depth_pipeline.triplets.pairs import PairGeometry, Segment

K = np.diag([300.0, 300.0, 1.0])


@pytest.fixture(scope="module")
def points(flight, tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("triplets") / "straight"
    folder.mkdir()
    make_triplets(flight.frames, folder, SETTINGS)
    return pd.read_parquet(folder / "own_points.parquet")


def ratios(flight, rows: pd.DataFrame) -> np.ndarray:
    """True depth of each point by its own."""
    ratio = []
    for frame, of_frame in rows.groupby("frame"):
        depth = flight.depths[frame]
        found = depth[of_frame["y"].astype(int), of_frame["x"].astype(int)]
        ratio.append((found * of_frame["inverse_depth"])[found > 0])
    return np.concatenate(ratio)


def test_every_kept_frame_has_points_in_metres(flight, points):
    assert points["frame"].nunique() == flight.summary["kept"]
    assert points["metric"].all()
    assert points.groupby("frame").size().min() > 60
    ratio = ratios(flight, points)
    assert np.median(ratio) == pytest.approx(1.0, abs=0.015)
    assert np.median(np.abs(ratio - 1)) < 0.03


def test_points_of_two_views_are_better_than_of_one(flight, points):
    error = {n: np.median(np.abs(ratios(flight, rows) - 1)) for n, rows in points.groupby("views")}
    assert set(error) == {1, 2} and error[2] < error[1]


def test_the_scale_is_one_along_the_flight(flight, points):
    scale = [np.median(ratios(flight, rows)) for _, rows in points.groupby("frame")]
    assert np.std(scale) < 0.015


def test_without_positions_the_unit_is_the_same_along_the_flight(flight):
    scene = SceneFolder(flight.frames)
    table = scene.frame_table()
    frames = table[table["kept"]]["frame"].astype(int).tolist()
    segment = Segment(frames, [100.0] * len(frames))
    with ThreadPoolExecutor(2) as pool:
        geometry = PairGeometry(scene, SETTINGS, pool)
        pairs = [(segment, (p, p + 2)) for p in range(len(frames) - 2)]
        geometry.ensure(pairs, "pairs")
        found, ways = own_points([segment], geometry, {}, table)
    assert not found["metric"].any()
    scale = [np.median(ratios(flight, rows)) for _, rows in found.groupby("frame")]
    assert np.std(scale) / np.mean(scale) < 0.02
    centers = [camera_center(pose) for pose in flight.poses]
    flown = [np.linalg.norm(centers[b] - centers[a]) for a, b in ways]
    ratio = np.array([*ways.values()]) / flown
    assert np.std(ratio) / np.mean(ratio) < 0.02


def test_a_pose_that_few_corners_fit_gives_no_points(flight):
    scene = SceneFolder(flight.frames)
    table = scene.frame_table()
    segment = Segment(table[table["kept"]]["frame"].astype(int).tolist()[:5], [100.0] * 5)
    with ThreadPoolExecutor(2) as pool:
        geometry = PairGeometry(scene, SETTINGS, pool)
        geometry.ensure([(segment, (0, 2)), (segment, (2, 4))], "pairs")
        assert set(own_points([segment], geometry, {}, table)[0]["frame"]) == {
            segment.frames[p] for p in (0, 2, 4)
        }
        segment.pairs[0, 2] = replace(segment.pairs[0, 2], inliers=30)
        found, ways = own_points([segment], geometry, {}, table)
    assert set(found["frame"]) == {segment.frames[p] for p in (2, 4)}
    assert len(ways) == 2


def test_relative_poses_have_these_lengths_without_telemetry(flight, tmp_path):
    frames, made = tmp_path / "frames", tmp_path / "made"
    shutil.copytree(flight.frames, frames)
    made.mkdir()
    table = pd.read_parquet(frames / "frames.parquet")
    table.drop(columns=["east", "north", "up"]).to_parquet(frames / "frames.parquet")
    make_triplets(frames, made, SETTINGS)
    poses = pd.read_parquet(made / "poses.parquet")
    assert poses["length"].isna().all()
    ratio = [
        np.linalg.norm([row.t03, row.t13, row.t23])
        / np.linalg.norm(
            camera_center(flight.poses[row.frame]) - camera_center(flight.poses[row.source_frame])
        )
        for row in poses.itertuples()
    ]
    assert np.std(ratio) / np.mean(ratio) < 0.02


@pytest.mark.parametrize("factor", [1.0, 1.8])
def test_positions_that_contradict_the_stated_heights_give_no_metres(flight, tmp_path, factor):
    frames, made = tmp_path / "frames", tmp_path / "made"
    shutil.copytree(flight.frames, frames)
    table = SceneFolder(frames).frame_table()
    table["above_start"] = 28 + table["up"]
    table[["east", "north", "up"]] *= factor
    SceneFolder(frames).write_frame_table(table)
    made.mkdir()
    make_triplets(frames, made, SETTINGS)
    assert pd.read_parquet(made / "own_points.parquet")["metric"].all() == (factor == 1)
    assert pd.read_parquet(made / "poses.parquet")["length"].notna().any() == (factor == 1)


def synthetic_tracks(flown: np.ndarray) -> tuple[Segment, dict[int, Tracks]]:
    """Exact tracks over the frames before and after, along a straight way with places `flown`."""

    random = np.random.default_rng(0)
    tracks = {}
    for p in range(1, len(flown) - 1):
        inverse = random.uniform(0.01, 0.03, 60)
        starts = random.uniform(-100, 100, (60, 2))
        steps = np.array([flown[p] - flown[p - 1], flown[p + 1] - flown[p]])
        T = np.tile(np.eye(4), (2, 1, 1))
        T[:, 0, 3] = (1.0, -1.0)
        moved = 300 * inverse[None] * steps[:, None] * T[:, :1, 3]
        ends = starts + np.stack([moved, np.zeros_like(moved)], -1)
        tracks[p] = Tracks(p, [(p - 1, p), (p, p + 1)], starts, ends, T)
    pairs = {(p, p + 1): TwoView(np.eye(4), 100, 100, 10.0) for p in range(len(flown) - 1)}
    return Segment(list(range(len(flown))), [], pairs), tracks


def test_lengths_follow_the_corners_and_not_each_noisy_position():
    flown = np.concatenate([[0.0], np.cumsum(2 + np.sin(np.arange(60) / 6))])
    segment, tracks = synthetic_tracks(flown)
    noisy = np.stack([flown, 0 * flown, 0 * flown], 1)
    noisy += np.random.default_rng(1).normal(0, 0.3, noisy.shape)
    positions = dict(enumerate(noisy))
    lengths = pair_lengths(segment, tracks, K, positions)
    true = {pair: flown[pair[1]] - flown[pair[0]] for pair in lengths}
    ratio = np.array([lengths[pair] / true[pair] for pair in lengths])
    alone = [np.linalg.norm(noisy[b] - noisy[a]) / true[a, b] for a, b in lengths]
    assert np.std(ratio) < 0.05 < 0.1 < np.std(alone)
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.04)


def test_a_position_that_jumps_does_not_change_the_lengths():
    flown = np.concatenate([[0.0], np.cumsum(2 + np.sin(np.arange(60) / 6))])
    segment, tracks = synthetic_tracks(flown)
    places = np.stack([flown, 0 * flown, 0 * flown], 1)
    places[30] += (25.0, 12.0, 0.0)
    lengths = pair_lengths(segment, tracks, K, dict(enumerate(places)))
    ratio = [lengths[a, b] / (flown[b] - flown[a]) for a, b in lengths]
    assert np.abs(np.array(ratio) - 1).max() < 0.08


def test_lengths_without_positions_are_in_proportion():
    flown = np.concatenate([[0.0], np.cumsum(2 + np.sin(np.arange(60) / 6))])
    segment, tracks = synthetic_tracks(flown)
    lengths = pair_lengths(segment, tracks, K, {})
    ratio = np.array([lengths[a, b] / (flown[b] - flown[a]) for a, b in lengths])
    assert np.std(ratio) / np.mean(ratio) < 0.03
    assert np.exp(np.mean(np.log(list(lengths.values())))) == pytest.approx(1.0)


def photographs(flight, **columns) -> tuple[pd.DataFrame, dict[int, np.ndarray]]:
    """The flight's table as that of photographs, and positions with a fix every frame."""
    kept = SceneFolder(flight.frames).frame_table().query("kept").assign(motion=np.nan, **columns)
    positions = kept[["east", "north", "up"]].to_numpy(float)
    return kept, dict(zip(kept["frame"].astype(int), positions, strict=True))


def points_of(flight, count: int, kept, positions, spoil=None):
    segment = Segment(kept["frame"].astype(int).tolist()[:count], [100.0] * count)
    with ThreadPoolExecutor(2) as pool:
        geometry = PairGeometry(SceneFolder(flight.frames), SETTINGS, pool)
        geometry.ensure([(segment, (p, p + 2)) for p in range(count - 2)], "pairs")
        if spoil is not None:
            view = segment.pairs[spoil]
            turned = view.T.copy()
            turned[:3, 3] = np.roll(turned[:3, 3], 1)  # another direction of travel
            segment.pairs[spoil] = replace(view, T=turned)
        return segment, own_points([segment], geometry, positions, kept)[0]


@pytest.mark.parametrize(("deviation", "metric"), [(np.nan, False), (0.02, True), (2.0, False)])
def test_photographs_are_metric_where_their_positions_are_accurate(flight, deviation, metric):
    kept, positions = photographs(flight, position_deviation=deviation)
    _, found = points_of(flight, 7, kept, positions)
    assert len(found) and (found["metric"] == metric).all()
    if metric:
        assert np.median(ratios(flight, found)) == pytest.approx(1, abs=0.1)


def test_a_pair_of_photographs_needs_another_that_agrees(flight):
    kept, positions = photographs(flight)
    segment, found = points_of(flight, 6, kept, positions)
    assert set(found["frame"]) == set(segment.frames)
    # Frame 5 has only the spoilt pair, and the points of frame 3 contradict it.
    _, found = points_of(flight, 6, kept, positions, spoil=(3, 5))
    assert segment.frames[5] not in set(found["frame"])
    assert segment.frames[0] in set(found["frame"])
