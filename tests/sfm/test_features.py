"""Features and matches survive a restart."""

import pycolmap
import pytest
from tests.worlds import block_world

from aerial_depth_pipeline.sfm.features import match_images
from aerial_depth_pipeline.sfm.settings import SfmSettings


def test_matches_survive_a_restart_and_unfinished_ones_are_not_trusted(
    flown, tmp_path, monkeypatch
):
    images, _, _, view = flown
    frames = block_world.write_frames(tmp_path / "frames", images[:3], view)
    names = ["000000.jpg", "000001.jpg", "000002.jpg"]
    arguments = (frames / "frames", names, view, SfmSettings(), tmp_path / "work")

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pycolmap, "match_image_pairs", die)
        die.__name__ = "match_image_pairs"
        with pytest.raises(KeyboardInterrupt):
            match_images(*arguments)
    assert not list((tmp_path / "work").glob("matches-*"))
    features = next((tmp_path / "work").glob("features-*.db"))
    # What a process killed in the middle of extraction would leave.
    (tmp_path / "work" / ".partial-0123456789ab.db").write_bytes(b"half")
    monkeypatch.setattr(pycolmap, "extract_features", die)  # the finished features are used again
    database = match_images(*arguments)
    assert features.exists()
    with pycolmap.Database.open(database) as content:
        assert content.num_verified_image_pairs() == 3
    monkeypatch.setattr(pycolmap, "match_image_pairs", die)
    assert match_images(*arguments) == database
    assert not list((tmp_path / "work").glob(".partial-*"))
