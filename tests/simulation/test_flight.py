"""A whole flight: every file is there, agrees with the others, and comes out the same again."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from aerial_depth_pipeline.formats.cameras import read_camera
from aerial_depth_pipeline.simulation.flight import FlightPool, _Flight, simulate_flight
from aerial_depth_pipeline.simulation.settings import FlightSettings
from aerial_depth_pipeline.simulation.terrain import Terrain
from aerial_depth_pipeline.simulation.traffic import moving_vehicles
from aerial_depth_pipeline.simulation.worlds import place_of


def _decode(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def flown(tmp_path_factory):
    settings = FlightSettings(frames=6, width=96, height=64, depth_every=2, seed=3, workers=1)
    folder = tmp_path_factory.mktemp("flight")
    simulate_flight(settings, folder)
    return settings, folder


@pytest.mark.slow
def test_every_file_is_written_and_agrees(flown):
    settings, folder = flown
    frames = _decode(folder / "video.mp4")
    assert len(frames) == settings.frames
    assert frames[0].shape == (64, 96, 3)
    assert np.std(frames[0]) > 15
    poses = pd.read_csv(folder / "poses.csv")
    assert list(poses.frame) == list(range(6))
    camera = read_camera(folder / "camera.yaml")
    assert (camera.width, camera.height) == (96, 64)
    assert sorted(p.name for p in (folder / "depth").iterdir()) == [
        "000000.tiff",
        "000002.tiff",
        "000004.tiff",
    ]
    depth = cv2.imread(str(folder / "depth" / "000002.tiff"), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.float32 and depth.shape == (64, 96)
    assert (depth > 0).mean() > 0.9


@pytest.mark.slow
def test_same_settings_give_the_same_bytes_with_any_number_of_workers(flown, tmp_path):
    settings, folder = flown
    two, pooled = tmp_path / "two workers", tmp_path / "among others"
    simulate_flight(settings.model_copy(update={"workers": 2}), two)
    with FlightPool(2) as pool, ThreadPoolExecutor(2) as threads:
        list(
            threads.map(
                pool.simulate,
                [settings, settings.model_copy(update={"frames": 2})],
                [pooled, tmp_path / "the other"],
            )
        )
    for name in (
        "poses.csv",
        "video.SRT",
        "camera.yaml",
        "video.mp4",
        "depth/000000.tiff",
        "depth/000004.tiff",
    ):
        assert (
            (two / name).read_bytes()
            == (pooled / name).read_bytes()
            == (folder / name).read_bytes()
        ), name


def test_another_seed_is_another_world_and_the_same_seed_the_same():
    first, again, other = (Terrain(seed, 5.0, (90.0, 700.0)) for seed in (1, 1, 2))
    places = np.random.default_rng(0).uniform(-300, 300, (50, 2))
    np.testing.assert_array_equal(first.height(places), again.height(places))
    assert np.abs(first.height(places) - other.height(places)).max() > 1


@pytest.mark.slow
@pytest.mark.parametrize("world", ["town", "countryside"])
def test_worlds_differ_by_seed_have_relief_and_are_full_of_texture(world):
    settings = [
        FlightSettings(world=world, world_seed=seed, width=192, height=112, frames=2)
        for seed in (0, 1)
    ]
    flights = [_Flight(s) for s in settings]
    assert len(flights[0].world.mesh) != len(flights[1].world.mesh)
    for flight in flights:
        image, depth, _, _ = flight.frame(0)
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        # At a quarter of the size there is contrast in almost every block of 4 x 4 pixels.
        small = cv2.resize(grey, (48, 28), interpolation=cv2.INTER_AREA)
        blocks = small.reshape(7, 4, 12, 4).std(axis=(1, 3))
        assert (blocks > 3).mean() > 0.9
        # The plane in inverse depth that fits best leaves relief over.
        rows, columns = np.mgrid[:112, :192]
        A = np.stack([rows.ravel(), columns.ravel(), np.ones(rows.size)], -1)
        plane = A @ np.linalg.lstsq(A, 1 / depth.ravel(), rcond=None)[0]
        assert np.abs(1 / plane / depth.ravel() - 1).mean() > (0.04 if world == "town" else 0.01)


@pytest.mark.slow
def test_moving_vehicles_move_and_are_in_the_depth():
    flight = _Flight(FlightSettings(frames=2, width=96, height=64, moving_vehicles=400, fps=1.0))
    still = flight.settings.model_copy(update={"moving_vehicles": 0})
    views = [flight.frame(index)[1] for index in (0, 0)]
    np.testing.assert_array_equal(*views)
    meshes = [moving_vehicles(flight.world.roads, 400, 0, time) for time in (0.0, 1.0)]
    moved = np.linalg.norm((meshes[1].corners_N33 - meshes[0].corners_N33)[:, 0], axis=1)
    assert 5 < np.median(moved) < 14
    flight.settings, flight_with = still, views[0]
    flight.renderer.set_moving(None)
    without = flight.frame(0)[1]
    nearer = without - flight_with
    assert (nearer > 0.3).any() and (nearer > -1e-3).all()


def test_every_world_lies_at_its_own_place():
    kinds = itertools.product(("town", "countryside"), range(4))
    places = [place_of(FlightSettings(world=world, world_seed=seed)) for world, seed in kinds]
    east = sorted(longitude for _, longitude, _ in places)
    assert np.diff(east).min() * 111_000 * np.cos(np.radians(47.05)) > 3000  # metres
