"""The other backends: rectified pairs, and PatchMatch in a process that may die."""

import sys

import numpy as np
import pytest
from tests.worlds import block_world

from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.geometry.poses import invert, look_at, relative_pose
from aerial_depth_pipeline.mvs.backend_table import backend
from aerial_depth_pipeline.mvs.backends.patch_match import (
    patch_match,
    patch_match_available,
    read_colmap_map,
)
from aerial_depth_pipeline.mvs.backends.sgbm import match_pair, rectify, sgbm_view
from aerial_depth_pipeline.mvs.dense import dense_depth
from aerial_depth_pipeline.mvs.settings import DenseSettings


def test_rectified_points_lie_in_one_row(flown):
    _, depths, poses, view = flown
    for source in (1, 5):
        T = relative_pose(poses[source], poses[3])
        pair = rectify(view.K, T, (view.height, view.width))
        rng = np.random.default_rng(0)
        for u, v in rng.uniform(20, 180, (20, 2)):
            point = np.linalg.inv(view.K) @ [u, v, 1] * depths[3][int(v), int(u)]
            here = pair.H_view @ [u, v, 1]
            image = view.K @ (T[:3, :3] @ point + T[:3, 3])
            there = pair.H_source @ (image / image[2])
            here, there = here[:2] / here[2], there[:2] / there[2]
            assert here[1] == pytest.approx(there[1], abs=1e-6)
            # Disparity tells the depth along the common direction.
            z = (pair.rotation @ point)[2]
            offset = pair.K_view[0, 2] - pair.K_source[0, 2]
            assert here[0] - there[0] - offset == pytest.approx(
                pair.K_view[0, 0] * pair.baseline / z, rel=1e-6
            )


def test_a_source_straight_ahead_is_refused(flown):
    _, _, _, view = flown
    ahead = np.eye(4)
    ahead[2, 3] = -5.0
    assert rectify(view.K, ahead, (view.height, view.width)) is None
    image = np.zeros((view.height, view.width), np.uint8)
    assert (match_pair(image, image, view.K, ahead, 10, 100) == 0).all()


def test_a_camera_that_flies_ahead_and_looks_down_by_half_a_right_angle_is_rectified():
    K = np.array([[548.0, 0, 384], [0, 548, 224], [0, 0, 1]])
    here, there = (
        look_at(np.array([0.0, y, 80.0]), np.array([0.0, y + 85, 0.0])) for y in (0.0, 24.0)
    )
    assert rectify(K, relative_pose(there, here), (448, 768)) is not None


def test_sgbm_finds_depth(flown):
    images, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    raw = sgbm_view(model, dict(enumerate(images)), 3, [2, 4, 1], DenseSettings())
    found = raw.depth_HW > 0
    error = np.abs(raw.depth_HW / depths[3] - 1)[found]
    assert found.mean() > 0.6
    assert np.median(error) < 0.005


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


def test_auto_works_without_a_gpu_and_patch_match_says_what_it_needs():
    if patch_match_available():
        assert backend("auto").name == "patch_match"
        return
    assert backend("auto").name == "plane_sweep"
    with pytest.raises(UserError, match="CUDA"):
        backend("patch_match")


def program(tmp_path, text):
    path = tmp_path / "program.py"
    path.write_text(text, encoding="utf-8")
    return [sys.executable, str(path)]


def test_an_abort_of_patch_match_is_a_sentence(flown, tmp_path):
    _, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    command = program(
        tmp_path,
        "import os, sys; print('no device', file=sys.stderr); sys.stderr.flush(); os.abort()",
    )
    with pytest.raises(SceneError, match="no device"):
        patch_match(model, tmp_path, tmp_path, {0: [1]}, tmp_path, command)


def test_depth_maps_of_patch_match_are_read(flown, tmp_path):
    _, depths, poses, view = flown
    model = block_world.exact_model(poses, depths, view)
    text = f"""
import json, pathlib, sys
import numpy as np
job = json.loads(pathlib.Path(sys.argv[1]).read_text())
assert job["sources"] == {{"000003.jpg": ["000002.jpg", "000004.jpg"]}}
assert 0 < job["depth_min"] < job["depth_max"]
folder = pathlib.Path(job["workspace"]) / "stereo" / "depth_maps"
folder.mkdir(parents=True)
depth = np.full(({view.height}, {view.width}), 7, np.float32)
depth[0, 5] = 3
depth[1, 1] = float("nan")
content = b"{view.width}&{view.height}&1&" + depth.tobytes()
(folder / "000003.jpg.geometric.bin").write_bytes(content)
"""
    raw = patch_match(
        model, tmp_path, tmp_path, {3: [2, 4], 5: []}, tmp_path, program(tmp_path, text)
    )
    assert (
        raw[3].depth_HW[0, 5] == 3 and raw[3].depth_HW[10, 10] == 7 and raw[3].depth_HW[1, 1] == 0
    )
    assert (raw[5].depth_HW == 0).all()


def test_colmaps_format_holds_rows_of_the_image(tmp_path):
    depth = np.arange(12, dtype=np.float32).reshape(3, 4)
    (tmp_path / "map.bin").write_bytes(b"4&3&1&" + depth.tobytes())
    assert (read_colmap_map(tmp_path / "map.bin") == depth).all()


def test_inverse_poses_of_the_world_look_at_each_other():
    # The little world's own check: a camera sees its target in the middle.
    pose = look_at(np.array([0, -30, 40.0]), np.zeros(3))
    assert np.allclose((pose @ [0, 0, 0, 1])[:2], 0)
    assert np.allclose(invert(pose) @ pose, np.eye(4))
