"""Settings of structure from motion."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SfmSettings:
    """How poses and sparse points are found.

    Attributes:
        max_views: at most this many frames become views. They are spread over the scene by the
            motion between them.
        max_step: largest median image motion between neighbouring views, as a share of the image's
            width. A scene too long for `max_views` steps of this size is covered from its middle
            outwards as far as they reach, because views that do not overlap cannot be joined.
        register_all: find a pose for every kept frame, not only for the views. Needed where
            triplets take their poses from the SfM model.
        matching: which pairs are matched. `sequential` matches neighbours in time, `exhaustive`
            all; `auto` takes `exhaustive` for at most `exhaustive_up_to` frames.
        exhaustive_up_to: see `matching`.
        overlap: number of following frames that each frame is matched with when matching is
            sequential; frames two, four, eight, … such steps away are matched too, which closes
            small loops.
        loop_closure: when matching is sequential, also match frames that are far apart in time but
            near in space according to telemetry.
        max_features: features per image.
        peak_threshold: contrast from which on something is a feature. COLMAP's 0.0067 finds a few
            hundred on a small frame of woods; with half of it poses were measured to be two to
            three times better there.
        max_image_size: images are reduced to this many pixels on the longer side for feature
            extraction, 0 for their full size.
        first_octave: −1 doubles the image before SIFT (more features, three times the time), 0 does
            not.
        match_ratio: largest ratio of best to second-best descriptor distance.
        mapper: `incremental` adds one image after the other, `global` (GLOMAP) solves for all at
            once.
        mapping_attempts: at most so many reconstructions, each started differently, while the
            result is doubtful.
        good_reprojection_error: a complete model below this mean error, in pixels, is taken without
            another attempt.
        refine_camera: let bundle adjustment change the focal length. The frames come undistorted
            from a known or calibrated camera.
        use_gps: make the model metric and level where frames carry positions.
        gps_sigma: standard deviation of the positions in metres, used to tell outliers.
        flying_height_m: height of the camera above the ground in metres, which gives the scale
            where there is no telemetry.
        init_triangulation_angle: smallest triangulation angle, in degrees, of the pair that the
            incremental mapper starts from. COLMAP's 16 leave neighbouring frames of a flight out.
        min_triangulation_angle: a model whose points are seen under a smaller median angle, in
            degrees, has no usable parallax.
        mask_folder: folder with a `NNNNNN.jpg.png` per frame, black where no features are wanted
            (sky, burnt-in overlays); empty for none.
        threads: threads for features and matching, −1 for all cores.
        mapping_threads: threads for mapping. One gives the same model every time; more, −1 for all
            cores, are faster on large scenes and give models that differ in their last digits from
            run to run.
        seed: seed of all random choices.
    """

    max_views: int = 36
    max_step: float = 0.15
    register_all: bool = False
    matching: Literal["auto", "sequential", "exhaustive"] = "auto"
    exhaustive_up_to: int = 24
    overlap: int = 8
    loop_closure: bool = True
    max_features: int = 4096
    peak_threshold: float = 0.003
    max_image_size: int = 1600
    first_octave: int = -1
    match_ratio: float = 0.8
    mapper: Literal["incremental", "global"] = "incremental"
    mapping_attempts: int = 4
    good_reprojection_error: float = 0.5
    refine_camera: bool = False
    use_gps: bool = True
    gps_sigma: float = 1.0
    flying_height_m: float | None = None
    init_triangulation_angle: float = 6.0
    min_triangulation_angle: float = 1.0
    mask_folder: str = ""
    threads: int = -1
    mapping_threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_views < 3:
            raise ValueError("max_views must be at least 3; two views do not make a scene")
        if not 0 < self.max_step <= 0.5:
            raise ValueError("max_step is a share of the image's width between 0 and 0.5")
        if self.overlap < 1 or self.max_features < 50:
            raise ValueError("overlap must be at least 1 and max_features at least 50")
        if self.gps_sigma <= 0:
            raise ValueError("gps_sigma must be positive")
        if self.flying_height_m is not None and self.flying_height_m <= 0:
            raise ValueError("flying_height_m must be positive")
