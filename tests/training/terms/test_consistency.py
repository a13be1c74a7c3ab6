"""Agreement of depth between the frames of a triplet."""

import pytest
import torch
from tests.worlds.loss_scene import context_of

from aerial_depth_pipeline.training.terms.consistency import Consistency, depth_inconsistency


def inconsistency(scene, factor=1.0, depth=None, usable=None):
    depth = scene["depth"] if depth is None else depth
    usable = scene["usable"] if usable is None else usable
    context = context_of(scene | {"usable": usable}, [1 / depth])
    context.source_inverse_BSHW = 1 / (scene["source_depth"] * factor)
    return Consistency()(context)


def test_frames_with_their_true_depth_agree_and_another_scale_of_one_is_seen(scene):
    disagreement, inside = depth_inconsistency(
        scene["depth"], scene["source_depth"][:, :1], scene["K"], scene["T"][:, 0]
    )
    # Only the edges of boxes disagree, where one frame sees what the other does not.
    assert float(disagreement[inside].median()) < 1e-3 and 0.8 < float(inside.float().mean()) < 1
    assert float(inconsistency(scene)) < 0.02
    disagreement, inside = depth_inconsistency(
        scene["depth"], scene["source_depth"][:, :1] * 1.5, scene["K"], scene["T"][:, 0]
    )
    assert float(disagreement[inside].median()) == pytest.approx(0.5 / 2.5, abs=1e-3)


def test_consistency_pulls_the_frames_to_one_scale_and_ignores_unreliable_pairs(scene):
    scale = torch.tensor(1.3, requires_grad=True)
    inconsistency(scene, depth=scene["depth"] * scale).backward()
    assert scale.grad > 0
    scale = torch.tensor(1.3, requires_grad=True)
    inconsistency(scene, factor=scale).backward()
    assert scale.grad > 0
    assert inconsistency(scene, factor=2.0, usable=torch.zeros(1, 2, dtype=torch.bool)) == 0
