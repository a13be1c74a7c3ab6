import av
import numpy as np
import pytest

from aerial_depth_pipeline.evaluation.report.depth_videos import fly_around, side_by_side
from aerial_depth_pipeline.formats.videos import write_video

K = np.array([[60.0, 0, 40], [0, 60, 24], [0, 0, 1]])


def test_the_video_shows_the_frame_beside_its_depth(tmp_path):
    frames = [np.full((60, 101, 3), 20 * i, np.uint8) for i in range(8)]
    slope = np.repeat(np.linspace(10, 50, 60, dtype=np.float32)[:, None], 101, 1)
    path = tmp_path / "videos" / "a.mp4"
    assert write_video(side_by_side(((frame, slope) for frame in frames), 200), path, 10) == 8
    with av.open(str(path)) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == 10
    assert len(images) == 8
    left, right = images[7][:, :195], images[7][:, 205:]
    assert abs(left.mean() - 140) < 6
    assert right[5].mean() > right[-5].mean() + 60  # near is bright
    assert write_video(iter([]), tmp_path / "none.mp4", 10) == 0
    assert not (tmp_path / "none.mp4").exists()
    with pytest.raises(ValueError, match="one size"):
        write_video(
            iter([np.zeros((20, 20, 3), np.uint8), np.zeros((20, 22, 3), np.uint8)]),
            tmp_path / "b.mp4",
            10,
        )


def test_a_flight_around_points_starts_at_the_frame_itself_and_moves_near_points_most():
    depth = np.full((48, 80), 40, np.float32)
    depth[14:34, 30:50] = 20
    image = np.full((48, 80, 3), 90, np.uint8)
    image[14:34, 30:50] = (250, 0, 0)
    images = list(fly_around(image, [depth, depth], K, frames=8, width=80, swing=15))
    assert len(images) == 8 and {image.shape for image in images} == {(48, 160, 3)}

    def red(image):
        return float(np.nonzero(image[:, :80, 0].astype(int) - image[:, :80, 1] > 100)[1].mean())

    np.testing.assert_array_equal(images[0][:, :80], images[0][:, 80:])
    assert red(images[0]) == pytest.approx(40, abs=1)
    assert red(images[2]) - red(images[0]) == pytest.approx(red(images[0]) - red(images[6]), abs=3)
    assert abs(red(images[2]) - red(images[0])) > 5
