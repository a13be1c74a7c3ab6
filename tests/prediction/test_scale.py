"""Metres from the flying height, and none where something is missing."""

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.worlds.bright_footage import CAMERA, HEIGHT, WIDTH, Brightness, LevelGround, write_srt

from aerial_depth_pipeline.capture.sources import SourceFrame
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.cameras import camera_to_yaml
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.prediction.input_frames import open_footage
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.scale import camera_height, find_scale, normalised_pixels
from aerial_depth_pipeline.prediction.settings import PredictSettings


@pytest.mark.parametrize("flight", ["autzen_woods", "autzen_stadium"])
def test_height_gives_metres_over_real_terrain(flight, shared_data):
    """Simulated flights over a real lidar survey: trees, buildings and slopes, and the telemetry's
    own noise."""
    footage = open_footage(shared_data / "flights" / flight, 768)
    frames = list(range(0, 360, 60))
    depths = [
        cv2.imread(
            str(shared_data / "flights" / flight / "depth" / f"{frame:06d}.png"),
            cv2.IMREAD_UNCHANGED,
        )
        / 100
        for frame in frames
    ]
    unscaled = [np.where(depth > 0, depth, 1000.0).astype(np.float32) / 37 for depth in depths]
    scale = find_scale(
        "auto",
        "training units",
        footage,
        [SourceFrame(frame, frame / footage.source.fps, None) for frame in frames],
        unscaled,
    )
    assert (scale.unit, scale.origin) == ("metres", "height")
    assert scale.factor == pytest.approx(37, rel=0.05)


@pytest.mark.parametrize("houses", [0.0, 0.3, 0.45])
def test_the_ground_is_found_below_houses(houses):
    camera, pitch, height = Camera.pinhole(192, 112, 150.0, 150.0, 96.0, 56.0), np.radians(55), 70.0
    normalised = normalised_pixels(camera)
    depth = (height / (np.sin(pitch) + normalised[..., 1] * np.cos(pitch))).astype(np.float32)
    rng = np.random.default_rng(0)
    blocks = rng.random((14, 24)) < houses
    depth = np.where(np.kron(blocks, np.ones((8, 8))) > 0, depth * 0.8, depth)
    assert camera_height(depth, normalised) == pytest.approx(height, rel=0.01)


def test_metres_come_from_the_height_above_level_ground(flight, tmp_path):
    write_srt(tmp_path / "flight.SRT", height=60.0)
    model = LevelGround(height=1.5, pitch=np.radians(50))
    report = predict(flight, model, PredictSettings(side_by_side=False), tmp_path / "out")
    assert (report["unit"], report["scale"]["origin"]) == ("metres", "height")
    assert report["scale"]["factor"] == pytest.approx(
        40, rel=0.01
    )  # the houses do not pull the ground up
    assert (
        "level" in report["scale"]["explanation"] and "flight.SRT" in report["scale"]["explanation"]
    )
    depth = np.array(Image.open(tmp_path / "out" / "depth" / "000003.tiff"))
    np.testing.assert_allclose(depth, 40 * model.depth, rtol=0.01)


@pytest.mark.parametrize("missing", ["telemetry", "rel_alt", "camera", "height"])
def test_without_what_metres_need_depth_stays_without_and_the_report_says_why(
    missing, flight, tmp_path
):
    if missing != "telemetry":
        write_srt(
            tmp_path / "flight.SRT",
            field="altitude" if missing == "rel_alt" else "rel_alt",
            height=1.0 if missing == "height" else 60,
        )
    if missing == "camera":
        (tmp_path / "camera.yaml").unlink()
    model = LevelGround(height=1.5, pitch=np.radians(50))
    report = predict(flight, model, PredictSettings(side_by_side=False), tmp_path / "out")
    assert (report["unit"], report["scale"]["origin"], report["scale"]["factor"]) == (
        "model units",
        "none",
        1.0,
    )
    expected = {
        "telemetry": "no telemetry",
        "rel_alt": "rel_alt",
        "camera": "camera.yaml or set predict.focal_35mm",
        "height": "no height above 5 m",
    }
    assert expected[missing] in report["scale"]["explanation"]
    np.testing.assert_array_equal(
        np.array(Image.open(tmp_path / "out" / "depth" / "000003.tiff")), model.depth
    )
    with pytest.raises(UserError, match=expected[missing]):
        predict(flight, model, PredictSettings(scale="height"), tmp_path / "other")


def test_a_model_without_metres_is_not_taken_for_one_with(flight, tmp_path):
    with pytest.raises(UserError, match="predict.scale is 'model'"):
        predict(
            flight,
            Brightness(unit="training units"),
            PredictSettings(scale="model"),
            tmp_path / "out",
        )


def test_this_flight_s_height_goes_before_the_heights_of_the_training(flight, tmp_path):
    write_srt(tmp_path / "flight.SRT", height=60.0)
    model = LevelGround(height=90.0, pitch=np.radians(50))
    model.metadata = {"unit": "metres"}
    settings = PredictSettings(side_by_side=False)
    report = predict(flight, model, settings, tmp_path / "out")
    assert report["scale"]["origin"] == "height"
    assert report["scale"]["factor"] == pytest.approx(60 / 90, rel=0.01)
    (tmp_path / "flight.SRT").unlink()
    report = predict(flight, model, settings, tmp_path / "without")
    assert (report["unit"], report["scale"]["origin"]) == ("metres", "model")


def factors_of(folder, model):
    """What the depth of each frame was multiplied with."""
    paths = sorted((folder / "depth").iterdir())
    return [np.median(np.array(Image.open(path)) / model.depth) for path in paths]


def test_take_off_keeps_its_metres(flight, tmp_path):
    """A model that does not know the height predicts the same all along; the drone climbs from 0
    to 66 m."""
    text = [
        f"{i + 1}\n00:00:0{i // 10},{i % 10}00 --> 00:00:0{(i + 1) // 10},{(i + 1) % 10}00\n"
        f"[latitude: 44.06] [longitude: -123.07] [rel_alt: {6.0 * i:.3f} abs_alt: 200.0]\n"
        for i in range(12)
    ]
    (tmp_path / "flight.SRT").write_text("\n".join(text))
    model = LevelGround(height=1.5, pitch=np.radians(50))
    report = predict(flight, model, PredictSettings(side_by_side=False), tmp_path / "out")
    scale = report["scale"]
    assert (report["unit"], scale["origin"]) == ("metres", "height")
    assert scale["known"] == pytest.approx(11 / 12)  # the first frame stands on the ground
    written = factors_of(tmp_path / "out", model)
    assert scale["largest_factor"] == pytest.approx(max(written), rel=1e-5)
    # The first height that is known counts as it is; then a second's smoothing lags behind.
    assert written[1] == pytest.approx(4, rel=0.02)
    assert (np.diff(written[1:]) > 0).all() and written[-1] < 66 / 1.5


def test_photographs_have_the_height_in_their_xmp(tmp_path):
    xmp = '<x:xmpmeta><rdf:Description drone-dji:RelativeAltitude="{:+.2f}"/></x:xmpmeta>'
    (tmp_path / "photos").mkdir()
    heights = (30.0, 60.0, 2.0)
    for number, height in enumerate(heights):
        image = Image.fromarray(np.full((HEIGHT, WIDTH, 3), 60 * number, np.uint8))
        path = tmp_path / "photos" / f"{number}.jpg"
        image.save(path, xmp=xmp.format(height).encode())
    (tmp_path / "photos" / "camera.yaml").write_text(camera_to_yaml(CAMERA))
    model = LevelGround(height=1.5, pitch=np.radians(50))
    settings = PredictSettings(side_by_side=False)
    report = predict(tmp_path / "photos", model, settings, tmp_path / "out")
    assert (report["unit"], report["scale"]["origin"]) == ("metres", "height")
    assert report["scale"]["known"] == pytest.approx(2 / 3)
    factors = factors_of(tmp_path / "out", model)
    np.testing.assert_allclose(factors, [20, 40, 40], rtol=0.02)
