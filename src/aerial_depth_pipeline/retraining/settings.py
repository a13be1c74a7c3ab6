"""Settings of nightly retraining. Nothing heavy is imported here: configuration checks read this
file."""

from typing import Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings


class NightlySettings(Settings):
    """How the model in service learns from new scenes."""

    registered_model: str = "aerial_depth"
    """Name in the MLflow registry; the version with the alias `champion` is in service."""
    steps: int = Field(2000, ge=1)
    """Length of the fine-tuning; the first night trains from scratch, as `train` says."""
    learning_rate: float = Field(1e-4, gt=0)
    """Peak learning rate of the fine-tuning."""
    replay: float = Field(0.5, ge=0, lt=1)
    """Share of old triplets among the challenger's, against forgetting; 0 for none."""
    hold_out: float = Field(0.15, gt=0, lt=0.5)
    """Share of each new scene's triplets, a block apart on the ground, that is measured, not
    learned. Scenes already held out stay so."""
    margin: float = Field(0.02, ge=0, lt=1)
    """Required fall of abs_rel on the new hold-outs, as a share of the champion's."""
    tolerance: float = Field(0.02, ge=0, allow_inf_nan=False)
    """Allowed rise on the old hold-out, as a share of the champion's."""
    keep_metres: bool = True
    """Refuse a challenger that predicts no metres where the champion does: flights at other heights
    cost a model its metres."""
    minimum_images: int = Field(5, ge=2)
    """Measured images, new or old, below which nothing is promoted."""
    minimum_scenes: int = Field(2, ge=1)
    """New scenes that a night waits for before it learns; with 1, a promotion says nothing about
    scenes beside that one."""
    bootstrap_samples: int = Field(2000, ge=100)
    """Bootstrap samples of scenes and blocks of images for both 95 % intervals."""
    seed: int = 0
    """Seed of the bootstrap and of the replay."""
    first_must_beat: Literal["none", "constant", "mean_depth_map"] = "constant"
    """Trivial baseline that the first champion has to beat; `none` for any."""
    retry_refused: bool = False
    """Learn again from scenes whose challenger was refused; else once their footage changes."""
    wait_seconds: float = Field(0.0, ge=0)
    """How long a night waits for another one at work."""
    command: str | None = None
    """Command at the end of a night, without a shell; its environment: docs/service.md."""
    command_seconds: float = Field(600.0, gt=0)
    """Time limit of the command."""
    roll_back_to: int | None = None
    """Version for `kedro run --pipelines=rollback`; `null` for the champion's parent."""

    def _rules(self) -> Rules:
        plain = self.registered_model and not set("/:") & set(self.registered_model)
        yield plain, "registered_model must be a name without '/' and ':'"
