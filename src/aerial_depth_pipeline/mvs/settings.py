"""Settings of dense depth and of a scene's ground truth."""

from typing import Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings
from aerial_depth_pipeline.sfm.settings import SfmSettings


class DenseSettings(Settings):
    """How dense depth is found."""

    backend: Literal["auto", "plane_sweep", "sgbm", "patch_match"] = "auto"
    """`plane_sweep` (CPU and GPU), `sgbm` (OpenCV on rectified pairs: fast, less complete),
    `patch_match` (COLMAP, needs CUDA); `auto` takes `patch_match` where a CUDA device and a COLMAP
    built for it are there, else `plane_sweep`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Torch device of the plane sweep; `auto` takes CUDA where there is some."""
    sources: int = Field(6, ge=1)
    """Number of source views of each depth map."""
    best: int = Field(2, ge=0)
    """The matching cost of a pixel is the mean over so many best sources, so that a view that
    cannot see it does not count; 0 takes half of them."""
    best_angle: float = 8.0
    """Preferred triangulation angle between a view and its sources, degrees."""
    sweep: Literal["ground", "frontal", "both"] = "ground"
    """Direction of the planes. `ground` sweeps along the plane through the view's sparse points, so
    that windows lie on the ground and few planes cover the scene; `frontal` sweeps planes of
    constant depth; `both` takes the better match of the two."""
    plane_step: float = Field(1.0, gt=0)
    """Displacement in pixels, in the source view that moves most, between neighbouring planes."""
    max_planes: int = Field(192, ge=8)
    """Upper limit on their number."""
    near_margin: float = 0.3
    """How far the planes reach beyond the sparse points, as a share of the points' range in inverse
    depth."""
    far_margin: float = 0.15
    """How far the planes reach beyond the sparse points, as a share of the points' range in inverse
    depth."""
    windows: tuple[int, ...] = (5, 9)
    """Sides of the square ZNCC windows in pixels; the scores of several are averaged."""
    regularization: Literal["sgm", "none"] = "sgm"
    """`sgm` for semi-global matching (Hirschmüller, PAMI 2008), `none` to take each pixel's best
    plane."""
    small_penalty: float = 0.05
    """SGM's penalties for a change by one plane and by more, in units of ZNCC."""
    large_penalty: float = 0.4
    """SGM's penalties for a change by one plane and by more, in units of ZNCC."""
    paths: Literal[4, 8] = 8
    """Number of SGM paths, 4 or 8."""
    refinements: int = 1
    """Rounds that follow the surface found so far with windows of its own slant, in fractions of a
    plane."""
    min_score: float = -0.1
    """Pixels whose ZNCC is lower have no depth. Low by default: where the texture is faint, whether
    other views find the same depth tells more than how well the colours match."""
    checks: int = 16
    """So many neighbouring views are asked to confirm a view's depth."""
    max_reprojection_error: float = Field(1.5, gt=0)
    """Largest distance in pixels after going to another view's depth and back."""
    max_depth_error: float = Field(0.02, gt=0)
    """Largest relative difference of depth between two views that agree."""
    min_agreeing: int = Field(2, ge=1)
    """So many other views must agree."""
    min_region: int = 40
    """Connected pieces of depth smaller than this many pixels are removed."""
    max_depth_maps: int = 0
    """At most so many views get a depth map, 0 for all. The others still serve as sources."""

    def _rules(self) -> Rules:
        yield self.best <= self.sources, "best must be at most sources"
        yield (
            self.windows and all(side >= 3 and side % 2 for side in self.windows),
            "windows must be odd sides of at least 3 pixels",
        )
        yield (
            self.checks >= self.min_agreeing,
            "checks must be at least min_agreeing: no more views can agree than are asked",
        )


class GroundTruthSettings(Settings):
    """Structure from motion, then dense depth."""

    sfm: SfmSettings = SfmSettings()
    """See `SfmSettings`."""
    dense: DenseSettings = DenseSettings()
    """See `DenseSettings`."""
    compare: list[Literal["plane_sweep", "sgbm", "patch_match"]] = []
    """Further backends whose depth of the same views is measured, where exact depth is known; it is
    not kept."""
