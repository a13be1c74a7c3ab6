"""Seconds per depth map: the plane sweep with SGM and the rectified pairs beside a naive sweep of
as many planes and views.

Both see the same rendered relief from the same exact poses. Run: python benchmarks/dense_depth.py
"""

import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.poses import invert, look_at, relative_pose
from aerial_depth_pipeline.mvs.backends.plane_sweep import sweep_view
from aerial_depth_pipeline.mvs.backends.sgbm import sgbm_view
from aerial_depth_pipeline.mvs.matching_scores import plane_homographies
from aerial_depth_pipeline.mvs.planes import displacement_per_unit, make_planes, visible_points
from aerial_depth_pipeline.mvs.settings import DenseSettings
from aerial_depth_pipeline.sfm.scene_model import SceneModel

VIEW = 2
SOURCES = [1, 3, 0, 4]
SIZES = [(384, 224), (768, 448)]
REPEATS = 3


def relief(x, y):
    """Height of the ground in metres: hills and flat-topped mounds."""
    return 3 * np.sin(x / 9) * np.cos(y / 11) + 6 / (
        1 + np.exp(-4 * (np.sin(x / 7 + 1) + np.sin(y / 6) - 1.2))
    )


def make_scene(width: int, height: int) -> tuple[SceneModel, dict[int, np.ndarray], np.ndarray]:
    """Five views of the relief, exact poses, exact depth of the middle one."""
    camera = Camera.pinhole(width, height, 0.8 * width, 0.8 * width, width / 2, height / 2)
    rng = np.random.default_rng(0)
    noise = sum(
        cv2.resize(
            rng.normal(size=(n, n)).astype(np.float32), (2048, 2048), interpolation=cv2.INTER_CUBIC
        )
        for n in (80, 300, 1000)
    )
    texture = np.clip(128 + 28 * noise, 1, 255).astype(np.float32)
    poses = {
        i: look_at(np.array([5.0 * (i - 2), -38, 50]), np.array([0.0, 2, 0])) for i in range(5)
    }
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    images, depths = {}, {}
    for frame, pose in poses.items():
        rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(camera.K).T @ pose[:3, :3]
        center = invert(pose)[:3, 3]
        # March until the ray is below the relief, then halve the interval.
        low, high = np.full(u.shape, 35.0), np.full(u.shape, 35.0)
        above = np.ones(u.shape, bool)
        for _ in range(300):
            point = center + rays * high[..., None]
            above &= point[..., 2] > relief(point[..., 0], point[..., 1])
            if not above.any():
                break
            low, high = np.where(above, high, low), np.where(above, high + 0.8, high)
        for _ in range(16):
            middle = (low + high) / 2
            point = center + rays * middle[..., None]
            over = point[..., 2] > relief(point[..., 0], point[..., 1])
            low, high = np.where(over, middle, low), np.where(over, high, middle)
        point = center + rays * high[..., None]
        x, y = ((point[..., i] * 9 + 1024) % 2047 for i in (0, 1))
        images[frame] = (
            cv2.remap(texture, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
            .round()
            .astype(np.uint8)
        )
        depths[frame] = high.astype(np.float32)
    rows, columns = rng.integers(0, height, 300), rng.integers(0, width, 300)
    z = depths[VIEW][rows, columns]
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones(300)], -1) @ np.linalg.inv(camera.K).T
    points = (np.column_stack([rays * z[:, None], np.ones(300)]) @ invert(poses[VIEW]).T)[:, :3]
    everything = np.arange(300)
    return (
        SceneModel(camera, poses, points, {i: everything for i in poses}, np.zeros(300)),
        images,
        depths[VIEW],
    )


def naive_sweep(
    model: SceneModel, images: dict[int, np.ndarray], coefficients_D3: np.ndarray
) -> np.ndarray:
    """A dense sweep as one writes it first: warp every source over every plane at once, ZNCC by
    pooling, best plane of each pixel."""
    height, width = images[VIEW].shape
    K = model.camera.K
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.stack([u.reshape(-1), v.reshape(-1), torch.ones(height * width)])
    target = torch.as_tensor(images[VIEW], dtype=torch.float32)[None, None]
    scores = []
    for source in SOURCES:
        H = torch.as_tensor(
            plane_homographies(
                K, relative_pose(model.poses[source], model.poses[VIEW]), coefficients_D3
            ),
            dtype=torch.float32,
        )
        moved = H @ pixels
        grid = (moved[:, :2] / moved[:, 2:]).reshape(-1, 2, height, width).permute(0, 2, 3, 1) * (
            2 / torch.tensor([width, height])
        ) - 1
        picture = torch.as_tensor(images[source], dtype=torch.float32)[None, None].expand(
            len(H), -1, -1, -1
        )
        warped = F.grid_sample(picture, grid, align_corners=False)
        per_window = []
        for side in DenseSettings().windows:

            def mean(x, side=side):
                return F.avg_pool2d(x, side, 1, side // 2, count_include_pad=False)

            a, b = mean(target), mean(warped)
            spread = (mean(target**2) - a**2 + 4) * (mean(warped**2) - b**2 + 4)
            per_window.append((mean(target * warped) - a * b) / spread.clamp_min(1e-6).sqrt())
        scores.append(sum(per_window)[:, 0] / len(per_window))
    best = torch.stack(scores).topk(2, 0).values.mean(0).argmax(0).numpy()
    c = coefficients_D3[best]
    return 1 / (c[..., 0] * u.numpy() + c[..., 1] * v.numpy() + c[..., 2])


def timed(function) -> tuple[float, np.ndarray]:
    """Median seconds of a few runs after one for warming up, and the result."""
    result, seconds = function(), []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), result


def main() -> None:
    """Measure, print the table and the ratio."""
    ratio = 0.0
    print(
        f"{'size':>9} {'method':>24} {'planes':>6} {'s/map':>8} {'abs_rel':>8} {'within 1 %':>10}"
        f" {'coverage':>8}"
    )
    for width, height in SIZES:
        model, images, exact = make_scene(width, height)
        settings = DenseSettings(sources=len(SOURCES))
        pixels, inverse = visible_points(model, VIEW, SOURCES)
        per_unit = displacement_per_unit(
            model.camera.K,
            [relative_pose(model.poses[s], model.poses[VIEW]) for s in SOURCES],
            pixels,
            inverse,
        )
        arguments = (
            per_unit,
            (height, width),
            settings.plane_step,
            512,
            (settings.near_margin, settings.far_margin),
        )
        frontal = make_planes(pixels, inverse, "frontal", *arguments).coefficients_D3
        ground = make_planes(pixels, inverse, "ground", *arguments).coefficients_D3
        methods = {
            "naive, frontal": (
                len(frontal),
                lambda m=model, i=images, c=frontal: naive_sweep(m, i, c),
            ),
            "naive, ground": (
                len(ground),
                lambda m=model, i=images, c=ground: naive_sweep(m, i, c),
            ),
            "plane_sweep": (
                len(ground),
                lambda m=model, i=images: sweep_view(m, i, VIEW, SOURCES, settings).depth_HW,
            ),
            "sgbm": (
                0,
                lambda m=model, i=images: sgbm_view(m, i, VIEW, SOURCES, settings).depth_HW,
            ),
        }
        seconds = {}
        for name, (planes, function) in methods.items():
            seconds[name], depth = timed(function)
            known = depth > 0
            error = np.abs(depth / exact - 1)[known]
            row = f"{error.mean():8.4f} {(error < 0.01).mean():10.3f} {known.mean():8.3f}"
            print(f"{width:>5}x{height} {name:>24} {planes or '':>6} {seconds[name]:8.3f} {row}")
        ratio = seconds["naive, ground"] / seconds["plane_sweep"]
    print(f"ratio: {ratio:.2f}")


if __name__ == "__main__":
    main()
