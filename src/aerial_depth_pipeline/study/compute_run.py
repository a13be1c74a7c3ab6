"""One run: select its triplets, train, measure on the way. What is finished stays; what was
stopped goes on."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from aerial_depth_pipeline.files import read_json, remove, write_json
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.study.measuring import Measuring
from aerial_depth_pipeline.study.run import Footage, Run
from aerial_depth_pipeline.study.training_lists import Batch, online_batches, select
from aerial_depth_pipeline.training.checkpoints import LAST, load_checkpoint
from aerial_depth_pipeline.training.curve import MetricsLogger
from aerial_depth_pipeline.training.settings import TrainSettings
from aerial_depth_pipeline.training.train import train

RESULT, MODEL = "result.json", "model"
_PROGRESS, _CHECKPOINTS, _TRIPLETS = "progress.json", "checkpoints", "triplets"
# A training is looked at so many times at least; points in samples are rounded to these moments
_MARKS = 50


def finished_result(folder: Path) -> dict[str, Any] | None:
    """The result of a run that is finished in `folder`, else None."""
    return read_json(folder / RESULT) if (folder / RESULT).is_file() else None


def compute_run(
    run: Run,
    footage: Footage,
    measured: Footage,
    measuring: Measuring,
    folder: Path,
    start: Path | None = None,
    logger: MetricsLogger | None = None,
) -> dict[str, Any]:
    """Train and measure a run, or go on where an earlier run of it was stopped.

    Args:
        footage: what is trained on (its triplets may differ from those of `measured`).
        measured: what is measured on.
        folder: the run's own; receives the model and, last, the result.
        start: folder of the model that `run.start` left.
        logger: takes the curves.

    Returns:
        The result: `rows` (samples, seconds, domain, alignment, metric, value), `frames` of an
        online run (domain, scene, frame, abs_rel before it was learned from, base_abs_rel of the
        model at the start), `samples`, `seconds` and `triplets` (how many different new ones).
        Seconds are those of training and of setting it up, without measuring.

    Raises:
        UserError: if there is nothing to train on, or training goes wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = select(run, footage, measured, folder / _TRIPLETS)
    batches = online_batches(new, run) if run.online_repeats else []
    if batches:
        run = replace(run, samples=len(batches) * run.online_repeats * run.train.batch_size)
    initial = None if start is None else DepthModel.load(start)
    watch = _Watch(run, measured, measuring, folder, batches)
    if initial is not None:
        watch.at_the_beginning(initial)
    watch.go_on()
    study, kept = {"study": folder / _TRIPLETS}, folder / _CHECKPOINTS
    model = train(study, watch.settings(), kept, logger, watch, run.fingerprint, initial)
    watch.halt()
    watch.at_the_end(model)
    model.metadata.update({"domains": list(run.train_on), "cell": run.label, "triplets": len(new)})
    remove(folder / MODEL)
    model.save(folder / MODEL)
    result = {
        "label": run.label,
        "samples": run.steps * run.train.batch_size,
        "seconds": watch.seconds,
        "triplets": len(new),
        "rows": watch.rows(),
        "frames": watch.frames(initial),
    }
    write_json(folder / RESULT, result)
    for name in (_CHECKPOINTS, _TRIPLETS, _PROGRESS):
        remove(folder / name)
    return result


class _Watch:
    """Measures at the wished moments of a training, and remembers what it measured if the training
    is stopped. Its clock counts the seconds of training and halts while something is measured."""

    def __init__(
        self, run: Run, measured: Footage, measuring: Measuring, folder: Path, batches: list[Batch]
    ) -> None:
        self.run, self.measured, self.measuring = run, measured, measuring
        self.batches, self.file = batches, folder / _PROGRESS
        self.every = min(run.train.checkpoint_every, run.steps)
        if run.online_repeats:
            self.every = 1
        elif run.points:
            self.every = max(1, run.steps // _MARKS)
        marks = {round(point / run.train.batch_size / self.every) for point in run.points}
        self.wanted = {run.steps, *(max(1, mark) * self.every for mark in marks)}
        checkpoint = folder / _CHECKPOINTS / LAST
        done = int(load_checkpoint(checkpoint)["step"]) if checkpoint.is_file() else 0
        kept = read_json(self.file) if self.file.is_file() else {}
        # What was measured, by step as text, since it is kept as JSON; in the order of the steps
        self.progress = {
            name: {k: v for k, v in kept.get(name, {}).items() if int(k) <= done}
            for name in ("seconds", "rows", "frames")
        }
        self.seconds = max(self.progress["seconds"].values(), default=0.0)

    def go_on(self) -> None:
        self.since = time.perf_counter()

    def halt(self) -> None:
        self.seconds += time.perf_counter() - self.since

    def settings(self) -> TrainSettings:
        """The training's settings: it is looked at, and may be stopped, at the same moments."""
        train = self.run.train
        changes = {
            "steps": self.run.steps,
            "validate_every": self.every,
            "checkpoint_every": self.every * math.ceil(train.checkpoint_every / self.every),
            "order": "given" if self.run.online_repeats else train.order,
        }
        return train.model_copy(update=changes)

    def at_the_beginning(self, model: DepthModel) -> None:
        """Measure the model that the training starts from."""
        if "0" not in self.progress["seconds"]:
            self._look(model, 0)

    def __call__(self, model: DepthModel) -> dict[str, float]:
        """Called by the training at every validation."""
        self.halt()
        figures = self._look(model, int(model.metadata["step"]))
        self.go_on()
        return figures

    def at_the_end(self, model: DepthModel) -> None:
        """Measure the finished model, unless the last validation did."""
        if str(self.run.steps) not in self.progress["rows"]:
            self._measure(model, self.run.steps)

    def rows(self) -> list[dict[str, Any]]:
        """All that was measured on domains."""
        size, seconds = self.run.train.batch_size, self.progress["seconds"]
        return [
            {"samples": int(step) * size, "seconds": seconds.get(step, self.seconds)} | row
            for step, rows in self.progress["rows"].items()
            for row in rows
        ]

    def frames(self, initial: DepthModel | None) -> list[dict[str, Any]]:
        """What was measured on frames before they were learned from, in the order of the flight,
        and the first model's error beside it."""
        rows = [row for rows in self.progress["frames"].values() for row in rows]
        if initial is None or not rows:
            return rows
        untouched = {
            (row["domain"], row["scene"], row["frame"]): row["abs_rel"]
            for batch in self.batches
            for row in self._measure_batch(initial, batch)
        }
        return [
            row | {"base_abs_rel": untouched[row["domain"], row["scene"], row["frame"]]}
            for row in rows
        ]

    def _look(self, model: DepthModel, step: int) -> dict[str, float]:
        self.progress["seconds"][str(step)] = self.seconds
        batch, part = divmod(step, self.run.online_repeats or 1)
        if not part and batch < len(self.batches):
            self.progress["frames"][str(step)] = self._measure_batch(model, self.batches[batch])
        figures = {}
        if (step == 0 and self.run.points) or step in self.wanted:
            figures = self._measure(model, step)
        write_json(self.file, self.progress)
        return figures

    def _measure(self, model: DepthModel, step: int) -> dict[str, float]:
        rows = self.measuring.of_domains(model, self.measured)
        self.progress["rows"][str(step)] = rows
        first = self.measuring.settings.alignments[0]
        shown = [row for row in rows if row["alignment"] == first]
        return {f"{row['domain']}/{row['metric']}": row["value"] for row in shown}

    def _measure_batch(self, model: DepthModel, batch: Batch) -> list[dict[str, Any]]:
        rows, targets = [], set(batch)
        for domain in self.run.train_on:
            found = {
                scene: [r for r in references if (f"{domain}/{scene}", r.frame) in targets]
                for scene, references in self.measured[domain].train_references.items()
            }
            found = {scene: references for scene, references in found.items() if references}
            if found:
                rows += self.measuring.of_frames(model, domain, found)
        return rows
