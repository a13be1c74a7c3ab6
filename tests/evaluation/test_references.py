import json

import numpy as np
import pytest
from tests.worlds.evaluation_scenes import write_depth, write_scene

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.references import find_references
from aerial_depth_pipeline.formats.depth_maps import read_depth
from aerial_depth_pipeline.formats.images import read_frame


@pytest.fixture
def frames(tmp_path):
    """A scene's frames without any depth."""
    write_scene(tmp_path / "frames", [np.full((8, 12), 5, np.float32)] * 3)
    for path in (tmp_path / "frames" / "depth").iterdir():
        path.unlink()
    return tmp_path / "frames"


def test_a_scene_without_depth_has_no_references(frames, tmp_path):
    assert find_references(frames, None) == []
    assert find_references(frames, tmp_path / "nothing") == []


def test_computed_depth_takes_its_kind_and_unit_from_ground_truth_json(frames, tmp_path):
    truth = tmp_path / "truth"
    for frame in (20, 0, 999):  # 999 is not among the frames
        write_depth(truth / "depth" / f"{frame:06d}.tiff", np.ones((8, 12), np.float32))
    (truth / "ground_truth.json").write_text(json.dumps({"backend": "plane_sweep", "metric": True}))
    found = find_references(frames, truth)
    assert [(reference.frame, reference.kind, reference.metric) for reference in found] == [
        (0, "plane_sweep", True),
        (20, "plane_sweep", True),
    ]
    (truth / "ground_truth.json").unlink()
    assert [(reference.kind, reference.metric) for reference in find_references(frames, truth)] == [
        ("sfm", False)
    ] * 2


def test_exact_depth_wins_over_computed_depth(frames, tmp_path):
    truth = tmp_path / "truth"
    write_depth(truth / "depth" / "000000.tiff", np.ones((8, 12), np.float32))
    write_depth(frames / "depth" / "000010.tiff", np.ones((8, 12), np.float32))
    found = find_references(frames, truth)
    assert [(reference.frame, reference.kind, reference.metric) for reference in found] == [
        (10, "exact", True)
    ]


def test_depth_that_is_not_a_number_is_no_depth(tmp_path):
    depth = np.array([[1, np.nan, -3], [np.inf, 0, 2.5]], np.float32)
    write_depth(tmp_path / "a.tiff", depth)
    np.testing.assert_array_equal(
        read_depth(tmp_path / "a.tiff"), np.array([[1, 0, 0], [0, 0, 2.5]], np.float32)
    )


@pytest.mark.parametrize("content", [b"", b"rubbish"])
def test_damaged_files_are_named(tmp_path, content):
    path = tmp_path / "größe.tiff"
    path.write_bytes(content)
    with pytest.raises(SceneError, match="größe.tiff is damaged"):
        read_depth(path)
    with pytest.raises(SceneError, match="größe.tiff is damaged"):
        read_frame(path)
    with pytest.raises(SceneError, match="cannot be read"):
        read_depth(tmp_path / "missing.tiff")
