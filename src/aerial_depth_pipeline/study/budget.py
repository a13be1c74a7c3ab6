"""How long the study is going to take, said before it begins, from the speed of a few measured
steps."""

import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aerial_depth_pipeline.configuration import Mark
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import fingerprint_of, read_json, write_json
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.progress import quiet
from aerial_depth_pipeline.study.cells import Cell, Footage
from aerial_depth_pipeline.study.run_cell import finished_result
from aerial_depth_pipeline.study.run_study import Workshop, in_order, parallel_cells
from aerial_depth_pipeline.study.selection import select
from aerial_depth_pipeline.training.train import train

log = logging.getLogger(__name__)

_STEPS = 4
_SPEEDS = "speeds.json"


def announce(cells: Sequence[Cell], workshop: Workshop) -> float:
    """Log how many runs of what length are about to be done and how long they take at the measured
    speed.

    Returns:
        The estimate in seconds, without what is already finished.
    """
    different = [cell for wave in in_order(cells) for cell in wave]
    missing = [cell for cell in different if finished_result(workshop.of(cell)) is None]
    log.info(
        "Study: %d runs, %d of them finished already.",
        len(different),
        len(different) - len(missing),
    )
    if not missing:
        return 0.0
    speeds = _Speeds(workshop)
    seconds, lengths = 0.0, dict[int, int]()
    for cell in missing:
        samples = speeds.samples(cell)
        lengths[samples] = lengths.get(samples, 0) + 1
        seconds += samples * speeds.seconds_per_sample(cell)
        seconds += speeds.seconds_per_measurement * (
            len(cell.points) + 1 + (1 if cell.points else 0)
        )
        seconds += speeds.seconds_to_set_up * sum(speeds.scenes(name) for name in cell.train_on)
    seconds /= parallel_cells(workshop.workers)
    for samples, count in sorted(lengths.items()):
        log.info("Study: %d runs of %d samples.", count, samples)
    log.info("Study: about %s at the speed measured on this machine.", as_text(seconds))
    return seconds


def as_text(seconds: float) -> str:
    """A duration for people."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


class _Speeds:
    """Seconds per sample of each kind of training, measured once and remembered."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.file = workshop.folder / _SPEEDS
        self.known: dict[str, Any] = read_json(self.file) if self.file.is_file() else {}
        self.seconds_per_measurement = 0.0
        self.seconds_to_set_up = 0.0

    def samples(self, cell: Cell) -> int:
        """Length of a cell; an online one takes what the flights hold."""
        if not cell.online_repeats:
            return max(1, round(cell.samples / cell.train.batch_size)) * cell.train.batch_size
        new = sum(len(self.workshop.footage[name].train) for name in cell.train_on)
        share = 1.0 if cell.replay is None else 1 - cell.replay.share
        return round(new / share) * cell.online_repeats

    def seconds_per_sample(self, cell: Cell) -> float:
        """Measured on this kind of cell; for triplets of another size scaled by the number of
        pixels."""
        kind = self._kind(cell)
        if kind not in self.known:
            self.known[kind] = self._measure(cell)
            write_json(self.file, self.known)
        found = self.known[kind]
        self.seconds_per_measurement, self.seconds_to_set_up = found["measurement"], found["set_up"]
        pixels = cell.triplets.get("width", 0) * cell.triplets.get("height", 0)
        return found["sample"] * (pixels / found["pixels"] if pixels else 1.0)

    def scenes(self, domain: str) -> int:
        """How many scenes a domain has to train on."""
        return len({scene for scene, _ in self.workshop.footage[domain].train})

    def _kind(self, cell: Cell) -> str:
        train = cell.train.model_dump(include=cell.train.marked(Mark.SPEED), by_alias=True)
        return fingerprint_of(train, parallel_cells(self.workshop.workers))

    def _measure(self, cell: Cell) -> dict[str, float]:
        every = dict.fromkeys(("steps", "validate_every", "checkpoint_every"), _STEPS)
        settings = cell.train.model_copy(update=every | {"log_every": 1})
        tried = replace(
            cell, replay=None, online_repeats=0, triplets={}, training_triplets=0, train=settings
        )
        footage = {name: self._one_scene(name) for name in cell.train_on}
        moments = _Moments()
        with (
            tempfile.TemporaryDirectory(dir=self.workshop.folder) as name,
            quiet("aerial_depth_pipeline.training"),
        ):
            folder = Path(name)
            try:
                select(tried, footage, footage, folder / "triplets")
                begin = time.perf_counter()
                model = train(
                    {"study": folder / "triplets"}, settings, folder / "checkpoints", logger=moments
                )
            except UserError as error:
                log.warning("Study: the speed of '%s' could not be measured: %s", cell.label, error)
                return {"sample": 0.0, "set_up": 0.0, "measurement": 0.0, "pixels": 1}
        return {
            "sample": float(np.median(np.diff(moments.times))) / settings.batch_size,
            "set_up": (moments.times[0] - begin) / len(footage),
            "measurement": self._measurement(model),
            "pixels": model.width * model.height,
        }

    def _one_scene(self, domain: str) -> Footage:
        footage = self.workshop.footage[domain]
        first = footage.train[0][0]
        return replace(footage, train=[target for target in footage.train if target[0] == first])

    def _measurement(self, model: DepthModel) -> float:
        """Seconds to measure a model on all domains, from one frame of each."""
        begin, frames = time.perf_counter(), 0
        for name, footage in self.workshop.footage.items():
            scene, references = next(
                (scene, found) for scene, found in footage.references.items() if found
            )
            self.workshop.measuring.of_domains(model, {name: {scene: references[:1]}})
            frames += 1
        total = sum(
            len(found)
            for footage in self.workshop.footage.values()
            for found in footage.references.values()
        )
        return (time.perf_counter() - begin) / frames * total


class _Moments:
    """A logger that notes when steps ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if any(name.startswith("train/") for name in metrics):
            self.times.append(time.perf_counter())
