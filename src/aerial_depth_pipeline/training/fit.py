"""One training in this process: data, model, callbacks, Lightning's trainer, the kept model."""

import contextlib
import logging
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from tqdm import tqdm

from aerial_depth_pipeline.configuration import Mark
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import fingerprint_of
from aerial_depth_pipeline.geometry.surface import FramePoints
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.inference.bfloat16 import has_bfloat16
from aerial_depth_pipeline.networks.joint_model import JointModel
from aerial_depth_pipeline.progress import progress_bar, quiet
from aerial_depth_pipeline.training.adaptation import restrict
from aerial_depth_pipeline.training.callbacks.images import TrainingImages
from aerial_depth_pipeline.training.callbacks.step import MovingAverage, StepLog, StepMetrics
from aerial_depth_pipeline.training.callbacks.validation import ValidateDepth, Validation
from aerial_depth_pipeline.training.callbacks.watchdog import (
    Checkpoint,
    TrainingFault,
    Watchdog,
    WatchdogCallback,
)
from aerial_depth_pipeline.training.checkpoints import BEST, LAST, load_checkpoint
from aerial_depth_pipeline.training.curve import MetricsLogger
from aerial_depth_pipeline.training.module import TrainingModule
from aerial_depth_pipeline.training.probe import make_probe
from aerial_depth_pipeline.training.samples import Triplet, read_triplets
from aerial_depth_pipeline.training.scene_scale import (
    metres_per_unit,
    scene_scale,
    with_step_lengths,
)
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.start import (
    hold_back,
    points_of_targets,
    starts,
    with_start,
)
from aerial_depth_pipeline.training.store import TripletBatches, TripletStore
from aerial_depth_pipeline.training.terms import TERMS

log = logging.getLogger(__name__)


def fit(
    domains: dict[str, Path],
    settings: TrainSettings,
    checkpoints: Path,
    logger: MetricsLogger | None = None,
    validate: ValidateDepth | None = None,
    fingerprint: str = "",
    initial: DepthModel | None = None,
) -> DepthModel:
    """`training.train.train` in this process, or this rank's share of it."""
    if initial is not None:
        # Its weights are there; an encoder's own need not be fetched once more.
        network = initial.settings.model_copy(update={"pretrained": False, "weights": None})
        settings = settings.model_copy(update={"network": network})
    if settings.threads > 0:
        torch.set_num_threads(settings.threads)
    pose = settings.pose
    triplets, held_out = (
        [t for name in sorted(domains) for t in read_triplets(name, domains[name], split, pose)]
        for split in ("train", "val")
    )
    if not triplets:
        raise UserError(
            f"There is no triplet to train on in {', '.join(sorted(domains)) or 'no domain'}:"
            " train.txt is empty or no pair has a reliable pose. Add footage with sideways motion,"
            " or see the scene report for why scenes were left out."
        )
    lengthened = with_step_lengths(triplets + held_out, settings.pose)
    triplets, held_out = lengthened[: len(triplets)], lengthened[len(triplets) :]
    # From here on everything random follows the seed, also the network's first weights.
    torch.manual_seed(settings.seed)
    scale = scene_scale(triplets + held_out, settings)
    memory = settings.cache_gigabytes
    store = TripletStore(triplets, scale.factors, memory)
    for triplet in triplets:
        check_calibration(triplet.K_33, *store.size, str(triplet.image))
    validation = TripletStore(held_out, scale.factors, memory) if held_out else None
    for term in TERMS:
        if term.used(settings):
            store.fields |= term.data(triplets, scale, settings)
    shown: list[FramePoints | None] = []
    if validation is not None:
        shown, fields = hold_back(points_of_targets(held_out, scale.factors))
        validation.fields |= fields if any(shown) else {}
    points: list[FramePoints | None] = []
    if settings.network.from_points and pose.source == "two_view":  # whose unit points have
        points = points_of_targets(triplets, scale.factors)
    if initial is None:
        settings = settings.model_copy(update={"network": with_start(settings.network, points)})
    if any(points):
        store.fields["start"] = starts(points, triplets)
        if validation is not None:
            validation.fields["start"] = starts(shown, held_out)
    start = [] if initial is None else [initial.fingerprint]
    kept = settings.for_fingerprint(Mark.NO_EFFECT)
    names = [(t.scene, t.image.name) for t in triplets]
    whole = fingerprint_of(fingerprint, kept, names, *start)
    checkpoints = Path(checkpoints)
    content = _to_continue(checkpoints / LAST, settings, whole)
    model = JointModel(settings.network, settings.pose.predicted)
    if initial is not None:
        model.depth.load_state_dict(initial.network.state_dict())
    restrict(model, settings.trainable, settings.rank)
    model = model.to(memory_format=torch.channels_last)
    probe = make_probe(triplets, scale.depths) if settings.watchdog.enabled else None
    module = TrainingModule(model, settings, store, _metadata(triplets, scale.factors, settings))
    bar: tqdm[Any] = progress_bar(None, "training", total=settings.steps, unit="step")
    if content is not None:
        module.restore(content)
        bar.update(module.step)
        log.info("Training continues at step %d of %d.", module.step, settings.steps)
    step_log = StepLog(logger)
    watchdog = Watchdog(settings.watchdog, round(settings.warm_up * settings.steps))
    callbacks: list[L.Callback] = [
        StepMetrics(bar),
        MovingAverage(),
        WatchdogCallback(watchdog, probe, checkpoints, step_log),
        step_log,
        Validation(validation, validate, checkpoints, whole, step_log),
        TrainingImages(validation, logger),
        Checkpoint(checkpoints, whole, watchdog),
    ]
    with bar, _quiet():
        _run(module, store, callbacks)
    best = checkpoints / BEST
    if settings.keep == "best" and math.isfinite(module.best) and best.is_file():
        content = load_checkpoint(best)
        module.model.load_state_dict(content["model"])
        module.average, module.step = None, content["step"]
    return module.depth_model().to("cpu")


def check_calibration(K_33: np.ndarray, width: int, height: int, name: str) -> None:
    """Refuse a calibration that cannot belong to an image of this size.

    Raises:
        TrainingFault: where the principal point lies far from the image's middle or the field of
            view is absurd.
    """
    fx, fy, cx, cy = K_33[0, 0], K_33[1, 1], K_33[0, 2], K_33[1, 2]
    middle = 0.25 * width < cx < 0.75 * width and 0.25 * height < cy < 0.75 * height
    lens = 0.2 * width < fx < 20 * width and 0.5 < fx / fy < 2
    if not (np.isfinite(K_33).all() and middle and lens):
        raise TrainingFault(
            "calibration",
            f"The calibration of {name} does not fit its images of {width}x{height} pixels: focal"
            f" length {fx:.0f}, {fy:.0f}, principal point {cx:.0f}, {cy:.0f}. It likely belongs to"
            f" another size (about {2 * cx:.0f}x{2 * cy:.0f}); make the triplets again.",
        )


def uses_bf16(settings: TrainSettings) -> bool:
    """Whether training computes in mixed bfloat16: asked for, or (`auto`) where the processor has
    instructions for it."""
    if settings.precision != "auto":
        return settings.precision == "bf16"
    on_gpu = torch.cuda.is_available() and settings.accelerator in ("auto", "gpu", "cuda")
    return has_bfloat16("cuda" if on_gpu else "cpu")


def _to_continue(path: Path, settings: TrainSettings, fingerprint: str) -> dict[str, Any] | None:
    """The checkpoint to continue from, or None for a fresh start."""
    insists = settings.resume is True
    if insists and not path.is_file():
        raise UserError(
            f"{path} is missing: there is no training to continue. Set train.resume: auto or false."
        )
    if settings.resume is False or not path.is_file():
        return None
    content = load_checkpoint(path)
    same = content["fingerprint"] == fingerprint
    if insists and not same:
        raise UserError(
            f"{path} comes from other settings or other data. Restore them, or set"
            " train.resume: false to start anew."
        )
    unfinished = content["step"] < settings.steps and not content["stopped"]
    return content if insists or (same and unfinished) else None


def _metadata(
    triplets: list[Triplet], factors: dict[str, float], settings: TrainSettings
) -> dict[str, Any]:
    """What the model remembers of its training; with telemetry also how many metres a training unit
    is. It is metric where the scenes agree on that."""
    unit = metres_per_unit(triplets, factors)
    if unit.by_scene and unit.metres is None:
        log.warning(
            "The model has no metres: a training unit is %.3g to %.3g m in the scenes with"
            " telemetry, since they are flown at different heights.",
            *(min(unit.by_scene.values()), max(unit.by_scene.values())),
        )
    return {
        "unit": "training units" if unit.metres is None else "metres",
        "depth_scale": 1.0 if unit.metres is None else unit.metres,
        "metres_per_unit": {"scenes": unit.by_scene, "spread": unit.spread}
        if unit.by_scene
        else None,
        "domains": sorted({t.scene.split("/")[0] for t in triplets}),
        "triplets": len(triplets),
        "settings": settings.model_dump(),
    }


def _run(module: TrainingModule, store: TripletStore, callbacks: list[L.Callback]) -> None:
    settings = module.settings
    if module.step >= settings.steps or module.stopped:
        return
    batches = TripletBatches(store, settings, module.step)
    several = batches.ranks > 1
    trainer = L.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy="ddp" if several else "auto",
        # Normalisation sees the whole batch on GPUs; torch has no such layer for the CPU.
        sync_batchnorm=several and torch.cuda.is_available() and settings.accelerator != "cpu",
        precision="bf16-mixed" if uses_bf16(settings) else "32-true",
        max_epochs=1,
        accumulate_grad_batches=settings.accumulate,
        use_distributed_sampler=False,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, train_dataloaders=batches)
    if trainer.interrupted:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Lightning talks about seeds, devices and tips; none of it helps the user of a pipeline."""
    # MLflow imports Lightning under its old name as well, and the name that was imported last is
    # the one that talks.
    talkers = [f"{name}.utilities.rank_zero" for name in ("lightning.pytorch", "pytorch_lightning")]
    with quiet("lightning.pytorch", "lightning.fabric", *talkers), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*lightning.*")
        yield
