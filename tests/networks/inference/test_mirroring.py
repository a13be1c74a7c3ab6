import numpy as np
import torch

from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.inference.mirroring import mirrored_mean
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings

SMALL = NetworkSettings(
    encoder="test_resnet", decoder_channels=[8, 8, 16, 16, 32], start="level_ground"
)


def test_inverse_depth_is_averaged_where_it_belongs():
    images = np.zeros((1, 1, 3, 3), np.uint8)
    images[0, 0, 0] = 255  # the left end

    def two_metres_at_what_is_white_left_of_the_middle(images):
        depth = np.full(images.shape[:3], 4.0, np.float32)
        depth[:, :, 0][images[:, :, 0, 0] == 255] = 2.0
        return depth

    found = mirrored_mean(two_metres_at_what_is_white_left_of_the_middle, images)
    np.testing.assert_allclose(found, [[[1 / (0.5 * (1 / 2 + 1 / 4)), 4, 4]]])


def test_a_mirrored_world_has_the_mirrored_depth():
    torch.manual_seed(0)
    for start in ("level_ground", "none"):
        network = DepthNetwork(SMALL.model_copy(update={"start": start}))
        with torch.no_grad():
            for parameter in network.decoder.heads.parameters():
                parameter.normal_(std=0.3)  # so that there is relief
        model = DepthModel(network, SMALL, 64, 32)
        images = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3), dtype=np.uint8)
        slope = [np.array([[0.3, 0.6], [np.nan, np.nan]], np.float32)] if start != "none" else []
        mirrored = [s * np.array([-1, 1], np.float32) for s in slope]
        depth = mirrored_mean(model.predict, images, *slope)
        there = mirrored_mean(model.predict, images[:, :, ::-1], *mirrored)
        np.testing.assert_allclose(there[:, :, ::-1], depth, rtol=1e-4)
        assert not np.allclose(depth, model.predict(images, *slope), rtol=1e-2)
