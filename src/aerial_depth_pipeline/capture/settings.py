"""Parameters of frame extraction and of triplets. Imports nothing heavy: the parameter check reads
it."""

from dataclasses import dataclass, field
from typing import Literal


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)


@dataclass(frozen=True)
class FrameExtractionSettings:
    """How frames are taken from a scene's video, photographs or archive.

    Attributes:
        stride: every n-th frame of the source is considered; `auto` considers about 15 frames per
            second.
        max_width: frames are scaled down (never up) to at most this many pixels in width, while
            they are decoded.
        max_frames: at most this many frames are kept, thinned out evenly; null for no limit.
        min_motion: a frame is kept once the median flow since the last kept frame reaches this
            share of the width. What moves less is marked `hovering` (no progress), `duplicate` (the
            same picture) or `too close` (moving, but not far enough yet).
        min_parallax: where the flow that no rotation of the camera explains stays below this share
            of the width although the picture moves by `min_motion`, the frame is marked `rotation`.
        min_sharpness: a frame whose sharpness is below this share of its neighbours' is marked
            `blur`; 0 switches the check off.
        max_exposure_change: a frame whose brightness differs from the frame before it by more than
            this share is marked `exposure`.
        min_tracked: where fewer than this share of the corners can be followed from one considered
            frame to the next, there is a cut.
        camera: where the camera comes from. `auto` takes the first of camera.yaml, the archive's
            own, EXIF, self-calibration.
        calibration_frames: at most this many frames are used for self-calibration.
        jpeg_quality: quality of the frames that are written, 1 to 100.
    """

    stride: int | Literal["auto"] = "auto"
    max_width: int = 768
    max_frames: int | None = 2000
    min_motion: float = 0.005
    min_parallax: float = 0.0015
    min_sharpness: float = 0.6
    max_exposure_change: float = 0.2
    min_tracked: float = 0.25
    camera: Literal["auto", "file", "exif", "self_calibration"] = "auto"
    calibration_frames: int = 40
    jpeg_quality: int = 95

    def __post_init__(self) -> None:
        _require(
            self.stride == "auto" or self.stride >= 1,
            f"stride must be 'auto' or at least 1, not {self.stride}",
        )
        _require(
            self.max_width >= 64, f"max_width must be at least 64 pixels, not {self.max_width}"
        )
        _require(
            self.max_frames is None or self.max_frames >= 3,
            f"max_frames must be null or at least 3, not {self.max_frames}",
        )
        _require(
            0 <= self.min_motion < 0.5,
            f"min_motion is a share of the width from 0 to 0.5, not {self.min_motion}",
        )
        _require(
            0 <= self.min_parallax < 0.5,
            f"min_parallax is a share of the width from 0 to 0.5, not {self.min_parallax}",
        )
        _require(
            0 <= self.min_sharpness < 1,
            f"min_sharpness is a share from 0 to below 1, not {self.min_sharpness}",
        )
        _require(
            self.max_exposure_change > 0,
            f"max_exposure_change must be positive, not {self.max_exposure_change}",
        )
        _require(
            0 <= self.min_tracked < 1,
            f"min_tracked is a share from 0 to below 1, not {self.min_tracked}",
        )
        _require(
            self.calibration_frames >= 3,
            f"calibration_frames must be at least 3, not {self.calibration_frames}",
        )
        _require(
            1 <= self.jpeg_quality <= 100,
            f"jpeg_quality must be from 1 to 100, not {self.jpeg_quality}",
        )


@dataclass(frozen=True)
class SplitSettings:
    """How targets are divided into training, validation and test.

    Attributes:
        by: `scene` gives whole scenes to one part; `time` cuts every scene into contiguous blocks
            with a gap of one triplet span between them; `auto` goes by scene where scenes are named
            below or there are at least three, else by time.
        val, test: shares of validation and test, 0 to 1.
        val_scenes, test_scenes: scenes that go to validation and test by name; the shares then do
            not count for that part.
        seed: which scenes are drawn where they are not named.
    """

    by: Literal["auto", "scene", "time"] = "auto"
    val: float = 0.1
    test: float = 0.1
    val_scenes: list[str] = field(default_factory=list)
    test_scenes: list[str] = field(default_factory=list)
    seed: int = 0

    def __post_init__(self) -> None:
        _require(
            min(self.val, self.test) >= 0 and self.val + self.test < 1,
            "val and test are shares of 0 or more that leave something",
        )
        both = set(self.val_scenes) & set(self.test_scenes)
        _require(not both, f"the scenes {sorted(both)} are named for validation and for test")


@dataclass(frozen=True)
class TripletSettings:
    """How training triplets are made from kept frames.

    Attributes:
        width, height: size of every image of a triplet in pixels; frames are resized to it with
            area interpolation.
        sequence_length: 3 (one source on either side of the target) or 5 (two).
        frame_offset: how many kept frames a source lies from its target (and the outer sources of a
            sequence of 5 twice as many). `auto` chooses, for each target, the number that brings
            the median parallax closest to the middle of the range below.
        min_parallax, max_parallax: the range of the median parallax between a target and its
            nearest sources, as a share of the width. Parallax is the displacement of a point that
            is left when the camera's rotation is taken out. `frame_offset: auto` rejects targets
            outside of the range; a fixed offset does not look at it.
        corners: at most this many corners are followed for two-view geometry.
        min_inliers: a target is rejected where a two-view pose rests on fewer points than this; 0
            keeps targets without a pose as well.
        max_epipolar_error: MAGSAC's inlier threshold in pixels of the frames.
        max_exposure_change: a target whose sources differ from it in brightness by more than this
            share is rejected.
        attitude: where the upward direction in the cameras' axes comes from. `telemetry`: the
            gimbal's angles in the log beside the video or in the photographs; `auto`: these where
            they are known, else the camera's motion in a video, as far as that determines it;
            `none`: it is left unknown.
        jpeg_quality: quality of the triplets, 1 to 100.
        split: how targets are divided into training, validation and test.
    """

    width: int = 384
    height: int = 224
    sequence_length: Literal[3, 5] = 3
    frame_offset: int | Literal["auto"] = "auto"
    min_parallax: float = 0.02
    max_parallax: float = 0.08
    corners: int = 2000
    min_inliers: int = 100
    max_epipolar_error: float = 0.4
    max_exposure_change: float = 0.2
    attitude: Literal["auto", "telemetry", "none"] = "auto"
    jpeg_quality: int = 95
    split: SplitSettings = field(default_factory=SplitSettings)

    def __post_init__(self) -> None:
        _require(
            self.width >= 32 and self.height >= 32, "width and height must be at least 32 pixels"
        )
        _require(
            self.frame_offset == "auto" or self.frame_offset >= 1,
            f"frame_offset must be 'auto' or at least 1, not {self.frame_offset}",
        )
        _require(
            0 < self.min_parallax < self.max_parallax,
            "min_parallax must be positive and below max_parallax",
        )
        _require(self.corners >= 100, f"corners must be at least 100, not {self.corners}")
        _require(self.min_inliers >= 0, f"min_inliers must be 0 or more, not {self.min_inliers}")
        _require(
            self.max_epipolar_error > 0,
            f"max_epipolar_error must be positive, not {self.max_epipolar_error}",
        )
        _require(
            self.max_exposure_change > 0,
            f"max_exposure_change must be positive, not {self.max_exposure_change}",
        )
        _require(
            1 <= self.jpeg_quality <= 100,
            f"jpeg_quality must be from 1 to 100, not {self.jpeg_quality}",
        )
