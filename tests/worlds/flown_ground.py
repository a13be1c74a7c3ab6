"""Flights over level ground as frame extraction and triplets leave them, without images, and the
ground that their frames truly show."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from aerial_depth_pipeline.formats.cameras import UP_COLUMNS
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.triplets.footprints import scene_footprints
from aerial_depth_pipeline.triplets.pose_table import POSE_COLUMNS

CAMERA = Camera.pinhole(96, 64, 80.0, 80.0, 48.0, 32.0)
HEIGHT = 60.0  # metres: the view straight down is 72 m wide and 48 m high
WIDTH = HEIGHT * 96 / 80


@dataclass
class Flight:
    """Centres [F, 2] in metres, headings [F] (radians from east) and the pitch of one flight."""

    path: np.ndarray
    headings: np.ndarray
    pitch: float = -90.0

    @property
    def targets(self) -> list[int]:
        return list(range(1, len(self.path) - 1))

    @property
    def centers(self) -> np.ndarray:
        return np.column_stack([self.path, np.full(len(self.path), HEIGHT)])

    @property
    def world_from_cam(self) -> np.ndarray:
        p, zero, one = np.radians(self.pitch), 0 * self.headings, 1 + 0 * self.headings
        ahead = np.stack([np.cos(self.headings), np.sin(self.headings), zero], -1)
        above = np.stack([zero, zero, one], -1)
        forward = np.cos(p) * ahead + np.sin(p) * above
        right = np.cross(ahead, above)
        return np.stack([right, np.cross(forward, right), forward], -1)

    def true_corners(self) -> np.ndarray:
        """[F, 4, 2], by casting rays at the ground."""
        pixels = np.array([[0, 0, 1], [96, 0, 1], [96, 64, 1], [0, 64, 1.0]])
        rays = pixels @ np.linalg.inv(CAMERA.K).T @ self.world_from_cam.swapaxes(1, 2)
        return self.path[:, None] + rays[..., :2] * (HEIGHT / -rays[..., 2:])


def straight(length: float, step: float, start=(0.0, 0.0), pitch: float = -90.0) -> Flight:
    along = np.arange(0, length, step)
    path = np.array(start) + np.column_stack([along, np.zeros(len(along))])
    return Flight(path, np.zeros(len(along)), pitch)


def lawnmower(lines: int, length: float, step: float, overlap: float, pitch=-90.0) -> Flight:
    """Parallel lines, there and back, that overlap by that share of the view's width."""
    along = np.arange(0, length, step)
    path, headings = [], []
    for line in range(lines):
        x = along if line % 2 == 0 else along[::-1]
        path.append(np.column_stack([x, np.full(len(x), line * (1 - overlap) * WIDTH)]))
        headings.append(np.full(len(x), 0.0 if line % 2 == 0 else np.pi))
    return Flight(np.concatenate(path), np.concatenate(headings), pitch)


def write_flight(
    flight: Flight, folder: Path, positions: bool = True, attitude: bool = True
) -> tuple[Path, Path]:
    """The scene's folders below 02_intermediate and 05_model_input."""
    frames, triplets = folder / "frames", folder / "triplets"
    for path in (frames, triplets):
        path.mkdir(parents=True)
    count, R, centers = len(flight.path), flight.world_from_cam, flight.centers
    motion = np.full(count, np.nan)
    motion[1:] = np.linalg.norm(np.diff(flight.path, axis=0), axis=1) / WIDTH
    table = pd.DataFrame({"frame": np.arange(count), "time": np.arange(count) * 2.0})
    table = table.assign(segment=0, motion=motion, parallax=motion, kept=True, reason="")
    table[["east", "north", "up"]] = centers - [0, 0, 20.0] if positions else np.nan
    table[UP_COLUMNS] = np.nan
    SceneFolder(frames).write_frame_table(table)
    SceneFolder(frames).write_camera(CAMERA)
    rows = []
    for target in flight.targets:
        for source in (target - 1, target + 1):
            T = np.eye(4)
            T[:3, :3] = R[source].T @ R[target]
            T[:3, 3] = R[source].T @ (centers[target] - centers[source])
            T[:3, 3] /= max(np.linalg.norm(T[:3, 3]), 1e-9)
            rows.append((target, source, *T.ravel()))
    poses = pd.DataFrame(rows, columns=["frame", "source_frame", *POSE_COLUMNS])
    made = TripletFolder(triplets)
    made.write_table("poses", poses)
    made.write_table(
        "targets",
        pd.DataFrame({"frame": flight.targets, "parallax": _parallax(flight), "target": True}),
    )
    up = pd.DataFrame({"frame": np.arange(count)})
    up[UP_COLUMNS] = R[:, 2, :] if attitude else np.nan
    made.write_table("attitude", up)
    return frames, triplets


def _parallax(flight: Flight) -> np.ndarray:
    """Mean of the median parallax to both neighbours, by projecting points of the ground."""
    u, v = np.meshgrid(np.linspace(4, 92, 9), np.linspace(4, 60, 9))
    pixels = np.stack([u.ravel(), v.ravel(), np.ones(u.size)], -1)
    R, centers, found = flight.world_from_cam, flight.centers, []
    rays = pixels @ np.linalg.inv(CAMERA.K).T
    for target in flight.targets:
        points = rays * (HEIGHT / -(rays @ R[target].T)[:, 2:])
        values = []
        for source in (target - 1, target + 1):
            moved = points - R[target].T @ (centers[source] - centers[target])
            ends = moved @ CAMERA.K.T
            flow = np.linalg.norm(ends[:, :2] / ends[:, 2:] - pixels[:, :2], axis=1)
            values.append(np.median(flow) / CAMERA.width)
        found.append(np.mean(values))
    return np.array(found)


def tables_of(folders: dict[str, tuple[Path, Path]], positions: bool = True):
    """The domain's footprints and poses."""
    place = (47.0, 8.0) if positions else None
    footprints = [scene_footprints(*f, place).assign(scene=s) for s, f in folders.items()]
    poses = [TripletFolder(f[1]).table("poses").assign(scene=s) for s, f in folders.items()]
    return pd.concat(footprints, ignore_index=True), pd.concat(poses, ignore_index=True)


def truly_seen(flights: dict[str, Flight], test, train) -> float:
    """Share of the ground that the test targets show that a training triplet shows, on a raster of
    one metre of the true views."""
    corners = {scene: flight.true_corners() for scene, flight in flights.items()}
    low = np.min([c.min((0, 1)) for c in corners.values()], 0) - 2
    size = (np.max([c.max((0, 1)) for c in corners.values()], 0) - low + 3).astype(int)
    masks = []
    for pairs, reach in ((test, 0), (train, 1)):
        mask = np.zeros(size[::-1], np.uint8)
        for scene, target in pairs:
            for frame in range(target - reach, target + reach + 1):
                quad = np.round(corners[scene][frame] - low).astype(np.int32)
                cv2.fillConvexPoly(mask, quad, 1)
        masks.append(mask > 0)
    return float((masks[0] & masks[1]).sum() / masks[0].sum())
