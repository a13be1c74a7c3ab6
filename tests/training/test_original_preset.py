"""`--env=original` is the original's choice, item by item, and trains the network that was
published."""

from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.networks.joint_model import JointModel
from aerial_depth_pipeline.settings import CONFIG_LOADER_ARGS
from aerial_depth_pipeline.training.settings import TrainSettings

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture(scope="module")
def parameters():
    return OmegaConfigLoader(str(CONF), env="original", **CONFIG_LOADER_ARGS)["parameters"]


def test_the_preset_holds_the_original_choices(parameters):
    assert (parameters["triplets"]["width"], parameters["triplets"]["height"]) == (384, 224)
    s = read_settings(TrainSettings, parameters["train"], "train")
    assert (s.batch_size, s.optimizer, s.learning_rate, s.schedule, s.warm_up) == (
        20,
        "adam",
        2e-4,
        "constant",
        0.0,
    )
    assert (s.weight_decay, s.gradient_clip, s.ema, s.trainable, s.early_stopping) == (
        0.0,
        0.0,
        0.0,
        "all",
        0,
    )
    n = s.network
    assert (n.encoder, n.pretrained, n.weights, n.pose_encoder, n.pose_trains_encoder) == (
        "resnet18",
        False,
        None,
        "shared",
        True,
    )
    assert (n.scales, n.min_depth, n.max_depth, n.initial_depth) == (4, 0.1, 100.0, None)
    loss = s.loss
    assert (
        loss.ssim_weight,
        loss.ssim_range,
        loss.minimum_reprojection,
        loss.smoothness,
        loss.scales_at_full_size,
    ) == (1.0, 1.0, True, 1e-3, True)
    assert (
        loss.auto_mask,
        loss.mask_out_of_view,
        loss.depth_hint,
        loss.consistency,
        loss.robust,
    ) == (False, False, 0.0, 0.0, 0.0)
    assert (s.pose.source, s.pose.learned_scale, s.pose.rescale_scenes, s.pose.given_until) == (
        "learned",
        0.01,
        False,
        0.0,
    )


def test_the_preset_builds_the_published_network(parameters):
    s = read_settings(TrainSettings, parameters["train"], "train")
    model = JointModel(s.network, s.pose.predicted)
    assert sum(p.numel() for p in model.depth.parameters()) == pytest.approx(17.3e6, rel=0.02)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(20.2e6, rel=0.02)
