"""A little world of textured blocks on textured ground, seen by cameras whose pose and depth are
exact."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from aerial_depth_pipeline.formats.cameras import camera_to_yaml
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.poses import camera_center, invert, look_at

# x, y of the corners and height of each block, in metres
BLOCKS = [
    (-14, -8, -4, 2, 6),
    (4, -4, 12, 4, 9),
    (-6, 8, 2, 15, 4),
    (-30, -20, -22, -10, 8),
    (18, 6, 26, 14, 5),
]


def camera(width: int = 320, height: int = 192) -> Camera:
    """A camera with a field of view of about 62 degrees."""
    return Camera.pinhole(width, height, 0.83 * width, 0.83 * width, width / 2, height / 2)


def flight(count: int, length: float = 24.0, height: float = 45.0) -> list[np.ndarray]:
    """Poses along an arc that looks obliquely at the blocks."""
    poses = []
    for share in np.linspace(-0.5, 0.5, count):
        center = np.array(
            [share * length, -32.0 + 6 * (2 * share) ** 2, height + 2 * np.sin(5 * share)]
        )
        poses.append(look_at(center, np.array([share * length * 0.4, 3.0, 0.0])))
    return poses


class Texture:
    """Smooth noise of several sizes over a plane."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        noise = sum(
            cv2.resize(
                rng.normal(size=(n, n)).astype(np.float32),
                (1024, 1024),
                interpolation=cv2.INTER_CUBIC,
            )
            * 10
            for n in (64, 160, 400)
        )
        self.image = np.clip(128 + noise * 1.8, 5, 250).astype(np.float32)

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        scale = 7.0  # texels per metre
        return cv2.remap(
            self.image,
            ((x * scale + 512) % 1023).astype(np.float32),
            ((y * scale + 512) % 1023).astype(np.float32),
            cv2.INTER_LINEAR,
        )


def render(
    pose: np.ndarray, view: Camera, texture: Texture, blocks=BLOCKS
) -> tuple[np.ndarray, np.ndarray]:
    """Grey image uint8 and z-depth float32 of one view, both exact at pixel centres (four samples a
    pixel for the image)."""
    total = np.zeros((view.height, view.width), np.float32)
    for dv in (0.25, 0.75):
        for du in (0.25, 0.75):
            total += _cast(pose, view, texture, blocks, du, dv)[0]
    return np.round(total / 4).astype(np.uint8), _cast(pose, view, texture, blocks, 0.5, 0.5)[1]


def _cast(pose, view, texture, blocks, du, dv):
    u, v = np.meshgrid(np.arange(view.width) + du, np.arange(view.height) + dv)
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(view.K).T @ pose[:3, :3]
    center = camera_center(pose)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = -center[2] / rays[..., 2]
        depth = np.where(depth > 0, depth, np.inf)
        face = np.zeros(depth.shape, int)
        for index, (x0, y0, x1, y1, top) in enumerate(blocks):
            t0, t1 = (
                (np.array([x0, y0, 0.0]) - center) / rays,
                (np.array([x1, y1, top]) - center) / rays,
            )
            near, far = np.minimum(t0, t1), np.maximum(t0, t1)
            enter, axis = near.max(-1), near.argmax(-1)
            hit = (enter < far.min(-1)) & (enter > 0) & (enter < depth)
            depth, face = np.where(hit, enter, depth), np.where(hit, 1 + 3 * index + axis, face)
    seen = np.isfinite(depth)
    points = center + rays * np.where(seen, depth, 0)[..., None]
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    axis = (face - 1) % 3
    wall_x, wall_y = (face > 0) & (axis == 0), (face > 0) & (axis == 1)
    gray = texture(np.where(wall_x, z + 37, x + 11 * face), np.where(wall_y, z + 53, y))
    gray = np.where(wall_x | wall_y, 0.8 * gray, gray)
    return np.where(seen, gray, 200).astype(np.float32), np.where(seen, depth, 0).astype(np.float32)


def write_frames(
    folder: Path,
    images: list[np.ndarray],
    view: Camera,
    positions: np.ndarray | None = None,
    motion: float = 0.05,
) -> Path:
    """A scene's folder of frames."""
    (folder / "frames").mkdir(parents=True)
    for index, image in enumerate(images):
        cv2.imwrite(
            str(folder / "frames" / f"{index:06d}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 97]
        )
    count = len(images)
    places = np.full((count, 3), np.nan) if positions is None else positions
    table = {
        "frame": range(count),
        "time": np.arange(count) * 1.0,
        "segment": 0,
        "sharpness": 1.0,
        "motion": motion,
        "kept": True,
        "reason": "",
        "east": places[:, 0],
        "north": places[:, 1],
        "up": places[:, 2],
    }
    pd.DataFrame(table).to_parquet(folder / "frames.parquet")
    (folder / "camera.yaml").write_text(camera_to_yaml(view), encoding="utf-8")
    return folder


def rendered_flight(
    count: int = 7, **options
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray], Camera]:
    """Images, depth maps, poses and camera of a flight."""
    view, texture = camera(), Texture(1)
    poses = flight(count, **options)
    views = [render(pose, view, texture) for pose in poses]
    return [image for image, _ in views], [depth for _, depth in views], poses, view


def exact_model(poses: list[np.ndarray], depths: list[np.ndarray], view: Camera, count: int = 250):
    """A scene model whose poses and sparse points are exact, as if SfM had been perfect."""
    from aerial_depth_pipeline.sfm.scene_model import SceneModel

    rng = np.random.default_rng(0)
    depth = depths[len(depths) // 2]
    rows, columns = rng.integers(0, view.height, count), rng.integers(0, view.width, count)
    z = depth[rows, columns]
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones(count)], -1) @ np.linalg.inv(view.K).T
    points = (
        np.concatenate([rays * z[:, None], np.ones((count, 1))], 1)
        @ invert(poses[len(poses) // 2]).T
    )
    points = points[z > 0, :3]
    everything = np.arange(len(points))
    return SceneModel(
        view,
        dict(enumerate(poses)),
        points,
        {i: everything for i in range(len(poses))},
        np.zeros(len(points)),
    )
