"""A rendered triplet with its true depth, and the loss of any depth on it."""

import numpy as np
import torch
from tests.worlds.tiny_world import World, calibration, orbit

from aerial_depth_pipeline.geometry.poses import relative_pose
from aerial_depth_pipeline.training.objective import objective
from aerial_depth_pipeline.training.settings import LossSettings, TrainSettings
from aerial_depth_pipeline.training.terms import Context

WIDTH, HEIGHT = 96, 64


def rendered_triplet() -> dict[str, torch.Tensor]:
    """Images [1, 3, 3, H, W], depth [1, 1, H, W] and source_depth in units of 60 m, K and T."""
    K, world, poses = calibration(WIDTH, HEIGHT), World.random(4), orbit(3, 2.0)
    images, depths = zip(*(world.render(p, K, WIDTH, HEIGHT) for p in poses), strict=True)
    T = np.stack([relative_pose(poses[s], poses[1]) for s in (0, 2)])
    T[:, :3, 3] /= 60
    depth = torch.tensor(np.stack(depths), dtype=torch.float32)[None] / 60
    return {
        "images": torch.tensor(np.stack(images)).permute(0, 3, 1, 2)[None].float() / 255,
        "depth": depth[:, 1:2],
        "source_depth": depth[:, [0, 2]],
        "K": torch.tensor(K, dtype=torch.float32)[None],
        "T": torch.tensor(T, dtype=torch.float32)[None],
        "usable": torch.ones(1, 2, dtype=torch.bool),
    }


def context_of(scene, inverse_depths, fast=False, **settings) -> Context:
    """What the terms look at."""
    T = scene["T"]
    train = TrainSettings(loss=LossSettings(**settings))
    slope = torch.full((len(T), 2), torch.nan)
    return Context(scene, train, 0, 1, [0, 2], inverse_depths, T, T, slope, fast=fast)


def loss_of(scene, depth=None, **settings) -> dict[str, torch.Tensor]:
    """The loss of a depth map of the scene's target, by default the true one."""
    inverse = 1 / (scene["depth"] if depth is None else depth)
    return objective(context_of(scene, [inverse], **settings))
