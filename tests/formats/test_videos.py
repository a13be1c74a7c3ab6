"""H.264 videos."""

import av
import numpy as np
import pytest

from aerial_depth_pipeline.formats.videos import VideoWriter, write_video


def images(count=5):
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    return [np.stack([np.roll(np.tile(ramp, (48, 1)), 3 * i, 1)] * 3, -1) for i in range(count)]


@pytest.mark.parametrize("purpose", ["footage", "prediction", "report"])
def test_a_video_holds_its_frames_and_its_rate(tmp_path, purpose):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 64, 48, 12.5, purpose) as video:
        for image in images():
            video.write(image)
    with av.open(str(path)) as container:
        assert float(container.streams.video[0].average_rate) == 12.5
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == 5
    errors = [np.abs(a.astype(int) - b).mean() for a, b in zip(decoded, images(), strict=True)]
    assert max(errors) < 6


def test_the_same_footage_is_the_same_file(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        with VideoWriter(tmp_path / name, 64, 48, 10, "footage") as video:
            for image in images():
                video.write(image)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_frames_of_a_report_have_one_size_and_none_is_no_file(tmp_path):
    assert write_video(iter([]), tmp_path / "none.mp4", 10) == 0
    assert not (tmp_path / "none.mp4").exists()
    mixed = [np.zeros((48, 64, 3), np.uint8), np.zeros((50, 64, 3), np.uint8)]
    with pytest.raises(ValueError, match="one size"):
        write_video(mixed, tmp_path / "mixed.mp4", 10)
