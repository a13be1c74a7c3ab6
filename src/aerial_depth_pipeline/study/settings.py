"""Settings of the study. Nothing heavy is imported here: configuration checks read this file."""

from typing import Any

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings
from aerial_depth_pipeline.evaluation.settings import Alignment

PARTS = ("generalization", "fine_tuning", "ablation")


class Change(Settings):
    """One setting of an axis: what differs from the default."""

    train: dict[str, Any] = {}
    """Changes of the parameters `train`, nested as there."""
    triplets: dict[str, Any] = {}
    """Changes of the parameters `triplets`; triplets are made anew for them, from the frames."""
    training_triplets: int = Field(0, ge=0)
    """So many of the training triplets, spread evenly; 0 takes all."""


class FineTuningSettings(Settings):
    """A model of the other domains goes on learning on a new one, without labels."""

    new_domain: str = ""
    """The domain that the base model has not seen; empty takes the last of the study's domains."""
    samples: int = Field(40_000, ge=1)
    """Length of each fine-tuning."""
    points: list[int] = [500, 1000, 2000, 4000, 8000, 16000]
    """Numbers of samples after which it is measured, besides the beginning and the end."""
    train: dict[str, Any] = {}
    """Changes of `train` for all methods."""
    methods: list[str] = ["full"]
    """Which of the study's `methods` are tried."""
    replay: list[bool] = [False, True]
    """Whether batches are filled up with old triplets; both are tried by default."""
    replay_share: float = Field(0.5, gt=0, lt=1)
    """Share of old triplets in a batch."""
    replay_triplets: int = Field(400, ge=1)
    """Size of the buffer of old triplets, chosen once by the seed."""
    online: list[str] = ["full"]
    """Methods that also go through the new flights once, in the order of time; empty leaves this
    out."""
    online_repeats: int = Field(1, ge=1)
    """Steps on each batch of new triplets before the next ones arrive."""

    def _rules(self) -> Rules:
        unknown = sorted(set(self.online) - set(self.methods))
        yield all(point >= 1 for point in self.points), "points must be at least 1"
        yield self.replay, "replay must hold true, false or both"
        yield not unknown, f"online names {', '.join(unknown)}, which is not among methods"


class AblationSettings(Settings):
    """One choice is changed at a time."""

    axes: list[str] = []
    """Which of the study's `axes` are gone through."""
    train_on: list[str] = []
    """Domains to train on; empty takes all of the study's."""
    samples: int = 0
    """Length of each training; 0 takes the study's."""


class StudySettings(Settings):
    """What the study trains and measures."""

    domains: list[str] = []
    """The domains it is about; empty takes all that have triplets to train on and test frames with
    reference depth."""
    seeds: list[int] = [0, 1, 2]
    """Every cell is computed once for each."""
    samples: int = Field(400_000, ge=1)
    """Length of a training: the number of triplets that it sees, repeated ones counted. The number
    of steps follows from the batch size."""
    train: dict[str, Any] = {}
    """Changes of `train` for the whole study."""
    alignments: list[Alignment] = ["median_per_image"]
    """Under which the models are measured; figures show the first."""
    metrics: list[str] = ["abs_rel", "delta_1.25", "skill_over_plane"]
    """Of the evaluation's table; figures show the first, of which less is better."""
    test_frames: int = Field(0, ge=0)
    """So many test frames of each domain at most, spread evenly; 0 takes all."""
    workers: int = Field(0, ge=0)
    """Cells that are computed at a time; 0 takes one for each CUDA device, or one on a CPU."""
    fine_tuning: FineTuningSettings = FineTuningSettings()
    """See there."""
    ablation: AblationSettings = AblationSettings()
    """See there."""
    methods: dict[str, dict[str, Any]] = {"full": {}}
    """For each method of fine-tuning its changes of `train`."""
    axes: dict[str, dict[str, Change]] = {}
    """For each axis its settings by name; conf/base/parameters_study/ has a file for each."""

    def _rules(self) -> Rules:
        yield (
            self.seeds and len(set(self.seeds)) == len(self.seeds),
            "seeds must name at least one seed, each once",
        )
        yield self.alignments and self.metrics, "alignments and metrics must not be empty"
        for where, chosen, known in (
            ("ablation.axes", self.ablation.axes, self.axes),
            ("fine_tuning.methods", self.fine_tuning.methods, self.methods),
        ):
            yield (
                set(chosen) <= set(known),
                f"{where} names {', '.join(sorted(set(chosen) - set(known)))}, but there is only"
                f" {', '.join(sorted(known)) or 'nothing'}",
            )
