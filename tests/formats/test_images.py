"""Image files."""

import numpy as np
import pytest

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.images import fit_width, read_frame, read_image, write_jpeg


def test_an_image_is_read_as_it_was_written_whatever_its_name(tmp_path):
    image = np.full((16, 24, 3), (200, 40, 10), np.uint8)
    path = tmp_path / "Flug über [Köln] 100 %.jpg"
    write_jpeg(path, image, 95)
    for read in (read_image, read_frame):
        assert np.abs(read(path).astype(int) - image).max() < 4


def test_a_damaged_frame_is_a_sentence(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8 no image")
    assert read_image(tmp_path / "a.jpg") is None
    with pytest.raises(SceneError, match=r"a\.jpg is damaged; delete it"):
        read_frame(tmp_path / "a.jpg")
    with pytest.raises(SceneError, match=r"b\.jpg cannot be read"):
        read_frame(tmp_path / "b.jpg")


def test_sizes_are_scaled_down_to_even_numbers():
    assert fit_width(640, 360, 768) == (640, 360)
    assert fit_width(1920, 1080, 768) == (768, 432)
    assert fit_width(1919, 1079, 767) == (766, 430)
