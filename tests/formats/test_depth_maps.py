"""Depth maps on disk: what is written is read, what is damaged is named."""

import cv2
import numpy as np
import pytest

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.depth_maps import (
    read_depth,
    read_known_depth,
    write_depth,
    write_depth_png,
)

DEPTH = np.array([[0, 1.5, 250.25], [3, 0, 12]], np.float32)


def test_a_depth_map_is_read_as_it_was_written(tmp_path):
    write_depth(tmp_path / "a.tiff", DEPTH)
    for read in (read_depth, read_known_depth):
        depth = read(tmp_path / "a.tiff")
        assert depth.dtype == np.float32 and np.array_equal(depth, DEPTH)
    assert np.array_equal(cv2.imread(str(tmp_path / "a.tiff"), cv2.IMREAD_UNCHANGED), DEPTH)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_no_impossible_depth_reaches_the_disk(tmp_path, bad):
    with pytest.raises(ValueError, match=r"a\.tiff: depth must be finite"):
        write_depth(tmp_path / "a.tiff", np.array([[1, bad]]))
    assert not (tmp_path / "a.tiff").exists()


def test_depth_as_png_is_in_centimetres_and_stays_below_its_largest_value(tmp_path):
    write_depth_png(tmp_path / "a.png", DEPTH, 0.01)
    expected = np.array([[0.01, 1.5, 250.25], [3, 0.01, 12]], np.float32)
    np.testing.assert_allclose(read_known_depth(tmp_path / "a.png"), expected, atol=1e-5)
    write_depth_png(tmp_path / "far.png", DEPTH * 10, 0.01)
    assert read_known_depth(tmp_path / "far.png").max() == pytest.approx(655.35)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_damaged_or_missing_depth_map_is_a_sentence(tmp_path, content):
    path = tmp_path / "000007.tiff"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SceneError, match=r"000007\.tiff.*run ground_truth for this scene again"):
        read_depth(path)


def test_an_image_is_no_depth_map(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tiff"), np.zeros((4, 4, 3), np.float32))
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(SceneError, match="3 dimensions"):
        read_depth(tmp_path / "a.tiff")
    with pytest.raises(SceneError, match="16-bit, in centimetres"):
        read_known_depth(tmp_path / "b.png")
