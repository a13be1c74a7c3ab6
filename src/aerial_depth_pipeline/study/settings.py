"""Settings of the study. Nothing heavy is imported here: configuration checks read this file."""

from typing import Annotated, Any

from pydantic import Field

from aerial_depth_pipeline.configuration import Mark, Rules, Settings
from aerial_depth_pipeline.evaluation.settings import Alignment

# The study's parts, and the tables that each leaves.
PART_TABLES = {
    "generalization": ("generalization_cells", "generalization"),
    "fine_tuning": ("fine_tuning_cells", "online", "fine_tuning"),
    "ablation": ("ablation_cells", "ablation"),
}
PARTS = tuple(PART_TABLES)


class Change(Settings):
    """One setting of an axis: what differs from the default."""

    train: dict[str, Any] = {}
    """Changes of `train`, nested as there."""
    triplets: dict[str, Any] = {}
    """Changes of `triplets`; triplets are made anew from the frames."""
    training_triplets: int = Field(0, ge=0)
    """Number of training triplets, evenly spread; 0 for all."""


class FineTuningSettings(Settings):
    """A model of the other domains goes on learning on a new one, without labels."""

    new_domain: str = ""
    """Domain that the base model has not seen; empty for the last."""
    samples: int = Field(40_000, ge=1)
    """Length of each fine-tuning in samples."""
    points: list[Annotated[int, Field(ge=1)]] = [500, 1000, 2000, 4000, 8000, 16000]
    """Numbers of samples after which it is measured, besides the beginning and the end."""
    train: dict[str, Any] = {}
    """Changes of `train` for all methods."""
    methods: list[str] = ["full"]
    """Names of the study's `methods` to try."""
    replay: list[bool] = Field([False, True], min_length=1)
    """Without and with old triplets in the batches."""
    replay_share: float = Field(0.5, gt=0, lt=1)
    """Share of old triplets in a batch."""
    replay_triplets: int = Field(400, ge=1)
    """Size of the replay buffer, chosen once by the seed."""
    online: list[str] = ["full"]
    """Methods that also see the new flights once, in the order of time; empty for none."""
    online_repeats: int = Field(1, ge=1)
    """Steps on each new batch before the next one."""

    def _rules(self) -> Rules:
        unknown = sorted(set(self.online) - set(self.methods))
        yield not unknown, f"online names {', '.join(unknown)}, which is not among methods"


class AblationSettings(Settings):
    """One choice is changed at a time."""

    axes: list[str] = []
    """Names of the study's `axes` to vary."""
    train_on: list[str] = []
    """Training domains; empty for the study's."""
    samples: int = 0
    """Length of each training in samples; 0 for the study's."""


class StudySettings(Settings):
    """What the study trains and measures."""

    domains: list[str] = []
    """Domains of the study; empty for all with training triplets and test frames with reference."""
    seeds: list[int] = Field([0, 1, 2], min_length=1)
    """Every run is made once for each."""
    samples: int = Field(400_000, ge=1)
    """Length of a training in triplets seen; steps follow from the batch size."""
    train: dict[str, Any] = {}
    """Changes of `train` for the whole study."""
    alignments: list[Alignment] = Field(["median_per_image"], min_length=1)
    """Alignments of the tables; figures show the first."""
    metrics: list[str] = Field(["abs_rel", "delta_1.25", "skill_over_plane"], min_length=1)
    """Metrics of the tables; figures show the first of which less is better."""
    test_frames: int = Field(0, ge=0)
    """Test frames of each domain at most, evenly spread; 0 for all."""
    workers: Annotated[int, Mark.NO_EFFECT] = Field(0, ge=0)
    """Runs at a time; 0 for one per CUDA device, one on a CPU."""
    fine_tuning: FineTuningSettings = FineTuningSettings()
    """Fine-tuning on a new domain."""
    ablation: AblationSettings = AblationSettings()
    """The ablation."""
    methods: dict[str, dict[str, Any]] = {"full": {}}
    """Methods of fine-tuning: the changes of `train` of each."""
    axes: dict[str, dict[str, Change]] = {}
    """Axes of the ablation: settings by name (files in conf/base/parameters_study/)."""

    def _rules(self) -> Rules:
        yield len(set(self.seeds)) == len(self.seeds), "seeds must name each seed once"
        for where, chosen, known in (
            ("ablation.axes", self.ablation.axes, self.axes),
            ("fine_tuning.methods", self.fine_tuning.methods, self.methods),
        ):
            yield (
                set(chosen) <= set(known),
                f"{where} names {', '.join(sorted(set(chosen) - set(known)))}, but there is only"
                f" {', '.join(sorted(known)) or 'nothing'}",
            )
