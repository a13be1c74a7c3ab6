"""Exports of a game: exact depth, and damage of any kind."""

import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import rasterio
from tests.worlds.flights import SETTINGS
from tests.worlds.footage import CAMERA, no_calibration

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.sources.gta import camera_of, depth_from_buffer, perspective
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.cameras import read_camera
from aerial_depth_pipeline.formats.images import read_image


def _projection(near: float, far: float, reverse: bool, forward: int) -> np.ndarray:
    """Perspective of the tests' camera: clip depth 0 to 1 from near to far, or the other way round;
    looking along `forward` z."""
    at_near, at_far = (1.0, 0.0) if reverse else (0.0, 1.0)
    # d(z) = A + B / z with d(near), d(far) as asked; far may be infinite.
    B = (at_near - at_far) / (1 / near - 1 / far)
    A = at_near - B / near
    f = forward
    P = np.zeros((4, 4))
    P[0, 0], P[1, 1] = 2 * CAMERA.K[0, 0] / CAMERA.width, 2 * CAMERA.K[1, 1] / CAMERA.height
    P[2, 2], P[2, 3], P[3, 2] = A * f, B, f
    return P


PROJECTIONS = [
    _projection(0.15, np.inf, True, -1),
    _projection(1.5, 8000.0, False, -1),
    _projection(0.15, 10000.0, True, 1),
]


@pytest.mark.parametrize("P", PROJECTIONS)
def test_depth_buffer_to_metres(P):
    z = np.array([[0.5, 3.0, 40.0, 120.0, 900.0]])
    points = np.stack([0 * z, 0 * z, z * P[3, 2], 1 + 0 * z], -1) @ P.T
    buffer = points[..., 2] / points[..., 3]
    np.testing.assert_allclose(depth_from_buffer(buffer, P), z, rtol=1e-6)


def test_sky_has_no_depth():
    assert depth_from_buffer(np.zeros((1, 1)), PROJECTIONS[0])[0, 0] == 0


@pytest.mark.parametrize("P", PROJECTIONS)
def test_projection_is_recognised_however_it_is_stored(P):
    view = np.eye(4)
    view[:3, :3] = cv2.Rodrigues(np.array([0.3, -0.5, 0.2]))[0]
    view[:3, 3] = 100, -2000, 50
    for stored in (P, P.T, P @ view, (P @ view).T):
        np.testing.assert_allclose(perspective(stored, view), P, atol=1e-6)
    np.testing.assert_allclose(camera_of(P, 320, 192).K, CAMERA.K, atol=1e-5)
    with pytest.raises(ValueError):
        perspective(np.eye(4), None)


def _page(path, pixels: np.ndarray, first: bool, **options) -> None:
    bands = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]
    profile = {
        "driver": "GTiff",
        "height": bands.shape[1],
        "width": bands.shape[2],
        "count": len(bands),
        "dtype": str(pixels.dtype),
    }
    if not first:
        profile["APPEND_SUBDATASET"] = "YES"
    with rasterio.open(path, "w", **profile, **options) as file:
        file.write(bands)


@pytest.fixture
def archive(whole_archive, tmp_path):
    return Path(shutil.copytree(whole_archive, tmp_path / "raw"))


@pytest.fixture(scope="module")
def whole_archive(flight, tmp_path_factory):
    """An export of eight snapshots as the game's plug-in writes them: two colour pages as JPEG with
    alpha, depth buffer, stencil."""
    raw, pages = tmp_path_factory.mktemp("archive"), tmp_path_factory.mktemp("pages")
    P = PROJECTIONS[0]
    rows = []
    with zipfile.ZipFile(raw / "export.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(8):
            path = pages / f"info-2017-{i}.tiff"
            color = np.dstack([flight.images[i], np.full((192, 320), 255, np.uint8)])
            jpeg = {
                "compress": "jpeg",
                "jpeg_quality": 95,
                "interleave": "pixel",
                "photometric": "rgb",
            }
            _page(path, color, True, **jpeg)
            _page(path, 255 - color, False, **jpeg)
            depth = flight.depths[i].astype(np.float64)
            buffer = (P[2, 2] * -depth + P[2, 3]) / depth
            buffer[:20] = 0  # sky
            _page(path, buffer.astype(np.float32), False, compress="lzw")
            _page(path, np.zeros((192, 320), np.uint8), False, compress="lzw")
            file.write(path, f"../../../{path.name}")  # a name that would leave the folder
            rows.append(
                {
                    "imagepath": f"D:\\generated\\{path.stem}",
                    "timestamp": f"2017-11-0{1 + (i + 4) // 8} 10:00:0{i}+01",
                    "width": 320,
                    "height": 192,
                    "camera_fov": 40.5,
                    "view_matrix": "{{1,0,0,0},{0,1,0,0},{0,0,1,0},{0,0,0,1}}",
                    "proj_matrix": "{"
                    + ",".join("{" + ",".join(repr(float(v)) for v in row) + "}" for row in P)
                    + "}",
                }
            )
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_csv(raw / "snapshots.csv", index=False)
    return raw


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_export_becomes_frames_with_exact_depth(flight, archive, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    summary = extract_frames(archive, out, SETTINGS, no_calibration)
    assert summary["camera_source"] == "archive" and summary["kept"] == summary["exact_depth"] == 8
    np.testing.assert_allclose(read_camera(out / "camera.yaml").K, CAMERA.K, atol=1e-4)
    for i in range(8):
        image = read_image(out / "frames" / f"{i:06d}.jpg")
        assert np.abs(image.astype(int) - flight.images[i]).mean() < 5
        depth = cv2.imread(str(out / "depth" / f"{i:06d}.tiff"), cv2.IMREAD_UNCHANGED)
        assert (depth[:20] == 0).all()
        np.testing.assert_allclose(depth[20:], flight.depths[i][20:], rtol=1e-3)
    assert not (tmp_path / "info-2017-0.tiff").exists()


@pytest.mark.filterwarnings(
    "ignore::rasterio.errors.NotGeoreferencedWarning", "ignore:Corrupt EXIF"
)
def test_damaged_images_and_rows_are_left_out(archive, tmp_path):
    table = pd.read_csv(archive / "snapshots.csv").sort_values("imagepath").reset_index(drop=True)
    table.loc[1, "proj_matrix"] = "{{1,2},{3,4}}"
    table.to_csv(archive / "snapshots.csv", index=False)
    with zipfile.ZipFile(archive / "export.zip") as file:
        entries = {name: file.read(name) for name in file.namelist()}
    damaged = sorted(entries)[3]
    entries[damaged] = entries[damaged][:3000]
    with zipfile.ZipFile(archive / "export.zip", "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)
    out = tmp_path / "out"
    out.mkdir()
    summary = extract_frames(archive, out, SETTINGS, no_calibration)
    assert (
        summary["kept"] == 6
        and summary["reasons"] == {"unreadable": 1}
        and len(summary["warnings"]) == 2
    )


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("fault", ["no table", "other table", "columns", "empty table", "no zip"])
def test_exports_that_are_none(archive, tmp_path, fault):
    table = archive / "snapshots.csv"
    if fault == "no table":
        table.unlink()
    elif fault == "other table":
        pd.read_csv(table).assign(imagepath="elsewhere").to_csv(table, index=False)
    elif fault == "columns":
        pd.read_csv(table).drop(columns="proj_matrix").to_csv(table, index=False)
    elif fault == "empty table":
        table.write_text("")
    else:
        (archive / "export.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(SceneError, match="export.zip"):
        extract_frames(archive, tmp_path / "out", SETTINGS, no_calibration)
