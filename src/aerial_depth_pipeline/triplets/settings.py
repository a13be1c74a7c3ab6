"""Settings of triplets. Nothing heavy is imported here: configuration checks read this file."""

from typing import Annotated, Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings


class SplitSettings(Settings):
    """How targets are divided into training, validation and test."""

    by: Literal["auto", "scene", "ground", "time"] = "auto"
    """`scene`: whole scenes, those together that share ground or a recording; `ground`: blocks of
    flights that share no ground with training (blocks of time where too little is known or left);
    `auto`: scene where scenes are named or at least three, else ground; `time`: ground's former
    name."""
    val: float = Field(0.1, ge=0)
    """Share of validation."""
    test: float = Field(0.1, ge=0)
    """Share of test."""
    val_scenes: list[str] = []
    """Scenes of validation by name, in place of `val`."""
    test_scenes: list[str] = []
    """Scenes of test by name, in place of `test`."""
    test_domains: list[str] = []
    """Domains whose scenes are all for test: train on one, test on another."""
    seed: int = 0
    """Seed of the random choice of scenes."""

    def _rules(self) -> Rules:
        both = sorted(set(self.val_scenes) & set(self.test_scenes))
        yield self.val + self.test < 1, "val and test must leave something to train on"
        yield not both, f"the scenes {both} are named for validation and for test"


class TripletSettings(Settings):
    """How training triplets are made from kept frames."""

    width: int = Field(384, ge=32)
    """Width of the images in pixels."""
    height: int = Field(224, ge=32)
    """Height of the images in pixels."""
    sequence_length: Literal[3, 5] = 3
    """3 (one source on either side of the target) or 5 (two)."""
    frame_offset: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Kept frames between target and source; `auto`: for each target the offset whose median
    parallax is closest to the middle of the range below."""
    min_parallax: float = Field(0.02, gt=0)
    """Smallest median parallax between a target and its nearest sources under `frame_offset: auto`,
    as a share of the width; rotation is taken out."""
    max_parallax: float = 0.08
    """Largest such parallax; targets outside of the range are rejected."""
    corners: int = Field(2000, ge=100)
    """Largest number of tracked corners for two-view geometry."""
    min_inliers: int = Field(100, ge=0)
    """Inliers below which a target is rejected; 0 keeps targets without a pose too."""
    max_epipolar_error: float = Field(0.4, gt=0)
    """MAGSAC's inlier threshold, pixels of the frames."""
    max_exposure_change: float = Field(0.2, gt=0)
    """Largest change of brightness between target and source, as a share."""
    attitude: Literal["auto", "telemetry", "none"] = "auto"
    """Source of the up vector. `telemetry`: gimbal angles of log or EXIF; `auto`: these, else the
    video's own motion; `none`."""
    jpeg_quality: int = Field(95, ge=1, le=100)
    """JPEG quality of the triplets."""
    split: SplitSettings = SplitSettings()
    """The split into training, validation and test."""

    def _rules(self) -> Rules:
        yield self.min_parallax < self.max_parallax, "min_parallax must be below max_parallax"
