"""The attitude of every kept frame."""

import numpy as np
import pandas as pd
import pytest
from tests.worlds.footage import CAMERA, bracketed_srt, no_calibration

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.formats.cameras import UP_COLUMNS
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.geometry.poses import angle_between
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.pose_table import attitude_table
from aerial_depth_pipeline.triplets.settings import TripletSettings


def _triplet_attitudes(frames, folder, **changes) -> tuple[str | None, pd.DataFrame]:
    folder.mkdir()
    result = make_triplets(
        frames, folder, TripletSettings(width=96, height=64, corners=500, min_inliers=60, **changes)
    )
    return result["attitude"], pd.read_parquet(folder / "attitude.parquet")


def test_a_video(flight, tmp_path):
    assert flight.summary["attitude"] is None
    origin, table = _triplet_attitudes(flight.frames, tmp_path / "auto")
    kept = pd.read_parquet(flight.frames / "frames.parquet").query("kept")["frame"]
    assert origin == "motion" and table["frame"].tolist() == kept.tolist()
    truth = np.array([flight.poses[frame][:3, 2] for frame in table["frame"]])
    assert np.degrees(angle_between(table[UP_COLUMNS].to_numpy(), truth)).max() < 1.5
    origin, table = _triplet_attitudes(flight.frames, tmp_path / "none", attitude="none")
    assert origin is None and table[UP_COLUMNS].isna().all(axis=None)
    scene = SceneFolder(flight.frames)
    table, origin = attitude_table(scene.frame_table(), scene.images, CAMERA.K, "telemetry")
    assert origin is None and table[UP_COLUMNS].isna().all(axis=None)


def test_a_video_whose_subtitles_state_the_angles(flight, tmp_path):
    raw, folder = tmp_path / "raw", tmp_path / "frames"
    raw.mkdir(), folder.mkdir()
    (raw / "video.mp4").symlink_to(flight.raw / "video.mp4")
    (raw / "camera.yaml").symlink_to(flight.raw / "camera.yaml")
    text = bracketed_srt([(47.0, 8.0, 30.0, 400.0)] * 40, 10)
    (raw / "video.SRT").write_text(
        text.replace("[ct: 5500]", "[gb_yaw: 10.0 gb_pitch: -60.0 gb_roll: 0.0]")
    )
    assert (
        extract_frames(raw, folder, FrameExtractionSettings(), no_calibration)["attitude"]
        == "telemetry"
    )
    origin, table = _triplet_attitudes(folder, tmp_path / "triplets")
    assert origin == "telemetry"
    for attitudes in (pd.read_parquet(folder / "frames.parquet"), table):
        up = attitudes[UP_COLUMNS].to_numpy()
        np.testing.assert_allclose(up, np.tile([0, -0.5, -np.sqrt(0.75)], (len(up), 1)), atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("flight_name", ["autzen_woods", "autzen_stadium"])
def test_flights_over_real_terrain(shared_data, tmp_path, flight_name):
    frames = tmp_path / "frames"
    frames.mkdir()
    extract_frames(
        shared_data / "flights" / flight_name,
        frames,
        FrameExtractionSettings(stride=2),
        no_calibration,
    )
    origin, table = _triplet_attitudes(frames, tmp_path / "triplets")
    assert origin == "motion"
    truth = (
        pd.read_csv(frames / "poses.csv")
        .set_index("frame")
        .loc[table["frame"], [f"cam_from_world_{i}2" for i in range(3)]]
    )
    error = np.degrees(angle_between(table[UP_COLUMNS].to_numpy(), truth.to_numpy()))
    assert np.median(error) < 0.5 and error.max() < 1.5
