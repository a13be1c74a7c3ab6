import numpy as np
import pytest
import trimesh

from aerial_depth_pipeline.evaluation.report.depth_point_clouds import write_point_cloud
from aerial_depth_pipeline.geometry.poses import look_at

K = np.array([[60.0, 0, 40], [0, 60, 24], [0, 0, 1]])


def test_a_plane_seen_obliquely_becomes_a_level_plane_in_the_world(tmp_path):
    pose = look_at(np.array([0.0, -40.0, 30.0]), np.array([0.0, 0.0, 0.0]))
    v, u = np.mgrid[0:48, 0:80] + 0.5
    rays = np.stack([(u - 40) / 60, (v - 24) / 60, np.ones_like(u)], -1) @ pose[:3, :3]
    depth = np.where(rays[..., 2] < -0.2, -30 / rays[..., 2], np.nan).astype(np.float32)
    image = np.full((48, 80, 3), (10, 120, 250), np.uint8)
    count = write_point_cloud(tmp_path / "clouds" / "a.ply", image, depth, K, pose)
    cloud = trimesh.load(tmp_path / "clouds" / "a.ply")
    assert len(cloud.vertices) == count == np.isfinite(depth).sum()
    np.testing.assert_allclose(cloud.vertices[:, 2], 0, atol=1e-4)
    assert tuple(cloud.colors[0][:3]) == (10, 120, 250)


def test_without_a_pose_up_is_up_and_edges_are_left_out(tmp_path):
    depth = np.full((48, 80), 20, np.float32)
    depth[:, 40:] = 10
    count = write_point_cloud(tmp_path / "a.ply", np.zeros((48, 80, 3), np.uint8), depth, K)
    assert 0.85 * depth.size < count < depth.size
    vertices = trimesh.load(tmp_path / "a.ply").vertices
    assert vertices[0, 1] > 0 and (vertices[:, 2] < 0).all()  # the first pixel is the image's top
    with pytest.raises(ValueError, match="differ in size"):
        write_point_cloud(tmp_path / "b.ply", np.zeros((10, 10, 3), np.uint8), depth, K)
