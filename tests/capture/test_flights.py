"""Simulated flights over real terrain: positions, cameras and two-view poses against the truth that
lies beside them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.worlds.footage import no_calibration

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.geometry.poses import (
    angle_between,
    camera_center,
    relative_pose,
    rotation_angle,
)
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.pose_table import POSE_COLUMNS
from aerial_depth_pipeline.triplets.settings import TripletSettings

FLIGHTS = ["autzen_woods", "autzen_stadium"]


def _true_poses(path: Path) -> dict[int, np.ndarray]:
    table = pd.read_csv(path).set_index("frame")
    return {
        int(frame): np.vstack([row.to_numpy().reshape(3, 4), [0, 0, 0, 1]])
        for frame, row in table.iterrows()
    }


@pytest.fixture(scope="module", params=FLIGHTS)
def flown(request, shared_data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("flights") / request.param
    folder.mkdir()
    extract_frames(
        shared_data / "flights" / request.param,
        folder,
        FrameExtractionSettings(stride=2),
        no_calibration,
    )
    return folder


@pytest.mark.slow
def test_positions_are_within_the_noise_of_gps(flown):
    table = pd.read_parquet(flown / "frames.parquet")
    poses = _true_poses(flown / "poses.csv")
    kept = table[table["kept"]]
    error = kept[["east", "north", "up"]].to_numpy() - np.array(
        [camera_center(poses[frame]) for frame in kept["frame"]]
    )
    error -= np.median(error, axis=0)  # the telemetry's origin is its first fix
    assert error[:, :2].std() < 0.6 and np.abs(error[:, :2]).max() < 2.0  # the noise was 0.4 m
    assert error[:, 2].std() < 1.2


@pytest.mark.slow
def test_two_view_poses_against_the_true_ones(flown, tmp_path):
    result = make_triplets(flown, tmp_path, TripletSettings())
    table = pd.read_parquet(tmp_path / "poses.parquet")
    poses = _true_poses(flown / "poses.csv")
    rotation, direction, length = [], [], []
    for row in table.itertuples():
        T = np.array([getattr(row, column) for column in POSE_COLUMNS]).reshape(4, 4)
        truth = relative_pose(poses[row.source_frame], poses[row.frame])
        rotation.append(np.degrees(rotation_angle(T[:3, :3] @ truth[:3, :3].T)))
        direction.append(np.degrees(angle_between(T[:3, 3], truth[:3, 3])))
        length.append(row.length / np.linalg.norm(truth[:3, 3]))
    assert result["two_view"] == 1 and len(result["targets"]) > 0.85 * result["kept"]
    assert 0.03 < result["parallax"] < 0.055
    assert np.median(rotation) < 0.03 and np.percentile(rotation, 90) < 0.06
    assert np.median(direction) < 0.2 and np.max(direction) < 3  # none reversed
    assert 0.98 < np.median(length) < 1.02 and np.abs(np.array(length) - 1).max() < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("flight", FLIGHTS)
def test_focal_length_by_self_calibration(shared_data, tmp_path, flight):
    from aerial_depth_pipeline.sfm.self_calibration import self_calibrate

    raw, folder = tmp_path / "raw", tmp_path / "frames"
    raw.mkdir(), folder.mkdir()
    (raw / "video.mp4").symlink_to(shared_data / "flights" / flight / "video.mp4")
    summary = extract_frames(raw, folder, FrameExtractionSettings(stride=2), self_calibrate)
    assert summary["camera_source"] == "self_calibration"
    # Undistortion may scale the image; the focal length is compared in widths of the source
    # image.
    assert summary["focal_length"] == pytest.approx(548.41, rel=0.02)


def test_real_photographs_have_camera_and_positions(shared_data, tmp_path):
    summary = extract_frames(
        shared_data / "photos" / "brighton_beach",
        tmp_path,
        FrameExtractionSettings(max_width=400),
        no_calibration,
    )
    assert summary["kept"] == 18 and summary["camera_source"] == "exif" and summary["metric"]
    table = pd.read_parquet(tmp_path / "frames.parquet")
    steps = np.hypot(table["east"].diff(), table["north"].diff()).iloc[1:]
    assert steps.between(5, 120).all()
