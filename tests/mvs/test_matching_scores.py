"""A sweep over planes scores best on the surface, with OpenCV and with torch."""

import numpy as np
import pytest

from aerial_depth_pipeline.geometry.poses import relative_pose
from aerial_depth_pipeline.mvs.matching_scores import matching_scores, plane_homographies
from aerial_depth_pipeline.mvs.planes import PlaneFamily


def ground_plane(pose, view):
    """Coefficients in inverse depth of the world's plane z = 0."""
    normal, offset = pose[:3, 2], pose[:3, :3].T @ pose[:3, 3]
    # A point of the plane has n·X = d in the camera, so 1/z = n·K⁻¹p / d.
    distance = normal @ (pose[:3, :3] @ np.zeros(3) + pose[:3, 3])
    assert np.isclose(distance, offset[2])
    return np.linalg.inv(view.K).T @ normal / distance


def test_a_planes_homography_takes_its_points_where_the_source_sees_them(flown):
    _, depths, poses, view = flown
    coefficients = ground_plane(poses[3], view)
    H = plane_homographies(view.K, relative_pose(poses[5], poses[3]), coefficients[None])[0]
    for point in ([0.0, 20.0, 0.0], [-9.0, -15.0, 0.0], [15.0, 2.0, 0.0]):
        pixels = []
        for pose in (poses[3], poses[5]):
            image = view.K @ (pose[:3, :3] @ point + pose[:3, 3])
            pixels.append(image[:2] / image[2])
        moved = H @ [*pixels[0], 1.0]
        assert np.allclose(moved[:2] / moved[2], pixels[1], atol=1e-6)


@pytest.mark.parametrize("windows", [(5,), (5, 9)])
def test_opencv_and_torch_give_the_same_scores(flown, windows):
    images, _, poses, view = flown
    base = ground_plane(poses[3], view)
    family = PlaneFamily(np.linspace(0.9, 1.3, 5)[:, None] * base, "ground")
    relative = [relative_pose(poses[i], poses[3]) for i in (1, 2, 5)]
    arguments = (images[3], [images[i] for i in (1, 2, 5)], view.K, relative, family, windows, 2)
    one, other = (
        matching_scores(*arguments).numpy(),
        matching_scores(*arguments, device="cpu:0").numpy(),
    )
    inner = (slice(None), slice(10, -10), slice(10, -10))
    seen = (one[inner] > -1) & (other[inner] > -1)
    assert seen.mean() > 0.7
    # OpenCV rounds warped values to whole grey levels and places to 1/32 pixel.
    assert np.abs(one[inner] - other[inner])[seen].mean() < 0.02


def test_scores_are_highest_on_the_plane_of_the_ground(flown):
    images, depths, poses, view = flown
    base = ground_plane(poses[3], view)
    family = PlaneFamily(np.linspace(0.8, 1.2, 21)[:, None] * base, "ground")
    relative = [relative_pose(poses[i], poses[3]) for i in (1, 2, 4, 5)]
    scores = matching_scores(
        images[3], [images[i] for i in (1, 2, 4, 5)], view.K, relative, family, (7,), 2
    )
    on_ground = np.abs(depths[3] - 1 / family.inverse_depth(np.full(depths[3].shape, 10.0))) < 0.01
    assert on_ground.mean() > 0.4
    found = scores.argmax(0).numpy()[on_ground]
    assert (np.abs(found - 10) <= 1).mean() > 0.95
