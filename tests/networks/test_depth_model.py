"""A trained model from images to depth, on disk and back."""

import json

import numpy as np
import pytest
import torch

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.inference.bfloat16 import in_bfloat16
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings

SMALL = NetworkSettings(
    encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], pose_channels=16
)
LEVEL = SMALL.model_copy(update={"start": "level_ground", "initial_depth": 2.0})


def image_of(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def small_model(width=64, height=32, **metadata):
    torch.manual_seed(0)
    return DepthModel(DepthNetwork(SMALL), SMALL, width, height, metadata)


@pytest.mark.parametrize(("height", "width"), [(32, 64), (48, 80), (33, 51)])
def test_depth_has_the_size_of_the_picture_whatever_that_is(height, width):
    depth = small_model()(image_of(height, width))
    assert depth.shape == (height, width)
    assert depth.dtype == np.float32
    assert (depth >= SMALL.min_depth * 0.999).all() and (depth <= SMALL.max_depth * 1.001).all()


def test_a_saved_model_predicts_the_same_after_loading(tmp_path):
    model = small_model(unit="metres", depth_scale=3.0)
    before = model(image_of(40, 70))
    model.save(tmp_path / "depth_model")
    loaded = DepthModel.load(tmp_path / "depth_model")
    assert (loaded.width, loaded.height, loaded.metadata) == (
        64,
        32,
        {"unit": "metres", "depth_scale": 3.0},
    )
    np.testing.assert_array_equal(loaded(image_of(40, 70)), before)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["depth_model"]
    assert sorted(p.name for p in (tmp_path / "depth_model").iterdir()) == [
        "model.json",
        "model.safetensors",
    ]


def test_depth_scale_multiplies_the_prediction():
    np.testing.assert_allclose(
        small_model(depth_scale=3.0)(image_of(32, 64)),
        3 * small_model()(image_of(32, 64)),
        rtol=1e-5,
    )


def test_a_batch_predicts_what_single_pictures_do():
    model, images = small_model(), [image_of(32, 64, seed) for seed in range(3)]
    np.testing.assert_allclose(
        model.predict(images), np.stack([model(p) for p in images]), rtol=1e-4
    )


def test_a_missing_or_damaged_model_says_so(tmp_path):
    with pytest.raises(UserError, match=r"model\.safetensors is missing.*pipeline=train"):
        DepthModel.load(tmp_path)
    small_model().save(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="damaged"):
        DepthModel.load(tmp_path / "m")


def test_pictures_of_another_type_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        small_model()(image_of(32, 64).astype(np.float32))


def test_level_ground_is_kept_in_files_and_in_half_the_bits(tmp_path):
    torch.manual_seed(0)
    model = DepthModel(DepthNetwork(LEVEL), LEVEL, 64, 32)
    with torch.no_grad():
        model.network.decoder.slope.bias += torch.tensor([0.1, 0.3])
    image, slope = image_of(40, 70), np.array([0.2, 0.6])
    model.save(tmp_path / "m")
    loaded = DepthModel.load(tmp_path / "m")
    for given in (slope, None):
        np.testing.assert_array_equal(loaded(image, given), model(image, given))
        np.testing.assert_allclose(in_bfloat16(model)(image, given), model(image, given), rtol=0.05)
    assert np.abs(model(image, slope) / model(image) - 1).max() > 0.1


def test_a_model_from_before_level_ground_loads_as_it_was_trained(tmp_path):
    torch.manual_seed(0)
    settings = SMALL.model_copy(update={"start": "none"})
    model = DepthModel(DepthNetwork(settings), settings, 64, 32)
    model.save(tmp_path / "m")
    description = json.loads((tmp_path / "m" / "model.json").read_text())
    del description["network"]["start"]
    (tmp_path / "m" / "model.json").write_text(json.dumps(description))
    loaded = DepthModel.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded(image_of(40, 70)), model(image_of(40, 70)))


@pytest.mark.parametrize("start", ["none", "level_ground", "points"])
def test_a_model_from_before_the_start_had_its_name_loads_as_it_was_trained(start, tmp_path):
    settings = SMALL.model_copy(update={"start": start, "initial_depth": 2.0})
    DepthModel(DepthNetwork(settings), settings, 64, 32).save(tmp_path / "m")
    description = json.loads((tmp_path / "m" / "model.json").read_text())
    del description["network"]["start"]
    former = {"level_ground": start != "none", "own_points": start == "points"}
    description["network"] |= former
    (tmp_path / "m" / "model.json").write_text(json.dumps(description))
    assert DepthModel.load(tmp_path / "m").settings == settings
