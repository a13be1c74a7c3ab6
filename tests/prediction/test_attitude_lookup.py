"""How the camera was held: stated, said, or told by the video's own motion."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from tests.worlds.footage import (
    CAMERA,
    World,
    bracketed_srt,
    flight_pose,
    write_camera,
    write_video,
)

from aerial_depth_pipeline.capture.sources.source import SourceFrame
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.prediction import attitude_lookup
from aerial_depth_pipeline.prediction.attitude_lookup import Attitude
from aerial_depth_pipeline.prediction.input_frames import open_footage
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.settings import PredictSettings

FPS = 12


POSES = [
    flight_pose(50 * np.cos(a), 50 * np.sin(a), 40, a + np.pi, 40 + 5 * np.sin(3 * a))
    for a in np.radians(np.linspace(0, 50, 120))
]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder, world = tmp_path_factory.mktemp("video"), World()
    write_video(folder / "video.mp4", [world.render(T)[0] for T in POSES], fps=FPS)
    write_camera(folder / "camera.yaml")
    return folder / "video.mp4"


def _frames(indices) -> list[SourceFrame]:
    return [SourceFrame(index, index / FPS, None) for index in indices]


def _truth(indices) -> np.ndarray:
    up = torch.tensor(np.array([POSES[index][:3, 2] for index in indices]))
    return ground_slope(
        up, torch.tensor(CAMERA.K).expand(len(up), 3, 3), CAMERA.height, CAMERA.width
    ).numpy()


def test_motion_tells_what_telemetry_does_not(video):
    indices = [0, 7, 60, 119]
    attitude = Attitude(open_footage(video, 768), PredictSettings())
    assert attitude.origin == "motion"
    np.testing.assert_allclose(attitude.slopes(_frames(indices)), _truth(indices), atol=0.015)
    assert np.abs(_truth([0]) - _truth([60])).max() > 0.05


def test_what_is_stated_or_said_comes_before_motion(video, tmp_path):
    said = Attitude(open_footage(video, 768), PredictSettings(pitch=-70.0))
    assert said.origin == "setting"
    for setting in ("telemetry", "none"):
        unknown = Attitude(open_footage(video, 768), PredictSettings(attitude=setting))
        assert unknown.origin is None and np.isnan(unknown.slopes(_frames([3]))).all()
    for name in ("video.mp4", "camera.yaml"):
        (tmp_path / name).symlink_to(video.with_name(name))
    text = bracketed_srt([(47.0, 8.0, 30.0, 400.0)] * len(POSES), FPS)
    (tmp_path / "video.SRT").write_text(
        text.replace("[ct: 5500]", "[gb_yaw: 10.0 gb_pitch: -70.0 gb_roll: 0.0]")
    )
    stated = Attitude(open_footage(tmp_path / "video.mp4", 768), PredictSettings())
    assert stated.origin == "telemetry"
    np.testing.assert_allclose(stated.slopes(_frames([3])), said.slopes(_frames([3])), atol=1e-6)
    assert (
        Attitude(open_footage(tmp_path / "video.mp4", 768), PredictSettings(attitude="none")).origin
        is None
    )


def test_the_report_says_what_told_the_attitude(video, tmp_path):
    network = NetworkSettings(
        encoder="resnet10t", decoder_channels=[4, 4, 8, 8, 8], start="level_ground"
    )
    model = DepthModel(
        DepthNetwork(network), network, 64, 32
    )  # untrained: level ground and nothing else
    for attitude, told in (
        ("auto", {"origin": "motion", "known": 1.0, "doubt_degrees": 0.0}),
        ("none", {"origin": "picture", "known": 0.0, "doubt_degrees": 0.0}),
    ):
        settings = PredictSettings(
            stride=40, side_by_side=False, scale="none", device="cpu", attitude=attitude
        )
        predict(video, model, settings, tmp_path / attitude)
        report = json.loads((tmp_path / attitude / "prediction.json").read_text())
        assert report["attitude"] == told
        unknown = "estimated from the image alone" in " ".join(report["warnings"])
        assert unknown == (told["known"] < 1)


@pytest.fixture
def without_camera(video, tmp_path):
    """The same video, whose lens of 0.81 image widths nothing states; 0.69 are assumed."""
    (tmp_path / "video.mp4").symlink_to(video)
    return open_footage(tmp_path / "video.mp4", 768)


@pytest.mark.slow
def test_an_assumed_camera_is_calibrated_from_the_video(without_camera):
    assert without_camera.camera_origin == "assumed"
    indices = [0, 60, 119]
    attitude = Attitude(without_camera, PredictSettings())
    assert attitude.origin == "motion" and 0 < attitude.doubt < 1
    assert without_camera.camera_origin == "self_calibration"
    assert without_camera.camera.K[0, 0] == pytest.approx(CAMERA.K[0, 0], rel=0.02)
    np.testing.assert_allclose(attitude.slopes(_frames(indices)), _truth(indices), atol=0.02)
    assert not without_camera.source.warnings


def test_an_assumed_camera_that_the_motion_leaves_open_is_said(without_camera, monkeypatch):
    monkeypatch.setattr(attitude_lookup, "calibrate_camera", lambda footage: 2.0)
    attitude = Attitude(without_camera, PredictSettings())
    assert (attitude.origin, without_camera.camera_origin) == ("motion", "assumed")
    (warning,) = without_camera.source.warnings
    assert attitude.doubt == pytest.approx(20, abs=0.1) and "off by 20 degrees" in warning
    assert "not determined by its motion" in warning and "predict.focal_35mm" in warning


def test_motion_tells_nothing_where_calibration_fails(without_camera, monkeypatch):
    def fail(footage):
        raise SceneError("There is no usable parallax.")

    monkeypatch.setattr(attitude_lookup, "calibrate_camera", fail)
    attitude = Attitude(without_camera, PredictSettings())
    assert attitude.origin is None and np.isnan(attitude.slopes(_frames([3]))).all()
    (warning,) = without_camera.source.warnings
    assert "no usable parallax" in warning and "too much to tell it from the motion" in warning
    # What is said holds all the same, with the same doubt; nothing is calibrated for nothing.
    assert Attitude(without_camera, PredictSettings(pitch=-70.0)).origin == "setting"
    assert len(without_camera.source.warnings) == 2
    Attitude(without_camera, PredictSettings(attitude="none"))
    assert len(without_camera.source.warnings) == 2


def test_a_stated_focal_length_may_be_off_by_a_tenth(video, tmp_path):
    (tmp_path / "video.mp4").symlink_to(video)
    footage = open_footage(tmp_path / "video.mp4", 768, focal_35mm=28.0)
    assert Attitude(footage, PredictSettings()).doubt == pytest.approx(2.9, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("flight", ["autzen_woods", "autzen_stadium"])
def test_flights_over_real_terrain(flight, shared_data):
    folder = shared_data / "flights" / flight
    footage = open_footage(folder / "video.mp4", 768)
    attitude = Attitude(footage, PredictSettings())
    assert attitude.origin == "motion"
    truth = pd.read_csv(folder / "poses.csv").set_index("frame")
    indices = truth.index.to_numpy()[::10]
    up = torch.tensor(truth.loc[indices, [f"cam_from_world_{i}2" for i in range(3)]].to_numpy())
    exact = ground_slope(
        up, torch.tensor(footage.camera.K).expand(len(up), 3, 3), footage.height, footage.width
    ).numpy()
    frames = [SourceFrame(int(index), index / footage.source.fps, None) for index in indices]
    error = np.abs(attitude.slopes(frames) - exact)
    assert np.median(error) < 0.01 and error.max() < 0.04
