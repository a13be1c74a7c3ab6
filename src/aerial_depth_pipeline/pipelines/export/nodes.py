"""Export the model to ONNX."""

import logging
from pathlib import Path

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import remove
from aerial_depth_pipeline.networks.inference.settings import ExportSettings
from aerial_depth_pipeline.pipelines.domain_data import DomainData, domains_of
from aerial_depth_pipeline.pipelines.node_types import DepthModel, DomainInput, Image, Parameters
from aerial_depth_pipeline.tracking import runs as tracking

logger = logging.getLogger(__name__)


def export_depth_model(
    model: DepthModel, parameters: Parameters, work: str, *domain_inputs: DomainInput
) -> Path:
    """Export the model and compare every graph with it on frames of the domains' test lists.

    Args:
        model: the trained `DepthModel`.
        parameters: `export`.
        work: local folder for unfinished work.
        domain_inputs: triplet lists, frames and ground truth of each domain in turn.

    Returns:
        A local folder `onnx` with the graphs and `export.json`.

    Raises:
        UserError: if there are no frames, or a graph differs from the model.
    """
    from aerial_depth_pipeline.networks.inference.export import export_model

    settings = read_settings(ExportSettings, parameters, "export")
    domains = domains_of(domain_inputs)
    check = read_frames(domains, "test", settings.check_frames)
    # Ranges of activations are part of the model, so they come from what it was trained on.
    calibration = read_frames(domains, "train", settings.calibration_frames)
    if not check:
        logger.warning(
            "export: no domain has test frames; the graphs are checked on frames of the training"
            " lists."
        )
        check, calibration = calibration[::2][: settings.check_frames], calibration[1::2]
    if len(check) < settings.check_frames:
        logger.info(
            "export: %d frames to check on, of %d wanted.", len(check), settings.check_frames
        )
    folder = Path(work) / "export" / "onnx"
    remove(folder)
    report = export_model(model, folder, check, calibration, settings)
    for name, graph in (report["graphs"] | report["left_out"]).items():
        logger.info(
            "%s: depth differs from the model by %.2g at most and %.2g on average, relative, on %d"
            " frames.",
            name,
            graph["max_relative_difference"],
            graph["mean_relative_difference"],
            report["check_frames"],
        )
        stem = name.removesuffix(".onnx")
        tracking.log_metrics(
            {
                f"export.{stem}.{key}": value
                for key, value in graph.items()
                if key.endswith(("difference", "_95"))
            }
        )
    tracking.log_dict(report, "export.json")
    return folder


def read_frames(domains: list[DomainData], split: str, count: int) -> list[Image]:
    """At most `count` frames of a split, RGB, spread evenly over the scenes of all domains.

    Raises:
        UserError: if a listed frame is gone.
    """
    from aerial_depth_pipeline.formats.images import read_image
    from aerial_depth_pipeline.formats.scene_folder import SceneFolder

    listed = [
        (domain, scene, target)
        for domain in domains
        for scene, target in domain.triplets.splits[split]
        if scene in domain.frames
    ]
    chosen = (
        [listed[i * len(listed) // count] for i in range(count)] if len(listed) > count else listed
    )
    images = []
    for domain, scene, target in chosen:
        path = SceneFolder(domain.frames[scene].path).image_file(target)
        image = read_image(path) if path.is_file() else None
        if image is None:
            raise UserError(
                f"{path} is gone or damaged, though {split}.txt lists it; run 'kedro run"
                " --pipelines=prepare' again."
            )
        images.append(image)
    return images
