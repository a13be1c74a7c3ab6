"""Files that are not read are counted and named, alone and among others."""

import os

import numpy as np
import pytest
from PIL import Image
from tests.worlds.flights import extract, refused
from tests.worlds.footage import write_video

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.prediction.input_frames import open_footage

HEIC = b"\0\0\0\x18ftypheic" + bytes(500)


def _photographs(flight, folder, count: int = 4) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(flight.images[i * 3]).save(folder / f"DJI_{i}.JPG", quality=95)


def _warnings(raw, out) -> str:
    return " ".join(extract(raw, out)[0]["warnings"])


KINDS = [
    ("HEIC", "convert"),
    ("DNG", "develop"),
    ("CR3", "develop"),
    ("insp", "360°"),
    ("avif", "convert"),
    ("seq", "16-bit TIFF"),
]


@pytest.mark.parametrize(("ending", "todo"), KINDS)
def test_photographs_that_are_not_read(flight, raw, out, ending, todo):
    (raw / "images" / "more").mkdir(parents=True)
    for i in range(3):
        (raw / "images" / "more" / f"IMG_{i}.{ending}").write_bytes(HEIC)
    refused(raw, out, "3 of the files", f"more/IMG_0.{ending}", todo)
    with pytest.raises(UserError, match=todo):
        open_footage(raw / "images" / "more" / f"IMG_0.{ending}", 320)
    _photographs(flight, raw / "images")
    warnings = _warnings(raw, out / "b")
    assert "3 of the files" in warnings and todo in warnings


def test_a_heic_photograph_under_a_jpeg_s_name(flight, raw, out):
    _photographs(flight, raw / "images")
    (raw / "images" / "IMG_9.JPG").write_bytes(HEIC)
    assert "IMG_9.JPG): HEIC photographs are not read: convert" in _warnings(raw, out)


@pytest.mark.parametrize("name", ["film.insv", "film.360", "film.BRAW", "film.LRF"])
def test_films_that_are_not_read(flight, raw, out, name):
    (raw / name).write_bytes(bytes(100))
    refused(raw, out, "1 of the files", name)
    write_video(raw / "video.mp4", flight.images[:10])
    named = name in _warnings(raw, out / "b")
    assert named == (not name.endswith("LRF"))  # a preview beside its film is nothing lost


@pytest.mark.parametrize("film", ["video.mp4", "DJI_0099.MP4"])
def test_photographs_beside_a_film_and_films_beside_it(flight, raw, out, film):
    write_video(raw / film, flight.images[:10])
    _photographs(flight, raw / "images")
    _photographs(flight, raw, 2)
    warnings = _warnings(raw, out)
    assert "4 of the files" in warnings and "2 of the files" in warnings and film in warnings
    if film == "video.mp4":
        (raw / "DJI_0001.MP4").write_bytes(b"another")
        assert "1 of the files" in _warnings(raw, out / "b")


def test_footage_in_folders_elsewhere_is_named(flight, raw, out):
    _photographs(flight, raw / "DCIM" / "100MEDIA")
    refused(raw, out, "no footage", "4 photographs or videos lie in DCIM/100MEDIA")


def test_links(flight, raw, out, tmp_path):
    _photographs(flight, tmp_path / "card" / "100MEDIA", 3)
    _photographs(flight, tmp_path / "other", 2)
    os.symlink(tmp_path / "card", raw / "images")
    os.symlink(tmp_path / "other", tmp_path / "card" / "linked")
    os.symlink(tmp_path / "card", tmp_path / "other" / "circle")
    os.symlink(tmp_path / "gone.JPG", tmp_path / "card" / "DJI_7.JPG")
    os.symlink("DJI_8.JPG", tmp_path / "card" / "DJI_8.JPG")
    summary, table = extract(raw, out)
    assert len(table) == 5
    assert any("2 of the files" in w and "lead nowhere" in w for w in summary["warnings"])


@pytest.mark.parametrize("name", ["video.mp4", "camera.yaml"])
def test_a_link_that_leads_nowhere_is_named(flight, raw, out, tmp_path, name):
    if name == "camera.yaml":
        write_video(raw / "video.mp4", flight.images[:10])
        (raw / name).unlink()
    os.symlink(tmp_path / "gone", raw / name)
    refused(raw, out, name)


def test_depth_under_other_names_is_named(flight, raw, out):
    write_video(raw / "video.mp4", flight.images[:10])
    (raw / "depth").mkdir()
    depth = Image.fromarray(np.full((192, 320), 4000, np.uint16))
    for name in ("000004.png", "frame_000005.png", "000900.png"):
        depth.save(raw / "depth" / name)
    np.save(raw / "depth" / "000006.npy", np.zeros((192, 320), np.float32))
    summary, _ = extract(raw, out)
    warnings = " ".join(summary["warnings"])
    assert summary["exact_depth"] == 1
    assert "2 files" in warnings and "000006.npy, frame_000005.png" in warnings
    assert "1 files" in warnings and "000900.png" in warnings
