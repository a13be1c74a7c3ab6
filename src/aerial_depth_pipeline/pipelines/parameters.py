"""Which parameter groups there are, and what each may hold."""

from collections.abc import Mapping

from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.configuration import Settings, did_you_mean, read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.report.card_settings import CardSettings
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.mvs.settings import GroundTruthSettings
from aerial_depth_pipeline.networks.inference.settings import ExportSettings
from aerial_depth_pipeline.pipelines.node_types import Parameters
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.retraining.settings import NightlySettings
from aerial_depth_pipeline.simulation.settings import FlightSettings
from aerial_depth_pipeline.study.settings import StudySettings
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.triplets.settings import TripletSettings

GROUPS: dict[str, type[Settings]] = {
    "frame_extraction": FrameExtractionSettings,
    "ground_truth": GroundTruthSettings,
    "triplets": TripletSettings,
    "train": TrainSettings,
    "study": StudySettings,
    "evaluation": EvaluationSettings,
    "model_card": CardSettings,
    "nightly": NightlySettings,
    "predict": PredictSettings,
    "export": ExportSettings,
}
FOLDERS = {
    "work_folder": "unfinished work; a folder on this computer, survives a killed run",
    "checkpoints_folder": "checkpoints of trainings; a folder on this computer",
    "model_folder": "the model that was trained last; a folder or the URL of an object storage",
    "reporting_folder": "reports, tables and figures; a folder or the URL of an object storage",
}


def check_parameters(parameters: Parameters) -> None:
    """Check every parameter before anything runs.

    Raises:
        UserError: for an unknown group or key, naming the closest known one, or a value of the
            wrong type.
    """
    known = sorted([*GROUPS, *FOLDERS, "simulate"])
    for group, values in parameters.items():
        if group in GROUPS:
            read_settings(GROUPS[group], values, group)
        elif group == "simulate":
            for domain, flights in _mapping(values, group).items():
                for scene, flight in _mapping(flights, f"{group}.{domain}").items():
                    read_settings(FlightSettings, flight, f"{group}.{domain}.{scene}")
        elif group not in FOLDERS:
            raise UserError(
                f"Unknown parameter group '{group}'.{did_you_mean(group, known)} Known groups:"
                f" {', '.join(known)}."
            )
        elif not isinstance(values, str) or not values.strip():
            raise UserError(f"Parameter '{group}' is {values!r}; it must be {FOLDERS[group]}.")
        elif group.startswith(("work", "checkpoints")) and "://" in str(values):
            raise UserError(
                f"'{group}' is {values}, but it must be a folder on this computer; with data on"
                f" object storage, set for instance '{group}:"
                f" data/.work/{group.removesuffix('_folder')}' in conf/local/parameters.yml."
            )


def _mapping(values: object, where: str) -> Parameters:
    if isinstance(values, Mapping | None):
        return dict(values or {})
    raise UserError(f"Parameter '{where}' is {values!r}; it must be a mapping of names to values.")
