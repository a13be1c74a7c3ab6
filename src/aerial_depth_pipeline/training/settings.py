"""Settings of training. Nothing heavy is imported here: configuration checks read this file."""

from typing import Annotated, Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Mark, Rules, Settings
from aerial_depth_pipeline.networks.settings import NetworkSettings


class LossSettings(Settings):
    """The self-supervised loss. A weight of 0, or `false`, turns a term off."""

    ssim_weight: float = Field(0.85, ge=0, le=1)
    """Share of SSIM in the photometric error; the rest is the absolute difference."""
    smoothness: float = Field(1e-3, ge=0)
    """Weight of the edge-aware smoothness of mean-normalised inverse depth, divided by 2^s at scale
    s."""
    minimum: bool = True
    """Take the smallest error over the sources at every pixel; otherwise their mean."""
    auto_mask: bool = True
    """Leave out pixels that the unwarped source explains better than the warped one."""
    mask_out_of_view: bool = True
    """Leave out pixels that a source did not see; otherwise its border's colour counts, as in the
    original."""
    scales_at_full_size: bool = True
    """Bring every scale to the image's size before warping; otherwise images are reduced to the
    scale's size."""
    guide: float = Field(0.0, ge=0)
    """Weight of a term toward a rough plane-sweep depth of the triplet itself (no annotation), at
    the start; it fades to nothing at the share `guide_until` of the training, so that the
    photometric error has the last word. Shortens the beginning of a training."""
    guide_until: float = Field(1.0, gt=0, le=1)
    """See `guide`."""
    consistency: float = Field(0.0, ge=0)
    """Weight of the disagreement between the target's depth and its sources', so that one scale
    holds along a flight. The network then also predicts the depth of the sources: a step costs
    about two and a half times as much."""
    slope: float = 0.1
    """Weight of the difference between the slope of level ground that the network estimates and the
    one that follows from the camera's attitude, where that is known (`network.level_ground`)."""
    sparse: float = 0.0
    """Weight of the mean difference of logarithms between depth and the sparse points of structure
    from motion, freed of a common factor in each picture; for scenes that have a reconstruction.
    0.01 to 0.1 are sensible."""
    robust: float = Field(0.0, ge=0)
    """Pixels whose error is this many times the image's median count half, worse ones less, so that
    what moves by itself does not pull at the depth; 2 to 4 are sensible, 0 counts all alike."""
    ssim_range: float = Field(1.0, gt=0)
    """Range of values that SSIM's constants assume (images lie in 0..1)."""


class AugmentationSettings(Settings):
    """Changes made to a triplet before every step; the same for its three frames."""

    flip: float = Field(0.5, ge=0, le=1)
    """Probability of a horizontal flip (principal point and relative poses are mirrored with
    it)."""
    colour: float = Field(0.2, ge=0, lt=1)
    """Strength of random brightness, contrast, saturation and tint, 0 for none; seen by the network
    only, not by the loss."""
    zoom: float = Field(1.0, ge=1)
    """Largest enlargement of a random crop, 1 for none (the calibration follows the crop)."""
    turn: float = Field(0.0, ge=0, lt=45)
    """Largest random turn of the camera about each of its axes, degrees, 0 for none: as if the
    gimbal had been held another way, so that one flight's fixed slope of the ground is not learned
    by heart."""


class PoseSettings(Settings):
    """Where relative poses come from."""

    source: Literal["two_view", "colmap", "learned"] = "two_view"
    """`two_view` starts from the geometry of tracked corners, `colmap` from structure from motion,
    `learned` from nothing."""
    refine: bool = False
    """Whether the pose decoder corrects the given pose (two_view, colmap)."""
    rotation_limit: float = Field(0.01, ge=0)
    """Largest correction of each rotation component, radians."""
    translation_limit: float = Field(0.3, ge=0, lt=1)
    """Largest correction of each translation component, as a share of the step's length."""
    learned_scale: float = 0.01
    """Factor on the pose decoder's output under `learned` and after `taught_until`."""
    taught_until: float = Field(0.0, ge=0, lt=1)
    """A curriculum from given to learned poses. Up to this share of the training the given poses
    (two_view, colmap) warp and the pose decoder learns to predict them; from then on its
    predictions alone warp, free of the given ones. 0 for none. With it learned_scale should be
    about 0.1."""
    length: Literal["auto", "telemetry", "time", "constant"] = "auto"
    """Ratios of the steps' lengths within a scene under two_view: `telemetry` (as measured), `time`
    (a steady speed), `constant` (all alike), or `auto`: telemetry where all lengths of the scene
    are known, else time."""
    minimum_inliers: int = 50
    """Two-view pairs with fewer inliers are not used."""
    centre_units: bool = True
    """Choose each scene's unit so that its median depth starts at the decoder's initial depth;
    without it a step is about 1."""

    @property
    def predicted(self) -> bool:
        """Whether the pose decoder has anything to do."""
        return self.source == "learned" or self.refine or self.taught_until > 0

    def _rules(self) -> Rules:
        yield (
            self.taught_until == 0 or self.source != "learned",
            "taught_until needs given poses: source two_view or colmap",
        )


class WatchdogSettings(Settings):
    """What counts as a training that went wrong."""

    enabled: bool = True
    """Whether anything is looked at."""
    action: Literal["stop", "rewind"] = "stop"
    """`stop` ends the run with an error; `rewind` goes back to the last checkpoint with half the
    learning rate."""
    rewinds: int = 3
    """How often it may go back before it stops after all."""
    patience: int = Field(20, ge=1)
    """Steps in a row for which a condition must hold."""
    probe_every: int = Field(10, ge=1)
    """Steps between comparisons with what is known to be near and far."""
    minimum_relief: float = 0.003
    """Smallest spread of inverse depth inside a picture, as a share of its mean."""
    maximum_at_an_end: float = 0.9
    """Largest share of pixels within a hundredth of either end of the range of inverse depth."""
    minimum_motion: float = 1e-4
    """Smallest translation times inverse depth: the parallax in units of the focal length."""
    minimum_used: float = 0.02
    """Smallest share of pixels that the auto-mask leaves."""
    maximum_ratio: float = 0.98
    """Largest error of the warped sources, as a share of the error without a warp."""
    minimum_correlation: float = -0.2
    """Below it, three times in a row, depth is inverted."""


class TrainSettings(Settings):
    """How a depth model is trained."""

    network: Annotated[NetworkSettings, Mark.SPEED] = NetworkSettings()
    """See there."""
    loss: Annotated[LossSettings, Mark.SPEED] = LossSettings()
    """See there."""
    augmentation: Annotated[AugmentationSettings, Mark.SPEED] = AugmentationSettings()
    """See there."""
    pose: Annotated[PoseSettings, Mark.SPEED] = PoseSettings()
    """See there."""
    watchdog: WatchdogSettings = WatchdogSettings()
    """See there."""
    batch_size: Annotated[int, Mark.SPEED] = Field(20, ge=1)
    """Triplets in a step, over all devices and accumulated parts together."""
    accumulate: Annotated[int, Mark.SPEED] = Field(1, ge=1)
    """Number of parts a batch is cut into, for memory."""
    steps: int = Field(20000, ge=1)
    """Length of the training in steps."""
    optimizer: Annotated[Literal["adamw", "adam"], Mark.SPEED] = "adamw"
    """`adamw` or `adam`."""
    learning_rate: float = Field(3e-4, gt=0)
    """Its peak."""
    encoder_rate: float = Field(1.0, ge=0)
    """The encoder's learning rate as a share of that; below 1 a pretrained encoder keeps more of
    what it knows."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """After warming up `cosine` falls to a hundredth, `step` to a tenth after three quarters,
    `constant` stays."""
    warm_up: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the rate rises from near zero."""
    weight_decay: float = 1e-2
    """Of adamw."""
    clip: float = Field(1.0, ge=0)
    """Largest norm of the gradient; 0 for none."""
    ema: Annotated[float, Mark.SPEED] = Field(0.0, ge=0, lt=1)
    """Decay of an exponential moving average of the weights that is validated and kept instead of
    the weights; 0 for none."""
    precision: Annotated[Literal["auto", "bf16", "32"], Mark.SPEED] = "auto"
    """`bf16` mixed, `32`, or `auto`: bf16 where the processor computes with it."""
    compile: Annotated[Literal["auto", True, False], Mark.SPEED] = "auto"
    """`true` compiles the network and the loss with torch.compile; `auto` only those loops of the
    loss that gain most, on CPUs with a C++ compiler and where the training is long enough for it;
    `false` nothing."""
    seed: int = 0
    """Of everything random; the same seed and thread count give the same loss curve, bit by bit."""
    threads: Annotated[int, Mark.MACHINE] = 0
    """CPU threads; 0 takes torch's choice."""
    validate_every: Annotated[int, Mark.NO_EFFECT] = Field(1000, ge=1)
    """Steps between validations (and at the end)."""
    checkpoint_every: Annotated[int, Mark.NO_EFFECT] = Field(500, ge=1)
    """Steps between checkpoints that a killed run continues from."""
    log_every: Annotated[int, Mark.NO_EFFECT] = Field(10, ge=1)
    """Steps between logged loss terms."""
    images_every: Annotated[int, Mark.NO_EFFECT] = 0
    """Steps between logged pictures of held-out triplets (target, inverse depth, warped sources,
    auto-mask); 0 for none."""
    trainable: Annotated[Literal["all", "decoder", "norm", "low_rank"], Mark.SPEED] = "all"
    """What is trained: `all`; the depth `decoder`; the `norm` layers; or, as `low_rank`, a matrix
    that is added to the weight of every convolution and merged into it at the end. The rest of the
    depth network stays as it is, statistics included."""
    rank: int = Field(8, ge=1)
    """Of that matrix."""
    order: Literal["shuffled", "given"] = "shuffled"
    """`shuffled`, or `given`: the triplets in the order of their lists, as they arrive in a
    flight."""
    keep: Literal["last", "best"] = "last"
    """Which model is returned: the `last`, or the `best` by `monitor`."""
    early_stopping: int = Field(0, ge=0)
    """Validations in a row without a better `monitor` after which the training ends; 0 for
    never."""
    monitor: str = "photometric"
    """Name of the validation figure (smaller is better) that chooses the best: `photometric`, or
    one that the caller's depth validation returns, e.g. `abs_rel`."""
    resume: Annotated[Literal["auto", True, False], Mark.NO_EFFECT] = "auto"
    """`auto` continues a killed run of the same settings and data, `true` insists on one, `false`
    starts anew."""
    cache_gigabytes: Annotated[float, Mark.NO_EFFECT] = 8.0
    """Decoded pictures kept in memory at most; beyond it they are decoded for every step in the
    background."""
    accelerator: Annotated[str, Mark.MACHINE, Mark.SPEED] = "auto"
    """As Lightning names them."""
    devices: int = Field(1, ge=1)
    """As Lightning names them."""
    num_nodes: int = Field(1, ge=1)
    """As Lightning names them."""

    def _rules(self) -> Rules:
        yield (
            self.batch_size % (self.accumulate * self.devices * self.num_nodes) == 0,
            "batch_size must be a multiple of accumulate x devices x num_nodes",
        )
