"""All cells of a study: what is finished is kept, a failure does not touch the other cells, several
run at a time where devices allow."""

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import torch

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.study.cells import Cell, Footage
from aerial_depth_pipeline.study.measuring import Measuring
from aerial_depth_pipeline.study.run_cell import MODEL, CellLogger, finished_result, run_cell

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5


class Observer(Protocol):
    """Whoever keeps a record of the cells, such as an experiment tracker."""

    def running(self, cell: Cell) -> AbstractContextManager[CellLogger | None]:
        """A context in which the cell runs; what leaves it as an exception is the cell's
        failure."""

    def finished(self, cell: Cell, result: Mapping[str, Any], kept: bool) -> None:
        """The cell has a result; `kept` if an earlier run had it already."""


class NoObserver:
    """Keeps no record."""

    def running(self, cell: Cell) -> AbstractContextManager[None]:
        """No logger."""
        return nullcontext()

    def finished(self, cell: Cell, result: Mapping[str, Any], kept: bool) -> None:
        """Nothing to do."""


@dataclass(frozen=True)
class Outcome:
    """What became of a cell: its result, or why it has none."""

    cell: Cell
    result: Mapping[str, Any] | None
    reason: str = ""


@dataclass(frozen=True)
class Workshop:
    """Where cells are computed.

    Attributes:
        folder: local folder with a folder for each cell, named by its fingerprint; survives a
            killed run.
        footage: by domain, what there is.
        measuring: how models are measured.
        remake: the footage with triplets of other settings (`Cell.triplets`).
        workers: cells at a time; 0 takes one for each CUDA device, or one on a CPU.
        observer: keeps a record.
    """

    folder: Path
    footage: Mapping[str, Footage]
    measuring: Measuring
    remake: Callable[[Mapping[str, Any], Sequence[str]], Mapping[str, Footage]]
    workers: int = 0
    observer: Observer = NoObserver()

    def of(self, cell: Cell) -> Path:
        """The cell's folder."""
        return self.folder / cell.fingerprint


def in_order(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The different cells and those they start from, in waves: a cell comes in a later wave than
    the one it starts from."""
    depths: dict[str, tuple[int, Cell]] = {}

    def add(cell: Cell) -> int:
        if cell.fingerprint not in depths:
            depth = 0 if cell.start is None else add(cell.start) + 1
            depths[cell.fingerprint] = (depth, cell)
        return depths[cell.fingerprint][0]

    for cell in cells:
        add(cell)
    last = max((depth for depth, _ in depths.values()), default=-1)
    return [[cell for depth, cell in depths.values() if depth == wave] for wave in range(last + 1)]


def run_study(cells: Sequence[Cell], workshop: Workshop) -> dict[str, Outcome]:
    """Compute the cells that have no result yet.

    Returns:
        What became of each cell, by fingerprint.
    """
    waves = in_order(cells)
    total = sum(map(len, waves))
    outcomes: dict[str, Outcome] = {}
    devices: SimpleQueue[int | None] = SimpleQueue()
    count, cuda = parallel_cells(workshop.workers), _cuda_devices()
    for index in range(count):
        devices.put(index % cuda if cuda else None)
    remaking = threading.Lock()

    def compute(cell: Cell) -> None:
        outcome = _kept(cell, workshop)
        if outcome is None:
            device = devices.get()
            try:
                outcome = _compute(
                    cell,
                    workshop,
                    outcomes,
                    remaking,
                    device if count > 1 else None,
                    apart=count > 1,
                )
            finally:
                devices.put(device)
        outcomes[cell.fingerprint] = outcome
        note = (
            f"is left out: {outcome.reason}"
            if outcome.result is None
            else f"is done, {outcome.result['seconds']:.0f} s of training"
        )
        log.log(
            logging.WARNING if outcome.result is None else logging.INFO,
            "Cell %d of %d, %s, %s.",
            len(outcomes),
            total,
            cell.label,
            note,
        )

    for wave in waves:
        if count == 1:
            for cell in wave:
                compute(cell)
        else:
            with ThreadPoolExecutor(count, "study") as pool:
                list(pool.map(compute, wave))
    return outcomes


def parallel_cells(workers: int) -> int:
    """How many cells run at a time, by `Workshop.workers`."""
    return workers or max(1, _cuda_devices())


def _cuda_devices() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _kept(cell: Cell, workshop: Workshop) -> Outcome | None:
    result = finished_result(workshop.of(cell))
    if result is None:
        return None
    workshop.observer.finished(cell, result, kept=True)
    return Outcome(cell, result)


def _compute(
    cell: Cell,
    workshop: Workshop,
    outcomes: Mapping[str, Outcome],
    remaking: threading.Lock,
    device: int | None,
    apart: bool,
) -> Outcome:
    start = None
    if cell.start is not None:
        if outcomes[cell.start.fingerprint].result is None:
            return Outcome(cell, None, f"the model it starts from ({cell.start.label}) is missing")
        start = workshop.of(cell.start) / MODEL
    try:
        with workshop.observer.running(cell) as logger:
            footage = workshop.footage
            if cell.triplets:
                with remaking:
                    footage = workshop.remake(cell.triplets, cell.train_on)
            arguments = (
                cell,
                footage,
                workshop.footage,
                workshop.measuring,
                workshop.of(cell),
                start,
            )
            result = (
                _run_apart(arguments, logger, device) if apart else run_cell(*arguments, logger)
            )
    except UserError as error:
        return Outcome(cell, None, str(error))
    except Exception as error:  # noqa: BLE001 - one cell's bug must not take down a night's run over the others
        log.debug("Cell %s failed", cell.label, exc_info=error)
        return Outcome(cell, None, f"unexpected {type(error).__name__}: {error}".rstrip(": "))
    workshop.observer.finished(cell, result, kept=False)
    return Outcome(cell, result)


def _run_apart(arguments: tuple, logger: CellLogger | None, device: int | None) -> dict[str, Any]:
    """`run_cell` in a process of its own, which sees one CUDA device only; its curves come back
    through a pipe."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    with _visible(device):
        process = context.Process(
            target=_child, args=(sender, arguments, logger is not None), daemon=True
        )
        process.start()
    sender.close()
    answer = None
    try:
        while answer is None or answer[0] == "metrics":
            if receiver.poll(_POLL_SECONDS):
                try:
                    answer = receiver.recv()
                except EOFError:
                    break
                if answer[0] == "metrics" and logger is not None:
                    logger.log_metrics(answer[1], step=answer[2])
        process.join()
    finally:
        if process.is_alive():
            process.terminate()
    if answer is None or answer[0] == "metrics":
        raise UserError(
            f"its process ended with code {process.exitcode}; its last words are in the log"
        )
    if answer[0] == "error":
        raise UserError(answer[1])
    return answer[1]


_environment = threading.Lock()


@contextmanager
def _visible(device: int | None) -> Iterator[None]:
    """Processes that start within see this CUDA device alone."""
    if device is None:
        yield
        return
    with _environment:
        before = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = before.split(",") if before else None
        os.environ["CUDA_VISIBLE_DEVICES"] = names[device] if names else str(device)
        try:
            yield
        finally:
            if before is None:
                del os.environ["CUDA_VISIBLE_DEVICES"]
            else:
                os.environ["CUDA_VISIBLE_DEVICES"] = before


class _Sender:
    """A logger whose figures go through a pipe; a closed pipe ends the process."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.pipe.send(("metrics", {name: float(value) for name, value in metrics.items()}, step))


def _child(pipe: Any, arguments: tuple[Any, ...], logged: bool) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        logger = _Sender(pipe) if logged else None
        pipe.send(("result", run_cell(*arguments, logger=logger)))  # type: ignore[misc]
    except BrokenPipeError:
        raise SystemExit(1) from None
    except UserError as error:
        pipe.send(("error", str(error)))
    except Exception as error:  # noqa: BLE001 - the parent says it
        pipe.send(("error", f"unexpected {type(error).__name__}: {error}"))
