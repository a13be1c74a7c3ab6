"""Settings of frame extraction. Nothing heavy is imported here: configuration checks read this
file."""

from typing import Annotated, Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Settings


class FrameExtractionSettings(Settings):
    """How frames are taken from a scene's video, photographs or archive."""

    stride: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Every n-th frame of the source is considered; `auto`: about 15 frames per second."""
    max_width: int = Field(768, ge=64)
    """Frames are scaled down (never up) to this width in pixels while they are decoded."""
    max_frames: int | None = Field(2000, ge=3)
    """Largest number of kept frames; of more, runs of neighbours are kept; null for no limit."""
    min_motion: float = Field(0.005, ge=0, lt=0.5)
    """Median flow since the last kept frame that keeps a frame, as a share of the width. Others are
    `hovering`, `duplicate` or `too close`."""
    min_parallax: float = Field(0.0015, ge=0, lt=0.5)
    """Smallest flow that no rotation explains, as a share of the width; below: `rotation`."""
    min_sharpness: float = Field(0.6, ge=0, lt=1)
    """Sharpness relative to the neighbours below which a frame is `blur`; 0 for no check."""
    max_exposure_change: float = Field(0.2, gt=0)
    """Change of brightness from the frame before above which a frame is `exposure`, as a share."""
    min_tracked: float = Field(0.25, ge=0, lt=1)
    """Share of corners tracked from frame to frame below which there is a cut."""
    camera: Literal["auto", "file", "exif", "self_calibration"] = "auto"
    """Source of the camera; `auto`: camera.yaml, else archive, photographs (the maker's
    calibration, else EXIF's focal length), self-calibration."""
    calibration_frames: int = Field(40, ge=3)
    """Largest number of frames for self-calibration."""
    jpeg_quality: int = Field(95, ge=1, le=100)
    """JPEG quality of the frames."""
