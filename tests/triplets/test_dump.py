"""Triplets in the SfMLearner layout that somebody else made."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.worlds.flights import SETTINGS
from tests.worlds.footage import CAMERA, no_calibration

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.cameras import read_camera
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.settings import TripletSettings

DUMPED = TripletSettings(width=320, height=192, min_inliers=60, corners=500)


@pytest.fixture(scope="module")
def whole_dump(flight, tmp_path_factory):
    """Our own triplets stand in for somebody else's."""
    raw = tmp_path_factory.mktemp("dump")
    make_triplets(flight.frames, raw, DUMPED)
    for path in raw.glob("*.parquet"):
        path.unlink()
    return raw


@pytest.fixture
def dump(whole_dump, tmp_path):
    return Path(shutil.copytree(whole_dump, tmp_path / "theirs"))


def test_dump_of_triplets_is_used_as_it_is(dump, tmp_path):
    frames, triplets = tmp_path / "frames", tmp_path / "triplets"
    frames.mkdir(), triplets.mkdir()
    summary = extract_frames(dump, frames, SETTINGS, no_calibration)
    assert summary["kind"] == "dump" and summary["camera_source"] == "dump"
    np.testing.assert_allclose(read_camera(frames / "camera.yaml").K, CAMERA.K)
    result = make_triplets(frames, triplets, DUMPED)
    assert (
        result["targets"] == sorted(int(p.stem) for p in dump.glob("*.jpg"))
        and result["two_view"] > 0.9
    )
    for path in dump.iterdir():
        assert path.read_bytes() == (triplets / path.name).read_bytes()
    poses = pd.read_parquet(triplets / "poses.parquet")
    before = poses[poses["source_frame"] < poses["frame"]]
    after = poses[poses["source_frame"] > poses["frame"]]
    # The camera flies where it looks: the source before lies behind it.
    assert (before["t23"] > 0).mean() > 0.95 and (after["t23"] < 0).mean() > 0.95


def test_dump_of_another_size_says_which_settings_fit(dump, tmp_path):
    frames, triplets = tmp_path / "frames", tmp_path / "triplets"
    frames.mkdir(), triplets.mkdir()
    extract_frames(dump, frames, SETTINGS, no_calibration)
    with pytest.raises(SceneError, match=r"3 frames of 320x192.*triplets\.width"):
        make_triplets(frames, triplets, TripletSettings())


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d,e,f,g,h,i", "-1,0,1,0,-1,1,0,0,1"])
def test_dump_with_a_bad_calibration(dump, tmp_path, text):
    next(iter(sorted(dump.glob("*_cam.txt")))).write_text(text)
    with pytest.raises(SceneError, match="_cam.txt"):
        extract_frames(dump, tmp_path / "out", SETTINGS, no_calibration)
