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
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
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
        encoder="resnet10t", decoder_channels=[4, 4, 8, 8, 8], level_ground=True
    )
    model = DepthModel(
        DepthNetwork(network), network, 64, 32
    )  # untrained: level ground and nothing else
    for attitude, told in (
        ("auto", {"origin": "motion", "known": 1.0}),
        ("none", {"origin": "picture", "known": 0.0}),
    ):
        settings = PredictSettings(
            stride=40, side_by_side=False, scale="none", device="cpu", attitude=attitude
        )
        predict(video, model, settings, tmp_path / attitude)
        report = json.loads((tmp_path / attitude / "prediction.json").read_text())
        assert report["attitude"] == told
        unknown = "estimated from the image alone" in " ".join(report["warnings"])
        assert unknown == (told["known"] < 1)


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
