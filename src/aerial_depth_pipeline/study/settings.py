"""Settings of the study. Nothing heavy is imported here: configuration checks read this file."""

from dataclasses import dataclass, field
from typing import Any

from aerial_depth_pipeline.evaluation.settings import Alignment

PARTS = ("generalization", "fine_tuning", "ablation")


@dataclass(frozen=True)
class Change:
    """One setting of an axis: what differs from the default.

    Attributes:
        train: changes of the parameters `train`, nested as there.
        triplets: changes of the parameters `triplets`; triplets are made anew for them, from the
            frames.
        training_triplets: so many of the training triplets, spread evenly; 0 takes all.
    """

    train: dict[str, Any] = field(default_factory=dict)
    triplets: dict[str, Any] = field(default_factory=dict)
    training_triplets: int = 0

    def __post_init__(self) -> None:
        if self.training_triplets < 0:
            raise ValueError("training_triplets must not be negative")


@dataclass(frozen=True)
class FineTuningSettings:
    """A model of the other domains goes on learning on a new one, without labels.

    Attributes:
        new_domain: the domain that the base model has not seen; empty takes the last of the study's
            domains.
        samples: length of each fine-tuning.
        points: numbers of samples after which it is measured, besides the beginning and the end.
        train: changes of `train` for all methods.
        methods: which of the study's `methods` are tried.
        replay: whether batches are filled up with old triplets; both are tried by default.
        replay_share: share of old triplets in a batch.
        replay_triplets: size of the buffer of old triplets, chosen once by the seed.
        online: methods that also go through the new flights once, in the order of time; empty
            leaves this out.
        online_repeats: steps on each batch of new triplets before the next ones arrive.
    """

    new_domain: str = ""
    samples: int = 40_000
    points: list[int] = field(default_factory=lambda: [500, 1000, 2000, 4000, 8000, 16_000])
    train: dict[str, Any] = field(default_factory=dict)
    methods: list[str] = field(default_factory=lambda: ["full"])
    replay: list[bool] = field(default_factory=lambda: [False, True])
    replay_share: float = 0.5
    replay_triplets: int = 400
    online: list[str] = field(default_factory=lambda: ["full"])
    online_repeats: int = 1

    def __post_init__(self) -> None:
        if self.samples < 1 or any(point < 1 for point in self.points):
            raise ValueError("samples and points must be at least 1")
        if not 0 < self.replay_share < 1 or self.replay_triplets < 1:
            raise ValueError(
                "replay_share must lie between 0 and 1, and replay_triplets must be at least 1"
            )
        if not self.replay:
            raise ValueError("replay must hold true, false or both")
        if unknown := sorted(set(self.online) - set(self.methods)):
            raise ValueError(f"online names {', '.join(unknown)}, which is not among methods")
        if self.online_repeats < 1:
            raise ValueError("online_repeats must be at least 1")


@dataclass(frozen=True)
class AblationSettings:
    """One choice is changed at a time.

    Attributes:
        axes: which of the study's `axes` are gone through.
        train_on: domains to train on; empty takes all of the study's.
        samples: length of each training; 0 takes the study's.
    """

    axes: list[str] = field(default_factory=list)
    train_on: list[str] = field(default_factory=list)
    samples: int = 0


@dataclass(frozen=True)
class StudySettings:
    """What the study trains and measures.

    Attributes:
        domains: the domains it is about; empty takes all that have triplets to train on and test
            frames with reference depth.
        seeds: every cell is computed once for each.
        samples: length of a training: the number of triplets that it sees, repeated ones counted.
            The number of steps follows from the batch size.
        train: changes of `train` for the whole study.
        alignments: under which the models are measured; figures show the first.
        metrics: of the evaluation's table; figures show the first, of which less is better.
        test_frames: so many test frames of each domain at most, spread evenly; 0 takes all.
        workers: cells that are computed at a time; 0 takes one for each CUDA device, or one on a
            CPU.
        fine_tuning, ablation: see there.
        methods: for each method of fine-tuning its changes of `train`.
        axes: for each axis its settings by name; conf/base/parameters_study/ has a file for each.
    """

    domains: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    samples: int = 400_000
    train: dict[str, Any] = field(default_factory=dict)
    alignments: list[Alignment] = field(default_factory=lambda: ["median_per_image"])
    metrics: list[str] = field(
        default_factory=lambda: ["abs_rel", "delta_1.25", "skill_over_plane"]
    )
    test_frames: int = 0
    workers: int = 0
    fine_tuning: FineTuningSettings = field(default_factory=FineTuningSettings)
    ablation: AblationSettings = field(default_factory=AblationSettings)
    methods: dict[str, dict[str, Any]] = field(default_factory=lambda: {"full": {}})
    axes: dict[str, dict[str, Change]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds must name at least one seed, each once")
        if self.samples < 1 or self.test_frames < 0 or self.workers < 0:
            raise ValueError(
                "samples must be at least 1; test_frames and workers must not be negative"
            )
        if not self.alignments or not self.metrics:
            raise ValueError("alignments and metrics must not be empty")
        for where, chosen, known in (
            ("ablation.axes", self.ablation.axes, self.axes),
            ("fine_tuning.methods", self.fine_tuning.methods, self.methods),
        ):
            if unknown := sorted(set(chosen) - set(known)):
                raise ValueError(
                    f"{where} names {', '.join(unknown)}, but there is only"
                    f" {', '.join(sorted(known)) or 'nothing'}"
                )
