"""Depth of all views, confirmed by other views."""

import numpy as np
from tests.worlds import block_world

from aerial_depth_pipeline.mvs.backends.raw_depth import RawDepth
from aerial_depth_pipeline.mvs.dense import confirm, dense_depth
from aerial_depth_pipeline.mvs.settings import DenseSettings


def test_every_backend_passes_the_same_filter(flown, tmp_path):
    images, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    settings = DenseSettings(backend="sgbm")
    views = list(range(len(images)))
    filtered, summary = dense_depth(
        model, dict(enumerate(images)), views, settings, tmp_path, tmp_path, tmp_path
    )
    assert summary["backend"] == "sgbm"
    depth = filtered[3].depth_HW
    assert (depth > 0).mean() > 0.4
    assert (np.abs(depth / depths[3] - 1)[depth > 0] < 0.02).mean() > 0.97


def test_what_only_one_view_claims_is_removed(flown):
    images, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    score = np.ones((view.height, view.width), np.float32)
    raw = {i: RawDepth(depth.copy(), score) for i, depth in enumerate(depths)}
    raw[3].depth_HW[60:100, 100:160] *= 1.2
    result = confirm(model, raw, 3, [2, 4, 1, 5], DenseSettings())
    assert (result.depth_HW[65:95, 105:155] == 0).all()
    untouched = np.ones_like(score, bool)
    untouched[50:110, 90:170] = False
    assert (result.depth_HW[untouched] > 0).mean() > 0.8
    kept = result.depth_HW > 0
    assert np.abs(result.depth_HW / depths[3] - 1)[kept].max() < 0.02
    assert (result.agreeing_HW[kept] >= 2).all()
