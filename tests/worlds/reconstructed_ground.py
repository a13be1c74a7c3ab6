"""Patterned level ground under five cameras, with exact depth and a COLMAP model: small enough for
real matching."""

from pathlib import Path

import cv2
import numpy as np
import pycolmap
from tests.worlds.evaluation_scenes import write_depth

from aerial_depth_pipeline.evaluation.references import Reference, find_references
from aerial_depth_pipeline.geometry.poses import look_at

HEIGHT, WIDTH, FOCAL = 96, 144, 130.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])


def view(x):
    """Grey picture, depth and pose of a camera 40 m above patterned level ground that looks
    obliquely."""
    center = np.array([x, -30.0, 40.0])
    pose = look_at(center, np.array([x, 10.0, 0.0]))
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    rays = (
        np.stack([(u - K[0, 2]) / FOCAL, (v - K[1, 2]) / FOCAL, np.ones_like(u)], -1) @ pose[:3, :3]
    )
    depth = -center[2] / rays[..., 2]
    ground = center + rays * depth[..., None]
    random = np.random.default_rng(5)
    grey = np.zeros(depth.shape)
    for _ in range(14):
        direction, phase = random.normal(0, 0.9, 2), random.uniform(0, 6)
        grey += np.sin(ground[..., :2] @ direction + phase)
    return np.clip(127 + 18 * grey, 1, 255).astype(np.uint8), depth.astype(np.float32), pose


def write_reconstructed_ground(root: Path) -> list[Reference]:
    """Five views with exact depth and a COLMAP model in which every view sees the same grid of
    ground points."""
    model = pycolmap.Reconstruction()
    params = [FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2]
    model.add_camera_with_trivial_rig(
        pycolmap.Camera(model="PINHOLE", width=WIDTH, height=HEIGHT, params=params, camera_id=1)
    )
    points = np.array(
        [[x, y, 0.3 * np.sin(x)] for x in range(-12, 13, 4) for y in range(-8, 40, 5)], float
    )
    for number, x in enumerate((-8.0, -4.0, 0.0, 4.0, 8.0), start=1):
        image, depth, pose = view(x)
        frame = 10 * (number - 1)
        (root / "flight" / "frames").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(
            str(root / "flight" / "frames" / f"{frame:06d}.jpg"),
            image,
            [cv2.IMWRITE_JPEG_QUALITY, 98],
        )
        write_depth(root / "flight" / "depth" / f"{frame:06d}.tiff", depth)
        seen = (points @ pose[:3, :3].T + pose[:3, 3]) @ K.T
        entry = pycolmap.Image(
            name=f"{frame:06d}.jpg",
            keypoints=seen[:, :2] / seen[:, 2:],
            camera_id=1,
            image_id=number,
        )
        model.add_image_with_trivial_frame(entry, pycolmap.Rigid3d(pose[:3]))
    for i, point in enumerate(points):
        track = pycolmap.Track()
        for number in range(1, 6):
            track.add_element(number, i)
        model.add_point3D(point, track, np.zeros(3, np.uint8))
    (root / "truth" / "sfm").mkdir(parents=True)
    model.write(root / "truth" / "sfm")
    (root / "truth" / "ground_truth.json").write_text('{"metric": true}')
    return find_references(root / "flight", root / "truth")
