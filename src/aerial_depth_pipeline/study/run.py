"""A run of the study: the pure description of one training and of what is measured on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from aerial_depth_pipeline.configuration import Mark, read_settings
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.files import fingerprint_of
from aerial_depth_pipeline.training.settings import TrainSettings

_VERSION = 1  # of what makes a run's fingerprint


@dataclass(frozen=True)
class StudyDomain:
    """What a domain holds for the study.

    Attributes:
        domain: its name.
        folder: its triplets in the SfMLearner layout.
        fingerprint: of the triplets, their split and the reference depth.
        train: scene and target frame of the triplets to train on.
        test: scene and target frame of the test triplets; whatever lies between them in time is not
            trained on.
        references: reference depth of test frames by scene.
        train_references: reference depth of training frames by scene, for the online mode.
    """

    domain: str
    folder: Path
    fingerprint: str
    train: list[tuple[str, int]]
    test: list[tuple[str, int]]
    references: dict[str, list[Reference]]
    train_references: dict[str, list[Reference]]


Footage = Mapping[str, StudyDomain]
"""By domain."""


@dataclass(frozen=True)
class Replay:
    """Old triplets that are mixed into the new ones: so many different ones at most, and their
    share of a batch."""

    domains: tuple[str, ...]
    triplets: int
    share: float


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        label: for people, e.g. `train on town, seed 0`.
        train_on: domains.
        train: complete settings of the training; `samples` decides on the number of steps.
        samples: length of the training in triplets seen.
        data: fingerprints of all footage that the run trains on or is measured on.
        triplets: changes of the parameters `triplets`; empty takes the triplets as they are.
        training_triplets: so many of them at most; 0 takes all.
        start: the run whose model it starts from.
        replay: old triplets that are mixed in.
        points: numbers of samples after which it is measured, besides the end (and the beginning,
            where it starts from a model).
        online_repeats: above 0 the triplets come once in the order of time, each batch for so many
            steps, and `samples` follows from their number. What is measured is each batch's frames
            before they are learned from.
    """

    label: str
    train_on: tuple[str, ...]
    train: TrainSettings
    samples: int
    data: str
    triplets: dict[str, Any] = field(default_factory=dict)
    training_triplets: int = 0
    start: Run | None = None
    replay: Replay | None = None
    points: tuple[int, ...] = ()
    online_repeats: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """Of everything that decides on the result, which the label does not."""
        parts = {name: value for name, value in vars(self).items() if name != "label"}
        parts["train"] = self.train.for_fingerprint(Mark.NO_EFFECT, Mark.MACHINE)
        parts["replay"] = None if self.replay is None else asdict(self.replay)
        parts["start"] = None if self.start is None else self.start.fingerprint
        return fingerprint_of(_VERSION, parts)

    @property
    def steps(self) -> int:
        """Length of the training in steps."""
        return max(1, round(self.samples / self.train.batch_size))


def changed(values: Mapping[str, Any], *changes: Mapping[str, Any]) -> dict[str, Any]:
    """A nested dictionary of parameters with changes put over it, the last one on top."""
    result = dict(values)
    for change in changes:
        for key, value in change.items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = changed(result[key], value) if both else value
    return result


def train_settings(parameters: Mapping[str, Any], seed: int) -> TrainSettings:
    """Settings of a run's training from the parameters `train`: on one device, and the last model
    is kept.

    Raises:
        UserError: for an unknown key or a bad value, naming it.
    """
    fixed = {"seed": seed, "devices": 1, "num_nodes": 1, "keep": "last", "resume": "auto"}
    return read_settings(TrainSettings, changed(parameters, fixed), "train")
