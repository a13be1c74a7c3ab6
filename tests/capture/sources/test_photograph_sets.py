"""Photographs of several cameras in one folder, and their order."""

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.worlds.flights import extract, refused

from aerial_depth_pipeline.capture.sources import open_source
from aerial_depth_pipeline.capture.sources.exif import read_exif


def _exif(focal_35mm: int = 24, model: str = "", time: str = "", gps: dict | None = None):
    exif = Image.Exif()
    exif[0x0110] = model
    exif.get_ifd(0x8769)[0xA405] = focal_35mm
    if time:
        exif.get_ifd(0x8769)[0x9003] = time
    exif.get_ifd(0x8825).update(gps or {})
    return exif


def _save(path, image, xmp: str = "", exif: Image.Exif | None = None):
    path.parent.mkdir(parents=True, exist_ok=True)
    more = {"xmp": xmp.encode()} if xmp else {}
    Image.fromarray(image).save(path, quality=95, exif=exif or _exif(), **more)


def _taken(raw, out) -> tuple[set[str], str]:
    summary, table = extract(raw, out)
    return set(table.loc[table["reason"] == "", "name"]), " ".join(summary["warnings"])


def test_the_wide_lens_of_two_with_as_many_photographs(flight, raw, out):
    for i in range(4):
        _save(raw / f"images/DJI_{i:04d}_W.JPG", flight.images[i * 3])
        _save(raw / f"images/DJI_{i:04d}_Z.JPG", flight.images[i * 3], exif=_exif(48))
    names, warnings = _taken(raw, out)
    assert names == {f"DJI_{i:04d}_W.JPG" for i in range(4)}
    assert "4 of 8 photographs" in warnings and "4 lens of 444 px" in warnings


def test_the_camera_that_took_most(flight, raw, out):
    for i in range(5):
        _save(raw / f"images/a{i}.jpg", flight.images[i * 3], exif=_exif(model="FC6310"))
    _save(raw / "images/b.jpg", flight.images[20], exif=_exif(model="FC3170"))
    names, warnings = _taken(raw, out)
    assert len(names) == 5 and "1 of 6 photographs" in warnings and "1 camera FC3170" in warnings


def test_photographs_that_do_not_name_their_lens_stay_with_the_most(flight, raw, out):
    for i in range(4):
        _save(raw / f"images/{i}.jpg", flight.images[i * 3], exif=_exif(0 if i == 2 else 24))
    assert len(_taken(raw, out)[0]) == 4


@pytest.mark.parametrize("how", ["xmp", "ending", "number"])
def test_bands_beside_colour(flight, raw, out, how):
    bands = ["Green", "Red", "NIR"]
    for i in range(4):
        image = flight.images[i * 3]
        _save(raw / f"images/DJI_{i:04d}_D.JPG", image)
        for place, band in enumerate(bands):
            end = f"MS_{band.upper()}" if how == "ending" else f"{place + 1}"
            stem = f"DJI_{i:04d}_{end}" if how != "xmp" else f"DJI_{i:04d}{place + 1}"
            xmp = f'<x:xmpmeta Camera:BandName="{band}"/>' if how == "xmp" else ""
            gray = image[..., place]
            _save(raw / f"images/{stem}.{'JPG' if xmp else 'TIF'}", gray, xmp)
    names, warnings = _taken(raw, out)
    assert names == {f"DJI_{i:04d}_D.JPG" for i in range(4)}
    assert "12 of 16 photographs" in warnings


def test_one_of_several_bands_without_colour(flight, raw, out):
    for i in range(4):
        for band in range(3):
            deep = flight.images[i * 3][..., band].astype(np.uint16) * 16
            (raw / "images").mkdir(exist_ok=True)
            Image.fromarray(deep).save(raw / f"images/IMG_{i:04d}_{band + 1}.tif")
    names, warnings = _taken(raw, out)
    assert len({name[-5] for name in names}) == 1 and len(names) == 4
    assert "8 of 12 photographs" in warnings


def test_numbered_photographs_are_no_bands(flight, raw, out):
    for i in range(9):
        _save(raw / f"images/flight_1_{i + 1}.jpg", flight.images[i * 3])
    assert len(_taken(raw, out)[0]) == 9


def test_panoramas_are_refused(flight, raw, out):
    for i in range(3):
        xmp = '<x:xmpmeta GPano:ProjectionType="equirectangular"/>'
        _save(raw / f"images/{i}.jpg", flight.images[i], xmp)
    refused(raw, out, "images", "360°", "export")


def test_a_counter_that_starts_again_is_ordered_by_time(flight, raw, out):
    names = ["DJI_9998.JPG", "DJI_9999.JPG", "DJI_0001.JPG", "DJI_0002.JPG", "DJI_0003.JPG"]
    for i, name in enumerate(names):  # two in a second
        time = f"2024:05:01 10:00:{i // 2:02d}"
        _save(raw / "images" / name, flight.images[i * 3], exif=_exif(time=time))
    _, table = extract(raw, out)
    assert table["name"].tolist() == names


def test_folders_below_images_are_read_in_order(flight, raw, out):
    for i, name in enumerate(["DJI_1.JPG", "100MEDIA/DJI_1.JPG", "101MEDIA/a/DJI_1.JPG"]):
        _save(raw / "images" / name, flight.images[i * 3])
    _, table = extract(raw, out)
    assert table["name"].tolist() == ["DJI_1.JPG", "100MEDIA/DJI_1.JPG", "101MEDIA/a/DJI_1.JPG"]


GPS = {1: "N", 2: (47.0, 30.0, 0.0), 3: "W", 4: (8.0, 15.0, 0.0), 6: 400.0}


@pytest.mark.parametrize(
    ("change", "xmp", "place"),
    [
        ({}, "", (47.5, -8.25)),
        ({1: b"S\0", 3: "east"}, "", (-47.5, 8.25)),
        ({1: None, 3: None}, "", None),
        ({3: None}, "", None),
        ({1: "?"}, "", None),
        ({2: (47.0, 75.0, 0.0)}, "", None),
        ({3: None}, 'drone-dji:GpsLatitude="47.5" drone-dji:GpsLongtitude="-8.25"', (47.5, -8.25)),
    ],
)
def test_positions_without_a_hemisphere_are_none(tmp_path, change, xmp, place):
    gps = {key: value for key, value in (GPS | change).items() if value is not None}
    path, image = tmp_path / "a.jpg", np.zeros((240, 320, 3), np.uint8)
    _save(path, image, f"<x:xmpmeta {xmp}/>", _exif(gps=gps))
    exif = read_exif(path)
    assert (exif.fix is None) == (place is None) == bool(exif.fix_doubt)
    if place is not None:
        assert exif.fix[:2] == pytest.approx(place)
    else:
        assert any(
            "1 of 1 photographs" in w and "position" in w for w in open_source(tmp_path).warnings
        )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "rgb16"])
def test_tiff_of_every_depth_and_orientation(tmp_path, orientation, kind):
    gray = cv2.resize(np.random.default_rng(0).integers(0, 255, (4, 6), np.uint8), (96, 64))
    tall = orientation in (5, 6, 7, 8)
    path = tmp_path / "a.tif"
    if kind == "rgb16":
        cv2.imwrite(str(path), np.dstack([gray.astype(np.uint16) * 16] * 3))
        tall = False
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(gray.astype(kind)).save(path, exif=exif)
    source = open_source(tmp_path)
    assert (source.width, source.height) == ((64, 96) if tall else (96, 64))
    (frame,) = source.frames(source.width, source.height, lambda index: True)
    wide = frame.image[..., 0].T if tall else frame.image[..., 0]
    flips = (wide, wide[::-1], wide[:, ::-1], wide[::-1, ::-1])
    contrast = max(np.corrcoef(flip.ravel(), gray.ravel())[0, 1] for flip in flips)
    assert contrast > 0.999 and frame.image.max() > 240


def test_deep_photographs_share_one_range(tmp_path):
    for i in range(4):  # thermal counts that rise from picture to picture
        counts = np.tile(np.arange(7300 + 100 * i, 7396 + 100 * i, dtype=np.uint16), (64, 1))
        counts[0, 0] = 65535  # a dead pixel
        Image.fromarray(counts).save(tmp_path / f"{i}.tif")
    source = open_source(tmp_path)
    images = [frame.image.mean() for frame in source.frames(96, 64, lambda index: True)]
    np.testing.assert_allclose(np.diff(images), 64.6, atol=2)
