"""Settings of dense depth and of a scene's ground truth."""

from dataclasses import dataclass, field
from typing import Literal

from aerial_depth_pipeline.sfm.settings import SfmSettings


@dataclass(frozen=True)
class DenseSettings:
    """How dense depth is found.

    Attributes:
        backend: `plane_sweep` (CPU and GPU), `sgbm` (OpenCV on rectified pairs: fast, less
            complete), `patch_match` (COLMAP, needs CUDA);
            `auto` takes `patch_match` where a CUDA device and a COLMAP built for it are there, else
            `plane_sweep`.
        device: torch device of the plane sweep; `auto` takes CUDA where there is some.
        sources: number of source views of each depth map.
        best: the matching cost of a pixel is the mean over so many best sources, so that a view
            that cannot see it does not count; 0 takes half of them.
        best_angle: preferred triangulation angle between a view and its sources, degrees.
        sweep: direction of the planes. `ground` sweeps along the plane through the view's sparse
            points, so that windows lie on the ground and few planes cover the scene; `frontal`
            sweeps planes of constant depth; `both` takes the better match of the two.
        plane_step: displacement in pixels, in the source view that moves most, between neighbouring
            planes.
        max_planes: upper limit on their number.
        near_margin, far_margin: how far the planes reach beyond the sparse points, as a share of
            the points' range in inverse depth.
        windows: sides of the square ZNCC windows in pixels; the scores of several are averaged.
        regularization: `sgm` for semi-global matching (Hirschmüller, PAMI 2008), `none` to take
            each pixel's best plane.
        small_penalty, large_penalty: SGM's penalties for a change by one plane and by more, in
            units of ZNCC.
        paths: number of SGM paths, 4 or 8.
        refinements: rounds that follow the surface found so far with windows of its own slant, in
            fractions of a plane.
        min_score: pixels whose ZNCC is lower have no depth. Low by default: where the texture is
            faint, whether other views find the same depth tells more than how well the colours
            match.
        checks: so many neighbouring views are asked to confirm a view's depth.
        max_reprojection_error: largest distance in pixels after going to another view's depth and
            back.
        max_depth_error: largest relative difference of depth between two views that agree.
        min_agreeing: so many other views must agree.
        min_region: connected pieces of depth smaller than this many pixels are removed.
        max_depth_maps: at most so many views get a depth map, 0 for all. The others still serve as
            sources.
    """

    backend: Literal["auto", "plane_sweep", "sgbm", "patch_match"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    sources: int = 6
    best: int = 2
    best_angle: float = 8.0
    sweep: Literal["ground", "frontal", "both"] = "ground"
    plane_step: float = 1.0
    max_planes: int = 192
    near_margin: float = 0.3
    far_margin: float = 0.15
    windows: tuple[int, ...] = (5, 9)
    regularization: Literal["sgm", "none"] = "sgm"
    small_penalty: float = 0.05
    large_penalty: float = 0.4
    paths: int = 8
    refinements: int = 1
    min_score: float = -0.1
    checks: int = 16
    max_reprojection_error: float = 1.5
    max_depth_error: float = 0.02
    min_agreeing: int = 2
    min_region: int = 40
    max_depth_maps: int = 0

    def __post_init__(self) -> None:
        if self.sources < 1 or self.best < 0 or self.best > self.sources:
            raise ValueError("sources must be at least 1, and best between 0 and sources")
        if not self.windows or any(side < 3 or side % 2 == 0 for side in self.windows):
            raise ValueError("windows must be odd sides of at least 3 pixels")
        if self.paths not in (4, 8):
            raise ValueError("paths must be 4 or 8")
        if self.plane_step <= 0 or self.max_planes < 8:
            raise ValueError("plane_step must be positive and max_planes at least 8")
        if self.checks < self.min_agreeing:
            raise ValueError(
                "checks must be at least min_agreeing: no more views can agree than are asked"
            )
        if self.min_agreeing < 1:
            raise ValueError(
                "min_agreeing must be at least 1; depth that no other view confirms is not ground"
                " truth"
            )
        if self.max_depth_error <= 0 or self.max_reprojection_error <= 0:
            raise ValueError("max_depth_error and max_reprojection_error must be positive")


@dataclass(frozen=True)
class GroundTruthSettings:
    """Structure from motion, then dense depth.

    Attributes:
        sfm: see `SfmSettings`.
        dense: see `DenseSettings`.
        compare: further backends whose depth of the same views is measured, where exact depth is
            known; it is not kept.
    """

    sfm: SfmSettings = field(default_factory=SfmSettings)
    dense: DenseSettings = field(default_factory=DenseSettings)
    compare: list[Literal["plane_sweep", "sgbm", "patch_match"]] = field(default_factory=list)
