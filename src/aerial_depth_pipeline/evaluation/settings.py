"""What the evaluation measures, as configuration. Imports nothing heavy."""

import math
import re
from dataclasses import dataclass, field
from typing import Literal

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


@dataclass(frozen=True)
class ContestantSettings:
    """Somebody else's model, or its predictions, to be measured beside ours.

    Attributes:
        name: as it stands in the tables; letters, digits, `_`, `-` and `.`.
        path: a folder of predictions, `<domain>/<scene>/NNNNNN.<ext>` or `<scene>/NNNNNN.<ext>`
            with TIFF, 16-bit PNG, NPY or PFM, where NNNNNN is the frame's number; or an ONNX file;
            or a TorchScript file. Networks take one picture [1, 3, H, W] and give one map.
        kind: what `path` is; `auto` tells by its suffix (`.onnx`; `.pt`, `.pth`, `.ts`,
            `.torchscript`; else a folder).
        output: what the values are: z-depth, inverse depth up to scale (monodepth2's disparity), or
            inverse depth up to scale and shift (MiDaS, Depth Anything).
        scale: multiplies the stored values, such as 0.01 for a 16-bit PNG in centimetres.
        stretched: whether predictions fill the frame although their proportions differ, because the
            network saw the frame squeezed. Without it such predictions are refused. Networks that
            are run here are always treated so.
        width: of the network's input in pixels; 0 takes what the file says, else the frame's own,
            rounded to a multiple of 32.
        height: of the network's input in pixels; 0 as for width.
        mean: subtracted from the network's input of range 0 to 1, red, green, blue.
        std: divides the network's input after that.
        domains: where it takes part; empty is everywhere.
    """

    name: str = ""
    path: str = ""
    kind: Literal["auto", "folder", "onnx", "torchscript"] = "auto"
    output: Output = "depth"
    scale: float = 1.0
    stretched: bool = False
    width: int = 0
    height: int = 0
    mean: list[float] = field(default_factory=lambda: [0.485, 0.456, 0.406])
    std: list[float] = field(default_factory=lambda: [0.229, 0.224, 0.225])
    domains: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name):
            raise ValueError(
                f"a contestant is called {self.name!r}; give it a 'name' of letters, digits, '_',"
                " '-' and '.'"
            )
        if self.name in RESERVED_NAMES:
            raise ValueError(
                f"'{self.name}' is the name of a contestant that is always there; choose"
                " another one"
            )
        if not self.path:
            raise ValueError(f"contestant '{self.name}' has no 'path'")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"the 'scale' of contestant '{self.name}' must be positive")
        if self.width < 0 or self.height < 0 or (self.width == 0) != (self.height == 0):
            raise ValueError(
                f"contestant '{self.name}' needs both 'width' and 'height', or neither"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or any(not value > 0 for value in self.std):
            raise ValueError(
                f"'mean' and 'std' of contestant '{self.name}' need three numbers each, those of"
                " 'std' positive"
            )


@dataclass(frozen=True)
class EvaluationSettings:
    """How depth is measured against references.

    Attributes:
        alignments: how a prediction is brought to the reference's scale before it is measured;
            every number is given under each.
            `none`: not at all. `median_per_image`: one factor per image, the ratio of the medians.
                `median_per_scene`: one factor per
            scene, the median of its images' ratios. `lstsq_inverse_depth`: scale and shift of
            inverse depth per image.
        main_alignment: the alignment that pictures, the console table and the breakdowns show; one
            of `alignments`.
        caps: depth caps in metres, for scenes that are metric. Everything is measured without a
            cap, and again with each: reference pixels beyond it are left out and predictions are
                clipped to it.
        contestants: other people's models that are measured beside ours.
        mirrored: whether the model is also measured with its depth averaged with that of the
            mirrored picture (`predict.mirrored`).
        conventional: methods of conventional photogrammetry that are measured beside ours, in
            scenes with an exact reference and structure
            from motion: `colmap_sparse`, the sparse points; `plane_sweep`, the sweep with
                semi-global matching; `sgbm`, OpenCV's on
            rectified pairs; `patch_match`, COLMAP's, left out where CUDA is missing. Depth that
            `ground_truth` made is used again.
        conventional_frames: in so many frames of each scene, at most, evenly chosen among the
            registered test frames, the dense ones are computed, with the views that confirm them. A
            frame of 768×448 takes some seconds on one core.
        sweep_planes: numbers of planes for which plane sweeps around the model's prediction and
            around the plane through the sparse points are compared, in scenes with an exact
            reference and structure from motion; empty leaves this out.
        sweep_frames: in so many frames of each scene.
        minimum_depth: reference pixels nearer than this are left out and predictions are clipped to
            it; metres. Where a scene is not metric, both limits are a thousandth and a thousand
            times the image's median depth instead.
        maximum_depth: predictions beyond this are clipped to it where no cap applies (least squares
            can give infinity); metres.
        minimum_pixels: an image with fewer pixels that carry both reference and prediction is not
            measured; it is named and counted.
        thresholds: distances in metres for accuracy and completeness.
        bootstrap_samples: resamplings of the images behind each 95 % interval; 0 leaves the
            intervals out.
        seed: of the resampling.
        point_clouds: whether prediction and reference of each domain's median frame are written as
            coloured point clouds (PLY).
        video_frames: length of each domain's video of input and depth side by side, at most; 0
            writes none.
        video_fps: its frames a second.
        workers: threads that measure; 0 takes as many as there are cores, eight at most.
        size: width and height of the mean depth map, pixels. References of any size with any aspect
            are brought to it.
    """

    alignments: list[Alignment] = field(
        default_factory=lambda: [
            "none",
            "median_per_image",
            "median_per_scene",
            "lstsq_inverse_depth",
        ]
    )
    main_alignment: Alignment = "median_per_image"
    caps: list[float] = field(default_factory=list)
    contestants: list[ContestantSettings] = field(default_factory=list)
    mirrored: bool = False
    conventional: list[Conventional] = field(default_factory=lambda: list(CONVENTIONAL))
    conventional_frames: int = 12
    sweep_planes: list[int] = field(default_factory=lambda: [8, 16, 32])
    sweep_frames: int = 2
    minimum_depth: float = 0.1
    maximum_depth: float = 10_000.0
    minimum_pixels: int = 50
    thresholds: list[float] = field(default_factory=lambda: [0.5, 0.1, 0.05])
    bootstrap_samples: int = 1000
    seed: int = 0
    point_clouds: bool = True
    video_frames: int = 150
    video_fps: float = 15.0
    workers: int = 0
    size: list[int] = field(default_factory=lambda: [384, 224])

    def __post_init__(self) -> None:
        if not self.alignments or len(set(self.alignments)) != len(self.alignments):
            raise ValueError("'alignments' must name at least one alignment, each once")
        if self.main_alignment not in self.alignments:
            raise ValueError(
                f"'main_alignment' is '{self.main_alignment}', which is not among 'alignments'"
                f" {self.alignments}"
            )
        if not 0 < self.minimum_depth < self.maximum_depth:
            raise ValueError("'minimum_depth' must be positive and below 'maximum_depth'")
        if any(not (math.isfinite(cap) and cap > self.minimum_depth) for cap in self.caps):
            raise ValueError("every one of 'caps' must be finite and above 'minimum_depth'")
        if any(not threshold > 0 for threshold in self.thresholds):
            raise ValueError("every one of 'thresholds' must be positive")
        if self.minimum_pixels < 3:
            raise ValueError("'minimum_pixels' must be at least 3, as many as a tilted plane needs")
        names = [contestant.name for contestant in self.contestants]
        if len(set(names)) != len(names):
            raise ValueError("every one of 'contestants' needs a name of its own")
        if self.bootstrap_samples < 0:
            raise ValueError("'bootstrap_samples' must not be negative")
        if self.video_frames < 0 or not self.video_fps > 0:
            raise ValueError("'video_frames' must not be negative and 'video_fps' must be positive")
        if self.conventional_frames < 1:
            raise ValueError(
                "'conventional_frames' must be at least 1; to leave the methods out, give"
                " 'conventional' an empty list"
            )
        if any(count < 3 for count in self.sweep_planes) or self.sweep_frames < 1:
            raise ValueError("'sweep_planes' must be at least 3 each and 'sweep_frames' at least 1")
        if self.workers < 0:
            raise ValueError("'workers' must not be negative")
        if len(self.size) != 2 or any(side < 2 for side in self.size):
            raise ValueError("'size' must be width and height in pixels")
