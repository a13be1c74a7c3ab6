"""Settings of triplets. Nothing heavy is imported here: configuration checks read this file."""

from typing import Annotated, Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings


class SplitSettings(Settings):
    """How targets are divided into training, validation and test."""

    by: Literal["auto", "scene", "time"] = "auto"
    """`scene` gives whole scenes to one part; `time` cuts every scene into contiguous blocks with a
    gap of one triplet span between them; `auto` goes by scene where scenes are named below or there
    are at least three, else by time."""
    val: float = Field(0.1, ge=0)
    """Shares of validation and test, 0 to 1."""
    test: float = Field(0.1, ge=0)
    """Shares of validation and test, 0 to 1."""
    val_scenes: list[str] = []
    """Scenes that go to validation and test by name; the shares then do not count for that part."""
    test_scenes: list[str] = []
    """Scenes that go to validation and test by name; the shares then do not count for that part."""
    seed: int = 0
    """Which scenes are drawn where they are not named."""

    def _rules(self) -> Rules:
        both = sorted(set(self.val_scenes) & set(self.test_scenes))
        yield self.val + self.test < 1, "val and test must leave something to train on"
        yield not both, f"the scenes {both} are named for validation and for test"


class TripletSettings(Settings):
    """How training triplets are made from kept frames."""

    width: int = Field(384, ge=32)
    """Size of every image of a triplet in pixels; frames are resized to it with area
    interpolation."""
    height: int = Field(224, ge=32)
    """Size of every image of a triplet in pixels; frames are resized to it with area
    interpolation."""
    sequence_length: Literal[3, 5] = 3
    """3 (one source on either side of the target) or 5 (two)."""
    frame_offset: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """How many kept frames a source lies from its target (and the outer sources of a sequence of 5
    twice as many). `auto` chooses, for each target, the number that brings the median parallax
    closest to the middle of the range below."""
    min_parallax: float = Field(0.02, gt=0)
    """The range of the median parallax between a target and its nearest sources, as a share of the
    width. Parallax is the displacement of a point that is left when the camera's rotation is taken
    out. `frame_offset: auto` rejects targets outside of the range; a fixed offset does not look at
    it."""
    max_parallax: float = 0.08
    """The range of the median parallax between a target and its nearest sources, as a share of the
    width. Parallax is the displacement of a point that is left when the camera's rotation is taken
    out. `frame_offset: auto` rejects targets outside of the range; a fixed offset does not look at
    it."""
    corners: int = Field(2000, ge=100)
    """At most this many corners are followed for two-view geometry."""
    min_inliers: int = Field(100, ge=0)
    """A target is rejected where a two-view pose rests on fewer points than this; 0 keeps targets
    without a pose as well."""
    max_epipolar_error: float = Field(0.4, gt=0)
    """MAGSAC's inlier threshold in pixels of the frames."""
    max_exposure_change: float = Field(0.2, gt=0)
    """A target whose sources differ from it in brightness by more than this share is rejected."""
    attitude: Literal["auto", "telemetry", "none"] = "auto"
    """Where the upward direction in the cameras' axes comes from. `telemetry`: the gimbal's angles
    in the log beside the video or in the photographs; `auto`: these where they are known, else the
    camera's motion in a video, as far as that determines it; `none`: it is left unknown."""
    jpeg_quality: int = Field(95, ge=1, le=100)
    """Quality of the triplets, 1 to 100."""
    split: SplitSettings = SplitSettings()
    """How targets are divided into training, validation and test."""

    def _rules(self) -> Rules:
        yield self.min_parallax < self.max_parallax, "min_parallax must be below max_parallax"
