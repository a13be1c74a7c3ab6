"""Settings of training. Nothing heavy is imported here: configuration checks read this file."""

from dataclasses import dataclass, field
from typing import Literal

from aerial_depth_pipeline.networks.settings import NetworkSettings


@dataclass(frozen=True)
class LossSettings:
    """The self-supervised loss. A weight of 0, or `false`, turns a term off.

    Attributes:
        ssim_weight: share of SSIM in the photometric error; the rest is the absolute difference.
        smoothness: weight of the edge-aware smoothness of mean-normalised inverse depth, divided by
            2^s at scale s.
        minimum: take the smallest error over the sources at every pixel; otherwise their mean.
        auto_mask: leave out pixels that the unwarped source explains better than the warped one.
        mask_out_of_view: leave out pixels that a source did not see; otherwise its border's colour
            counts, as in the original.
        scales_at_full_size: bring every scale to the image's size before warping; otherwise images
            are reduced to the scale's size.
        guide: weight of a term toward a rough plane-sweep depth of the triplet itself (no
            annotation), at the start; it fades to nothing at the share `guide_until` of the
            training, so that the photometric error has the last word. Shortens the beginning of a
            training.
        guide_until: see `guide`.
        consistency: weight of the disagreement between the target's depth and its sources', so that
            one scale holds along a flight. The
            network then also predicts the depth of the sources: a step costs about two and a half
                times as much.
        slope: weight of the difference between the slope of level ground that the network estimates
            and the one that follows from the camera's attitude, where that is known
            (`network.level_ground`).
        sparse: weight of the mean difference of logarithms between depth and the sparse points of
            structure from motion, freed of a common factor in each picture; for scenes that have a
            reconstruction. 0.01 to 0.1 are sensible.
        robust: pixels whose error is this many times the image's median count half, worse ones
            less, so that what moves by itself does not pull at the depth; 2 to 4 are sensible, 0
            counts all alike.
        ssim_range: range of values that SSIM's constants assume (images lie in 0..1).
    """

    ssim_weight: float = 0.85
    smoothness: float = 1e-3
    minimum: bool = True
    auto_mask: bool = True
    mask_out_of_view: bool = True
    scales_at_full_size: bool = True
    guide: float = 0.0
    guide_until: float = 1.0
    consistency: float = 0.0
    slope: float = 0.1
    sparse: float = 0.0
    robust: float = 0.0
    ssim_range: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.ssim_weight <= 1:
            raise ValueError("ssim_weight must lie between 0 and 1")
        if self.guide < 0 or not 0 < self.guide_until <= 1:
            raise ValueError("guide must not be negative and guide_until must lie between 0 and 1")
        if self.smoothness < 0 or self.ssim_range <= 0:
            raise ValueError("smoothness must not be negative and ssim_range must be positive")
        if self.consistency < 0 or self.robust < 0:
            raise ValueError("consistency and robust must not be negative")


@dataclass(frozen=True)
class AugmentationSettings:
    """Changes made to a triplet before every step; the same for its three frames.

    Attributes:
        flip: probability of a horizontal flip (principal point and relative poses are mirrored with
            it).
        colour: strength of random brightness, contrast, saturation and tint, 0 for none; seen by
            the network only, not by the loss.
        zoom: largest enlargement of a random crop, 1 for none (the calibration follows the crop).
        turn: largest random turn of the camera about each of its axes, degrees, 0 for none: as if
            the gimbal had been held another way, so that one flight's fixed slope of the ground is
            not learned by heart.
    """

    flip: float = 0.5
    colour: float = 0.2
    zoom: float = 1.0
    turn: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.flip <= 1:
            raise ValueError("flip is a probability between 0 and 1")
        if not 0 <= self.colour < 1:
            raise ValueError("colour must be at least 0 and below 1")
        if self.zoom < 1:
            raise ValueError("zoom must be at least 1")
        if not 0 <= self.turn < 45:
            raise ValueError("turn is an angle in degrees, at least 0 and below 45")


@dataclass(frozen=True)
class PoseSettings:
    """Where relative poses come from.

    Attributes:
        source: `two_view` starts from the geometry of tracked corners, `colmap` from structure from
            motion, `learned` from nothing.
        refine: whether the pose decoder corrects the given pose (two_view, colmap).
        rotation_limit: largest correction of each rotation component, radians.
        translation_limit: largest correction of each translation component, as a share of the
            step's length.
        learned_scale: factor on the pose decoder's output under `learned` and after `taught_until`.
        taught_until: a curriculum from given to learned poses. Up to this share of the training the
            given poses (two_view, colmap) warp and the pose decoder learns to predict them; from
            then on its predictions alone warp, free of the given ones. 0 for none. With it
            learned_scale should be about 0.1.
        length: ratios of the steps' lengths within a scene under two_view: `telemetry` (as
            measured), `time` (a steady speed), `constant` (all alike), or `auto`: telemetry where
            all lengths of the scene are known, else time.
        minimum_inliers: two-view pairs with fewer inliers are not used.
        centre_units: choose each scene's unit so that its median depth starts at the decoder's
            initial depth; without it a step is about 1.
    """

    source: Literal["two_view", "colmap", "learned"] = "two_view"
    refine: bool = True
    rotation_limit: float = 0.01
    translation_limit: float = 0.3
    learned_scale: float = 0.01
    taught_until: float = 0.0
    length: Literal["auto", "telemetry", "time", "constant"] = "auto"
    minimum_inliers: int = 50
    centre_units: bool = True

    @property
    def predicted(self) -> bool:
        """Whether the pose decoder has anything to do."""
        return self.source == "learned" or self.refine or self.taught_until > 0

    def __post_init__(self) -> None:
        if self.rotation_limit < 0 or not 0 <= self.translation_limit < 1:
            raise ValueError(
                "rotation_limit must not be negative and translation_limit must lie between 0 and 1"
            )
        if not 0 <= self.taught_until < 1 or (self.taught_until > 0 and self.source == "learned"):
            raise ValueError(
                "taught_until is a share below 1 and needs given poses: source two_view or colmap"
            )


@dataclass(frozen=True)
class WatchdogSettings:
    """What counts as a training that went wrong.

    Attributes:
        enabled: whether anything is looked at.
        action: `stop` ends the run with an error; `rewind` goes back to the last checkpoint with
            half the learning rate.
        rewinds: how often it may go back before it stops after all.
        patience: steps in a row for which a condition must hold.
        probe_every: steps between comparisons with what is known to be near and far.
        minimum_relief: smallest spread of inverse depth inside a picture, as a share of its mean.
        maximum_at_an_end: largest share of pixels within a hundredth of either end of the range of
            inverse depth.
        minimum_motion: smallest translation times inverse depth: the parallax in units of the focal
            length.
        minimum_used: smallest share of pixels that the auto-mask leaves.
        maximum_ratio: largest error of the warped sources, as a share of the error without a warp.
        minimum_correlation: below it, three times in a row, depth is inverted.
    """

    enabled: bool = True
    action: Literal["stop", "rewind"] = "stop"
    rewinds: int = 3
    patience: int = 20
    probe_every: int = 10
    minimum_relief: float = 0.003
    maximum_at_an_end: float = 0.9
    minimum_motion: float = 1e-4
    minimum_used: float = 0.02
    maximum_ratio: float = 0.98
    minimum_correlation: float = -0.2

    def __post_init__(self) -> None:
        if self.patience < 1 or self.probe_every < 1:
            raise ValueError("patience and probe_every must be at least 1")


@dataclass(frozen=True)
class TrainSettings:
    """How a depth model is trained.

    Attributes:
        network, loss, augmentation, pose, watchdog: see there.
        batch_size: triplets in a step, over all devices and accumulated parts together.
        accumulate: number of parts a batch is cut into, for memory.
        steps: length of the training in steps.
        optimizer: `adamw` or `adam`.
        learning_rate: its peak.
        encoder_rate: the encoder's learning rate as a share of that; below 1 a pretrained encoder
            keeps more of what it knows.
        schedule: after warming up `cosine` falls to a hundredth, `step` to a tenth after three
            quarters, `constant` stays.
        warm_up: share of the steps in which the rate rises from near zero.
        weight_decay: of adamw.
        clip: largest norm of the gradient; 0 for none.
        ema: decay of an exponential moving average of the weights that is validated and kept
            instead of the weights; 0 for none.
        precision: `bf16` mixed, `32`, or `auto`: bf16 where the processor computes with it.
        compile: `true` compiles the network and the loss with torch.compile; `auto` only those
            loops of the loss that gain most, on CPUs with a C++ compiler and where the training is
            long enough for it; `false` nothing.
        seed: of everything random; the same seed and thread count give the same loss curve, bit by
            bit.
        threads: CPU threads; 0 takes torch's choice.
        validate_every: steps between validations (and at the end).
        checkpoint_every: steps between checkpoints that a killed run continues from.
        log_every: steps between logged loss terms.
        images_every: steps between logged pictures of held-out triplets (target, inverse depth,
            warped sources, auto-mask); 0 for none.
        trainable: what is trained: `all`; the depth `decoder`; the `norm` layers; or, as
            `low_rank`, a matrix that is added to the weight of every convolution and merged into it
            at the end. The rest of the depth network stays as it is, statistics included.
        rank: of that matrix.
        order: `shuffled`, or `given`: the triplets in the order of their lists, as they arrive in a
            flight.
        keep: which model is returned: the `last`, or the `best` by `monitor`.
        early_stopping: validations in a row without a better `monitor` after which the training
            ends; 0 for never.
        monitor: name of the validation figure (smaller is better) that chooses the best:
            `photometric`, or one that the caller's depth validation returns, e.g. `abs_rel`.
        resume: `auto` continues a killed run of the same settings and data, `true` insists on one,
            `false` starts anew.
        cache_gigabytes: decoded pictures kept in memory at most; beyond it they are decoded for
            every step in the background.
        accelerator, devices, num_nodes: as Lightning names them.
    """

    network: NetworkSettings = field(default_factory=NetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    pose: PoseSettings = field(default_factory=PoseSettings)
    watchdog: WatchdogSettings = field(default_factory=WatchdogSettings)
    batch_size: int = 20
    accumulate: int = 1
    steps: int = 20000
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = 3e-4
    encoder_rate: float = 1.0
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warm_up: float = 0.1
    weight_decay: float = 1e-2
    clip: float = 1.0
    ema: float = 0.0
    precision: Literal["auto", "bf16", "32"] = "auto"
    compile: Literal["auto", True, False] = "auto"
    seed: int = 0
    threads: int = 0
    validate_every: int = 1000
    checkpoint_every: int = 200
    log_every: int = 10
    images_every: int = 0
    trainable: Literal["all", "decoder", "norm", "low_rank"] = "all"
    rank: int = 8
    order: Literal["shuffled", "given"] = "shuffled"
    keep: Literal["last", "best"] = "last"
    early_stopping: int = 0
    monitor: str = "photometric"
    resume: Literal["auto", True, False] = "auto"
    cache_gigabytes: float = 8.0
    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1

    def __post_init__(self) -> None:
        for name in (
            "batch_size",
            "accumulate",
            "steps",
            "validate_every",
            "checkpoint_every",
            "log_every",
            "devices",
            "num_nodes",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.batch_size % (self.accumulate * self.devices * self.num_nodes):
            raise ValueError("batch_size must be a multiple of accumulate x devices x num_nodes")
        if self.rank < 1:
            raise ValueError("rank must be at least 1")
        if self.encoder_rate < 0:
            raise ValueError("encoder_rate must not be negative")
        if self.early_stopping < 0:
            raise ValueError("early_stopping must not be negative")
        if (
            self.learning_rate <= 0
            or not 0 <= self.warm_up < 1
            or not 0 <= self.ema < 1
            or self.clip < 0
        ):
            raise ValueError(
                "learning_rate must be positive, warm_up and ema in 0..1, clip not negative"
            )
