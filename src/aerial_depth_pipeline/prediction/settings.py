"""Settings of prediction. Nothing heavy is imported here: configuration checks read this file."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PredictSettings:
    """What is predicted and what is written.

    Attributes:
        source: path of a video, a picture, or a folder of pictures (or a scene's folder); relative
            to where the command runs.
        model: which model predicts: `null` takes the champion of the MLflow registry, or where
            there is none the model that was trained last; `trained` the latter in any case; a
            number that version of the registry; anything else is a folder with a model.
        stride: every n-th frame of the source is predicted.
        max_width: the output is scaled down to this width in pixels; narrower sources keep theirs.
        side_by_side: write input and coloured depth side by side: `side_by_side.mp4` of a video,
            `side_by_side/*.jpg` of pictures.
        tiff_every: a float32 TIFF of every n-th predicted frame; 0 for none.
        png_every: a 16-bit PNG of every n-th predicted frame; 0 for none.
        points_every: a coloured point cloud (PLY) of every n-th predicted frame; 0 for none.
        points_stride: the point cloud takes every n-th row and column.
        scale: where metres come from: `colmap` (a COLMAP model of the same footage, named by
            `colmap`), `model` (it was trained in metres), `height` (the telemetry's height above
            the start, taken as height above level ground), `none`, or `auto`: the first of these
            that there is.
        colmap: folder of a COLMAP model whose pictures have the names of the source's files, or of
            a video the frame's index in six
            digits: a scene's folder in `03_primary/`, or any folder with `cameras`, `images` and
                `points3D`.
        focal_35mm: 35 mm equivalent focal length in millimetres, for sources whose camera is not
            known; `null` takes 24 mm, as most drones
            have. Point clouds and `scale: height` depend on it.
        attitude: how a model that starts from level ground learns how the camera was held.
            `telemetry`: the gimbal's angles in the log beside a video or in the photographs;
                `auto`: these, else what the motion of a video tells, which is read once more for
                    it;
            `none`. What stays unknown the model estimates from the picture.
        pitch: how the camera was held, degrees (0 looks at the horizon, -90 straight down), where
            the telemetry does not say; `null` leaves it to `attitude`.
        mirrored: average the prediction with that of the mirrored picture: mostly a little better,
            half as fast.
        scale_frames: number of frames that the colour scale and metres are taken from before the
            first frame is written.
        batch_size: frames that are predicted at once.
        precision: `bfloat16` is faster where the processor or GPU has instructions for it, and
            changes depth by a few thousandths.
        device: `auto` (CUDA where there is one), `cpu` or `cuda`.
    """

    source: str | None = None
    model: str | int | None = None
    stride: int = 1
    max_width: int = 768
    side_by_side: bool = True
    tiff_every: int = 1
    png_every: int = 0
    points_every: int = 0
    points_stride: int = 2
    scale: Literal["auto", "colmap", "model", "height", "none"] = "auto"
    colmap: str | None = None
    focal_35mm: float | None = None
    attitude: Literal["auto", "telemetry", "none"] = "auto"
    pitch: float | None = None
    mirrored: bool = False
    scale_frames: int = 12
    batch_size: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        for name in ("stride", "points_stride", "scale_frames", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("tiff_every", "png_every", "points_every"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 (none) or more")
        if self.max_width < 32:
            raise ValueError("max_width must be at least 32 pixels")
        if self.focal_35mm is not None and not 5 <= self.focal_35mm <= 500:
            raise ValueError("focal_35mm must lie between 5 and 500 mm")
        if self.pitch is not None and not -90 <= self.pitch <= 30:
            raise ValueError("pitch must lie between -90 degrees (straight down) and 30")
        if not (self.side_by_side or self.tiff_every or self.png_every or self.points_every):
            raise ValueError(
                "nothing would be written: set side_by_side, tiff_every, png_every or points_every"
            )
