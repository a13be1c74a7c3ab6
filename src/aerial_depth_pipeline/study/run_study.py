"""All runs of a study: what is finished is kept, a failure does not touch the other runs, several
go at a time where devices allow."""

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import torch

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.study.compute_run import MODEL, compute_run, finished_result
from aerial_depth_pipeline.study.measuring import Measuring
from aerial_depth_pipeline.study.run import Footage, Run
from aerial_depth_pipeline.training.curve import MetricsLogger

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Keeps a record of the runs, such as an experiment tracker."""

    def running(self, run: Run) -> AbstractContextManager[MetricsLogger]:
        """A context in which the run is computed; an exception that leaves it is its failure."""

    def finished(self, run: Run, result: Mapping[str, Any]) -> None:
        """The run has a result, of now or of an earlier study."""


@dataclass(frozen=True)
class FunctionLogger:
    """Hands the figures of a training's steps to a function."""

    log_metrics: Callable[..., None]


@dataclass(frozen=True)
class Outcome:
    """What became of a run: its result, or why it has none."""

    run: Run
    result: Mapping[str, Any] | None
    reason: str = ""


Outcomes = Mapping[str, Outcome]
"""By the fingerprint of the run."""


@dataclass(frozen=True)
class Workshop:
    """Where runs are computed.

    Attributes:
        folder: local folder with a folder for each run, named by its fingerprint; survives a killed
            study.
        footage: of the study.
        measuring: how models are measured.
        remake: the footage of some domains with triplets of other settings (`Run.triplets`).
        workers: runs at a time; 0 takes one for each CUDA device, or one on a CPU.
        observer: keeps a record.
    """

    folder: Path
    footage: Footage
    measuring: Measuring
    remake: Callable[[Mapping[str, Any], Sequence[str]], Footage]
    workers: int = 0
    observer: Observer | None = None
    _remaking: threading.Lock = field(default_factory=threading.Lock)

    def of(self, run: Run) -> Path:
        """The run's folder."""
        return self.folder / run.fingerprint

    def footage_of(self, run: Run) -> Footage:
        """What the run trains on."""
        if not run.triplets:
            return self.footage
        with self._remaking:
            return self.remake(run.triplets, run.train_on)


def in_order(runs: Sequence[Run]) -> list[list[Run]]:
    """The different runs and those they start from, in waves: a run comes in a later wave than the
    one it starts from."""
    waves: list[dict[str, Run]] = []
    for run in runs:
        chain = [run]
        while chain[0].start is not None:
            chain.insert(0, chain[0].start)
        waves += [{} for _ in chain[len(waves) :]]
        for wave, each in zip(waves, chain, strict=False):
            wave.setdefault(each.fingerprint, each)
    return [list(wave.values()) for wave in waves]


def run_study(runs: Sequence[Run], workshop: Workshop) -> dict[str, Outcome]:
    """Compute the runs that have no result yet. The log tells how many there are, and after each
    how long the others take at the pace so far.

    Returns:
        What became of each run, by fingerprint.
    """
    waves = in_order(runs)
    total = sum(map(len, waves))
    missing = [run for wave in waves for run in wave if finished_result(workshop.of(run)) is None]
    log.info("Study: %d runs, %d of them finished already.", total, total - len(missing))
    left, done, begin = sum(run.samples for run in missing), 0, time.monotonic()
    outcomes: dict[str, Outcome] = {}
    devices: SimpleQueue[int | None] = SimpleQueue()
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    count = workshop.workers or max(1, cuda)
    for index in range(count):
        devices.put(index % cuda if cuda else None)

    def compute(run: Run) -> None:
        nonlocal left, done
        outcome = Outcome(run, finished_result(workshop.of(run)))
        if outcome.result is None:
            device = devices.get()
            try:
                outcome = _compute(run, workshop, outcomes, device, apart=count > 1)
            finally:
                devices.put(device)
            left -= run.samples
            done += 0 if outcome.result is None else run.samples
        elif workshop.observer is not None:
            workshop.observer.finished(run, outcome.result)
        outcomes[run.fingerprint] = outcome
        place = f"Run {len(outcomes)} of {total}, {run.label}"
        if outcome.result is None:
            log.warning("%s, is left out: %s.", place, outcome.reason)
            return
        minutes = (time.monotonic() - begin) / 60 * left / done if done else 0.0
        rest = f"; about {minutes:.0f} minutes to go" if minutes >= 1 else ""
        log.info("%s, is done, %.0f s of training%s.", place, outcome.result["seconds"], rest)

    for wave in waves:
        if count == 1:
            for run in wave:
                compute(run)
        else:
            with ThreadPoolExecutor(count, "study") as pool:
                list(pool.map(compute, wave))
    return outcomes


def _compute(
    run: Run, workshop: Workshop, outcomes: Outcomes, device: int | None, apart: bool
) -> Outcome:
    """Compute a run, in a process of its own that sees `device` alone where it is to be `apart`."""
    start = None
    if run.start is not None:
        if outcomes[run.start.fingerprint].result is None:
            return Outcome(run, None, f"the model it starts from ({run.start.label}) is missing")
        start = workshop.of(run.start) / MODEL
    observer = workshop.observer
    try:
        with nullcontext() if observer is None else observer.running(run) as logger:
            footage, folder = workshop.footage_of(run), workshop.of(run)
            arguments = (run, footage, workshop.footage, workshop.measuring, folder, start)
            if apart:
                result = _run_apart(arguments, logger, device)
            else:
                result = compute_run(*arguments, logger)
    except UserError as error:
        return Outcome(run, None, str(error))
    except Exception as error:  # noqa: BLE001 - one run's bug must not take down a night's others
        log.debug("Run %s failed", run.label, exc_info=error)
        return Outcome(run, None, f"unexpected {type(error).__name__}: {error}".rstrip(": "))
    if observer is not None:
        observer.finished(run, result)
    return Outcome(run, result)


def _run_apart(arguments: tuple, logger: MetricsLogger | None, device: int | None) -> dict:
    """`compute_run` in a process of its own; its curves come back through a pipe."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    given = sender, arguments, logger is not None, device
    process = context.Process(target=_child, args=given, daemon=True)
    process.start()
    sender.close()
    try:
        while True:
            kind, *content = receiver.recv()
            if kind == "error":
                raise UserError(content[0])
            if kind == "result":
                process.join()
                return content[0]
            if logger is not None:
                logger.log_metrics(*content)
    except EOFError:
        process.join()
        raise UserError(
            f"its process ended with code {process.exitcode}; its last words are in the log"
        ) from None
    finally:
        process.terminate()


def _child(pipe: Any, arguments: tuple, logged: bool, device: int | None) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if device is not None:  # nothing has asked for CUDA yet: from now on there is this device alone
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[device] if visible else str(device)

    def send(metrics: dict[str, float], step: int | None = None) -> None:
        pipe.send(("metrics", {name: float(value) for name, value in metrics.items()}, step))

    logger = FunctionLogger(send) if logged else None
    try:
        pipe.send(("result", compute_run(*arguments, logger=logger)))  # type: ignore[misc]
    except BrokenPipeError:  # the study has ended
        raise SystemExit(1) from None
    except UserError as error:
        pipe.send(("error", str(error)))
    except Exception as error:  # noqa: BLE001 - the parent says it
        pipe.send(("error", f"unexpected {type(error).__name__}: {error}"))
