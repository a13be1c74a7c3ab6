"""PLY files, read by another program."""

import numpy as np
import trimesh

from aerial_depth_pipeline.formats.point_clouds import write_ply


def test_points_and_colours_are_read_by_others(tmp_path):
    points = np.array([[1.5, -2, 30], [0, 0.25, 7]])
    colours = np.array([[255, 0, 10], [1, 2, 3]], np.uint8)
    write_ply(tmp_path / "clouds" / "a.ply", points, colours)
    cloud = trimesh.load(tmp_path / "clouds" / "a.ply")
    np.testing.assert_allclose(cloud.vertices, points)
    assert cloud.colors[:, :3].tolist() == colours.tolist()
