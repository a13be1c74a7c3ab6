"""Flights over an orthophoto and a surface model that the test writes itself."""

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.poses import look_at
from aerial_depth_pipeline.simulation.orthophoto import build_orthophoto
from aerial_depth_pipeline.simulation.rendering import Renderer
from aerial_depth_pipeline.simulation.settings import FlightSettings
from aerial_depth_pipeline.simulation.worlds import build_world

EAST, NORTH = 464000.0, 5211000.0  # UTM 32N, on the Swiss plateau


def _write(path, array_BHW, pixel, left=EAST, top=NORTH, crs="EPSG:32632", nodata=None):
    options = {
        "driver": "GTiff",
        "count": len(array_BHW),
        "height": array_BHW.shape[1],
        "width": array_BHW.shape[2],
    }
    transform = from_origin(left, top, pixel, pixel)
    with rasterio.open(
        path, "w", dtype=array_BHW.dtype, crs=crs, transform=transform, nodata=nodata, **options
    ) as target:
        target.write(array_BHW)
    return str(path)


@pytest.fixture
def pair(tmp_path):
    """300 m square: a block 20 m high and 40 m wide on level ground at 500 m; the photograph is red
    in the west, blue in the east."""
    heights = np.full((1, 300, 300), 500.0, np.float32)
    heights[0, 130:170, 130:170] = 520.0
    heights[0, 20:26, 20:26] = -9999.0  # a gap that is bridged
    heights[0, 220:290, 10:80] = -9999.0  # one that is not
    rng = np.random.default_rng(0)
    colours = rng.integers(60, 120, (3, 600, 600)).astype(np.uint8)
    colours[0, :, :300] += 100
    colours[2, :, 300:] += 100
    photo = _write(tmp_path / "photo.tif", colours, 0.5)
    return photo, _write(tmp_path / "surface.tif", heights, 1.0, nodata=-9999.0)


def _looking_down(world, height=150.0):
    camera = Camera.pinhole(150, 150, 75.0 * height / 140.0, 75.0 * height / 140.0, 75.0, 75.0)
    return Renderer(world).render(look_at(np.array([0.0, 0.0, height]), np.zeros(3)), camera)


def test_heights_and_colours_stand_where_they_should(pair):
    world = build_world(
        FlightSettings(
            world="orthophoto", orthophoto=pair[0], surface_model=pair[1], orthophoto_extent=1000.0
        )
    )
    assert 140 < world.half <= 152  # the grid of UTM is turned against north
    left, bottom, right, top = transform_bounds(
        "EPSG:32632", "EPSG:4326", EAST, NORTH - 300, EAST + 300, NORTH
    )
    assert world.origin[0] == pytest.approx((bottom + top) / 2, abs=1e-4)
    assert world.origin[1] == pytest.approx((left + right) / 2, abs=1e-4)
    assert world.origin[2] == pytest.approx(500.0, abs=0.1)
    image, depth = _looking_down(world)
    assert depth[75, 75] == pytest.approx(130.0, abs=0.2)  # the block's roof
    assert depth[75, 20] == pytest.approx(150.0, abs=0.2)
    assert (depth[62:88, 62:88] < 140).mean() > 0.5 and (depth[:55] < 140).sum() == 0
    assert image[20:60, 10:60, 0].mean() > image[20:60, 10:60, 2].mean() + 0.1  # red in the west
    assert image[20:60, 90:140, 2].mean() > image[20:60, 90:140, 0].mean() + 0.1


def test_a_wide_gap_stays_open_and_a_narrow_one_is_bridged(pair):
    world = build_world(
        FlightSettings(world="orthophoto", orthophoto=pair[0], surface_model=pair[1])
    )
    _, depth = _looking_down(world)
    assert (depth[5:20, 5:20] > 0).all()
    # Rows 220 to 290 and columns 10 to 80 of 300: south-west.
    assert (depth[115:135, 15:30] == 0).mean() > 0.8


def test_other_coordinate_systems_and_pixel_sizes_give_the_same_world(pair, tmp_path):
    with rasterio.open(pair[0]) as source:
        left, bottom, right, top = transform_bounds(source.crs, "EPSG:4326", *source.bounds)
        target = np.zeros((3, 500, 500), np.uint16)
        transform = rasterio.transform.from_bounds(left, bottom, right, top, 500, 500)
        for band in (1, 2, 3):
            rasterio.warp.reproject(
                rasterio.band(source, band),
                target[band - 1],
                dst_transform=transform,
                dst_crs=CRS.from_epsg(4326),
            )
    with rasterio.open(
        tmp_path / "degrees.tif",
        "w",
        driver="GTiff",
        count=3,
        height=500,
        width=500,
        dtype="uint16",
        crs="EPSG:4326",
        transform=transform,
    ) as out:
        out.write(target * 200)
    straight = build_world(
        FlightSettings(world="orthophoto", orthophoto=pair[0], surface_model=pair[1])
    )
    other = build_world(
        FlightSettings(
            world="orthophoto", orthophoto=str(tmp_path / "degrees.tif"), surface_model=pair[1]
        )
    )
    (_, depth), (image_other, depth_other) = _looking_down(straight), _looking_down(other)
    assert np.median(np.abs(depth - depth_other)) < 0.05
    west, east = image_other[20:60, 10:60], image_other[20:60, 90:140]
    assert (
        west[..., 0].mean() > west[..., 2].mean() + 0.1
        and east[..., 2].mean() > east[..., 0].mean() + 0.1
    )


def test_feet_become_metres(pair):
    _, _, _, origin = build_orthophoto(*pair, 200.0, height_unit=0.3048)
    assert origin[2] == pytest.approx(500 * 0.3048, abs=0.1)


def test_what_does_not_fit_is_said_in_one_sentence(pair, tmp_path):
    far = _write(tmp_path / "far.tif", np.zeros((1, 50, 50), np.float32), 1.0, left=EAST + 5000)
    with pytest.raises(UserError, match="do not overlap"):
        build_orthophoto(pair[0], far, 200.0)
    with pytest.raises(UserError, match=r"gone\.tif is not there"):
        build_orthophoto(tmp_path / "gone.tif", pair[1], 200.0)
    (tmp_path / "text.tif").write_text("not a raster")
    with pytest.raises(UserError, match="cannot be read"):
        build_orthophoto(pair[0], tmp_path / "text.tif", 200.0)
    nowhere = _write(tmp_path / "nowhere.tif", np.zeros((1, 50, 50), np.float32), 1.0, crs=None)
    with pytest.raises(UserError, match="no coordinate system"):
        build_orthophoto(pair[0], nowhere, 200.0)
    empty = _write(
        tmp_path / "empty.tif", np.full((1, 300, 300), -9999.0, np.float32), 1.0, nodata=-9999.0
    )
    with pytest.raises(UserError, match="no heights"):
        build_orthophoto(pair[0], empty, 200.0)
