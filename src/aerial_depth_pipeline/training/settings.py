"""Settings of training. Nothing heavy is imported here: configuration checks read this file."""

import operator
from typing import Annotated, Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Mark, Rules, Settings
from aerial_depth_pipeline.networks.settings import NetworkSettings


class LossSettings(Settings):
    """The self-supervised loss. A weight of 0, or `false`, turns a term off."""

    ssim_weight: float = Field(0.85, ge=0, le=1)
    """Weight of SSIM in the photometric error; the rest is the absolute difference."""
    smoothness: float = Field(1e-3, ge=0)
    """Weight of edge-aware smoothness of mean-normalised inverse depth, by 2^s at scale s."""
    minimum_reprojection: bool = Field(True, serialization_alias="minimum")
    """Minimum reprojection: the smallest error over the sources at every pixel, else their mean."""
    auto_mask: bool = True
    """Leave out pixels whose identity error is below the error of the warped sources."""
    mask_out_of_view: bool = True
    """Leave out pixels outside of a source; else its border colour counts, as in the original."""
    scales_at_full_size: bool = True
    """Upsample every scale to the image size before warping; else downsample the images."""
    depth_hint: float = Field(0.0, ge=0, serialization_alias="guide")
    """Initial weight of a depth hint, the triplet's plane sweep; 0 at `depth_hint_until`."""
    depth_hint_until: float = Field(1.0, gt=0, le=1, serialization_alias="guide_until")
    """Share of the training at which the depth hint has faded."""
    consistency: float = Field(0.0, ge=0)
    """Weight of the disagreement between the target's and the sources' depth. The depth of the
    sources is predicted too: a step costs about two and a half times as much."""
    slope: float = 0.1
    """Weight of the error of the estimated slope of level ground (`network.start`)."""
    sparse: float = 0.0
    """Weight of the scale-free log difference from the sparse points of structure from motion, in
    scenes that have them; 0.01 to 0.1 are sensible."""
    matching: float = Field(10.0, ge=0)
    """Weight of the scale-free log difference from, and gradients of, depth by matching of the
    training footage (ground truth's dense depth of targets), where there is any and other views
    confirm it; 0 for the photometric error alone."""
    robust: float = Field(0.0, ge=0)
    """Pixels with this multiple of the median error count half, worse ones less (moving objects); 2
    to 4 are sensible, 0 counts all alike."""
    ssim_range: float = Field(1.0, gt=0)
    """Range of values that SSIM's constants assume (images lie in 0..1)."""
    extra: dict[str, float] = Field({}, exclude_if=operator.not_)
    """Weights of further terms by name (docs/extending.md)."""


class AugmentationSettings(Settings):
    """Changes made to a triplet before every step; the same for its three frames."""

    flip: float = Field(0.5, ge=0, le=1)
    """Probability of a horizontal flip, which mirrors principal point and relative poses."""
    color_jitter: float = Field(0.2, ge=0, lt=1, serialization_alias="colour")
    """Strength of random brightness, contrast, saturation and hue, unseen by the loss; 0: none."""
    zoom: float = Field(1.0, ge=1)
    """Largest zoom of a random crop, 1 for none; the calibration follows."""
    rotate: float = Field(0.0, ge=0, lt=45, serialization_alias="turn")
    """Largest random rotation of the camera about each axis, degrees; 0 for none."""
    hide_points: float = Field(1 / 3, ge=0, le=1)
    """Share of the samples whose points are hidden from a network that starts from them, so that it
    serves single pictures too."""
    hide_attitude: float = Field(0.0, ge=0, le=1)
    """Share of the samples whose attitude is hidden, so that the slope is estimated."""


class PoseSettings(Settings):
    """Where relative poses come from."""

    source: Literal["two_view", "colmap", "learned"] = "two_view"
    """Initial poses: `two_view` geometry of tracked corners, `colmap`, or `learned`."""
    refine: bool = False
    """The pose decoder corrects the given pose (two_view, colmap)."""
    rotation_limit: float = Field(0.01, ge=0)
    """Largest correction of each rotation component, radians."""
    translation_limit: float = Field(0.3, ge=0, lt=1)
    """Largest correction of each translation component, as a share of the step length."""
    learned_scale: float = 0.01
    """Factor on the pose decoder's output under `learned` and after `given_until`."""
    given_until: float = Field(0.0, ge=0, lt=1, serialization_alias="taught_until")
    """Curriculum: up to this share of the training the given poses warp and teach the pose decoder,
    then its own poses warp; 0 for none. Sensible with learned_scale 0.1."""
    step_length: Literal["auto", "telemetry", "time", "constant"] = Field(
        "auto", serialization_alias="length"
    )
    """Relative step lengths within a scene under two_view: measured by `telemetry`, proportional to
    `time`, `constant`; `auto`: what the flight's own points and telemetry give together, else
    time."""
    minimum_inliers: int = 50
    """Two-view pairs with fewer inliers are not used."""
    rescale_scenes: bool = Field(True, serialization_alias="centre_units")
    """Scale scenes to the decoder's initial depth in the median; else a step is about 1."""

    @property
    def predicted(self) -> bool:
        """Whether the pose decoder has anything to do."""
        return self.source == "learned" or self.refine or self.given_until > 0

    def _rules(self) -> Rules:
        yield (
            self.given_until == 0 or self.source != "learned",
            "given_until needs given poses: source two_view or colmap",
        )


class WatchdogSettings(Settings):
    """What counts as a training that went wrong."""

    enabled: bool = True
    """Watch the training."""
    action: Literal["stop", "rewind"] = "stop"
    """`stop` with an error; `rewind` to the last checkpoint at half the learning rate."""
    rewinds: int = 3
    """Rewinds before it stops after all."""
    patience: int = Field(20, ge=1)
    """Consecutive steps for which a condition must hold."""
    probe_every: int = Field(10, ge=1)
    """Steps between comparisons of depth with the parallax of tracked points."""
    minimum_relief: float = 0.003
    """Smallest spread of inverse depth within an image, as a share of its mean."""
    maximum_saturated: float = Field(0.9, serialization_alias="maximum_at_an_end")
    """Largest share of pixels within a hundredth of either end of the inverse-depth range."""
    minimum_parallax: float = Field(1e-4, serialization_alias="minimum_motion")
    """Smallest translation times inverse depth: parallax in units of the focal length."""
    minimum_unmasked: float = Field(0.02, serialization_alias="minimum_used")
    """Smallest share of pixels that the auto-mask keeps."""
    maximum_ratio: float = 0.98
    """Largest ratio of photometric error to identity error."""
    minimum_correlation: float = -0.2
    """Below it, three times in a row, depth is inverted."""


class TrainSettings(Settings):
    """How a depth model is trained."""

    network: Annotated[NetworkSettings, Mark.SPEED] = NetworkSettings()
    """The network."""
    loss: Annotated[LossSettings, Mark.SPEED] = LossSettings()
    """The loss."""
    augmentation: Annotated[AugmentationSettings, Mark.SPEED] = AugmentationSettings()
    """The augmentation."""
    pose: Annotated[PoseSettings, Mark.SPEED] = PoseSettings()
    """The poses."""
    watchdog: WatchdogSettings = WatchdogSettings()
    """The watchdog."""
    batch_size: Annotated[int, Mark.SPEED] = Field(20, ge=1)
    """Triplets in a step, over all devices and accumulated parts."""
    accumulate: Annotated[int, Mark.SPEED] = Field(1, ge=1)
    """Parts of a batch whose gradients are accumulated, to save memory."""
    steps: int = Field(20000, ge=1)
    """Length of the training."""
    optimizer: Annotated[Literal["adamw", "adam"], Mark.SPEED] = "adamw"
    """Optimiser."""
    learning_rate: float = Field(3e-4, gt=0)
    """Peak learning rate."""
    encoder_rate: float = Field(1.0, ge=0)
    """The encoder's share of the learning rate; below 1 a pretrained encoder changes less."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """After the warm-up, `cosine` falls to a hundredth, `step` to a tenth at three quarters."""
    warm_up: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the learning rate rises from near zero."""
    weight_decay: float = 1e-2
    """Weight decay of adamw."""
    gradient_clip: float = Field(1.0, ge=0, serialization_alias="clip")
    """Largest norm of the gradient; 0 for none."""
    ema: Annotated[float, Mark.SPEED] = Field(0.0, ge=0, lt=1)
    """Decay of the moving average of the weights that is validated and kept; 0 for none."""
    precision: Annotated[Literal["auto", "bf16", "32"], Mark.SPEED] = "auto"
    """`bf16` mixed, `32`, or `auto`: bf16 where the hardware supports it."""
    compile: Annotated[Literal["auto", True, False], Mark.SPEED] = "auto"
    """torch.compile; `auto`: only the slowest loops of the loss, on CPUs, in long trainings."""
    seed: int = 0
    """Random seed; with the same thread count the loss curve is the same, bit by bit."""
    threads: Annotated[int, Mark.MACHINE] = 0
    """CPU threads; 0 for torch's default."""
    validate_every: Annotated[int, Mark.NO_EFFECT] = Field(1000, ge=1)
    """Steps between validations (and at the end)."""
    checkpoint_every: Annotated[int, Mark.NO_EFFECT] = Field(500, ge=1)
    """Steps between checkpoints."""
    log_every: Annotated[int, Mark.NO_EFFECT] = Field(10, ge=1)
    """Steps between logged loss terms."""
    images_every: Annotated[int, Mark.NO_EFFECT] = 0
    """Steps between logged images of held-out triplets; 0 for none."""
    trainable: Annotated[Literal["all", "decoder", "norm", "low_rank"], Mark.SPEED] = "all"
    """What is trained: `all`, the depth `decoder`, the `norm` layers, or a `low_rank` update of
    every convolution. The rest stays, statistics included."""
    rank: int = Field(8, ge=1)
    """Rank of the low-rank update."""
    order: Literal["shuffled", "given"] = "shuffled"
    """`shuffled`, or `given`: in the order of the lists, as triplets arrive in a flight."""
    keep: Literal["last", "best"] = "last"
    """The returned model: the `last`, or the `best` by `monitor`."""
    early_stopping: int = Field(0, ge=0)
    """Validations without a better `monitor` after which training ends; 0 for never."""
    monitor: str = "photometric"
    """Validation metric for the best, smaller is better: `photometric`, `points` (error at the
    flight's own points that were held back), `abs_rel`, …"""
    resume: Annotated[Literal["auto", True, False], Mark.NO_EFFECT] = "auto"
    """`auto`: a killed run of the same settings and data; `true`: insist on one; `false`: anew."""
    cache_gigabytes: Annotated[float, Mark.NO_EFFECT] = 8.0
    """Memory for decoded images; beyond it they are decoded for every step in the background."""
    accelerator: Annotated[str, Mark.MACHINE, Mark.SPEED] = "auto"
    """Lightning's accelerator."""
    devices: int = Field(1, ge=1)
    """Devices of a machine."""
    num_nodes: int = Field(1, ge=1)
    """Machines."""

    def _rules(self) -> Rules:
        yield (
            self.batch_size % (self.accumulate * self.devices * self.num_nodes) == 0,
            "batch_size must be a multiple of accumulate x devices x num_nodes",
        )
