"""Triplets: images, calibration and order as SfMLearner readers expect them, poses as the flight
was flown."""

import numpy as np
import pandas as pd
import pytest

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.depth_maps import read_depth
from aerial_depth_pipeline.formats.images import read_image, scale_down
from aerial_depth_pipeline.geometry.poses import angle_between, relative_pose, rotation_angle
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.pose_table import POSE_COLUMNS
from aerial_depth_pipeline.triplets.settings import TripletSettings

SETTINGS = TripletSettings(width=160, height=96, min_inliers=60, corners=500)


@pytest.fixture(scope="module")
def triplets(flight, tmp_path_factory):
    folder = tmp_path_factory.mktemp("triplets") / "straight"
    folder.mkdir()
    return folder, make_triplets(flight.frames, folder, SETTINGS)


def _pose(row) -> np.ndarray:
    return np.array([getattr(row, column) for column in POSE_COLUMNS]).reshape(4, 4)


def test_every_admissible_frame_is_a_target(flight, triplets):
    folder, result = triplets
    table = pd.read_parquet(folder / "targets.parquet")
    assert len(table) == flight.summary["kept"] == result["kept"]
    assert table[table["target"]]["frame"].tolist() == result["targets"]
    assert (table[~table["target"]]["reason"] != "").all()
    assert len(result["targets"]) >= result["kept"] - 2 * result["frame_offset"]
    assert 0.02 <= result["parallax"] <= 0.08
    assert table[table["target"]]["parallax"].between(0.02, 0.08).all()


def test_poses_are_those_of_the_flight(flight, triplets):
    folder, result = triplets
    poses = pd.read_parquet(folder / "poses.parquet")
    assert set(poses["scene"]) == {"straight"}
    assert len(poses) == 2 * len(result["targets"])
    rotation, direction, length = [], [], []
    for row in poses.itertuples():
        T, truth = (
            _pose(row),
            relative_pose(flight.poses[row.source_frame], flight.poses[row.frame]),
        )
        rotation.append(np.degrees(rotation_angle(T[:3, :3] @ truth[:3, :3].T)))
        direction.append(np.degrees(angle_between(T[:3, 3], truth[:3, 3])))
        length.append(row.length / np.linalg.norm(truth[:3, 3]))
        assert np.linalg.norm(T[:3, 3]) == pytest.approx(row.length)
    assert np.median(rotation) < 0.15 and np.max(rotation) < 0.6
    assert np.median(direction) < 1.0 and np.max(direction) < 5.0
    assert np.abs(np.array(length) - 1).max() < 0.02


def test_targets_know_how_the_camera_was_held(flight, triplets):
    folder, _ = triplets
    poses = pd.read_parquet(folder / "poses.parquet")
    for row in poses.itertuples():
        truth = flight.poses[row.frame][:3, 2]  # the world's z axis in the camera's
        assert np.degrees(angle_between(np.array([row.up_x, row.up_y, row.up_z]), truth)) < 1.5


def test_layout_read_by_someone_else(flight, triplets):
    """A reader that knows nothing but the SfMLearner layout gets images, order and K back."""
    folder, result = triplets
    targets = pd.read_parquet(folder / "targets.parquet").set_index("frame")
    kept = targets.index.tolist()
    for target in result["targets"][::5]:
        row = read_image(folder / f"{target:06d}.jpg")
        assert row.shape == (96, 3 * 160, 3)
        numbers = [float(x) for x in (folder / f"{target:06d}_cam.txt").read_text().split(",")]
        np.testing.assert_allclose(
            np.reshape(numbers, (3, 3)), [[130, 0, 80], [0, 130, 48], [0, 0, 1]]
        )
        place, offset = kept.index(target), targets.loc[target, "offset"]
        for part, frame in zip(
            np.split(row, 3, axis=1),
            (kept[place - offset], target, kept[place + offset]),
            strict=True,
        ):
            errors = {
                f: np.abs(part.astype(int) - scale_down(flight.images[f], 160, 96)).mean()
                for f in range(40)
            }
            assert min(errors, key=errors.get) == frame


def test_sequence_of_five_and_a_fixed_offset(flight, tmp_path):
    result = make_triplets(
        flight.frames,
        tmp_path,
        TripletSettings(
            width=96, height=64, sequence_length=5, frame_offset=2, min_inliers=60, corners=500
        ),
    )
    kept = pd.read_parquet(tmp_path / "targets.parquet")["frame"].tolist()
    target = result["targets"][0]
    place = kept.index(target)
    assert place == 4 and result["frame_offset"] == 2
    assert read_image(tmp_path / f"{target:06d}.jpg").shape == (64, 5 * 96, 3)
    poses = pd.read_parquet(tmp_path / "poses.parquet")
    assert poses[poses["frame"] == target]["source_frame"].tolist() == [
        kept[place + k] for k in (-4, -2, 2, 4)
    ]
    assert result["span"] >= 8


def test_sfm_poses_add_rows(flight, tmp_path):
    sfm = {frame: T for frame, T in enumerate(flight.poses) if frame != 20}
    result = make_triplets(flight.frames, tmp_path, SETTINGS, sfm, metric=True)
    poses = pd.read_parquet(tmp_path / "poses.parquet")
    colmap = poses[poses["origin"] == "colmap"]
    assert not (colmap[["frame", "source_frame"]] == 20).any(axis=None)
    assert result["colmap"] == len(colmap) / (2 * len(result["targets"])) > 0.8
    for row in colmap.itertuples():
        np.testing.assert_allclose(
            _pose(row),
            relative_pose(flight.poses[row.source_frame], flight.poses[row.frame]),
            atol=1e-9,
        )
    assert np.allclose(
        colmap["length"], np.linalg.norm(colmap[["t03", "t13", "t23"]].to_numpy(), axis=1)
    )


def test_points_of_the_reconstruction_go_with_their_targets(flight, tmp_path):
    rng, calls = np.random.default_rng(0), []

    def points_of(frame: int) -> np.ndarray:
        calls.append(frame)
        return rng.uniform(1, 5, (700, 3)) + frame

    registered = {frame: flight.poses[frame] for frame in range(10, 30)}
    result = make_triplets(flight.frames, tmp_path, SETTINGS, registered, True, points_of)
    table = pd.read_parquet(tmp_path / "points.parquet")
    assert sorted(set(table["frame"])) == calls == [t for t in result["targets"] if t in registered]
    assert table.groupby("frame").size().between(200, 256).all()
    assert ((table[["x", "y", "z"]].to_numpy() - table[["frame"]].to_numpy()) > 0.99).all()


def test_triplets_are_deterministic(flight, triplets, tmp_path):
    folder, _ = triplets
    make_triplets(flight.frames, tmp_path, SETTINGS)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_no_triplet_is_an_error_that_says_why(flight, tmp_path):
    with pytest.raises(SceneError, match=r"no triplet.*no source"):
        make_triplets(
            flight.frames,
            tmp_path,
            TripletSettings(width=96, height=64, frame_offset=30, corners=100),
        )


def test_depth_by_matching_is_written_at_the_triplets_size(flight, tmp_path):
    chosen = 12
    found = make_triplets(
        flight.frames,
        tmp_path,
        SETTINGS,
        sfm_points=lambda frame: np.ones((1, 3)),
        matched_depth=lambda frame: flight.depths[frame] if frame == chosen else None,
    )
    files = sorted((tmp_path / "matched").iterdir())
    assert chosen in found["targets"] and [path.stem for path in files] == [f"{chosen:06d}"]
    assert read_depth(files[0]).shape == (SETTINGS.height, SETTINGS.width)
