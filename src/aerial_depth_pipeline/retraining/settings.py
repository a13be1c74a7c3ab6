"""Settings of nightly retraining. Nothing heavy is imported here: configuration checks read this
file."""

from typing import Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings


class NightlySettings(Settings):
    """How the model in service learns from new scenes."""

    registered_model: str = "aerial_depth"
    """Name in the MLflow model registry; the model in service is its version with the alias
    `champion`."""
    steps: int = Field(2000, ge=1)
    """Length of the fine-tuning in steps. The first night trains from scratch and takes all of
    `train` instead."""
    learning_rate: float = Field(1e-4, gt=0)
    """Peak of the fine-tuning; everything else is as in `train`."""
    replay: float = Field(0.5, ge=0, lt=1)
    """Share of old triplets among those that a challenger learns from, against forgetting; 0 for
    none."""
    hold_out: float = Field(0.15, gt=0, lt=0.5)
    """Share of the triplets of each new scene, one block in its middle, that is kept for measuring;
    scenes that the lists already hold out in whole or in part are taken as they are."""
    margin: float = Field(0.02, ge=0, lt=1)
    """By how much abs_rel must fall on the new scenes' held-out blocks, as a share of the
    champion's."""
    tolerance: float = Field(0.02, ge=0, allow_inf_nan=False)
    """By how much it may rise on the old hold-out, as a share of the champion's."""
    minimum_images: int = Field(5, ge=2)
    """With fewer measured images, new or old, nothing is promoted."""
    bootstrap_samples: int = Field(2000, ge=100)
    """Resamplings of the images behind the 95 % intervals of both."""
    seed: int = 0
    """Of the resampling and of the choice of old triplets."""
    first_must_beat: Literal["none", "constant", "mean_depth_map"] = "constant"
    """The baseline that the first champion has to beat on the hold-out; `none` takes it as it
    comes."""
    retry_refused: bool = False
    """Learn again from scenes whose challenger was refused or rolled back. Otherwise they wait
    until their footage changes."""
    wait_seconds: float = Field(0.0, ge=0)
    """How long a night waits for another one that is still at work, before it leaves."""
    command: str | None = None
    """Run at the end of every night with the outcome in environment variables (docs/service.md);
    `null` for none. It is not given to a shell; name one for more (`sh -c '…'`)."""
    command_seconds: float = Field(600.0, gt=0)
    """After which the command is stopped."""
    roll_back_to: int | None = None
    """The version that `kedro run --pipelines=rollback` goes back to; `null` is the champion's
    parent."""

    def _rules(self) -> Rules:
        yield (
            self.registered_model and not set("/:") & set(self.registered_model),
            "registered_model must be a name without '/' and ':'",
        )
