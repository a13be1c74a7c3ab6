"""What a user may name, and what not."""

import pytest
from tests.worlds.bright_footage import Brightness, write_srt, write_video

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.prediction.input_frames import open_footage
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.settings import PredictSettings


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.mp4", None, r"gone\.mp4 is not there"),
        ("notes.txt", b"hello", r"notes\.txt is neither a video nor an image"),
        ("empty.mp4", b"", r"empty\.mp4 is empty"),
        ("broken.mp4", b"not a video at all", r"broken\.mp4 cannot be opened as a video"),
        ("broken.jpg", b"not an image", r"broken\.jpg cannot be read as an image"),
        ("folder", "folder", r"folder holds no footage"),
    ],
)
def test_sources_that_cannot_be_used_are_named(name, content, message, tmp_path):
    if content == "folder":
        (tmp_path / name).mkdir()
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        predict(tmp_path / name, Brightness(), PredictSettings(), tmp_path / "out")


def test_the_telemetry_of_another_flight_is_not_used(flight, tmp_path):
    write_srt(tmp_path / "other.SRT")
    write_video(tmp_path / "other.mp4", frames=2)
    assert open_footage(flight, 768).telemetry is None
    write_srt(tmp_path / "FLIGHT.srt")
    footage = open_footage(flight, 768)
    assert footage.telemetry.source == "FLIGHT.srt" and footage.has_heights
