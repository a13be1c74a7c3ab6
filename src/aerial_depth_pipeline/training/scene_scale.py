"""The unit of length of every scene, chosen so that training starts at the right depth.

The network's first output is a constant depth. Where the true depth, in the unit of the given
translations, is far from it, the loss has no slope toward it and nothing is learned; so each
scene's translations are scaled until its median depth lies at the network's initial output. A plane
sweep over the scene's own triplets measures the median depth; no ground truth is involved.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from aerial_depth_pipeline.training.samples import Triplet, spread
from aerial_depth_pipeline.training.settings import PoseSettings, TrainSettings
from aerial_depth_pipeline.training.triplet_sweep import CLEAR_SHARE, sweep_depth, typical_step

log = logging.getLogger(__name__)

_TRIPLETS = 12
_NEAREST, _FARTHEST, _HYPOTHESES = 1.5, 400.0, 48  # in steps
_FALLBACK = 20.0
_AGREEMENT = 0.15  # between the scenes of a metric model


@dataclass(frozen=True)
class SceneScale:
    """Scale of the scenes of a training.

    Attributes:
        depths: median depth of every scene with given poses, in the unit of its translations.
        factors: by what the translations of every scene are multiplied.
    """

    depths: dict[str, float]
    factors: dict[str, float]


def scene_scale(triplets: Sequence[Triplet], settings: TrainSettings) -> SceneScale:
    """Measure the scenes and choose their factors."""
    network = settings.network
    # Without an initial depth: the depth that a sigmoid of one half stands for.
    half = 2 / (1 / network.min_depth + 1 / network.max_depth)
    initial_depth = network.initial_depth or half
    depths = scene_depths(triplets) if settings.pose.source != "learned" else {}
    factors = {t.scene: 1.0 for t in triplets}
    if settings.pose.rescale_scenes:
        factors |= {scene: initial_depth / depth for scene, depth in depths.items()}
    return SceneScale(depths, factors)


def scene_depths(triplets: Sequence[Triplet]) -> dict[str, float]:
    """Median depth of every scene, in the unit of its translations; scenes without usable poses are
    left out."""
    scenes = _by_scene(triplets).items()
    return {scene: _median_depth(scene, ts) for scene, ts in scenes if typical_step(ts) > 0}


def with_step_lengths(triplets: Sequence[Triplet], settings: PoseSettings) -> list[Triplet]:
    """The triplets with translations whose ratios within a scene are as good as is known.

    One pair of frames knows the direction of a step and not its length. The length is the one that
    the flight's own points give it (`triplets.own_points`), else from the time between the frames;
    both within a factor of two of the scene's median, so that no outlier counts. Poses from
    structure from motion keep theirs.
    """
    if settings.source != "two_view":
        return list(triplets)
    measures = {scene: _step_measure(ts, settings) for scene, ts in _by_scene(triplets).items()}
    result = []
    for triplet in triplets:
        measure, median = measures[triplet.scene]
        values = measure(triplet)
        ratio = np.ones(len(values))
        if median > 0:
            ratio = np.clip(np.where(np.isfinite(values), values / median, 1.0), 0.5, 2.0)
        T = triplet.T_S44.copy()
        norm = np.linalg.norm(T[:, :3, 3], axis=-1, keepdims=True)
        change = np.where(norm > 0, ratio[:, None] / np.where(norm > 0, norm, 1), 0.0)
        T[:, :3, 3] *= change
        known = triplet.usable_S & (norm[:, 0] > 0)
        factor = float(np.median(change[known, 0])) if known.any() else 1.0
        result.append(replace(triplet, T_S44=T, length_factor=factor))
    return result


@dataclass(frozen=True)
class MetricUnit:
    """What a training unit is in metres.

    Attributes:
        by_scene: median over a scene's steps of known length, where most of them are known.
        spread: largest less smallest of these, as a share of their median.
        metres: their median over triplets, where the scenes agree and hold most of the triplets;
            else None.
    """

    by_scene: dict[str, float]
    spread: float
    metres: float | None


def metres_per_unit(triplets: Sequence[Triplet], factors: dict[str, float]) -> MetricUnit:
    """How many metres a training unit is in each scene, and in all where they agree. Scenes that
    are flown at other heights do not, when each is scaled to the network's depth."""
    by_scene, weights = {}, []
    for scene, of_scene in _by_scene(triplets).items():
        metres, steps = [], 0
        for triplet in of_scene:
            for length, T, usable in zip(
                triplet.lengths_S, triplet.T_S44, triplet.usable_S, strict=True
            ):
                step = np.linalg.norm(T[:3, 3]) * factors[scene]
                steps += bool(usable)
                if usable and np.isfinite(length) and length > 0 and step > 0:
                    metres.append(length / step)
        if metres and len(metres) >= steps / 2:
            by_scene[scene] = float(np.median(metres))
            weights.append(len(of_scene))
    if not by_scene:
        return MetricUnit({}, float("nan"), None)
    values = np.array(list(by_scene.values()))
    middle = float(np.median(np.repeat(values, weights)))
    spread = float(np.ptp(values)) / middle
    agree = spread <= _AGREEMENT and sum(weights) >= len(triplets) / 2
    return MetricUnit(by_scene, spread, middle if agree else None)


def _by_scene(triplets: Sequence[Triplet]) -> dict[str, list[Triplet]]:
    scenes: dict[str, list[Triplet]] = {}
    for triplet in triplets:
        scenes.setdefault(triplet.scene, []).append(triplet)
    return scenes


def _median_depth(scene: str, triplets: list[Triplet]) -> float:
    chosen = spread(triplets, _TRIPLETS)
    step = typical_step(chosen)
    tried = torch.logspace(math.log10(_NEAREST), math.log10(_FARTHEST), _HYPOTHESES)
    sweeps = [sweep_depth(triplet, step * tried) for triplet in chosen]
    depths = [
        float(d[clear].median()) for d, clear in sweeps if clear.float().mean() >= CLEAR_SHARE
    ]
    if len(depths) < max(1, len(chosen) // 4):
        log.warning(
            "Scene %s: its depth in steps could not be measured; %g steps are assumed.",
            *(scene, _FALLBACK),
        )
        return _FALLBACK * step
    depth = float(np.median(depths))
    log.info("Scene %s: the median depth is %.1f steps.", scene, depth / step)
    return depth


Measure = Callable[[Triplet], np.ndarray]


def _step_measure(triplets: list[Triplet], settings: PoseSettings) -> tuple[Measure, float]:
    """What says how long the steps [S] of a scene's triplets are, and its median; 0 where all count
    alike."""
    measure = _MEASURES[settings.step_length]
    if settings.step_length == "constant":
        return measure, 0.0
    values = np.concatenate([measure(t) for t in triplets])
    values = values[np.concatenate([t.usable_S for t in triplets])]
    if settings.step_length == "auto" and np.ptp(values) <= 1e-6 * values.max():
        return _step_measure(triplets, settings.model_copy(update={"step_length": "time"}))
    return measure, float(np.nanmedian(values)) if np.isfinite(values).any() else 1.0


def _stored(triplet: Triplet) -> np.ndarray:
    return np.linalg.norm(triplet.T_S44[:, :3, 3], axis=-1)


_MEASURES: dict[str, Measure] = {
    "auto": _stored,
    "telemetry": lambda triplet: triplet.lengths_S,
    "time": lambda triplet: triplet.gaps_S,
    "constant": lambda triplet: triplet.gaps_S,
}
