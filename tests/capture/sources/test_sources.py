"""What a scene's folder may hold."""

from pathlib import Path

import pytest
from tests.worlds.flights import extract, refused
from tests.worlds.footage import write_camera

from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources import open_source
from aerial_depth_pipeline.errors import SceneError


def test_empty_folder(raw, out):
    refused(raw, out, str(raw), "holds no footage", "video.mp4")


@pytest.mark.parametrize(
    "name",
    [
        "Flüge über dem Wald 飛行",
        "-rf; $(touch hacked) `x` & %s {0}",
        "a'b\"c#d?e",
        "con.scene .",
        "x" * 200,
    ],
)
def test_names_of_any_kind(flight, tmp_path, name):
    raw = tmp_path / name
    raw.mkdir()
    video = f"{name[:60]}.MP4"
    (raw / video).write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / f"{name[:60]}.srt").write_text((flight.raw / "video.SRT").read_text())
    write_camera(raw / "camera.yaml")
    summary, _ = extract(raw, tmp_path / "out" / name, FrameExtractionSettings(stride=4))
    assert summary["source"] == video and summary["kept"] == 10 and summary["metric"]
    assert not (tmp_path / "hacked").exists() and not Path("hacked").exists()


def test_hidden_files_are_no_footage(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "._video.mp4").write_bytes(b"what a Mac leaves on a card")
    (raw / ".video.SRT").write_text("nothing")
    assert extract(raw, out)[0]["source"] == "video.mp4"


def test_two_videos_are_two_scenes(flight, raw, out):
    for name in ("DJI_0001.MP4", "DJI_0002.MP4"):
        (raw / name).write_bytes((flight.raw / "video.mp4").read_bytes())
    refused(raw, out, "2 videos", "DJI_0001.MP4", "folder of its own")


def test_folder_that_is_none(tmp_path):
    with pytest.raises(SceneError, match="is not a folder"):
        open_source(tmp_path / "nowhere")
