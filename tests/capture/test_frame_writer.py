"""Known depth and poses that are none, and disks that are full."""

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.worlds.flights import SETTINGS, refused
from tests.worlds.footage import no_calibration

from aerial_depth_pipeline.capture import frame_writer
from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.formats import depth_maps, images


@pytest.mark.parametrize("bits", [np.uint8, np.uint16])
def test_depth_that_is_none(flight, raw, out, bits):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "depth").mkdir()
    shape = (192, 320) if bits == np.uint8 else (192, 320, 3)
    cv2.imwrite(str(raw / "depth" / "000000.png"), np.ones(shape, bits))
    refused(raw, out, "000000.png", "16-bit")


def test_poses_that_are_none(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "poses.csv").write_text("a,b\n1,2\n")
    refused(raw, out, "poses.csv", "remove it")


def test_full_disk_ends_in_a_sentence(flight, out, monkeypatch):
    written = []

    def full(path, *arguments):
        written.append(path)
        if len(written) > 5:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(frame_writer, "write_jpeg", full)
    out.mkdir()
    with pytest.raises(UserError, match=r"disk that holds .* is full; free some space") as caught:
        extract_frames(flight.raw, out, SETTINGS, no_calibration)
    assert not isinstance(caught.value, SceneError)  # the next scene would not fit either
    assert len(written) < 30  # the decoder does not go on to the end


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is not there")
def test_files_that_cannot_be_written_raise(flight):
    full = Path("/dev/full")
    for write in (
        lambda: images.write_jpeg(full, flight.images[0], 95),
        lambda: depth_maps.write_depth(full, flight.depths[0]),
    ):
        with pytest.raises(OSError) as caught:
            write()
        assert caught.value.errno == errno.ENOSPC
