"""Films, depth maps and point clouds of footage, by a model whose answer is known."""

import json
import re
import tracemalloc
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from tests.worlds.bright_footage import (
    HEIGHT,
    WIDTH,
    Brightness,
    decode,
    gradient,
    write_srt,
    write_video,
)

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.images import write_jpeg
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.inference.mirroring import mirrored_mean
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.prediction.input_frames import open_footage
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.reporting.colours import plasma


def test_a_video_becomes_a_video_side_by_side_and_depth_maps(flight, tmp_path):
    settings = PredictSettings(png_every=4, points_every=6, batch_size=5)
    report = predict(flight, Brightness(unit="metres"), settings, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "prediction.json").read_text()) == report
    assert (
        report["frames"],
        report["unit"],
        report["scale"]["origin"],
        report["camera"]["origin"],
    ) == (12, "metres", "model", "camera.yaml")
    sources, video = decode(flight), decode(tmp_path / "out" / "side_by_side.mp4")
    assert len(video) == 12 and video[0].shape == (HEIGHT, 2 * WIDTH, 3)
    for index, (source, image) in enumerate(zip(sources, video, strict=True)):
        depth = np.array(Image.open(tmp_path / "out" / "depth" / f"{index:06d}.tiff"))
        assert depth.dtype == np.float32
        np.testing.assert_allclose(depth, 2 + source.astype(float).mean(-1) / 10, atol=0.3)
        assert np.abs(image[:, :WIDTH].astype(float) - source).mean() < 8
        colours = plasma(depth, report["colours"]["near"], report["colours"]["far"])
        assert (
            np.abs(image[:, WIDTH:].astype(float) - colours).mean() < 25
        )  # compressed, but the same colours on the same scale
    assert [p.name for p in sorted((tmp_path / "out" / "depth_png").iterdir())] == [
        "000000.png",
        "000004.png",
        "000008.png",
    ]
    png = cv2.imread(str(tmp_path / "out" / "depth_png" / "000004.png"), cv2.IMREAD_UNCHANGED)
    tiff = np.array(Image.open(tmp_path / "out" / "depth" / "000004.tiff"))
    assert png.dtype == np.uint16 and report["png_step"] == 0.01
    np.testing.assert_allclose(png * 0.01, tiff, atol=0.0051)


def test_images_keep_their_names(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("DJI_10.jpg", "DJI_9.JPG"):
        write_jpeg(folder / name, gradient(0), 95)
    report = predict(folder, Brightness(), PredictSettings(), tmp_path / "out")
    assert report["kind"] == "photographs" and report["camera"]["origin"] == "assumed"
    assert sorted(p.name for p in (tmp_path / "out" / "depth").iterdir()) == [
        "000000_DJI_9.tiff",
        "000001_DJI_10.tiff",
    ]
    report = predict(
        folder / "DJI_9.JPG", Brightness(), PredictSettings(max_width=40), tmp_path / "one"
    )
    assert (report["frames"], report["source"], report["width"], report["height"]) == (
        1,
        "DJI_9.JPG",
        40,
        26,
    )
    assert np.array(Image.open(tmp_path / "one" / "depth" / "000000_DJI_9.tiff")).shape == (26, 40)


def test_stride_and_choice_of_files(flight, tmp_path):
    report = predict(
        flight, Brightness(), PredictSettings(stride=3, tiff_every=2), tmp_path / "out"
    )
    assert report["frames"] == 4 and len(decode(tmp_path / "out" / "side_by_side.mp4")) == 4
    assert [p.name for p in sorted((tmp_path / "out" / "depth").iterdir())] == [
        "000000.tiff",
        "000006.tiff",
    ]
    with av.open(str(tmp_path / "out" / "side_by_side.mp4")) as video:
        assert float(video.streams.video[0].average_rate) == pytest.approx(
            10 / 3, rel=0.01
        )  # as long as the source
    with pytest.raises(ValueError, match="nothing would be written"):
        PredictSettings(side_by_side=False, tiff_every=0)


def test_the_same_source_gives_the_same_files(flight, tmp_path):
    settings = PredictSettings(png_every=3, points_every=6, batch_size=4)
    for name in ("a", "b"):
        predict(flight, Brightness(), settings, tmp_path / name)
    files = [p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()]
    assert len(files) > 15
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def peak_memory(work) -> tuple[int, int]:
    """The most bytes that Python's objects took while `work` ran, and that the process grew by,
    decoder and encoder included (Linux)."""
    process = Path("/proc/self")
    if process.is_dir():
        (process / "clear_refs").write_text("5")  # the peak counts from here
    before = resident("VmRSS")
    tracemalloc.start()
    work()
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return used, resident("VmHWM") - before


def resident(field: str) -> int:
    status = Path("/proc/self/status")
    return (
        int(re.search(rf"{field}:\s+(\d+) kB", status.read_text())[1]) * 1024
        if status.is_file()
        else 0
    )


def test_memory_does_not_grow_with_length(tmp_path):
    def peak(frames):
        write_video(tmp_path / f"{frames}.mp4", frames)
        settings = PredictSettings(tiff_every=10, scale_frames=4)
        return peak_memory(
            lambda: predict(
                tmp_path / f"{frames}.mp4", Brightness(), settings, tmp_path / f"out{frames}"
            )
        )

    peak(20)  # what is loaded once
    (short, short_process), (long, long_process) = peak(60), peak(600)
    # 16 depth maps may wait for the disk.
    assert long < short + 20 * WIDTH * HEIGHT * 4
    assert (
        long_process < short_process + 400 * WIDTH * HEIGHT * 3
    )  # less than one copy of the images that are more


def test_two_predictions_are_not_mixed(flight, tmp_path):
    predict(flight, Brightness(), PredictSettings(stride=6), tmp_path / "out")
    with pytest.raises(UserError, match="not empty"):
        predict(flight, Brightness(), PredictSettings(stride=6), tmp_path / "out")


def test_a_depth_model_predicts_in_either_precision(flight, tmp_path):
    torch.manual_seed(0)
    network = NetworkSettings(encoder="resnet10t", decoder_channels=[4, 4, 8, 8, 8])
    model = DepthModel(DepthNetwork(network), network, 64, 32)
    torch.nn.init.normal_(model.network.decoder.heads["0"].weight, std=1.0)
    depth = {}
    for precision in ("float32", "bfloat16"):
        settings = PredictSettings(stride=11, side_by_side=False, precision=precision, device="cpu")
        predict(flight, model, settings, tmp_path / precision)
        depth[precision] = np.array(Image.open(tmp_path / precision / "depth" / "000011.tiff"))
    np.testing.assert_allclose(depth["float32"], model(decode(flight)[11]), rtol=1e-4)
    assert 0 < np.abs(depth["bfloat16"] / depth["float32"] - 1).mean() < 0.01


def test_the_mean_with_the_mirrored_image_is_one_setting_away(flight, tmp_path):
    torch.manual_seed(0)
    network = NetworkSettings(encoder="test_resnet", decoder_channels=[4, 4, 8, 8, 8])
    model = DepthModel(DepthNetwork(network), network, 64, 32)
    torch.nn.init.normal_(model.network.decoder.heads["0"].weight)  # so that there is relief
    settings = PredictSettings(
        stride=11,
        side_by_side=False,
        scale="none",
        device="cpu",
        mirrored=True,
        precision="float32",
    )
    predict(flight, model, settings, tmp_path / "out")
    depth = np.array(Image.open(tmp_path / "out" / "depth" / "000011.tiff"))
    image = decode(flight)[11]
    np.testing.assert_allclose(depth, mirrored_mean(model.predict, image[None])[0], rtol=1e-4)
    assert not np.allclose(depth, model(image), rtol=1e-3)


def test_level_ground_slopes_as_the_gimbal_says(flight, tmp_path):
    torch.manual_seed(0)
    network = NetworkSettings(
        encoder="resnet10t", decoder_channels=[4, 4, 8, 8, 8], start="level_ground"
    )
    model = DepthModel(
        DepthNetwork(network), network, 64, 32
    )  # untrained: level ground and nothing else

    def depth_at(name: str, **settings) -> np.ndarray:
        predict(
            flight,
            model,
            PredictSettings(stride=11, side_by_side=False, scale="none", device="cpu", **settings),
            tmp_path / name,
        )
        return np.array(Image.open(tmp_path / name / "depth" / "000011.tiff"))

    def ground(pitch: float) -> np.ndarray:
        y = (np.arange(HEIGHT) + 0.5 - 32) / footage.camera.K[1, 1]
        return np.broadcast_to(1 / (1 + y[:, None] / np.tan(np.radians(-pitch))), (HEIGHT, WIDTH))

    footage = open_footage(flight, 768)
    np.testing.assert_allclose(depth_at("unknown"), np.ones((HEIGHT, WIDTH)), rtol=0.1)
    np.testing.assert_allclose(depth_at("stated", pitch=-40.0), ground(-40.0), rtol=0.1)
    write_srt(flight.with_suffix(".srt"), field="gb_pitch: -50.0 gb_roll: 0.0] [rel_alt")
    np.testing.assert_allclose(depth_at("telemetry", pitch=-40.0), ground(-50.0), rtol=0.1)
    assert np.abs(ground(-40.0) / ground(-50.0) - 1).max() > 0.15
