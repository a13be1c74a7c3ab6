"""Train a depth model on triplets: the one function that the pipelines call."""

from pathlib import Path

from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.training.callbacks.validation import ValidateDepth
from aerial_depth_pipeline.training.curve import MetricsLogger
from aerial_depth_pipeline.training.fit import fit
from aerial_depth_pipeline.training.launch import in_a_rank, train_in_ranks
from aerial_depth_pipeline.training.settings import TrainSettings


def train(
    domains: dict[str, Path],
    settings: TrainSettings,
    checkpoints: Path,
    logger: MetricsLogger | None = None,
    validate: ValidateDepth | None = None,
    fingerprint: str = "",
    initial: DepthModel | None = None,
) -> DepthModel:
    """Train a depth model on the triplets of one or several domains.

    Args:
        domains: for every domain its folder of triplets with `train.txt`, `val.txt` and
            `poses.parquet`.
        settings: everything else.
        checkpoints: folder for `last.pt` and `best.pt`; what is there decides whether a killed run
            is continued (`settings.resume`).
        logger: a Lightning logger for `train/…` (every `log_every` steps) and `val/…` (at every
            validation), or None.
        validate: called with the model at every validation; its figures are logged as `val/<name>`.
        fingerprint: says what data the triplets hold; a run is continued only where it is the same.
        initial: a trained model to start from instead of fresh weights; its network takes the place
            of `settings.network`. A pose decoder is not part of a depth model and starts fresh.

    Returns:
        The trained model. `metadata` names the step, the settings and, where telemetry knows it,
        the unit.

    Raises:
        UserError: where there is nothing to train on, or `resume: true` finds nothing to continue.
        TrainingFault: where the watchdog stops the training; a UserError as well.
    """
    several = settings.devices * settings.num_nodes > 1 and not in_a_rank()
    training = train_in_ranks if several else fit
    return training(domains, settings, checkpoints, logger, validate, fingerprint, initial)
