"""A small analytic world for tests: textured ground and boxes, rays met exactly, triplets in the
project's layout."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from aerial_depth_pipeline.geometry.poses import look_at, pose, relative_pose


def _lattice(cells: np.ndarray, seed: int) -> np.ndarray:
    """A fixed pseudo-random number in 0..1 for every integer cell [N, 3]."""
    h = (
        cells.astype(np.int64) @ np.array([73856093, 19349663, 83492791], np.int64)
        + seed * 2654435761
    )
    h = (h ^ (h >> 13)) * 1274126177 & 0x7FFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFF) / 65535.0


def texture(points_N3: np.ndarray, seed: int) -> np.ndarray:
    """Smooth noise of three octaves [N, 3] in 0..1."""
    colour = np.zeros_like(points_N3)
    for octave, size in enumerate((12.0, 4.0, 1.5)):
        scaled = points_N3 / size
        base = np.floor(scaled)
        f = scaled - base
        f = f * f * (3 - 2 * f)
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(np.array(corner), f, 1 - f), axis=1)
            for channel in range(3):
                colour[:, channel] += (
                    weight * _lattice(base + corner, seed + 31 * octave + 7 * channel) / 3
                )
    return np.clip((colour - 0.5) * 1.8 + 0.5, 0, 1)


@dataclass
class World:
    """Ground z = 0 and boxes, each a pair of corners."""

    seed: int
    boxes: np.ndarray

    @classmethod
    def random(cls, seed: int, count: int = 25, extent: float = 90.0) -> "World":
        rng = np.random.default_rng(seed)
        middle = rng.uniform(-extent, extent, (count, 2))
        half = rng.uniform(4, 12, (count, 2))
        height = rng.uniform(6, 28, (count, 1))
        return cls(
            seed,
            np.stack(
                [np.hstack([middle - half, 0 * height]), np.hstack([middle + half, height])], 1
            ),
        )

    def render(
        self, cam_from_world: np.ndarray, K: np.ndarray, width: int, height: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Picture [H, W, 3] uint8 and z-depth [H, W]; rays that miss everything meet the ground at
        most 400 away."""
        v, u = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
        rays = np.stack([u, v, np.ones_like(u)], -1).reshape(-1, 3) @ np.linalg.inv(K).T
        direction = rays @ cam_from_world[:3, :3]
        centre = -cam_from_world[:3, :3].T @ cam_from_world[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            ground = np.where(direction[:, 2] < 0, -centre[2] / direction[:, 2], 400.0)
            depth = np.minimum(ground, 400.0)
            face = np.full(len(depth), 2)
            for low, high in self.boxes:
                t0, t1 = (low - centre) / direction, (high - centre) / direction
                near, far = np.minimum(t0, t1), np.maximum(t0, t1)
                enter, leave = near.max(1), far.min(1)
                hit = (enter < leave) & (enter > 0) & (enter < depth)
                depth = np.where(hit, enter, depth)
                face = np.where(hit, near.argmax(1), face)
        points = centre + direction * depth[:, None]
        shade = np.array([0.65, 0.8, 1.0])[face][:, None]
        colour = texture(points, self.seed) * shade
        return (colour.reshape(height, width, 3) * 255).astype(np.uint8), depth.reshape(
            height, width
        )


def orbit(
    count: int, step_degrees: float, radius: float = 75.0, height: float = 55.0, start: float = 0.0
) -> list[np.ndarray]:
    """Camera poses on a circle, looking roughly at its middle, 35 degrees down where radius and
    height are not given."""
    poses = []
    for i in range(count):
        angle = np.radians(start + i * step_degrees)
        centre = np.array([radius * np.cos(angle), radius * np.sin(angle), height])
        poses.append(look_at(centre, np.array([0.0, 0.0, 2.0])))
    return poses


def calibration(width: int, height: int) -> np.ndarray:
    return np.array([[0.8 * width, 0, width / 2], [0, 0.8 * width, height / 2], [0, 0, 1.0]])


def write_domain(
    folder: Path,
    worlds: list[int],
    triplets: int = 8,
    width: int = 96,
    height: int = 64,
    step_degrees: float = 3.0,
    origin: str = "two_view",
    validation: int = 2,
) -> Path:
    """Triplets of several worlds in the layout of 05_model_input, with true attitudes and relative
    poses of length 1 (two_view) or in metres (colmap)."""
    K = calibration(width, height)
    lines, held_out, rows = [], [], []
    for seed in worlds:
        scene = f"world_{seed}"
        (folder / scene).mkdir(parents=True)
        poses = orbit(triplets + 2, step_degrees, start=37.0 * seed)
        world = World.random(seed)
        pictures = [world.render(p, K, width, height)[0] for p in poses]
        for i in range(1, triplets + 1):
            name = f"{i:06d}"
            Image.fromarray(np.concatenate(pictures[i - 1 : i + 2], 1)).save(
                folder / scene / f"{name}.jpg", quality=95
            )
            (folder / scene / f"{name}_cam.txt").write_text(
                ",".join(repr(float(x)) for x in K.reshape(-1))
            )
            (held_out if i > triplets - validation else lines).append(f"{scene} {name}")
            for source in (i - 1, i + 1):
                T = relative_pose(poses[source], poses[i])
                length = float(np.linalg.norm(T[:3, 3]))
                if origin == "two_view":
                    T = pose(T[:3, :3], T[:3, 3] / length)
                row = {
                    "scene": scene,
                    "frame": i,
                    "source_frame": source,
                    "origin": origin,
                    "inliers": 400,
                    "length": length,
                }
                row |= dict(zip(("up_x", "up_y", "up_z"), poses[i][:3, 2], strict=True))
                rows.append(row | {f"t{r}{c}": T[r, c] for r in range(4) for c in range(4)})
    (folder / "train.txt").write_text("\n".join(lines) + "\n")
    (folder / "val.txt").write_text("\n".join(held_out) + "\n" if held_out else "")
    (folder / "test.txt").write_text("")
    pd.DataFrame(rows).to_parquet(folder / "poses.parquet")
    return folder


def abs_rel(predicted: np.ndarray, true: np.ndarray) -> float:
    """Mean relative error after median alignment of one picture."""
    aligned = predicted * np.median(true) / np.median(predicted)
    return float(np.mean(np.abs(aligned - true) / true))
