"""One run: select its triplets, train, measure on the way. What is finished stays; what was
stopped goes on."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aerial_depth_pipeline.files import read_json, remove, write_json
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.study.measuring import Measuring
from aerial_depth_pipeline.study.run import Run, StudyDomain
from aerial_depth_pipeline.study.training_lists import Target, fresh_in_batch, select
from aerial_depth_pipeline.training.checkpoints import LAST, load_checkpoint
from aerial_depth_pipeline.training.curve import MetricsLogger
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
    footage: Mapping[str, StudyDomain],
    measured: Mapping[str, StudyDomain],
    measuring: Measuring,
    folder: Path,
    start: Path | None = None,
    logger: MetricsLogger | None = None,
) -> dict[str, Any]:
    """Train and measure a run, or go on where an earlier run of it was stopped.

    Args:
        footage: by domain, what is trained on (its triplets may differ from those of `measured`).
        measured: by domain, what is measured on.
        folder: the run's own; receives the model and, last, the result.
        start: folder of the model that `run.start` left.
        logger: takes the curves.

    Returns:
        The result: `rows` (samples, seconds, domain, alignment, metric, value), `frames` of an
            online run (domain, scene, frame,
        abs_rel before it was learned from, base_abs_rel of the model at the start), `samples`,
        `seconds` and `triplets` (how many different new ones). Seconds are those of training and of
        setting it up, without measuring.

    Raises:
        UserError: if there is nothing to train on, or training goes wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = select(run, footage, measured, folder / _TRIPLETS)
    if run.online_repeats:
        batches = math.ceil(len(new) / fresh_in_batch(run))
        run = replace(run, samples=batches * run.online_repeats * run.train.batch_size)
    initial = None if start is None else DepthModel.load(start)
    watch = _Watch(run, measured, measuring, folder, new)
    if initial is not None:
        watch.at_the_beginning(initial)
    watch.clock.start()
    model = train(
        {"study": folder / _TRIPLETS},
        watch.settings(),
        folder / _CHECKPOINTS,
        logger=logger,
        validate=watch,
        fingerprint=run.fingerprint,
        initial=initial,
    )
    watch.clock.stop()
    watch.at_the_end(model)
    model.metadata.update({"domains": list(run.train_on), "cell": run.label, "triplets": len(new)})
    remove(folder / MODEL)
    model.save(folder / MODEL)
    result = {
        "label": run.label,
        "samples": run.steps * run.train.batch_size,
        "seconds": watch.clock.seconds,
        "triplets": len(new),
        "rows": watch.rows(),
        "frames": watch.frames(initial),
    }
    write_json(folder / RESULT, result)
    for name in (_CHECKPOINTS, _TRIPLETS, _PROGRESS):
        remove(folder / name)
    return result


class _Clock:
    """Seconds of training, halted while something is measured."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: float | None = None

    def start(self) -> None:
        self._since = time.perf_counter()

    def stop(self) -> None:
        if self._since is not None:
            self.seconds += time.perf_counter() - self._since
            self._since = None


class _Watch:
    """Measures at the wished moments of a training, and remembers what it measured if the training
    is stopped."""

    def __init__(
        self,
        run: Run,
        measured: Mapping[str, StudyDomain],
        measuring: Measuring,
        folder: Path,
        new: list[Target],
    ) -> None:
        self.run, self.measured, self.measuring = run, measured, measuring
        self.file = folder / _PROGRESS
        self.batches = self._batches(new) if run.online_repeats else []
        if run.online_repeats:
            self.every = 1
        elif run.points:
            self.every = max(1, run.steps // _MARKS)
        else:
            self.every = min(run.train.checkpoint_every, run.steps)
        self.wanted = {
            max(1, round(point / run.train.batch_size / self.every)) * self.every
            for point in run.points
        }
        checkpoint = folder / _CHECKPOINTS / LAST
        done = int(load_checkpoint(checkpoint)["step"]) if checkpoint.is_file() else 0
        kept = read_json(self.file) if self.file.is_file() else {}
        self.progress = {
            name: {k: v for k, v in kept.get(name, {}).items() if int(k) <= done}
            for name in ("seconds", "rows", "frames")
        }
        self.clock = _Clock(max(self.progress["seconds"].values(), default=0.0))

    def settings(self) -> Any:
        """The training's settings: it is looked at, and may be stopped, at the same moments."""
        checkpoint_every = self.every * math.ceil(self.run.train.checkpoint_every / self.every)
        order = "given" if self.run.online_repeats else self.run.train.order
        changes = {"steps": self.run.steps, "validate_every": self.every, "order": order}
        return self.run.train.model_copy(update=changes | {"checkpoint_every": checkpoint_every})

    def at_the_beginning(self, model: DepthModel) -> None:
        """Measure the model that the training starts from."""
        if "0" not in self.progress["seconds"]:
            self._look(model, 0)

    def __call__(self, model: DepthModel) -> dict[str, float]:
        """Called by the training at every validation."""
        self.clock.stop()
        figures = self._look(model, int(model.metadata["step"]))
        self.clock.start()
        return figures

    def at_the_end(self, model: DepthModel) -> None:
        """Measure the finished model, unless the last validation did."""
        if str(self.run.steps) not in self.progress["rows"]:
            self._measure(model, self.run.steps)

    def rows(self) -> list[dict[str, Any]]:
        """All that was measured on domains."""
        size, seconds = self.run.train.batch_size, self.progress["seconds"]
        steps = sorted(self.progress["rows"], key=int)
        return [
            {"samples": int(s) * size, "seconds": seconds.get(s, self.clock.seconds)} | r
            for s in steps
            for r in self.progress["rows"][s]
        ]

    def frames(self, initial: DepthModel | None) -> list[dict[str, Any]]:
        """What was measured on frames before they were learned from, in the order of the flight,
        and the first model's error beside it."""
        rows = [
            row
            for step in sorted(self.progress["frames"], key=int)
            for row in self.progress["frames"][step]
        ]
        if initial is None or not rows:
            return rows
        first = [row for batch in self.batches for row in self._measure_batch(initial, batch)]
        untouched = {(row["domain"], row["scene"], row["frame"]): row["abs_rel"] for row in first}
        return [
            row | {"base_abs_rel": untouched[row["domain"], row["scene"], row["frame"]]}
            for row in rows
        ]

    def _look(self, model: DepthModel, step: int) -> dict[str, float]:
        self.progress["seconds"][str(step)] = self.clock.seconds
        figures = {}
        if self.run.online_repeats and step % self.run.online_repeats == 0:
            batch = step // self.run.online_repeats
            if batch < len(self.batches):
                self.progress["frames"][str(step)] = self._measure_batch(model, self.batches[batch])
        if (step == 0 and self.run.points) or step in self.wanted or step == self.run.steps:
            figures = self._measure(model, step)
        write_json(self.file, self.progress)
        return figures

    def _measure(self, model: DepthModel, step: int) -> dict[str, float]:
        references = {name: footage.references for name, footage in self.measured.items()}
        rows = self.measuring.of_domains(model, references)
        self.progress["rows"][str(step)] = rows
        first = self.measuring.settings.alignments[0]
        return {
            f"{row['domain']}/{row['metric']}": row["value"]
            for row in rows
            if row["alignment"] == first
        }

    def _batches(self, new: list[Target]) -> list[list[Target]]:
        size = fresh_in_batch(self.run)
        return [new[start : start + size] for start in range(0, len(new), size)]

    def _measure_batch(self, model: DepthModel, targets: list[Target]) -> list[dict[str, Any]]:
        rows = []
        for domain in self.run.train_on:
            wanted = {
                (scene.partition("/")[2], frame)
                for scene, frame in targets
                if scene.partition("/")[0] == domain
            }
            known = self.measured[domain].train_references
            found = {
                scene: [r for r in known.get(scene, []) if (scene, r.frame) in wanted]
                for scene, _ in wanted
            }
            found = {scene: references for scene, references in found.items() if references}
            if found:
                rows += [
                    {"domain": domain} | row
                    for row in self.measuring.of_frames(model, domain, found)
                ]
        return rows
