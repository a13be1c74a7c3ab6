"""Photographs of several sizes, damaged, without position."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.worlds.flights import extract, refused

from aerial_depth_pipeline.formats import images


def _photographs(
    flight,
    folder: Path,
    count: int = 6,
    size: tuple[int, int] = (320, 192),
    first: int = 0,
    exif: Image.Exif | None = None,
) -> None:
    folder.mkdir(exist_ok=True)
    for i in range(first, first + count):
        image = Image.fromarray(cv2.resize(flight.images[i * 3], size))
        image.save(
            folder / f"DJI_{i}.JPG", quality=95, **({"exif": exif} if exif is not None else {})
        )


def test_photographs_of_several_sizes_keep_the_majority(flight, raw, out):
    _photographs(flight, raw / "images", 6)
    _photographs(flight, raw / "images", 2, (160, 96), first=6)
    summary, table = extract(raw, out)
    assert summary["kept"] == 6 and table["reason"].tolist() == [""] * 6 + ["size 160x96"] * 2
    assert any("2 of 8 photographs" in w for w in summary["warnings"])


def test_of_as_many_photographs_of_two_sizes_the_larger_are_taken(flight, raw, out):
    _photographs(flight, raw / "images", 3)
    _photographs(flight, raw / "images", 3, (160, 96), first=3)
    summary, table = extract(raw, out)
    assert table["reason"].tolist() == [""] * 3 + ["size 160x96"] * 3
    assert any("3 of 6" in w and "3 size 160x96" in w for w in summary["warnings"])


def test_photographs_that_are_none(raw, out):
    (raw / "images").mkdir()
    (raw / "images" / "a.jpg").write_bytes(b"not an image")
    (raw / "images" / "b.jpg").touch()
    refused(raw, out, "images", "None of the 2 files", "copy them again")


def test_damaged_photographs_are_left_out(flight, raw, out):
    _photographs(flight, raw / "images", 6)
    data = (raw / "images" / "DJI_2.JPG").read_bytes()
    (raw / "images" / "DJI_2.JPG").write_bytes(data[:200])
    (raw / "images" / "DJI_3.JPG").write_bytes(b"")
    summary, table = extract(raw, out)
    assert table["reason"].tolist() == ["", "", "unreadable", "unreadable", "", ""]
    assert any("2 files" in w for w in summary["warnings"])


def _exif(
    focal_35mm: int | None = 24, gps: dict | None = None, orientation: int = 1, model: str = ""
) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if model:
        exif[0x0110] = model
    details = exif.get_ifd(0x8769)
    if focal_35mm:
        details[0xA405] = focal_35mm
    if gps:
        exif.get_ifd(0x8825).update(gps)
    return exif


def test_exif_without_gps_is_no_telemetry(flight, raw, out):
    (raw / "camera.yaml").unlink()
    _photographs(flight, raw / "images", exif=_exif())
    summary, table = extract(raw, out)
    assert (
        summary["camera_source"] == "exif"
        and summary["telemetry"] is None
        and table["east"].isna().all()
    )
    assert summary["focal_length"] == pytest.approx(24 / 43.267 * np.hypot(320, 240), rel=1e-3)


def test_photographs_that_name_only_the_drone_have_its_focal_length(flight, raw, out):
    (raw / "camera.yaml").unlink()
    _photographs(flight, raw / "images", exif=_exif(focal_35mm=None, model="FC3411"))
    summary, _ = extract(raw, out)
    assert summary["camera_source"] == "exif"
    assert summary["focal_length"] == pytest.approx(22 / 43.267 * np.hypot(320, 240), rel=1e-3)


def test_digital_zoom_of_photographs_lengthens_the_focal_length(flight, raw, out):
    (raw / "camera.yaml").unlink()
    exif = _exif()
    exif.get_ifd(0x8769)[0xA404] = 2.0
    _photographs(flight, raw / "images", exif=exif)
    summary, _ = extract(raw, out)
    assert summary["focal_length"] == pytest.approx(48 / 43.267 * np.hypot(320, 240), rel=1e-3)


@pytest.mark.parametrize(
    "gps",
    [{2: (0, 0, 0), 4: (0, 0, 0)}, {2: (97.0, 0, 0), 4: (8.0, 0, 0)}, {1: "N", 2: (47.0, 0, 0)}],
)
def test_exif_with_damaged_gps_is_no_telemetry(flight, raw, out, gps):
    _photographs(flight, raw / "images", exif=_exif(gps=gps))
    assert extract(raw, out)[0]["telemetry"] is None


def test_exif_position_and_orientation(flight, raw, out):
    (raw / "camera.yaml").unlink()
    (raw / "images").mkdir()
    for i in range(4):
        gps = {
            1: "S",
            2: (33.0, 30.0, i * 0.36),
            3: "W",
            4: (70.0, 15.0, 0.0),
            5: b"\x00",
            6: 500.0 + i,
        }
        turned = Image.fromarray(
            np.ascontiguousarray(np.rot90(flight.images[3 * i]))
        )  # lying on its side: orientation 6 turns it back
        turned.save(raw / "images" / f"{i}.jpg", quality=95, exif=_exif(gps=gps, orientation=6))
    summary, table = extract(raw, out)
    assert (summary["width"], summary["height"]) == (320, 192) and summary["telemetry"] == "exif"
    assert summary["origin"] == {"latitude": -33.5, "longitude": -70.25, "altitude": 500.0}
    np.testing.assert_allclose(table["north"], [0, -11.09, -22.18, -33.27], atol=0.05)
    np.testing.assert_allclose(table["up"], [0, 1, 2, 3], atol=0.01)
    image = images.read_image(out / "frames" / "000001.jpg")
    assert np.abs(image.astype(int) - flight.images[3]).mean() < 4
