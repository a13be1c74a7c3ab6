"""Exported graphs agree with the model they come from, on images of their own size and of
others."""

import json
import shutil
import warnings

import cv2
import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.inference import export
from aerial_depth_pipeline.networks.inference.export import (
    ANY_SIZE,
    FIXED,
    INT8,
    TORCHSCRIPT,
    export_model,
)
from aerial_depth_pipeline.networks.inference.onnx_model import OnnxDepthModel, resize
from aerial_depth_pipeline.networks.inference.settings import ExportSettings
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings

SMALL = NetworkSettings(
    encoder="resnet10t", decoder_channels=[8, 8, 16, 16, 32], pose_channels=16, start="level_ground"
)


def small_model() -> DepthModel:
    """Untrained, but with a last layer that makes depth vary as a trained one's does."""
    torch.manual_seed(0)
    model = DepthModel(DepthNetwork(SMALL), SMALL, 96, 64, {"unit": "metres", "depth_scale": 30.0})
    torch.nn.init.normal_(model.network.decoder.heads["0"].weight, std=2.0)
    torch.nn.init.normal_(model.network.decoder.slope.weight, std=0.1)
    torch.nn.init.constant_(model.network.decoder.slope.bias, 0.3)
    return model


def smooth_images(count, height, width):
    """Smooth images with edges, as photographs are."""
    rng = np.random.default_rng(count + height)
    coarse = rng.integers(0, 256, (count, 6, 8, 3)).astype(np.float32)
    return [
        np.clip(image, 0, 255).astype(np.uint8)
        for image in resize(coarse, height, width, antialias=False)
    ]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model, folder = small_model(), tmp_path_factory.mktemp("export") / "onnx"
    return (
        model,
        folder,
        export_model(
            model,
            folder,
            smooth_images(7, 80, 120)[:3],
            smooth_images(7, 80, 120)[3:],
            ExportSettings(),
        ),
    )


@pytest.mark.slow
def test_graphs_agree_with_the_model_on_frames_of_another_size(exported):
    model, folder, report = exported
    for name in (FIXED, ANY_SIZE):
        assert report["graphs"][name]["max_relative_difference"] < 1e-3
        graph = OnnxDepthModel.load(folder / name)
        for height, width in ((64, 96), (77, 131), (40, 50)):
            images = np.stack(smooth_images(2, height, width))
            expected = model.predict(images)
            assert expected.max() / expected.min() > 1.2  # the image matters
            np.testing.assert_allclose(graph.predict(images), expected, rtol=1e-3)
            np.testing.assert_allclose(graph(images[0]), expected[0], rtol=1e-3)


@pytest.mark.slow
def test_torchscript_agrees_and_can_be_measured_beside_other_models(exported, tmp_path):
    from aerial_depth_pipeline.evaluation.methods.external import external_methods
    from aerial_depth_pipeline.evaluation.methods.method import Frame
    from aerial_depth_pipeline.evaluation.references import Reference
    from aerial_depth_pipeline.evaluation.settings import MethodSettings

    model, folder, report = exported
    assert report["graphs"][TORCHSCRIPT]["max_relative_difference"] < 1e-3
    (image,) = smooth_images(1, 64, 96)
    cv2.imwrite(str(tmp_path / "000000.png"), image[..., ::-1])
    settings = MethodSettings(
        name="exported", path=str(folder / TORCHSCRIPT), mean=[0.0] * 3, std=[1.0] * 3
    )
    (method,) = external_methods([settings], "town")
    frame = Frame(
        "flight", Reference(0, tmp_path / "000000.png", tmp_path / "none.tiff", "exact", True)
    )
    np.testing.assert_allclose(method.predict(frame), model(image), rtol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = torch.jit.load(str(folder / TORCHSCRIPT))
    for height, width in ((64, 96), (77, 131), (40, 50)):
        images = np.stack(smooth_images(3, height, width))
        depth = graph(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)[:, 0].numpy()
        np.testing.assert_allclose(depth, model.predict(images), rtol=1e-3)


@pytest.mark.slow
def test_the_report_says_what_the_graphs_take_and_how_close_they_are(exported):
    _, folder, report = exported
    assert json.loads((folder / "export.json").read_text()) == report
    assert sorted(p.name for p in folder.iterdir()) == [
        "depth_model.onnx",
        "depth_model.torchscript",
        "depth_model_any_size.onnx",
        "depth_model_int8.onnx",
        "export.json",
    ]
    assert report["unit"] == "metres" and report["check_frames"] == 3
    assert (
        "uint8 [B, H, W, 3]" in report["graphs"][ANY_SIZE]["input"]
        and "[B, 64, 96, 3]" in report["graphs"][FIXED]["input"]
    )
    loaded = OnnxDepthModel.load(folder / FIXED)
    assert (loaded.width, loaded.height, loaded.metadata["unit"]) == (96, 64, "metres")


@pytest.mark.slow
@pytest.mark.parametrize("name", [FIXED, ANY_SIZE, INT8])
def test_graphs_take_the_slope_of_level_ground_and_do_without_it(exported, name):
    model, folder, _ = exported
    graph, frames = OnnxDepthModel.load(folder / name), np.stack(smooth_images(7, 80, 120)[:3])
    close = {"rtol": 0.1 if name == INT8 else 1e-3}
    slopes = np.array([[0.1, 0.8], [np.nan, np.nan], [-0.3, 0.2]], np.float32)
    assert graph.takes_slope
    np.testing.assert_allclose(
        graph.predict(frames, slopes), model.predict(frames, slopes), **close
    )
    alone = graph.predict(frames)
    np.testing.assert_allclose(alone, model.predict(frames), **close)
    np.testing.assert_array_equal(alone[1], graph.predict(frames, slopes)[1])
    assert np.abs(graph.predict(frames, slopes)[0] / alone[0] - 1).max() > 0.2


@pytest.mark.slow
def test_torchscript_takes_the_slope_too(exported):
    model, folder, _ = exported
    script = torch.jit.load(folder / TORCHSCRIPT)
    frame, slope = smooth_images(7, 80, 120)[0], torch.tensor([[0.1, 0.8]])
    x = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255
    np.testing.assert_allclose(script(x, slope)[0, 0], model(frame, slope[0].numpy()), rtol=1e-3)
    np.testing.assert_allclose(script(x)[0, 0], model(frame), rtol=1e-3)


@pytest.mark.slow
def test_graphs_of_a_model_without_level_ground_take_an_image_alone(tmp_path):
    settings = SMALL.model_copy(update={"encoder": "test_resnet", "start": "none"})
    model = DepthModel(DepthNetwork(settings), settings, 96, 64)
    frames = smooth_images(1, 64, 96)
    quick = ExportSettings(any_size=False, int8=False, torchscript=False)
    report = export_model(model, tmp_path / "onnx", frames, [], quick)
    assert not OnnxDepthModel.load(tmp_path / "onnx" / FIXED).takes_slope
    assert report["attitude"] == "the model does not take it"


@pytest.mark.slow
def test_graphs_of_a_model_that_starts_from_points_start_from_level_ground(tmp_path):
    settings = SMALL.model_copy(update={"encoder": "test_resnet", "start": "points"})
    model = DepthModel(DepthNetwork(settings), settings, 96, 64)
    frames = smooth_images(2, 64, 96)
    report = export_model(model, tmp_path / "onnx", frames, [], ExportSettings(int8=False))
    assert "level ground" in report["own_points"]
    assert all(graph["max_relative_difference"] < 1e-3 for graph in report["graphs"].values())


@pytest.mark.slow
def test_eight_bits_cost_something_and_the_report_says_how_much(exported):
    model, folder, report = exported
    stated = report["graphs"][INT8]
    assert stated["calibration_frames"] == 4 and not stated["calibrated_on_the_check_frames"]
    frames = smooth_images(7, 80, 120)[:3]
    graph = OnnxDepthModel.load(folder / INT8)
    slopes = [(np.nan, np.nan), (0.1, 0.6), (np.nan, np.nan)]
    inputs = [(f, np.array(slope, np.float32)) for f, slope in zip(frames, slopes, strict=True)]
    difference = np.concatenate(
        [(np.abs(graph(*x) - model(*x)) / model(*x)).ravel() for x in inputs]
    )
    assert stated["mean_relative_difference"] == pytest.approx(difference.mean(), rel=1e-3)
    assert 1e-4 < stated["mean_relative_difference"] < 0.1
    types = {node.op_type for node in onnx.load(folder / INT8).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= types
    assert (folder / INT8).stat().st_size < 0.5 * (folder / FIXED).stat().st_size


@pytest.mark.slow
def test_eight_bits_that_cost_too_much_are_left_out(tmp_path):
    frames = smooth_images(3, 80, 120)
    settings = ExportSettings(any_size=False, torchscript=False, max_mean_difference_int8=1e-9)
    report = export_model(small_model(), tmp_path, frames, frames, settings)
    assert not (tmp_path / INT8).exists() and set(report["graphs"]) == {FIXED}
    assert report["left_out"][INT8]["mean_relative_difference"] > 1e-9


@pytest.mark.slow
def test_a_graph_that_differs_is_refused(exported, tmp_path, monkeypatch):
    _, folder, _ = exported
    monkeypatch.setattr(
        export,
        "_write_graph",
        lambda _model, path, any_size: shutil.copy(
            folder / (ANY_SIZE if any_size else FIXED), path
        ),
    )
    other = small_model()
    other.metadata["depth_scale"] *= 1.002  # as an operator with another meaning would
    with pytest.raises(UserError, match=r"differs from the model by up to 0\.002"):
        export_model(
            other,
            tmp_path,
            smooth_images(1, 64, 96),
            [],
            ExportSettings(any_size=False, int8=False, torchscript=False),
        )


def test_an_export_needs_frames(tmp_path):
    with pytest.raises(UserError, match="there are none"):
        export_model(small_model(), tmp_path, [], [], ExportSettings())


def test_missing_damaged_and_foreign_graphs_are_named(tmp_path):
    with pytest.raises(UserError, match="--pipelines=export"):
        OnnxDepthModel.load(tmp_path / "nowhere.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"bad\.onnx cannot be opened"):
        OnnxDepthModel.load(tmp_path / "bad.onnx")
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    onnx.save(
        onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10
        ),
        tmp_path / "other.onnx",
    )
    with pytest.raises(UserError, match="not one that"):
        OnnxDepthModel.load(tmp_path / "other.onnx")


@pytest.mark.parametrize("size", [(40, 60), (23, 31), (90, 130), (20, 130)])
@pytest.mark.parametrize("antialias", [True, False])
def test_resizing_is_torchs(size, antialias):
    images = np.random.default_rng(1).random((2, 50, 70, 3), np.float32)
    expected = F.interpolate(
        torch.from_numpy(images).permute(0, 3, 1, 2),
        size,
        mode="bilinear",
        antialias=antialias,
        align_corners=False,
    )
    np.testing.assert_allclose(
        resize(images, *size, antialias=antialias), expected.permute(0, 2, 3, 1).numpy(), atol=1e-5
    )


@pytest.mark.slow
def test_images_of_another_type_are_refused(exported):
    _, folder, _ = exported
    with pytest.raises(ValueError, match="uint8"):
        OnnxDepthModel.load(folder / FIXED)(np.zeros((64, 96, 3), np.float32))


@pytest.mark.slow
def test_parity_on_twenty_real_frames(shared_data, tmp_path):
    """ResNet-18 on frames of two flights, fresh weights but a decoder that answers over its whole
    range."""
    from aerial_depth_pipeline.capture.sources.video import VideoSource

    settings = NetworkSettings(encoder="resnet18")
    torch.manual_seed(0)
    model = DepthModel(DepthNetwork(settings), settings, 384, 224)
    torch.nn.init.normal_(model.network.decoder.heads["0"].weight, std=3)
    frames = []
    for flight in ("autzen_woods", "autzen_stadium"):
        source = VideoSource(shared_data / "flights" / flight / "video.mp4")
        frames += [
            frame.image
            for frame in source.frames(source.width, source.height, lambda index: index % 36 == 0)
        ][:10]
    assert len(frames) == 20
    report = export_model(model, tmp_path / "onnx", frames, [], ExportSettings(int8=False))
    depths = model.predict(np.stack(frames))
    assert np.percentile(depths, 99) / np.percentile(depths, 1) > 1.3
    assert max(graph["max_relative_difference"] for graph in report["graphs"].values()) < 1e-3
