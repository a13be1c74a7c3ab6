"""Which way is up in the camera's axes: gimbal angles with their signs, chains of cameras with
known truth, and whole flights."""

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.worlds.footage import CAMERA, bracketed_srt, flight_pose, no_calibration

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.motion.attitude import known_angles, up_from_motion, up_of_gimbal
from aerial_depth_pipeline.capture.motion.video_attitude import up_over_time
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources import open_source
from aerial_depth_pipeline.capture.sources.exif import read_exif
from aerial_depth_pipeline.capture.telemetry import read_srt, read_table
from aerial_depth_pipeline.capture.telemetry.telemetry import Telemetry, up_at_times
from aerial_depth_pipeline.geometry.poses import angle_between, camera_center
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.settings import TripletSettings

HALF = np.sqrt(0.5)
UP = ["up_x", "up_y", "up_z"]


@pytest.mark.parametrize(
    ("pitch", "roll", "up"),
    [
        (0, 0, (0, -1, 0)),
        (-90, 0, (0, 0, -1)),
        (-45, 0, (0, -HALF, -HALF)),
        (30, 0, (0, -np.sqrt(0.75), 0.5)),
        (0, 90, (-1, 0, 0)),  # turned clockwise: the right side is below, so up is to the left
        (-45, 30, (-HALF / 2, -HALF * np.sqrt(0.75), -HALF)),
    ],
)
def test_signs_of_the_gimbal_s_angles(pitch, roll, up):
    np.testing.assert_allclose(up_of_gimbal(np.float64(pitch), np.float64(roll)), up, atol=1e-12)


def test_a_rolled_horizon_appears_turned_counter_clockwise():
    left, middle, right = np.array([-0.2, 0, 1]), np.array([0, 0, 1]), np.array([0.2, 0, 1])
    up = up_of_gimbal(np.float64(0), np.float64(10))
    assert (
        up @ left > up @ middle > up @ right
    )  # sky on the left, ground on the right: the horizon's left end is lower, its right end higher


def test_angles_that_were_never_set_are_unknown():
    assert known_angles([[0.0, 0.0], [0.0, 3.0]]) is None
    assert known_angles([[np.nan, 1.0]]) is None
    np.testing.assert_array_equal(
        known_angles([[0.0, np.nan], [-1.0, 2.0], [np.nan, 2.0]]),
        [[0, 0], [-1, 2], [np.nan, np.nan]],
    )


@pytest.mark.parametrize(
    "stated",
    [
        "[gb_yaw: -31.9 gb_pitch: {} gb_roll: {}]",
        "[gb_yaw : 3.0] [gb_pitch : {}] [gb_roll : {}]",
        "[gimbal_pitch: {}] [gimbal_roll: {}]",
    ],
)
def test_subtitles(tmp_path, stated):
    text = bracketed_srt([(47.0, 8.0, 30.0, 400.0)] * 3, 1)
    for pitch in (-30.0, -60.0):
        text = text.replace(" [ct: 5500]", " " + stated.format(pitch, 0.0), 1)
    (tmp_path / "a.srt").write_text(text)
    telemetry = read_srt(tmp_path / "a.srt")
    np.testing.assert_array_equal(telemetry.attitude_N2, [[-30, 0], [-60, 0], [np.nan, np.nan]])
    up = up_at_times(telemetry, np.array([0.0, 0.5, 1.9, 2.1, np.nan]))
    np.testing.assert_allclose(
        up[:3], up_of_gimbal(np.array([-30.0, -45.0, -60.0]), np.zeros(3)), atol=1e-12
    )
    assert np.isnan(up[3:]).all()


def test_subtitles_and_tables_without_angles(tmp_path):
    (tmp_path / "a.srt").write_text(bracketed_srt([(47.0, 8.0, 30.0, 400.0)], 1))
    assert read_srt(tmp_path / "a.srt").attitude_N2 is None
    (tmp_path / "a.csv").write_text(
        "time,latitude,longitude,gimbal_pitch(degrees)\n0,47,8,0\n1,47,8,0\n"
    )
    assert read_table(tmp_path / "a.csv", None).attitude_N2 is None


def test_tables(tmp_path):
    (tmp_path / "a.csv").write_text(
        "time(millisecond),latitude,longitude,height,gimbal_heading(degrees),gimbal_pitch(degrees),gimbal_roll(degrees)\n"
        "1000,47,8,30,10,-50,2\n0,47,8,30,10,-45,\n500,,,,10,-40,1\n"
    )
    telemetry = read_table(tmp_path / "a.csv", None)
    np.testing.assert_array_equal(telemetry.attitude_N2, [[-45, 0], [-50, 2]])
    assert telemetry.position_N3.shape == (2, 3)


def test_roll_that_jumps_beyond_straight_down_is_no_turn_between():
    telemetry = Telemetry(
        "x",
        np.array([0.0, 1.0]),
        np.zeros((2, 3)),
        attitude_N2=np.array([[-89.0, 0.0], [-89.0, 180.0]]),
    )
    np.testing.assert_allclose(up_at_times(telemetry, np.array([0.5])), [[0, 0, -1]], atol=1e-9)


ATTRIBUTES = (
    '<rdf:Description drone-dji:GimbalRollDegree="+3.50" drone-dji:GimbalPitchDegree="-45.00"/>'
)
ELEMENTS = (
    "<drone-dji:GimbalRollDegree>+3.50</drone-dji:GimbalRollDegree>"
    "<drone-dji:GimbalPitchDegree>-45.00</drone-dji:GimbalPitchDegree>"
)


def _photograph(path, xmp: str, orientation: int = 1):
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = orientation, "FC3411"
    pixels = np.random.default_rng(int(path.stem)).integers(0, 255, (120, 160, 3), np.uint8)
    Image.fromarray(cv2.resize(pixels, (320, 240))).save(
        path, xmp=f"<x:xmpmeta>{xmp}</x:xmpmeta>".encode(), exif=exif
    )


def test_photographs_whose_gimbal_was_never_set(tmp_path):
    for number in range(3):
        _photograph(
            tmp_path / f"{number}.jpg",
            ATTRIBUTES.replace("+3.50", "+0.00").replace("-45.00", "+0.00"),
        )
    assert open_source(tmp_path).angles() == {}


@pytest.mark.parametrize("xmp", [ATTRIBUTES, ELEMENTS])
def test_photographs(tmp_path, xmp):
    (tmp_path / "raw").mkdir(), (tmp_path / "frames").mkdir()
    for number in range(3):
        _photograph(tmp_path / "raw" / f"{number}.jpg", xmp if number else "")
    assert read_exif(tmp_path / "raw" / "0.jpg").angles is None
    summary = extract_frames(
        tmp_path / "raw", tmp_path / "frames", FrameExtractionSettings(), no_calibration
    )
    table = pd.read_parquet(tmp_path / "frames" / "frames.parquet")
    assert summary["attitude"] == "telemetry" and table["kept"].all()
    up = table[UP].to_numpy()
    assert np.isnan(up[0]).all()
    np.testing.assert_allclose(up[1:], [up_of_gimbal(np.float64(-45), np.float64(3.5))] * 2)


def test_photographs_that_are_turned_upright_are_left_out(tmp_path):
    _photograph(tmp_path / "1.jpg", ATTRIBUTES, orientation=6)
    assert read_exif(tmp_path / "1.jpg").angles is None


def _chain(poses: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rotations and directions in the first camera's axes, positions, and the upward direction in
    these axes."""
    poses = np.array(poses)
    centers = camera_center(poses)
    steps = np.diff(centers, axis=0) @ poses[0, :3, :3].T
    return (
        poses[:, :3, :3] @ poses[0, :3, :3].T,
        steps / np.linalg.norm(steps, axis=1, keepdims=True),
        centers,
        poses[0, :3, 2],
    )


def _circle(degrees: float, frames: int = 30) -> list[np.ndarray]:
    """Around a point, looking at it, while the height and with it the pitch changes."""
    angles = np.radians(np.linspace(0, degrees, frames))
    return [
        flight_pose(50 * np.cos(a), 50 * np.sin(a), 40 + 10 * a, a + np.pi, 40 + 5 * np.sin(3 * a))
        for a in angles
    ]


def _straight(climb: float, pitch: float = 50.0, frames: int = 30) -> list[np.ndarray]:
    return [flight_pose(3.0 * i, 0.0, 40 + climb * i, 0.0, pitch) for i in range(frames)]


@pytest.mark.parametrize("positions_known", [True, False])
def test_a_circle_tells_up(positions_known):
    rotations, directions, positions, up = _chain(_circle(90))
    found = up_from_motion(rotations, directions, positions if positions_known else None)
    assert np.degrees(angle_between(found, up)) < 0.1


@pytest.mark.parametrize("climb", [1.0, 0.0, -0.5])
@pytest.mark.parametrize("pitch", [10.0, 50.0, 85.0])
def test_heights_tell_up_on_a_straight_flight(climb, pitch):
    rotations, directions, positions, up = _chain(_straight(climb, pitch))
    assert np.degrees(angle_between(up_from_motion(rotations, directions, positions), up)) < 0.1


def test_noise_of_receiver_and_gimbal():
    rotations, directions, positions, up = _chain(_straight(0.3))
    random = np.random.default_rng(0)
    found = up_from_motion(
        rotations, directions, positions + random.normal(0, 0.7, positions.shape)
    )
    assert np.degrees(angle_between(found, up)) < 1.5
    rolled = np.array(
        [cv2.Rodrigues(np.array([0, 0, roll]))[0] for roll in np.radians(random.normal(0, 1, 30))]
    )
    rotations, directions, positions, up = _chain(_circle(90))
    assert np.degrees(angle_between(up_from_motion(rolled @ rotations, directions, None), up)) < 1.5


def test_what_the_motion_does_not_determine_is_unknown():
    rotations, directions, positions, _ = _chain(_straight(0.0))
    assert up_from_motion(rotations, directions, None) is None
    rotations, directions, positions, _ = _chain(
        [flight_pose(0.0, 2.0 * i, 40.0, 0.0, 50.0) for i in range(30)]
    )  # sideways
    assert up_from_motion(rotations, directions, positions) is None
    rotations, directions, positions, _ = _chain(_circle(10))
    assert up_from_motion(rotations, directions, positions) is None


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
    assert np.degrees(angle_between(table[UP].to_numpy(), truth)).max() < 1.5
    for attitude in ("telemetry", "none"):
        origin, table = _triplet_attitudes(flight.frames, tmp_path / attitude, attitude=attitude)
        assert origin is None and table[UP].isna().all(axis=None)


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
    for up in (pd.read_parquet(folder / "frames.parquet")[UP].to_numpy(), table[UP].to_numpy()):
        np.testing.assert_allclose(up, np.tile([0, -0.5, -np.sqrt(0.75)], (len(up), 1)), atol=1e-9)


def _look(world, poses: list[np.ndarray], start: float = 0.0) -> list[tuple[float, np.ndarray]]:
    return [
        (start + i / 6, cv2.cvtColor(world.render(T)[0], cv2.COLOR_RGB2GRAY))
        for i, T in enumerate(poses)
    ]


def test_a_film_tells_up_at_every_moment_also_after_a_cut(world):
    around = _circle(50, 60)
    still = [around[-1]] * 12
    elsewhere = [
        flight_pose(-60 + 20 * np.cos(a), 20 * np.sin(a), 45, a + np.pi, 65)
        for a in np.radians(np.linspace(180, 260, 60))
    ]
    poses = [*around, *still, *elsewhere]
    up = up_over_time(iter(_look(world, poses)), CAMERA.K).at(np.arange(len(poses)) / 6)
    truth = np.array([T[:3, 2] for T in poses])
    assert np.degrees(angle_between(up, truth)).max() < 1.5
    assert np.degrees(angle_between(truth[0], truth[-1])) > 20


def test_a_straight_film_tells_up_only_with_heights(world):
    poses = [flight_pose(-30 + 0.8 * i, 0.0, 40 + 0.1 * i, 0.0, 50.0) for i in range(60)]
    times = np.arange(len(poses)) / 6
    film = _look(world, poses)
    assert np.isnan(up_over_time(film, CAMERA.K).at(times)).all()
    centers = camera_center(np.array(poses))

    def positions(wanted):
        return np.stack([np.interp(wanted, times, centers[:, axis]) for axis in range(3)], 1)

    up = up_over_time(film, CAMERA.K, positions).at([*times, np.nan])
    assert (
        np.degrees(angle_between(up[:-1], np.array([T[:3, 2] for T in poses]))).max() < 1.5
        and np.isnan(up[-1]).all()
    )
    assert np.isnan(up_over_time([], CAMERA.K).at(times)).all()


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
    error = np.degrees(angle_between(table[UP].to_numpy(), truth.to_numpy()))
    assert np.median(error) < 0.5 and error.max() < 1.5
