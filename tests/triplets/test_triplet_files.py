"""Triplets on a disk that is full."""

import errno

import pytest

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.triplets import make
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.settings import TripletSettings


def test_full_disk_while_triplets_are_written(flight, out, monkeypatch):
    def full(path, *arguments):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(make, "write_jpeg", full)
    out.mkdir()
    with pytest.raises(UserError, match=r"disk that holds .* is full"):
        make_triplets(
            flight.frames, out, TripletSettings(width=96, height=64, min_inliers=60, corners=300)
        )
