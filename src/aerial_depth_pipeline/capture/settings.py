"""Settings of frame extraction. Nothing heavy is imported here: configuration checks read this
file."""

from typing import Annotated, Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Settings


class FrameExtractionSettings(Settings):
    """How frames are taken from a scene's video, photographs or archive."""

    stride: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Every n-th frame of the source is considered; `auto` considers about 15 frames per second."""
    max_width: int = Field(768, ge=64)
    """Frames are scaled down (never up) to at most this many pixels in width, while they are
    decoded."""
    max_frames: int | None = Field(2000, ge=3)
    """At most this many frames are kept, thinned out evenly; null for no limit."""
    min_motion: float = Field(0.005, ge=0, lt=0.5)
    """A frame is kept once the median flow since the last kept frame reaches this share of the
    width. What moves less is marked `hovering` (no progress), `duplicate` (the same picture) or
    `too close` (moving, but not far enough yet)."""
    min_parallax: float = Field(0.0015, ge=0, lt=0.5)
    """Where the flow that no rotation of the camera explains stays below this share of the width
    although the picture moves by `min_motion`, the frame is marked `rotation`."""
    min_sharpness: float = Field(0.6, ge=0, lt=1)
    """A frame whose sharpness is below this share of its neighbours' is marked `blur`; 0 switches
    the check off."""
    max_exposure_change: float = Field(0.2, gt=0)
    """A frame whose brightness differs from the frame before it by more than this share is marked
    `exposure`."""
    min_tracked: float = Field(0.25, ge=0, lt=1)
    """Where fewer than this share of the corners can be followed from one considered frame to the
    next, there is a cut."""
    camera: Literal["auto", "file", "exif", "self_calibration"] = "auto"
    """Where the camera comes from. `auto` takes the first of camera.yaml, the archive's own, EXIF,
    self-calibration."""
    calibration_frames: int = Field(40, ge=3)
    """At most this many frames are used for self-calibration."""
    jpeg_quality: int = Field(95, ge=1, le=100)
    """Quality of the frames that are written, 1 to 100."""
