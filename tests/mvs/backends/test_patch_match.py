"""PatchMatch runs in a process that may die."""

import sys

import numpy as np
import pytest
from tests.worlds import block_world

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.mvs.backends.patch_match import patch_match, read_colmap_map


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
