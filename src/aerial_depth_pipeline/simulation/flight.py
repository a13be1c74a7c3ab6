"""From settings to a raw scene: the world is built, the path planned, the frames rendered in
parallel and written like real footage."""

import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.formats.videos import VideoWriter
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.progress import progress
from aerial_depth_pipeline.simulation.paths import plan_path
from aerial_depth_pipeline.simulation.recording import write_srt
from aerial_depth_pipeline.simulation.rendering import Renderer
from aerial_depth_pipeline.simulation.settings import FlightSettings
from aerial_depth_pipeline.simulation.traffic import moving_vehicles
from aerial_depth_pipeline.simulation.worlds import build_world

logger = logging.getLogger(__name__)


class FlightPool:
    """Simulates several flights at once, a process for each core; every process builds its own
    world. Use it as a context manager.

    Args:
        flights: how many flights there will be.

    Attributes:
        size: how many flights are simulated at once. Call `simulate` from as many threads.
    """

    def __init__(self, flights: int) -> None:
        self.size = max(1, min(flights, _cores()))
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "FlightPool":
        if self.size > 1:
            self._executor = _processes(self.size)
        return self

    def __exit__(self, *_) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def simulate(self, settings: FlightSettings, folder: Path) -> None:
        """Like `simulate_flight`."""
        if self._executor is None:
            simulate_flight(settings, folder)
        else:
            self._executor.submit(
                simulate_flight, settings.model_copy(update={"workers": 1}), folder, quiet=True
            ).result()


def simulate_flight(settings: FlightSettings, folder: Path, quiet: bool = False) -> None:
    """Fly once and write the raw scene into `folder`.

    Writes `video.mp4`, `video.SRT`, `camera.yaml`, `poses.csv` (true cam_from_world in local
    metres, x east, y north, z up) and `depth/NNNNNN.tiff` (exact z-depth in metres of every
    `depth_every`-th frame, 0 for the sky).

    Raises:
        SceneError: where no path keeps clear of the world's surfaces.
        UserError: where an orthophoto or its surface model is missing or does not fit.
    """
    folder, scene = Path(folder), SceneFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    camera = flight_camera(settings)
    poses: list[np.ndarray] = []
    origin, takeoff = (settings.latitude, settings.longitude, settings.ground_altitude), 0.0
    name = f"{settings.world} {settings.world_seed}, {settings.path}"
    with VideoWriter(
        folder / "video.mp4", settings.width, settings.height, settings.fps, "footage"
    ) as video:
        frames = (
            _frames(settings)
            if quiet
            else progress(_frames(settings), name, settings.frames, "frame")
        )
        for index, (image, depth, pose, place) in enumerate(frames):
            video.write(image)
            poses.append(pose)
            if depth is not None:
                scene.write_depth(index, depth)
            origin, takeoff = place
    poses_F44 = np.array(poses)
    centers = -np.einsum("fji,fj->fi", poses_F44[:, :3, :3], poses_F44[:, :3, 3])
    scene.write_poses(poses_F44)
    scene.write_camera(camera)
    write_srt(
        folder / "video.SRT",
        centers,
        settings.fps,
        origin,
        settings.gps_noise,
        takeoff,
        np.random.default_rng([settings.seed, 7]),
    )


def flight_camera(settings: FlightSettings) -> Camera:
    """The pinhole camera that the settings describe."""
    focal = settings.width / 2 / np.tan(np.radians(settings.field_of_view / 2))
    return Camera.pinhole(
        settings.width, settings.height, focal, focal, settings.width / 2, settings.height / 2
    )


class _Flight:
    """A world in Embree and a path through it; every process makes its own, and all are the
    same."""

    def __init__(self, settings: FlightSettings) -> None:
        self.settings = settings
        self.world = build_world(settings)
        self.renderer = Renderer(self.world)
        self.path = plan_path(settings, self.world.half, self.renderer.distances)
        self.poses = self.path.cam_from_world()
        self.camera = flight_camera(settings)
        self.place = self.world.origin, self.path.takeoff

    def frame(self, index: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, tuple]:
        """Image [H, W, 3] uint8, z-depth [H, W] float32 (or None where it is not wanted), pose,
        (origin, height of departure)."""
        settings = self.settings
        if settings.moving_vehicles:
            self.renderer.set_moving(
                moving_vehicles(
                    self.world.roads, settings.moving_vehicles, settings.seed, index / settings.fps
                )
            )
        image, depth = self.renderer.render(self.poses[index], self.camera)
        return (
            _expose(image, settings, index),
            depth if index % settings.depth_every == 0 else None,
            self.poses[index],
            self.place,
        )


def _expose(image: np.ndarray, settings: FlightSettings, index: int) -> np.ndarray:
    """The sensor: brightness that drifts along the flight, and noise that grows with the light."""
    drift = np.random.default_rng([settings.seed, 5])
    phase, rate = drift.uniform(0, 2 * np.pi, 2), drift.uniform(0.6, 1.6, 2)
    swing = (
        np.sin(phase[0] + rate[0] * 2 * np.pi * index / 100)
        + 0.5 * np.sin(phase[1] + rate[1] * 4 * np.pi * index / 100)
    ) / 1.5
    image = image * np.float32(255 * (1 + settings.exposure_drift * swing))
    if settings.noise:
        grain = np.random.default_rng([settings.seed, 6, index]).standard_normal(
            image.shape, dtype=np.float32
        )
        image += grain * (np.float32(settings.noise) * np.sqrt(0.4 + image * np.float32(0.6 / 128)))
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _flight(settings: FlightSettings) -> _Flight:
    return _Flight(settings)


def _frame(settings: FlightSettings, index: int) -> tuple:
    return _flight(settings).frame(index)


def _frames(settings: FlightSettings) -> Iterator[tuple]:
    """The frames in order, rendered by as many processes as the settings allow."""
    workers = min(settings.workers or _cores(), settings.frames)
    if workers <= 1 or multiprocessing.current_process().daemon:
        flight = _Flight(settings)
        for index in range(settings.frames):
            yield flight.frame(index)
        return
    executor = _processes(workers)
    try:
        yield from executor.map(_frame, [settings] * settings.frames, range(settings.frames))
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _processes(count: int) -> ProcessPoolExecutor:
    # Spawned, not forked: the caller may hold threads (torch, a logger) that do not survive a fork.
    return ProcessPoolExecutor(
        count, multiprocessing.get_context("spawn"), initializer=_follow_parent
    )


def _follow_parent() -> None:
    """End this worker when its parent dies, however it dies: a killed run leaves no process
    behind."""
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
