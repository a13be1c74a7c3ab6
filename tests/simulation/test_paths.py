"""Paths: they look where they should, keep clear of what stands in the way, and change along the
flight."""

import numpy as np
import pytest
from tests.worlds.rendered import add_plane, world_of

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.geometry.poses import camera_center, relative_pose, rotation_angle
from aerial_depth_pipeline.simulation.meshes import MeshBuilder
from aerial_depth_pipeline.simulation.paths import clearance, plan_path
from aerial_depth_pipeline.simulation.rendering import Renderer
from aerial_depth_pipeline.simulation.settings import FlightSettings


@pytest.fixture(scope="module")
def plain():
    builder = MeshBuilder()
    add_plane(builder, level=7.0)
    return Renderer(world_of(builder)).distances


def test_an_orbit_in_still_air_looks_at_its_centre_from_the_asked_height_and_pitch(plain):
    settings = FlightSettings(frames=200, wind=0, altitude_change=0, pitch_change=0)
    path = plan_path(settings, 300.0, plain)
    np.testing.assert_allclose(path.positions_F3[:, 2], 62.0, atol=0.01)
    np.testing.assert_allclose(path.pitch_F, np.radians(36))
    assert path.takeoff == pytest.approx(7.0, abs=1e-3)
    poses = path.cam_from_world()
    middle = path.positions_F3[:, :2].mean(0)  # 200 frames of 1.8 degrees are one full circle
    inward = middle - path.positions_F3[:, :2]
    look = poses[:, 2, :2]
    angle = np.degrees(
        np.arccos(
            (inward * look).sum(1) / np.linalg.norm(inward, axis=1) / np.linalg.norm(look, axis=1)
        )
    )
    assert angle.max() < 12
    assert np.linalg.norm(inward, axis=1).mean() == pytest.approx(
        55 / np.tan(np.radians(36)), rel=0.1
    )
    turned = np.degrees(
        [rotation_angle(relative_pose(poses[i + 2], poses[i])[:3, :3]) for i in range(150)]
    )
    # The camera turns about the vertical by 3.6 degrees in two frames; seen along an axis pitched
    # by 36 that is the whole angle.
    assert np.median(turned) == pytest.approx(3.6, abs=0.4)


def test_poses_are_rigid_and_level_without_wind(plain):
    poses = plan_path(FlightSettings(frames=30, wind=0), 300.0, plain).cam_from_world()
    rotation = poses[:, :3, :3]
    np.testing.assert_allclose(
        rotation @ rotation.transpose(0, 2, 1), np.tile(np.eye(3), (30, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1)
    np.testing.assert_allclose(rotation[:, 0, 2], 0, atol=1e-12)  # the image's x axis is horizontal
    assert (rotation[:, 1, 2] < 0).all()  # its y axis points down


def test_height_and_pitch_change_along_the_flight_and_between_flights(plain):
    paths = [plan_path(FlightSettings(frames=120, seed=seed), 300.0, plain) for seed in range(6)]
    heights = np.array([p.positions_F3[:, 2] - 7 for p in paths])
    pitches = np.degrees([p.pitch_F for p in paths])
    assert np.ptp(heights, axis=1).mean() > 5 and np.ptp(pitches, axis=1).mean() > 3
    assert heights.mean(1).std() > 1.5 and pitches.mean(1).std() > 0.8
    assert 40 < heights.min() and heights.max() < 70
    assert 26 < pitches.min() and pitches.max() < 46


def test_a_nadir_strip_flies_parallel_legs_and_looks_down(plain):
    settings = FlightSettings(
        path="strip", pitch=90, pitch_change=0, wind=0, altitude_change=0, frames=330, step=1.2
    )
    path = plan_path(settings, 300.0, plain)
    np.testing.assert_allclose(
        path.cam_from_world()[:, 2, :3], np.tile([0, 0, -1.0], (330, 1)), atol=1e-9
    )
    centers = camera_center(path.cam_from_world())
    np.testing.assert_allclose(centers, path.positions_F3, atol=1e-9)
    steps = np.diff(centers[:, :2], axis=0)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 1.2, rtol=0.02)
    first, second = steps[60], steps[220]  # on the first leg and on the way back
    assert first @ second / np.linalg.norm(first) / np.linalg.norm(second) < -0.999
    course = np.unwrap(path.azimuth_F)
    assert np.degrees(np.abs(np.diff(course))).max() < 6


def test_a_strip_looks_along_its_course(plain):
    path = plan_path(FlightSettings(path="strip", wind=0, frames=100), 300.0, plain)
    step = np.diff(path.positions_F3[:, :2], axis=0)[40]
    assert (
        np.array([np.sin(path.azimuth_F[40]), np.cos(path.azimuth_F[40])])
        @ step
        / np.linalg.norm(step)
        > 0.999
    )


def test_a_long_free_flight_stays_over_the_world(plain):
    path = plan_path(FlightSettings(path="free", frames=1500, seed=4), 300.0, plain)
    assert np.abs(path.positions_F3[:, :2]).max() < 300
    assert np.ptp(path.positions_F3[:, :2], axis=0).min() > 60


@pytest.mark.parametrize("kind", ["orbit", "strip", "free"])
def test_the_same_seed_flies_the_same_path_and_another_seed_another(plain, kind):
    settings = FlightSettings(path=kind, frames=20)
    again = plan_path(settings, 300.0, plain)
    np.testing.assert_array_equal(
        plan_path(settings, 300.0, plain).cam_from_world(), again.cam_from_world()
    )
    other = plan_path(settings.model_copy(update={"seed": 1}), 300.0, plain)
    assert np.abs(other.positions_F3 - again.positions_F3).max() > 5


def test_a_flight_through_towers_is_refused():
    builder = MeshBuilder()
    add_plane(builder)
    for x in range(-280, 300, 20):
        for y in range(-280, 300, 20):
            builder.box((x, y), (10, 10), 0.0, 0.0, 90.0, 0, (1, 1, 1))
    with pytest.raises(SceneError, match="keeps 5 m clear"):
        plan_path(FlightSettings(frames=60), 300.0, Renderer(world_of(builder)).distances)


def test_clearance_sees_walls_ceilings_and_the_ground():
    builder = MeshBuilder()
    add_plane(builder)
    builder.box((0, 0), (10, 10), 0.0, 0.0, 30.0, 0, (1, 1, 1))
    distances = Renderer(world_of(builder)).distances
    assert clearance(np.array([[0.0, 0.0, 15.0]]), distances) == 0  # inside
    assert clearance(np.array([[0.0, 50.0, -3.0]]), distances) == 0  # below the ground
    assert clearance(np.array([[8.0, 0.0, 15.0]]), distances) == pytest.approx(3.0, abs=0.4)
    assert (
        clearance(np.array([[-20.0, 0.0, 15.0], [20.0, 0.0, 15.0]]), distances) == 0
    )  # straight through it
    assert clearance(np.array([[0.0, 0.0, 42.0]]), distances) == pytest.approx(12.0, abs=0.5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pitch": 0}, "pitch"),
        ({"width": 385}, "even"),
        ({"frames": 0}, "frames"),
        ({"wind": -1}, "wind"),
        ({"world": "orthophoto"}, "GeoTIFF"),
        ({"altitude": 10, "altitude_change": 10}, "altitude_change"),
    ],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        FlightSettings(**wrong)
