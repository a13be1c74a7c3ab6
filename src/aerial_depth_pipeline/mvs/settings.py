"""Settings of dense depth and of a scene's ground truth."""

from typing import Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings, did_you_mean
from aerial_depth_pipeline.mvs.backend_table import BACKENDS
from aerial_depth_pipeline.sfm.settings import SfmSettings


def _known(name: str, *names: str) -> Rules:
    sentence = f"there is no backend '{name}'; there are {', '.join(names)}."
    yield name in names, sentence + did_you_mean(name, names)


class DenseSettings(Settings):
    """How dense depth is found."""

    backend: str = "auto"
    """`plane_sweep` (CPU, GPU), `sgbm` (OpenCV on rectified pairs), `patch_match` (COLMAP with
    CUDA); `auto`: patch_match where it can run, else plane_sweep."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Torch device of the plane sweep."""
    sources: int = Field(6, ge=1)
    """Source views of each depth map."""
    best: int = Field(2, ge=0)
    """The matching cost is the mean over so many best sources (occlusion); 0 for half."""
    best_angle: float = 8.0
    """Preferred triangulation angle between view and sources, degrees."""
    sweep: Literal["ground", "frontal", "both"] = "ground"
    """`ground`: planes parallel to the ground plane of the sparse points; `frontal`: planes of
    constant depth; `both`: the better match."""
    plane_step: float = Field(1.0, gt=0)
    """Displacement between neighbouring planes in the source that moves most, pixels."""
    max_planes: int = Field(192, ge=8)
    """Largest number of planes."""
    near_margin: float = 0.3
    """Range of the planes before the sparse points, as a share of their inverse-depth range."""
    far_margin: float = 0.15
    """Range of the planes behind the sparse points, likewise."""
    windows: tuple[int, ...] = (5, 9)
    """Sides of the square ZNCC windows in pixels; their scores are averaged."""
    regularization: Literal["sgm", "none"] = "sgm"
    """`sgm`: semi-global matching (Hirschmüller, PAMI 2008); `none`: each pixel's best plane."""
    small_penalty: float = 0.05
    """SGM's penalty of a change by one plane, in units of ZNCC."""
    large_penalty: float = 0.4
    """SGM's penalty of a larger change."""
    paths: Literal[4, 8] = 8
    """SGM paths."""
    refinements: int = 1
    """Refinements with slanted windows in fractions of a plane."""
    min_score: float = -0.1
    """Smallest ZNCC of a pixel with depth; low, since agreement tells more on faint texture."""
    checks: int = 16
    """Neighbouring views that are asked to confirm a depth."""
    max_reprojection_error: float = Field(1.5, gt=0)
    """Largest forward-backward distance for agreement, pixels."""
    max_depth_error: float = Field(0.02, gt=0)
    """Largest relative difference of depth for agreement."""
    min_agreeing: int = Field(2, ge=1)
    """Views that must agree."""
    min_region: int = 40
    """Smallest connected region of depth, pixels."""
    max_depth_maps: int = 0
    """Views with a depth map, 0 for all; the others still serve as sources."""

    def _rules(self) -> Rules:
        yield from _known(self.backend, "auto", *BACKENDS)
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
    """Structure from motion."""
    dense: DenseSettings = DenseSettings()
    """Dense depth."""
    compare: list[str] = []
    """Further backends that are measured, not kept, where exact depth is known."""

    def _rules(self) -> Rules:
        for name in self.compare:
            yield from _known(name, *BACKENDS)
