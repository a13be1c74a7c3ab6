"""A real place: an orthophoto laid over a surface model, as national mapping agencies publish
them."""

import logging
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.fill import fillnodata
from rasterio.transform import from_bounds
from rasterio.warp import Resampling, reproject, transform, transform_bounds

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.simulation.meshes import Mesh, MeshBuilder
from aerial_depth_pipeline.simulation.terrain import add_grid
from aerial_depth_pipeline.simulation.textures import Texture

logger = logging.getLogger(__name__)

_MOST_CELLS = 1000  # per side of the surface grid: two million triangles
_MOST_TEXELS = 4096  # per side of the image
_SMALLEST_EXTENT = 50.0
_FILLED_GAP = (
    10.0  # metres: gaps in the surface model up to this width are bridged, wider ones stay open
)


def build_orthophoto(
    orthophoto: str | Path, surface_model: str | Path, extent: float, height_unit: float = 1.0
) -> tuple[Mesh, list[Texture], float, tuple[float, float, float]]:
    """The square of `extent` metres (or as much as there is) around the middle of what both
    GeoTIFFs cover.

    Both are resampled to one metric grid with north up, whatever their coordinate systems, pixel
    sizes and extents are. Cells without height or without colour are left out.

    Args:
        orthophoto: GeoTIFF with one band (grey) or at least three (red, green, blue), 8 or 16 bits.
        surface_model: GeoTIFF whose first band holds heights.
        extent: metres.
        height_unit: metres per unit of the heights.

    Returns:
        Mesh, textures, half of the extent, and the origin (latitude, longitude, altitude) of the
        local metres.

    Raises:
        UserError: where a file is missing, unreadable or has no coordinate system, or where the two
            do not overlap.
    """
    with _open(orthophoto, "orthophoto") as photo, _open(surface_model, "surface model") as surface:
        latitude, longitude = _middle_of_overlap(photo, surface)
        local = CRS.from_proj4(
            f"+proj=aeqd +lat_0={latitude:.9f} +lon_0={longitude:.9f} +datum=WGS84 +units=m"
            " +no_defs"
        )
        bounds = [
            transform_bounds(source.crs, local, *source.bounds) for source in (photo, surface)
        ]
        half = min(extent / 2, *(min(-b[0], -b[1], b[2], b[3]) for b in bounds))
        if half < _SMALLEST_EXTENT / 2:
            raise UserError(
                f"Orthophoto {orthophoto} and surface model {surface_model} have only a square of"
                f" {2 * max(half, 0):.0f} m in common; at least {_SMALLEST_EXTENT:.0f} m are"
                " needed: choose tiles that cover the same area."
            )
        heights = _heights(surface, local, half) * height_unit
        image, covered = _picture(photo, local, half)
    if not np.isfinite(heights).any():
        raise UserError(
            f"Surface model {surface_model} holds no heights around the middle of its overlap with"
            f" {orthophoto}: check its nodata."
        )
    level = float(np.nanmedian(heights))
    heights = heights - level
    side = len(heights)
    cell = 2 * half / (side - 1)
    axis = np.linspace(-half, half, side)
    points = np.stack(np.meshgrid(axis, axis), -1)
    slope_y, slope_x = np.gradient(np.nan_to_num(heights), cell)
    normals = np.stack([-slope_x, -slope_y, np.ones_like(slope_x)], -1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    valid = (
        np.isfinite(heights)
        & covered[_nearest(side, len(covered))][:, _nearest(side, len(covered))]
    )
    cells = valid[:-1, :-1] & valid[1:, :-1] & valid[:-1, 1:] & valid[1:, 1:]
    if not cells.any():
        raise UserError(
            f"Orthophoto {orthophoto} has no colours where surface model {surface_model} has"
            " heights: check their nodata values."
        )
    builder = MeshBuilder()
    add_grid(
        builder, np.concatenate([points, heights[..., None]], -1), normals, points + half, 0, cells
    )
    logger.info(
        "Orthophoto world: %.0f m square, cells of %.2f m, %.0f %% covered.",
        2 * half,
        cell,
        100 * cells.mean(),
    )
    return (
        builder.mesh(),
        [Texture(image, len(image) / (2 * half))],
        half,
        (latitude, longitude, level),
    )


def _open(path: str | Path, what: str):
    if not Path(path).is_file():
        raise UserError(f"The {what} {path} is not there; give the path of a GeoTIFF.")
    try:
        source = rasterio.open(path)
    except rasterio.errors.RasterioError as error:
        raise UserError(
            f"The {what} {path} cannot be read as a raster ({error}); give a GeoTIFF."
        ) from error
    if source.crs is None:
        source.close()
        raise UserError(
            f"The {what} {path} names no coordinate system; assign one (gdal_edit -a_srs EPSG:..."
            " does)."
        )
    return source


def _middle_of_overlap(photo, surface) -> tuple[float, float]:
    """Latitude and longitude of the middle of what both cover."""
    other = transform_bounds(photo.crs, surface.crs, *photo.bounds)
    own = surface.bounds
    left, bottom, right, top = (
        max(own[0], other[0]),
        max(own[1], other[1]),
        min(own[2], other[2]),
        min(own[3], other[3]),
    )
    if not (left < right and bottom < top):
        raise UserError(
            f"Orthophoto {photo.name} and surface model {surface.name} do not overlap"
            f" ({_rounded(other)} against {_rounded(own)} in {surface.crs}): choose tiles of the"
            " same area."
        )
    longitudes, latitudes = transform(
        surface.crs, CRS.from_epsg(4326), [(left + right) / 2], [(bottom + top) / 2]
    )
    return latitudes[0], longitudes[0]


def _rounded(bounds) -> str:
    return ", ".join(f"{value:.6g}" for value in bounds)


def _pixel_size(source, local: CRS) -> float:
    """Metres per pixel of a raster, roughly."""
    left, bottom, right, top = transform_bounds(source.crs, local, *source.bounds)
    return min((right - left) / source.width, (top - bottom) / source.height)


def _heights(surface, local: CRS, half: float) -> np.ndarray:
    """Heights [S, S] float64 at the vertices of the grid, row 0 in the south; not a number where
    there are none."""
    size = _pixel_size(surface, local)
    side = int(np.clip(np.ceil(2 * half / size), 8, _MOST_CELLS)) + 1
    cell = 2 * half / (side - 1)
    reach = half + cell / 2  # vertices are the middles of pixels
    heights = np.full((side, side), np.nan, np.float64)
    reproject(
        rasterio.band(surface, 1),
        heights,
        dst_transform=from_bounds(-reach, -reach, reach, reach, side, side),
        dst_crs=local,
        dst_nodata=np.nan,
        resampling=Resampling.average if cell > 1.5 * size else Resampling.bilinear,
    )
    heights[~np.isfinite(heights) | (np.abs(heights) > 1e5)] = np.nan
    gaps = np.isnan(heights)
    if gaps.any() and not gaps.all():
        filled = fillnodata(
            np.nan_to_num(heights).astype(np.float32),
            mask=~gaps,
            max_search_distance=_FILLED_GAP / cell,
        )
        filled = filled.astype(np.float64)
        # A pixel that the search did not reach keeps the zero it was given.
        reached = gaps & (filled != 0)
        heights[reached] = filled[reached]
    return heights[::-1].copy()


def _picture(photo, local: CRS, half: float) -> tuple[np.ndarray, np.ndarray]:
    """The image [T, T, 3] uint8, row 0 in the south, and the mask [T, T] of texels that have a
    colour."""
    size = _pixel_size(photo, local)
    side = int(np.clip(2 ** np.ceil(np.log2(2 * half / size)), 64, _MOST_TEXELS))
    where = {
        "dst_transform": from_bounds(-half, -half, half, half, side, side),
        "dst_crs": local,
        "resampling": Resampling.average if 2 * half / side > 1.5 * size else Resampling.bilinear,
    }
    covered = np.zeros((side, side), np.uint8)
    reproject(
        photo.dataset_mask(),
        covered,
        src_transform=photo.transform,
        src_crs=photo.crs,
        **where | {"resampling": Resampling.nearest},
    )
    bands = (1, 2, 3) if photo.count >= 3 else (1, 1, 1)
    image: np.ndarray = np.zeros((side, side, 3), np.float32)
    for channel, band in enumerate(bands):
        plane = np.zeros((side, side), np.float32)
        reproject(rasterio.band(photo, band), plane, **where)
        image[..., channel] = plane
    if photo.dtypes[0] != "uint8":
        seen = image[covered > 0]
        low, high = np.percentile(seen, [1, 99]) if len(seen) else (0.0, 1.0)
        image = (image - low) * (255 / max(high - low, 1e-9))
    return np.clip(image, 0, 255).astype(np.uint8)[::-1].copy(), covered[::-1] > 0


def _nearest(count: int, size: int) -> np.ndarray:
    """Index of the texel nearest to each of `count` vertices that span the image's side."""
    return np.clip(np.linspace(0, size, count).astype(int), 0, size - 1)
