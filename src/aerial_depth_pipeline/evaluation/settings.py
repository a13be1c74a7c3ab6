"""What the evaluation measures, as configuration. Imports nothing heavy."""

import math
import re
from typing import Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings

Alignment = Literal["none", "median_per_image", "median_per_scene", "lstsq_inverse_depth"]
Output = Literal["depth", "inverse_depth", "affine_inverse_depth"]
Conventional = Literal["colmap_sparse", "plane_sweep", "sgbm", "patch_match"]

BASELINES = ("constant", "mean_depth_map", "tilted_plane")
"""Contestants that know nothing of the image; they stand in every table."""
DENSE_CONVENTIONAL = ("plane_sweep", "sgbm", "patch_match")
PICTURE_ALONE, MIRRORED, LEVEL_GROUND = "model_picture_alone", "model_mirrored", "level_ground"
"""The model used otherwise, and what its attitude alone would give."""
CONVENTIONAL = ("colmap_sparse", *DENSE_CONVENTIONAL)
"""Contestants of conventional photogrammetry; they take part in scenes with an exact reference and structure from motion."""
NO_CAP = "none"
"""Name of the cap that is none."""
RESERVED_NAMES = ("model", PICTURE_ALONE, MIRRORED, LEVEL_GROUND, *BASELINES, *CONVENTIONAL)


class ContestantSettings(Settings):
    """Somebody else's model, or its predictions, to be measured beside ours."""

    name: str = ""
    """As it stands in the tables; letters, digits, `_`, `-` and `.`."""
    path: str = ""
    """A folder of predictions, `<domain>/<scene>/NNNNNN.<ext>` or `<scene>/NNNNNN.<ext>` with TIFF,
    16-bit PNG, NPY or PFM, where NNNNNN is the frame's number; or an ONNX file; or a TorchScript
    file. Networks take one picture [1, 3, H, W] and give one map."""
    kind: Literal["auto", "folder", "onnx", "torchscript"] = "auto"
    """What `path` is; `auto` tells by its suffix (`.onnx`; `.pt`, `.pth`, `.ts`, `.torchscript`;
    else a folder)."""
    output: Output = "depth"
    """What the values are: z-depth, inverse depth up to scale (monodepth2's disparity), or inverse
    depth up to scale and shift (MiDaS, Depth Anything)."""
    scale: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Multiplies the stored values, such as 0.01 for a 16-bit PNG in centimetres."""
    stretched: bool = False
    """Whether predictions fill the frame although their proportions differ, because the network saw
    the frame squeezed. Without it such predictions are refused. Networks that are run here are
    always treated so."""
    width: int = Field(0, ge=0)
    """Of the network's input in pixels; 0 takes what the file says, else the frame's own, rounded
    to a multiple of 32."""
    height: int = Field(0, ge=0)
    """Of the network's input in pixels; 0 as for width."""
    mean: list[float] = [0.485, 0.456, 0.406]
    """Subtracted from the network's input of range 0 to 1, red, green, blue."""
    std: list[float] = [0.229, 0.224, 0.225]
    """Divides the network's input after that."""
    domains: list[str] = []
    """Where it takes part; empty is everywhere."""

    def _rules(self) -> Rules:
        yield (
            re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name),
            f"a contestant is called {self.name!r}; give it a 'name' of letters, digits, '_', '-'"
            " and '.'",
        )
        yield (
            self.name not in RESERVED_NAMES,
            f"'{self.name}' is the name of a contestant that is always there; choose another one",
        )
        yield self.path, f"contestant '{self.name}' has no 'path'"
        yield (
            (self.width == 0) == (self.height == 0),
            f"contestant '{self.name}' needs both 'width' and 'height', or neither",
        )
        yield (
            len(self.mean) == 3 and len(self.std) == 3 and all(value > 0 for value in self.std),
            f"'mean' and 'std' of contestant '{self.name}' need three numbers each, those of 'std'"
            " positive",
        )


class EvaluationSettings(Settings):
    """How depth is measured against references."""

    alignments: list[Alignment] = [
        "none",
        "median_per_image",
        "median_per_scene",
        "lstsq_inverse_depth",
    ]
    """How a prediction is brought to the reference's scale before it is measured; every number is
    given under each. `none`: not at all. `median_per_image`: one factor per image, the ratio of the
    medians. `median_per_scene`: one factor per scene, the median of its images' ratios.
    `lstsq_inverse_depth`: scale and shift of inverse depth per image."""
    main_alignment: Alignment = "median_per_image"
    """The alignment that pictures, the console table and the breakdowns show; one of
    `alignments`."""
    caps: list[float] = []
    """Depth caps in metres, for scenes that are metric. Everything is measured without a cap, and
    again with each: reference pixels beyond it are left out and predictions are clipped to it."""
    contestants: list[ContestantSettings] = []
    """Other people's models that are measured beside ours."""
    mirrored: bool = False
    """Whether the model is also measured with its depth averaged with that of the mirrored picture
    (`predict.mirrored`)."""
    conventional: list[Conventional] = ["colmap_sparse", "plane_sweep", "sgbm", "patch_match"]
    """Methods of conventional photogrammetry that are measured beside ours, in scenes with an exact
    reference and structure from motion: `colmap_sparse`, the sparse points; `plane_sweep`, the
    sweep with semi-global matching; `sgbm`, OpenCV's on rectified pairs; `patch_match`, COLMAP's,
    left out where CUDA is missing. Depth that `ground_truth` made is used again."""
    conventional_frames: int = Field(12, ge=1)
    """In so many frames of each scene, at most, evenly chosen among the registered test frames, the
    dense ones are computed, with the views that confirm them. A frame of 768×448 takes some seconds
    on one core."""
    sweep_planes: list[int] = [8, 16, 32]
    """Numbers of planes for which plane sweeps around the model's prediction and around the plane
    through the sparse points are compared, in scenes with an exact reference and structure from
    motion; empty leaves this out."""
    sweep_frames: int = Field(2, ge=1)
    """In so many frames of each scene."""
    minimum_depth: float = Field(0.1, gt=0)
    """Reference pixels nearer than this are left out and predictions are clipped to it; metres.
    Where a scene is not metric, both limits are a thousandth and a thousand times the image's
    median depth instead."""
    maximum_depth: float = 10_000.0
    """Predictions beyond this are clipped to it where no cap applies (least squares can give
    infinity); metres."""
    minimum_pixels: int = Field(50, ge=3)
    """An image with fewer pixels that carry both reference and prediction is not measured; it is
    named and counted."""
    thresholds: list[float] = [0.5, 0.1, 0.05]
    """Distances in metres for accuracy and completeness."""
    bootstrap_samples: int = Field(1000, ge=0)
    """Resamplings of the images behind each 95 % interval; 0 leaves the intervals out."""
    seed: int = 0
    """Of the resampling."""
    point_clouds: bool = True
    """Whether prediction and reference of each domain's median frame are written as coloured point
    clouds (PLY)."""
    video_frames: int = Field(150, ge=0)
    """Length of each domain's video of input and depth side by side, at most; 0 writes none."""
    video_fps: float = Field(15.0, gt=0)
    """Its frames a second."""
    workers: int = Field(0, ge=0)
    """Threads that measure; 0 takes as many as there are cores, eight at most."""
    size: list[int] = [384, 224]
    """Width and height of the mean depth map, pixels. References of any size with any aspect are
    brought to it."""

    def _rules(self) -> Rules:
        yield (
            self.alignments and len(set(self.alignments)) == len(self.alignments),
            "'alignments' must name at least one alignment, each once",
        )
        yield (
            self.main_alignment in self.alignments,
            f"'main_alignment' is '{self.main_alignment}', which is not among 'alignments'"
            f" {self.alignments}",
        )
        yield (
            self.minimum_depth < self.maximum_depth,
            "'minimum_depth' must be below 'maximum_depth'",
        )
        yield (
            all(self.minimum_depth < cap < math.inf for cap in self.caps),
            "every one of 'caps' must be finite and above 'minimum_depth'",
        )
        yield (
            all(threshold > 0 for threshold in self.thresholds),
            "every one of 'thresholds' must be positive",
        )
        yield (
            len({contestant.name for contestant in self.contestants}) == len(self.contestants),
            "every one of 'contestants' needs a name of its own",
        )
        yield (
            all(planes >= 3 for planes in self.sweep_planes),
            "'sweep_planes' must be at least 3 each",
        )
        yield (
            len(self.size) == 2 and min(self.size) >= 2,
            "'size' must be width and height in pixels",
        )
