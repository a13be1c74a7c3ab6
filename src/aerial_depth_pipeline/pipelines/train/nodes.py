"""Train one model on the triplets of all domains."""

import logging
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import alone, fingerprint_of, write_text
from aerial_depth_pipeline.pipelines.domain_data import DomainData, domains_of
from aerial_depth_pipeline.pipelines.node_types import DepthModel, DomainInput, Parameters
from aerial_depth_pipeline.tracking import runs as tracking
from aerial_depth_pipeline.training.settings import TrainSettings

logger = logging.getLogger(__name__)

_VALIDATION_IMAGES = 24


def train_depth_model(
    parameters: Parameters, checkpoints: str, card: Parameters, *domain_inputs: DomainInput
) -> DepthModel:
    """Train on the `train` lists of all domains; validate on the `val` lists, with depth metrics
    where there is reference depth.

    Args:
        parameters: `train`.
        checkpoints: local folder for checkpoints; a killed run goes on from there.
        card: `model_card`.
        domain_inputs: triplet lists, frames and ground truth of each domain in turn.

    Raises:
        UserError: if no domain has triplets to train on.
    """
    from aerial_depth_pipeline.evaluation.report.model_card import CARD, model_card
    from aerial_depth_pipeline.tracking.lightning_logger import MlflowLogger
    from aerial_depth_pipeline.tracking.pyfunc import make_servable
    from aerial_depth_pipeline.training.curve import Curve
    from aerial_depth_pipeline.training.train import train

    settings = read_settings(TrainSettings, parameters, "train")
    domains = [domain for domain in domains_of(domain_inputs) if domain.triplets.splits["train"]]
    if not domains:
        raise UserError(
            "There are no triplets to train on. Make them with 'kedro run --pipelines=prepare'; if"
            " there are some, triplets.split leaves none of them to training."
        )
    data_fingerprint = fingerprint_of(
        {domain.name: domain.triplets.fingerprint for domain in domains}
    )
    triplets = {domain.name: len(domain.triplets.splits["train"]) for domain in domains}
    logger.info(
        "Training on %s.",
        ", ".join(f"{count} triplets of {name}" for name, count in triplets.items()),
    )
    tracking.set_tags(
        {
            "data.fingerprint": data_fingerprint,
            **{f"data.triplets.{name}": count for name, count in triplets.items()},
        }
    )
    curve = Curve(
        Path(checkpoints) / "curve.jsonl", MlflowLogger() if tracking.is_tracking() else None
    )
    with alone(Path(checkpoints) / ".lock", "The training"):
        model = train(
            {domain.name: domain.triplets.folder for domain in domains},
            settings,
            Path(checkpoints),
            logger=curve,
            validate=_validation(domains),
            fingerprint=data_fingerprint,
        )
    scenes = Counter(
        f"{domain.name}/{scene}"
        for domain in domains
        for scene, _ in domain.triplets.splits["train"]
    )
    model.metadata.update(
        data_fingerprint=data_fingerprint,
        domains=[d.name for d in domains],
        scenes=dict(scenes),
        curve=curve.points(),
        card=card,
    )
    if tracking.is_tracking():
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder) / "depth_model")
            make_servable(Path(folder) / "depth_model")
            write_text(Path(folder) / "depth_model" / CARD, model_card(model))
            tracking.log_folder(Path(folder) / "depth_model", "depth_model")
    return model


def _validation(
    domains: list[DomainData],
) -> Callable[[DepthModel], dict[str, float]] | None:
    """Depth metrics on an even choice of the validation frames that have reference depth; None
    where there are none."""
    references = [
        (domain.name, reference)
        for domain in domains
        for scene in domain.references("val").values()
        for reference in scene
    ]
    if not references:
        return None
    chosen = references[:: max(1, len(references) // _VALIDATION_IMAGES)]

    def validate(model: DepthModel) -> dict[str, float]:
        from aerial_depth_pipeline.evaluation.validation_metrics import validation_metrics

        return validation_metrics(model, chosen)

    return validate
