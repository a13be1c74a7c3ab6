"""Footage made for tests: flights over painted layers at several heights, seen by a known camera,
and files of every kind."""

from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np

from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.poses import invert, look_at

WIDTH, HEIGHT = 320, 192
CAMERA = Camera.pinhole(WIDTH, HEIGHT, 260.0, 260.0, 160.0, 96.0)
_METRES_PER_TEXEL = 0.25
_HEIGHTS = (0.0, 6.0, 14.0)  # metres of the layers; the higher ones are roofs


@cache
def _layers(seed: int, size: int) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Height, colours and mask of each plane of a world: read only, since all tests share them."""
    random = np.random.default_rng(seed)
    layers = []
    for height in _HEIGHTS:
        paint = sum(
            cv2.resize(
                random.normal(size=(size // n, size // n)).astype(np.float32),
                (size, size),
                interpolation=cv2.INTER_CUBIC,
            )
            * w
            for n, w in ((2, 22), (5, 22), (16, 18), (60, 14))
        )[..., None]
        color = np.clip(paint + random.uniform(100, 150, 3), 0, 255).astype(np.uint8)
        mask = np.full((size, size), 255 if height == 0 else 0, np.uint8)
        if height:
            for _ in range(260):
                x, y = random.integers(0, size, 2)
                w, h = random.integers(24, 64, 2)
                mask[y : y + h, x : x + w] = 255
        layers.append((height, color, mask))
    return layers


class World:
    """Ground and roofs as textured planes z = h; cheap to render exactly, with real parallax and
    occlusion."""

    def __init__(self, seed: int = 0, size: int = 1600) -> None:
        self.size = size
        self.layers = _layers(seed, size)

    def render(
        self, cam_from_world: np.ndarray, camera: Camera = CAMERA
    ) -> tuple[np.ndarray, np.ndarray]:
        """The image [H, W, 3] and the z-depth [H, W] in metres."""
        size = camera.width, camera.height
        image = np.zeros((camera.height, camera.width, 3), np.uint8)
        depth = np.zeros((camera.height, camera.width), np.float32)
        center = invert(cam_from_world)[:3, 3]
        columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
        rays = (
            np.stack([columns, rows, np.ones_like(rows)], -1)
            @ np.linalg.inv(camera.K).T
            @ cam_from_world[:3, :3]
        )
        shift = np.array(
            [[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]]
        )  # from COLMAP's pixels to OpenCV's
        for height, color, mask in self.layers:
            # Texel (u, v) lies at x = (u - size/2) m, y = (v - size/2) m, z = height.
            half = self.size / 2 * _METRES_PER_TEXEL
            plane = np.array(
                [
                    [_METRES_PER_TEXEL, 0, -half],
                    [0, _METRES_PER_TEXEL, -half],
                    [0, 0, height],
                    [0, 0, 1.0],
                ]
            )
            H = shift @ camera.K @ cam_from_world[:3] @ plane @ np.linalg.inv(shift)
            seen = cv2.warpPerspective(
                color, H, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT
            )
            there = cv2.warpPerspective(mask, H, size, flags=cv2.INTER_NEAREST) > 0
            z = (height - center[2]) / np.minimum(rays[..., 2], -1e-6)
            there |= height == 0
            image[there] = seen[there]
            depth[there] = z[there]
        return image, depth


def flight_pose(
    x: float, y: float = 0.0, height: float = 40.0, heading: float = 0.0, pitch: float = 60.0
) -> np.ndarray:
    """`cam_from_world` of a camera at (x, y, height) that looks along `heading` (radians from +x),
    `pitch` degrees down."""
    center = np.array([x, y, height])
    down = np.radians(pitch)
    ahead = np.array(
        [np.cos(heading) * np.cos(down), np.sin(heading) * np.cos(down), -np.sin(down)]
    )
    return look_at(center, center + ahead)


def straight_flight(frames: int, step: float = 0.7) -> list[np.ndarray]:
    """Poses of a straight flight with a slow turn of the camera."""
    return [
        flight_pose(-20 + step * i, height=40 + 0.02 * i, heading=0.002 * i) for i in range(frames)
    ]


def write_video(
    path: Path,
    images: list[np.ndarray],
    fps: float = 10,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    **options,
) -> None:
    """Encode RGB images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.options = {"crf": "16", "preset": "ultrafast"} | {
            k: str(v) for k, v in options.items()
        }
        for image in images:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def write_camera(path: Path, camera: Camera = CAMERA) -> None:
    from aerial_depth_pipeline.formats.cameras import camera_to_yaml

    path.write_text(camera_to_yaml(camera), encoding="utf-8")


def write_poses(path: Path, poses: list[np.ndarray]) -> None:
    header = "frame," + ",".join(f"cam_from_world_{r}{c}" for r in range(3) for c in range(4))
    lines = [f"{i}," + ",".join(f"{v:.9f}" for v in T[:3].ravel()) for i, T in enumerate(poses)]
    path.write_text("\n".join([header, *lines]) + "\n")


def bracketed_srt(fixes: list[tuple[float, float, float, float]], fps: float) -> str:
    """DJI subtitles: latitude, longitude, relative and absolute height of each frame."""
    blocks = []
    for i, (latitude, longitude, relative, absolute) in enumerate(fixes):
        start, end = i / fps, (i + 1) / fps
        blocks.append(
            f"{i + 1}\n{_stamp(start)} --> {_stamp(end)}\n"
            f'<font size="28">FrameCnt: {i + 1}, DiffTime: {1000 / fps:.0f}ms\n2026-05-03'
            f" 10:00:{start:06.3f}\n"
            f"[iso: 100] [shutter: 1/1000.0] [fnum: 2.8] [ev: 0] [focal_len: 24.00] "
            f"[latitude: {latitude:.7f}] [longitude: {longitude:.7f}] "
            f"[rel_alt: {relative:.3f} abs_alt: {absolute:.3f}] [ct: 5500] </font>\n"
        )
    return "\n".join(blocks)


def _stamp(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    seconds, thousandths = divmod(thousandths, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d},{thousandths:03d}"


def no_calibration(images: list[Path]) -> Camera:
    """For scenes whose camera is known: calibration must not be asked for."""
    raise AssertionError("self-calibration was called although the camera is known")
