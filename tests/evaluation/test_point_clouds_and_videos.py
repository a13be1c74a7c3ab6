import av
import numpy as np
import pytest
import trimesh

from aerial_depth_pipeline.evaluation.report.point_clouds import write_point_cloud
from aerial_depth_pipeline.evaluation.report.videos import fly_around, side_by_side
from aerial_depth_pipeline.formats.videos import write_video
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


def test_the_video_shows_the_frame_beside_its_depth(tmp_path):
    frames = [np.full((60, 101, 3), 20 * i, np.uint8) for i in range(8)]
    slope = np.repeat(np.linspace(10, 50, 60, dtype=np.float32)[:, None], 101, 1)
    assert (
        write_video(
            side_by_side(((frame, slope) for frame in frames), 200),
            tmp_path / "videos" / "a.mp4",
            10,
        )
        == 8
    )
    with av.open(str(tmp_path / "videos" / "a.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == 10
    assert len(pictures) == 8
    left, right = pictures[7][:, :195], pictures[7][:, 205:]
    assert abs(left.mean() - 140) < 6
    assert right[5].mean() > right[-5].mean() + 60  # near is bright
    assert write_video(iter([]), tmp_path / "none.mp4", 10) == 0
    assert not (tmp_path / "none.mp4").exists()
    with pytest.raises(ValueError, match="one size"):
        write_video(
            iter([np.zeros((20, 20, 3), np.uint8), np.zeros((20, 22, 3), np.uint8)]),
            tmp_path / "b.mp4",
            10,
        )


def test_a_flight_around_points_starts_at_the_frame_itself_and_moves_near_points_most():
    depth = np.full((48, 80), 40, np.float32)
    depth[14:34, 30:50] = 20
    image = np.full((48, 80, 3), 90, np.uint8)
    image[14:34, 30:50] = (250, 0, 0)
    pictures = list(fly_around(image, [depth, depth], K, frames=8, width=80, swing=15))
    assert len(pictures) == 8 and {picture.shape for picture in pictures} == {(48, 160, 3)}

    def red(picture):
        return float(
            np.nonzero(picture[:, :80, 0].astype(int) - picture[:, :80, 1] > 100)[1].mean()
        )

    np.testing.assert_array_equal(pictures[0][:, :80], pictures[0][:, 80:])
    assert red(pictures[0]) == pytest.approx(40, abs=1)
    assert red(pictures[2]) - red(pictures[0]) == pytest.approx(
        red(pictures[0]) - red(pictures[6]), abs=3
    )
    assert abs(red(pictures[2]) - red(pictures[0])) > 5
