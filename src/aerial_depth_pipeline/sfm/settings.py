"""Settings of structure from motion."""

from typing import Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Settings


class SfmSettings(Settings):
    """How poses and sparse points are found."""

    max_views: int = Field(36, ge=3)
    """At most this many frames become views. They are spread over the scene by the motion between
    them."""
    max_step: float = Field(0.15, gt=0, le=0.5)
    """Largest median image motion between neighbouring views, as a share of the image's width. A
    scene too long for `max_views` steps of this size is covered from its middle outwards as far as
    they reach, because views that do not overlap cannot be joined."""
    register_all: bool = False
    """Find a pose for every kept frame, not only for the views. Needed where triplets take their
    poses from the SfM model."""
    matching: Literal["auto", "sequential", "exhaustive"] = "auto"
    """Which pairs are matched. `sequential` matches neighbours in time, `exhaustive` all; `auto`
    takes `exhaustive` for at most `exhaustive_up_to` frames."""
    exhaustive_up_to: int = 24
    """See `matching`."""
    overlap: int = Field(8, ge=1)
    """Number of following frames that each frame is matched with when matching is sequential;
    frames two, four, eight, … such steps away are matched too, which closes small loops."""
    loop_closure: bool = True
    """When matching is sequential, also match frames that are far apart in time but near in space
    according to telemetry."""
    max_features: int = Field(4096, ge=50)
    """Features per image."""
    peak_threshold: float = 0.003
    """Contrast from which on something is a feature. COLMAP's 0.0067 finds a few hundred on a small
    frame of woods; with half of it poses were measured to be two to three times better there."""
    max_image_size: int = 1600
    """Images are reduced to this many pixels on the longer side for feature extraction, 0 for their
    full size."""
    first_octave: int = -1
    """−1 doubles the image before SIFT (more features, three times the time), 0 does not."""
    match_ratio: float = 0.8
    """Largest ratio of best to second-best descriptor distance."""
    mapper: Literal["incremental", "global"] = "incremental"
    """`incremental` adds one image after the other, `global` (GLOMAP) solves for all at once."""
    mapping_attempts: int = 4
    """At most so many reconstructions, each started differently, while the result is doubtful."""
    good_reprojection_error: float = 0.5
    """A complete model below this mean error, in pixels, is taken without another attempt."""
    refine_camera: bool = False
    """Let bundle adjustment change the focal length. The frames come undistorted from a known or
    calibrated camera."""
    use_gps: bool = True
    """Make the model metric and level where frames carry positions."""
    gps_sigma: float = Field(1.0, gt=0)
    """Standard deviation of the positions in metres, used to tell outliers."""
    flying_height_m: float | None = Field(None, gt=0)
    """Height of the camera above the ground in metres, which gives the scale where there is no
    telemetry."""
    init_triangulation_angle: float = 6.0
    """Smallest triangulation angle, in degrees, of the pair that the incremental mapper starts
    from. COLMAP's 16 leave neighbouring frames of a flight out."""
    min_triangulation_angle: float = 1.0
    """A model whose points are seen under a smaller median angle, in degrees, has no usable
    parallax."""
    mask_folder: str = ""
    """Folder with a `NNNNNN.jpg.png` per frame, black where no features are wanted (sky, burnt-in
    overlays); empty for none."""
    threads: int = -1
    """Threads for features and matching, −1 for all cores."""
    mapping_threads: int = 1
    """Threads for mapping. One gives the same model every time; more, −1 for all cores, are faster
    on large scenes and give models that differ in their last digits from run to run."""
    seed: int = 0
    """Seed of all random choices."""
