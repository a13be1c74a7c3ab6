"""Depth of a film that starts from its own points, against the depth it was rendered with."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.worlds.flights import flight, world
from tests.worlds.footage import (
    CAMERA,
    HEIGHT,
    WIDTH,
    World,
    bracketed_srt,
    flight_pose,
    straight_flight,
    write_camera,
    write_video,
)

from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.held_back_points import HeldBackPoints
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.prediction.film_points import FilmPoints
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.settings import PredictSettings

__all__ = ["flight", "world"]

FILES = PredictSettings(side_by_side=False)
ROOFS = 0.45  # the highest above the ground, as a logarithm of depth


@pytest.fixture(scope="module")
def model() -> DepthModel:
    """Untrained: it leaves the start nearly as it is."""
    torch.manual_seed(0)
    settings = NetworkSettings(
        encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], start="points"
    )
    return DepthModel(DepthNetwork(settings), settings, 192, 112)


def written(folder, index: int, kind: str = "depth") -> np.ndarray:
    return np.array(Image.open(folder / kind / f"{index:06d}.tiff"))


def largest_errors(folder, depths) -> list[tuple[float, float]]:
    """Logarithm of depth by the true one, freed of its median: what 98 % of the pixels are below,
    and the largest, by frame."""
    found = []
    for index, true in enumerate(depths):
        ratio = np.log(written(folder, index) / true)
        error = np.abs(ratio - np.median(ratio))
        found.append((float(np.quantile(error, 0.98)), float(error.max())))
    return found


def errors(folder, depths) -> list[float]:
    """Median ratio of predicted to true depth, by frame."""
    ratios = []
    for index, true in enumerate(depths):
        depth = written(folder, index)
        known = true > 0
        ratios.append(float(np.median(depth[known] / true[known])))
    return ratios


@pytest.fixture(scope="module")
def predicted(flight, model, tmp_path_factory) -> tuple[dict, Path]:
    """Report and folder of the film with telemetry, with an uncertainty for every frame."""
    folder = tmp_path_factory.mktemp("predicted") / "out"
    settings = FILES.model_copy(update={"uncertainty_every": 1})
    return predict(flight.raw / "video.mp4", model, settings, folder), folder


def test_a_film_with_telemetry_has_metres_in_every_frame(flight, predicted):
    report, folder = predicted
    assert (report["unit"], report["scale"]["origin"]) == ("metres", "own_points")
    assert report["start"]["own_points"] == 1
    ratios = errors(folder, flight.depths)
    assert np.abs(np.array(ratios) - 1).max() < 0.06
    assert np.abs(np.diff(ratios)).max() < 0.04  # no jump from one frame to the next


def test_the_stated_error_covers_about_two_thirds(flight, predicted):
    report, folder = predicted
    assert report["start"]["error_at_points"] < 0.05
    covered = []
    for index, true in enumerate(flight.depths):
        depth, stated = (written(folder, index, k) for k in ("depth", "uncertainty"))
        error = np.abs(depth / true / np.median(depth / true) - 1)
        covered.append((error <= stated).mean())
    assert 0.6 < np.mean(covered) < 0.9


def test_without_telemetry_the_unit_is_one_for_the_film(flight, model, tmp_path):
    raw = tmp_path / "silent"
    write_video(raw / "video.mp4", flight.images[:20], fps=10)
    write_camera(raw / "camera.yaml")
    report = predict(raw / "video.mp4", model, FILES, tmp_path / "out")
    assert report["unit"] == "model units"
    ratios = np.array(errors(tmp_path / "out", flight.depths[:20]))
    assert np.std(ratios) / ratios.mean() < 0.03


@pytest.mark.slow
def test_a_camera_that_stands_still_keeps_what_it_saw_while_it_flew(flight, model, tmp_path):
    raw = tmp_path / "hover"
    hovering = flight.images[:20] + [flight.images[19]] * 25
    write_video(raw / "video.mp4", hovering, fps=10)
    write_camera(raw / "camera.yaml")
    settings = FILES.model_copy(update={"uncertainty_every": 1})
    report = predict(raw / "video.mp4", model, settings, tmp_path / "out")
    assert 0.5 < report["start"]["own_points"] < 1
    # Only frames with points state an error.
    stated = len(list((tmp_path / "out" / "uncertainty").iterdir()))
    assert stated == round(45 * report["start"]["own_points"])
    ratios = np.array(errors(tmp_path / "out", flight.depths[:20] + [flight.depths[19]] * 25))
    assert np.abs(np.diff(np.log(ratios))).max() < 0.08


def test_a_camera_that_never_moves_starts_from_level_ground(model, tmp_path):
    image = World().render(straight_flight(1)[0], CAMERA)[0]
    raw = tmp_path / "still"
    write_video(raw / "video.mp4", [image] * 8, fps=10)
    write_camera(raw / "camera.yaml")
    report = predict(raw / "video.mp4", model, FILES, tmp_path / "out")
    assert "start" not in report and report["unit"] == "model units"


def test_the_points_can_be_left_out(flight, model, tmp_path):
    settings = FILES.model_copy(update={"own_points": False, "stride": 10})
    report = predict(flight.raw / "video.mp4", model, settings, tmp_path / "out")
    assert "start" not in report and report["scale"]["origin"] == "height"


def painted(size: tuple[int, int], seed: int) -> np.ndarray:
    """A pattern of its own [H, W, 3]."""
    grain = np.random.default_rng(seed).normal(128, 60, (size[0] // 3 + 1, size[1] // 3 + 1, 3))
    return np.kron(grain, np.ones((3, 3, 1)))[: size[0], : size[1]].clip(0, 255).astype(np.uint8)


def crowd(images: list[np.ndarray]) -> list[np.ndarray]:
    """A fifth of the picture walks about, each for itself."""
    random = np.random.default_rng(1)
    places, ways = random.uniform(0, 1, (60, 2)), random.normal(0, 1, (60, 2))
    result = []
    for time, image in enumerate(images):
        shown = image.copy()
        for number, (place, way) in enumerate(zip(places, ways, strict=True)):
            y, x = (place * (HEIGHT - 16) + 2.5 * time * way) % (HEIGHT - 16, WIDTH - 16)
            shown[int(y) : int(y) + 14, int(x) : int(x) + 14] = painted((14, 14), number)
        result.append(shown)
    return result


def water(images: list[np.ndarray]) -> list[np.ndarray]:
    """The lower left quarter glitters, anew in every frame."""
    result = []
    for time, image in enumerate(images):
        shown = image.copy()
        shown[HEIGHT // 2 :, : WIDTH // 2] = painted((HEIGHT // 2, WIDTH // 2), time)
        result.append(shown)
    return result


def smooth_paint(images: list[np.ndarray]) -> list[np.ndarray]:
    """Texture is left on the right third alone."""
    result = []
    for image in images:
        shown = image.copy()
        shown[:, : 2 * WIDTH // 3] = 120
        result.append(shown)
    return result


@pytest.mark.slow
@pytest.mark.parametrize("change", [crowd, water, smooth_paint])
def test_what_moves_or_shows_nothing_makes_no_wild_surface(change, flight, model, tmp_path):
    raw = tmp_path / "film"
    write_video(raw / "video.mp4", change(flight.images[:20]), fps=10)
    write_camera(raw / "camera.yaml")
    predict(raw / "video.mp4", model, FILES, tmp_path / "out")
    for most, largest in largest_errors(tmp_path / "out", flight.depths[:20]):
        assert most < ROOFS and largest < 2 * ROOFS


def test_a_camera_that_only_turns_starts_from_level_ground(world, model, tmp_path):
    turning = [flight_pose(0, heading=0.012 * i, pitch=60 + 0.3 * i) for i in range(20)]
    raw = tmp_path / "turning"
    write_video(raw / "video.mp4", [world.render(T)[0] for T in turning], fps=10)
    write_camera(raw / "camera.yaml")
    report = predict(raw / "video.mp4", model, FILES, tmp_path / "out")
    assert "start" not in report
    depth = written(tmp_path / "out", 10)
    assert depth.max() / depth.min() < 4


@pytest.mark.slow
def test_wrong_positions_leave_the_shape(flight, model, tmp_path):
    raw = tmp_path / "film"
    write_video(raw / "video.mp4", flight.images, fps=10)
    write_camera(raw / "camera.yaml")
    random = np.random.default_rng(0)
    fixes = [(0.5 + a, 10.0 + b, 40 + h, 140 + h) for a, b, h in random.normal(0, 4e-4, (40, 3))]
    (raw / "video.SRT").write_text(bracketed_srt(fixes, 10))
    predict(raw / "video.mp4", model, FILES, tmp_path / "out")
    assert max(most for most, _ in largest_errors(tmp_path / "out", flight.depths)) < ROOFS


@pytest.mark.slow
def test_a_network_that_adds_nothing_is_not_asked(flight, model, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "aerial_depth_pipeline.prediction.predict.look_at_points",
        lambda model, frames: HeldBackPoints(0.0, 0.02),
    )
    monkeypatch.setattr(model, "predict", lambda *_: pytest.fail("the network was asked"))
    report = predict(flight.raw / "video.mp4", model, FILES, tmp_path / "out")
    assert report["start"]["network_share"] == 0
    assert np.abs(np.array(errors(tmp_path / "out", flight.depths)) - 1).max() < 0.06


def test_a_report_without_an_error_at_points_is_still_json(flight, model, tmp_path, monkeypatch):
    """None of the frames that are looked at first shows points, as in a film that hovers long."""
    monkeypatch.setattr(FilmPoints, "shown", lambda points, frames, slopes: iter(()))
    settings = FILES.model_copy(update={"uncertainty_every": 1, "stride": 10})
    predict(flight.raw / "video.mp4", model, settings, tmp_path / "out")

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    text = (tmp_path / "out" / "prediction.json").read_text()
    start = json.loads(text, parse_constant=refuse)["start"]
    assert (start["network_share"], start["error_at_points"]) == (1.0, None)
    assert not any((tmp_path / "out" / "uncertainty").iterdir())
