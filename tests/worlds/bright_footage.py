"""Bright and dark footage for models whose depth is its brightness, or level ground."""

from fractions import Fraction

import av
import numpy as np
import pytest

from aerial_depth_pipeline.formats.cameras import camera_to_yaml
from aerial_depth_pipeline.geometry.cameras import Camera

WIDTH, HEIGHT = 96, 64
CAMERA = Camera.pinhole(WIDTH, HEIGHT, 80.0, 80.0, 48.0, 32.0)


class Brightness:
    """Depth is 2 plus the mean of the colours over 10: 2 where the image is black, 27.5 where it
    is white."""

    width, height = WIDTH, HEIGHT

    def __init__(self, **metadata):
        self.metadata = metadata

    def predict(self, images):
        return (2 + np.asarray(images).astype(np.float32).mean(-1) / 10).astype(np.float32)


class LevelGround(Brightness):
    """A camera over a plane with houses on it, in units of its own."""

    def __init__(self, height, pitch, **metadata):
        super().__init__(**metadata)
        x, y = np.meshgrid((np.arange(WIDTH) + 0.5 - 48) / 80, (np.arange(HEIGHT) + 0.5 - 32) / 80)
        down = np.sin(pitch) + y * np.cos(pitch)  # of a ray, where the camera looks down by `pitch`
        self.depth = (height / down).astype(np.float32)
        self.depth[10:30, 20:60] *= 0.7

    def predict(self, images):
        return np.repeat(self.depth[None], len(images), 0)


def gradient(shift):
    ramp = (np.arange(WIDTH)[None, :] * 2 + np.arange(HEIGHT)[:, None] + shift) % 256
    return np.repeat(ramp[..., None], 3, -1).astype(np.uint8)


def write_video(path, frames=12, fps=10, key_every=5):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "5", "g": str(key_every), "threads": "1"}
        for index in range(frames):
            for packet in stream.encode(
                av.VideoFrame.from_ndarray(gradient(3 * index), format="rgb24")
            ):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def write_srt(path, frames=12, fps=10, field="rel_alt", height=60.0):
    blocks = []
    for index in range(frames):
        begin, end = (
            f"00:00:{1000 * i // fps // 1000:02d},{1000 * i // fps % 1000:03d}"
            for i in (index, index + 1)
        )
        blocks.append(
            f"{index + 1}\n{begin} --> {end}\n[latitude: 44.06] [longitude: -123.07] [{field}:"
            f" {height:.3f} abs_alt: 200.0]\n"
        )
    path.write_text("\n".join(blocks))


def decode(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture
def flight(tmp_path):
    write_video(tmp_path / "flight.mp4")
    (tmp_path / "camera.yaml").write_text(camera_to_yaml(CAMERA))
    return tmp_path / "flight.mp4"
