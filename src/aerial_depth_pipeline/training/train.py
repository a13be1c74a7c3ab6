"""Train a depth model on triplets: the one function that the pipelines call."""

import contextlib
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import Logger

from aerial_depth_pipeline.configuration import Mark
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import fingerprint_of
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import JointModel
from aerial_depth_pipeline.progress import progress, progress_bar
from aerial_depth_pipeline.training.adaptation import restrict
from aerial_depth_pipeline.training.checkpoints import BEST, LAST, load_checkpoint
from aerial_depth_pipeline.training.engine import TrainingModule
from aerial_depth_pipeline.training.launch import in_a_rank, train_in_ranks
from aerial_depth_pipeline.training.plane_sweep import guide
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.triplet_data import (
    Triplet,
    TripletBatches,
    TripletStore,
    read_points,
    read_triplets,
    with_step_lengths,
)
from aerial_depth_pipeline.training.units import scene_depths
from aerial_depth_pipeline.training.watchdog import check_calibration, make_probe

log = logging.getLogger(__name__)

# Settings that change how a training runs but not what comes out of it; a killed run may be
# continued with others.


def train(
    domains: dict[str, Path],
    settings: TrainSettings,
    checkpoints: Path,
    logger: Logger | None = None,
    validate: Callable[[DepthModel], dict[str, float]] | None = None,
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
    if settings.devices * settings.num_nodes > 1 and not in_a_rank():
        return train_in_ranks(
            domains, settings, Path(checkpoints), logger, validate, fingerprint, initial
        )
    if initial is not None:
        # Its weights are there; an encoder's own need not be fetched once more.
        network = initial.settings.model_copy(update={"pretrained": False, "weights": None})
        settings = settings.model_copy(update={"network": network})
    _threads(settings)
    checkpoints = Path(checkpoints)
    triplets = [
        t
        for domain, folder in sorted(domains.items())
        for t in read_triplets(domain, folder, "train", settings.pose)
    ]
    if not triplets:
        raise UserError(
            f"There is no triplet to train on in {', '.join(sorted(domains)) or 'no domain'}:"
            " train.txt is empty or no pair has a reliable pose. Add footage with sideways motion,"
            " or see the scene report for why scenes were left out."
        )
    held_out = [
        t
        for domain, folder in sorted(domains.items())
        for t in read_triplets(domain, folder, "val", settings.pose)
    ]
    lengthened = with_step_lengths(triplets + held_out, settings.pose)
    triplets, held_out = lengthened[: len(triplets)], lengthened[len(triplets) :]
    # From here on everything random follows the seed, also the network's first weights.
    torch.manual_seed(settings.seed)
    initial_depth = settings.network.initial_depth or _depth_of_half(settings)
    depths = scene_depths(triplets + held_out) if settings.pose.source != "learned" else {}
    centred = settings.pose.centre_units
    factors = {
        t.scene: initial_depth / depths[t.scene] if centred and t.scene in depths else 1.0
        for t in triplets + held_out
    }
    store = TripletStore(triplets, factors, settings.pose, settings.cache_gigabytes)
    for triplet in triplets:
        check_calibration(triplet.K_33, store.width, store.height, str(triplet.image))
    held_out_store = (
        TripletStore(held_out, factors, settings.pose, settings.cache_gigabytes)
        if held_out
        else None
    )
    if settings.loss.guide > 0:
        store.add_guides(_guides(triplets, depths, factors))
    if settings.loss.sparse > 0:
        store.add_points(read_points(triplets))
    start = [] if initial is None else [initial.fingerprint]
    whole = fingerprint_of(
        fingerprint,
        settings.model_dump(exclude=settings.marked(Mark.NO_EFFECT)),
        [(t.scene, t.image.name) for t in triplets],
        *start,
    )
    content = _to_continue(checkpoints / LAST, settings, whole)
    bar = progress_bar(None, "training", total=settings.steps, unit="step")

    def advance(terms: dict[str, float]) -> None:
        bar.set_postfix_str(f"loss {terms['total']:.4f}", refresh=False)
        bar.update(1)

    model = JointModel(settings.network, settings.pose.predicted)
    if initial is not None:
        model.depth.load_state_dict(initial.network.state_dict())
    restrict(model, settings.trainable, settings.rank)
    model = model.to(memory_format=torch.channels_last)
    probe = make_probe(triplets, depths) if settings.watchdog.enabled else None
    metadata = _metadata(triplets, factors, settings)
    module = TrainingModule(
        model,
        settings,
        store,
        held_out_store,
        checkpoints,
        whole,
        metadata,
        probe,
        validate,
        logger,
        advance,
    )
    if content is not None:
        module.restore(content)
        bar.update(module.step)
        log.info("Training continues at step %d of %d.", module.step, settings.steps)
    with bar, _quiet():
        _fit(module, store, settings, logger)
    return _result(module, checkpoints, settings)


def _guides(
    triplets: list[Triplet], depths: dict[str, float], factors: dict[str, float]
) -> Iterator[torch.Tensor]:
    for triplet in progress(triplets, "plane sweeps", len(triplets), "triplet"):
        if triplet.scene not in depths:
            raise UserError(
                "train.loss.guide needs given poses; set train.pose.source to two_view or colmap,"
                " or train.loss.guide to 0."
            )
        # A guide of 1 is the scene's typical depth; in training units that is its depth times the
        # scene's factor.
        yield guide(triplet, depths[triplet.scene]) / (
            depths[triplet.scene] * factors[triplet.scene]
        )


def _threads(settings: TrainSettings) -> None:
    if settings.threads > 0:
        torch.set_num_threads(settings.threads)


def _depth_of_half(settings: TrainSettings) -> float:
    """The depth that a sigmoid of one half stands for."""
    network = settings.network
    return 2 / (1 / network.min_depth + 1 / network.max_depth)


def _to_continue(path: Path, settings: TrainSettings, fingerprint: str) -> dict[str, Any] | None:
    """The checkpoint to continue from, or None for a fresh start."""
    if settings.resume is False:
        return None
    if not path.is_file():
        if settings.resume is True:
            raise UserError(
                f"{path} is missing: there is no training to continue. Set train.resume: auto or"
                " false."
            )
        return None
    content = load_checkpoint(path)
    same = content["fingerprint"] == fingerprint
    if settings.resume is True:
        if not same:
            raise UserError(
                f"{path} comes from other settings or other data. Restore them, or set"
                " train.resume: false to start anew."
            )
        return content
    return content if same and content["step"] < settings.steps and not content["stopped"] else None


def _metadata(
    triplets: list[Triplet], factors: dict[str, float], settings: TrainSettings
) -> dict[str, Any]:
    """What the model remembers of its training; with telemetry also how many metres a training unit
    is."""
    metres = []
    for triplet in triplets:
        for length, T, usable in zip(
            triplet.lengths_S, triplet.T_S44, triplet.usable_S, strict=True
        ):
            step = np.linalg.norm(T[:3, 3]) * factors[triplet.scene]
            if usable and np.isfinite(length) and length > 0 and step > 0:
                metres.append(length / step)
    scale = float(np.median(metres)) if len(metres) >= len(triplets) else 1.0
    return {
        "unit": "metres" if len(metres) >= len(triplets) else "training units",
        "depth_scale": scale,
        "domains": sorted({t.scene.split("/")[0] for t in triplets}),
        "triplets": len(triplets),
        "settings": settings.model_dump(),
    }


def uses_bf16(settings: TrainSettings) -> bool:
    """Whether training computes in mixed bfloat16: asked for, or (`auto`) where the processor has
    instructions for it."""
    if settings.precision != "auto":
        return settings.precision == "bf16"
    if torch.cuda.is_available() and settings.accelerator in ("auto", "gpu", "cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()) or bool(
        getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
    )


def _fit(
    module: TrainingModule, store: TripletStore, settings: TrainSettings, logger: Logger | None
) -> None:
    if module.step >= settings.steps or module.stopped:
        return
    ranks = settings.devices * settings.num_nodes
    rank = int(os.environ.get("RANK", "0")) if ranks > 1 else 0
    batches = TripletBatches(
        store,
        settings.batch_size,
        settings.steps,
        settings.seed,
        module.step,
        settings.accumulate,
        rank,
        ranks,
        settings.order,
    )
    trainer = L.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy="ddp" if ranks > 1 else "auto",
        # Normalisation sees the whole batch on GPUs; torch has no such layer for the CPU.
        sync_batchnorm=ranks > 1 and torch.cuda.is_available() and settings.accelerator != "cpu",
        precision="bf16-mixed" if uses_bf16(settings) else "32-true",
        max_epochs=1,
        accumulate_grad_batches=settings.accumulate,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, train_dataloaders=batches)
    if trainer.interrupted:
        raise KeyboardInterrupt


def _result(module: TrainingModule, checkpoints: Path, settings: TrainSettings) -> DepthModel:
    best = checkpoints / BEST
    if settings.keep == "best" and math.isfinite(module.best) and best.is_file():
        content = load_checkpoint(best)
        module.model.load_state_dict(content["model"])
        module.average, module.step = None, content["step"]
    return module.depth_model().to("cpu")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Lightning talks about seeds, devices and tips; none of it helps the user of a pipeline."""
    # MLflow imports Lightning under its old name as well, and the name that was imported last is
    # the one that talks.
    names = (
        "lightning.pytorch",
        "lightning.fabric",
        "lightning.pytorch.utilities.rank_zero",
        "pytorch_lightning.utilities.rank_zero",
    )
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", message=".*lightning.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
