"""Settings of structure from motion."""

from typing import Annotated, Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Mark, Settings


class SfmSettings(Settings):
    """How poses and sparse points are found."""

    max_views: int = Field(36, ge=3)
    """Largest number of frames that become views, spread by the motion between them."""
    max_step: float = Field(0.15, gt=0, le=0.5)
    """Largest median motion between neighbouring views, as a share of the width; a scene too long
    for that is covered from its middle outwards."""
    register_all: bool = False
    """Register every kept frame, not only the views; needed for `train.pose.source: colmap`."""
    matching: Literal["auto", "sequential", "exhaustive"] = "auto"
    """`sequential`, `exhaustive`; `auto`: exhaustive for up to `exhaustive_up_to` frames."""
    exhaustive_up_to: int = 24
    """Frames up to which `matching: auto` is exhaustive."""
    overlap: int = Field(8, ge=1)
    """Following frames that sequential matching takes, and those 2, 4, 8, … times as far away."""
    loop_closure: bool = True
    """Sequential matching also takes frames far apart in time but near in space by telemetry."""
    max_features: int = Field(4096, ge=50)
    """Features per image."""
    peak_threshold: float = 0.003
    """Contrast threshold of SIFT. Half of COLMAP's 0.0067 gives two to three times better poses on
    small frames of woods."""
    max_image_size: int = 1600
    """Longer side of the image for feature extraction, pixels; 0 for full size."""
    first_octave: int = -1
    """−1 doubles the image before SIFT (more features, three times the time), 0 does not."""
    match_ratio: float = 0.8
    """Largest ratio of best to second-best descriptor distance."""
    mapper: Literal["incremental", "global"] = "incremental"
    """`incremental` adds one image after the other, `global` (GLOMAP) solves for all at once."""
    mapping_attempts: int = 4
    """Reconstructions from different starts while the result is doubtful."""
    good_reprojection_error: float = 0.5
    """Mean error below which a complete model needs no further attempt, pixels."""
    refine_camera: bool = False
    """Bundle adjustment refines the focal length."""
    use_gps: bool = True
    """Make the model metric and level where frames carry positions."""
    gps_sigma: float = Field(1.0, gt=0)
    """Standard deviation of the positions in metres, used to tell outliers."""
    flying_height_m: float | None = Field(None, gt=0)
    """Camera height above the ground in metres: the scale where there is no telemetry."""
    init_triangulation_angle: float = 6.0
    """Smallest triangulation angle of the initial pair, degrees (COLMAP: 16, too much here)."""
    min_triangulation_angle: float = 1.0
    """Median triangulation angle below which a model is refused for its parallax, degrees."""
    mask_folder: str = ""
    """Folder with a `NNNNNN.jpg.png` per frame, black where features are unwanted."""
    threads: Annotated[int, Mark.NO_EFFECT] = -1
    """Threads of features and matching, −1 for all cores."""
    mapping_threads: Annotated[int, Mark.MACHINE] = 1
    """Threads of mapping. 1 is reproducible; more, −1 for all cores, are faster and differ in last
    digits from run to run."""
    seed: int = 0
    """Random seed."""
