"""Photographs, camera.yaml and videos whose headers were damaged at random: a result or a sentence,
and no camera that cannot be."""

import logging

import numpy as np
import pytest
from PIL import Image
from tests.worlds.footage import bracketed_srt, write_video

from aerial_depth_pipeline.capture.sources.exif import read_exif
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.prediction.input_frames import open_footage, sample_frames

SEED = 23
_XMP = (
    '<x:xmpmeta drone-dji:GimbalPitchDegree="-45" drone-dji:DewarpFlag="0" drone-dji:DewarpData='
    '"2022-03-02;160,160,1,1,-0.1,0.1,0,0.001,0" drone-dji:GpsLatitude="47.5"/>'
)


def _mutated(data: bytes, random: np.random.Generator, length: int) -> bytes:
    """Some of the first bytes replaced, cut out or repeated."""
    mutated = bytearray(data)
    for _ in range(random.integers(1, 6)):
        place = int(random.integers(0, min(length, len(mutated))))
        size = int(random.integers(1, 9))
        kind = random.integers(0, 4)
        if kind == 0:
            mutated[place : place + size] = random.bytes(size)
        elif kind == 1:
            mutated[place : place + size] = b"\xff" * size
        elif kind == 2:
            del mutated[place : place + size]
        else:
            mutated[place:place] = mutated[place : place + size]
    return bytes(mutated)


def _read(path) -> None:
    """Open footage as prediction does and read of it; its camera must be one."""
    try:
        footage = open_footage(path, 320)
        sample_frames(footage, 2)
    except UserError as error:
        assert str(error).endswith(".") and "Traceback" not in str(error), error
        return
    fx, cx = footage.camera.K[0, 0], footage.camera.K[0, 2]
    assert 0.05 < fx / max(footage.width, footage.height) < 60, footage.camera
    assert 0 <= cx <= footage.width
    footage.up([0], np.zeros(1))
    places, _ = footage.positions([0], np.zeros(1), [])
    assert places.shape == (1, 3)


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    return np.random.default_rng(SEED).integers(0, 255, (48, 64, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png"])
def test_exif(tmp_path, texture, suffix):
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = 6, "FC6310"
    tags = {0xA405: 24, 0x920A: 8.8, 0xA20E: 3000.0, 0xA210: 3, 0xA404: 1.0}
    exif.get_ifd(0x8769).update(tags | {0x9003: "2024:05:01 10:00:00"})
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 30.0, 1.0), 3: "E", 4: (8.0, 15.0, 1.0), 6: 9.0})
    path = tmp_path / f"a{suffix}"
    Image.fromarray(texture).save(path, exif=exif, xmp=_XMP.encode())
    data, random = path.read_bytes(), np.random.default_rng(SEED)
    assert read_exif(path) is not None
    for _ in range(40):
        path.write_bytes(_mutated(data, random, 900))
        _read(path)


def test_camera_file(tmp_path, texture):
    Image.fromarray(texture).save(tmp_path / "a.jpg")
    params = "[50.0, 50.0, 32.0, 24.0, 0.1, 0.01, 0, 0]"
    data = f"model: OPENCV\nwidth: 64\nheight: 48\nparams: {params}\n".encode()
    random = np.random.default_rng(SEED)
    for _ in range(40):
        (tmp_path / "camera.yaml").write_bytes(_mutated(data, random, len(data)))
        _read(tmp_path)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_video_headers(tmp_path, texture, suffix):
    path = tmp_path / f"video{suffix}"
    write_video(path, [np.roll(texture, place, 1) for place in range(6)])
    (tmp_path / "video.SRT").write_text(bracketed_srt([(47.0, 8.0, 40.0, 440.0)] * 6, 10))
    data, random = path.read_bytes(), np.random.default_rng(SEED)
    begin = data.find(b"moov") if suffix == ".mp4" else 0
    for number in range(50):
        tail = _mutated(data[begin:], random, 900)
        path.write_bytes(data[:begin] + tail if number % 4 else _mutated(data, random, 60))
        _read(path)


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)
