"""Settings of nightly retraining. Nothing heavy is imported here: configuration checks read this
file."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class NightlySettings:
    """How the model in service learns from new scenes.

    Attributes:
        registered_model: name in the MLflow model registry; the model in service is its version
            with the alias `champion`.
        steps: length of the fine-tuning in steps. The first night trains from scratch and takes all
            of `train` instead.
        learning_rate: peak of the fine-tuning; everything else is as in `train`.
        replay: share of old triplets among those that a challenger learns from, against forgetting;
            0 for none.
        hold_out: share of the triplets of each new scene, one block in its middle, that is kept for
            measuring; scenes that the lists already hold out in whole or in part are taken as they
            are.
        margin: by how much abs_rel must fall on the new scenes' held-out blocks, as a share of the
            champion's.
        tolerance: by how much it may rise on the old hold-out, as a share of the champion's.
        minimum_images: with fewer measured images, new or old, nothing is promoted.
        bootstrap_samples: resamplings of the images behind the 95 % intervals of both.
        seed: of the resampling and of the choice of old triplets.
        first_must_beat: the baseline that the first champion has to beat on the hold-out; `none`
            takes it as it comes.
        retry_refused: learn again from scenes whose challenger was refused or rolled back.
            Otherwise they wait until their footage changes.
        wait_seconds: how long a night waits for another one that is still at work, before it
            leaves.
        command: run at the end of every night with the outcome in environment variables
            (docs/service.md); `null` for none. It is not given to a shell; name one for more (`sh
            -c '…'`).
        command_seconds: after which the command is stopped.
        roll_back_to: the version that `kedro run --pipelines=rollback` goes back to; `null` is the
            champion's parent.
    """

    registered_model: str = "aerial_depth"
    steps: int = 2000
    learning_rate: float = 1e-4
    replay: float = 0.5
    hold_out: float = 0.15
    margin: float = 0.02
    tolerance: float = 0.02
    minimum_images: int = 5
    bootstrap_samples: int = 2000
    seed: int = 0
    first_must_beat: Literal["none", "constant", "mean_depth_map"] = "constant"
    retry_refused: bool = False
    wait_seconds: float = 0.0
    command: str | None = None
    command_seconds: float = 600.0
    roll_back_to: int | None = None

    def __post_init__(self) -> None:
        if not self.registered_model or any(sign in self.registered_model for sign in "/:"):
            raise ValueError("registered_model must be a name without '/' and ':'")
        if self.steps < 1 or not self.learning_rate > 0:
            raise ValueError("steps must be at least 1 and learning_rate positive")
        if not 0 <= self.replay < 1:
            raise ValueError("replay is a share of at least 0 and below 1")
        if not 0 < self.hold_out < 0.5:
            raise ValueError("hold_out is a share above 0 and below 0.5")
        if not (0 <= self.margin < 1 and math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError("margin must lie between 0 and 1, and tolerance must not be negative")
        if self.minimum_images < 2 or self.bootstrap_samples < 100:
            raise ValueError("minimum_images must be at least 2 and bootstrap_samples at least 100")
        if self.wait_seconds < 0 or not self.command_seconds > 0:
            raise ValueError(
                "wait_seconds must not be negative and command_seconds must be positive"
            )
