"""Training on several devices or machines: the ranks are started by torch's own launcher, as
programs of their own.

The process that asks for the training stays one process with one Kedro run and one MLflow run. It
starts the ranks, hands their curves to its logger and validates their models; they talk to it
through files in a folder. A rank is

    python -m aerial_depth_pipeline.training.launch <folder>/task.json

started by `torch.distributed.run`. With `num_nodes` above 1 the process that asks runs on node 0,
and the same command is started on the other nodes (torchrun or srun, with NODE_RANK, MASTER_ADDR
and MASTER_PORT set as usual), with the folder on a shared disk.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import read_json, write_json
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.training.curve import MetricsLogger
from aerial_depth_pipeline.training.fit import fit
from aerial_depth_pipeline.training.settings import TrainSettings

log = logging.getLogger(__name__)

_TASK, _METRICS, _INITIAL, _MODEL = "task.json", "metrics.jsonl", "initial_model", "depth_model"
_POLL_SECONDS = 0.2


def in_a_rank() -> bool:
    """Whether this process was started by torch's launcher."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def train_in_ranks(
    domains: dict[str, Path],
    settings: TrainSettings,
    checkpoints: Path,
    logger: MetricsLogger | None,
    validate: Callable[[DepthModel], dict[str, float]] | None,
    fingerprint: str,
    initial: DepthModel | None = None,
) -> DepthModel:
    """`train`, carried out by `settings.devices` processes on each of `settings.num_nodes`
    machines.

    Raises:
        UserError: what a rank raised as one, or that a rank ended without a word.
    """
    exchange = Path(checkpoints) / "ranks"
    shutil.rmtree(exchange, ignore_errors=True)
    exchange.mkdir(parents=True)
    task = {
        "domains": {name: str(Path(folder).resolve()) for name, folder in domains.items()},
        "settings": settings.model_dump(),
        "checkpoints": str(Path(checkpoints).resolve()),
        "fingerprint": fingerprint,
        "validated": validate is not None,
        "logged": logger is not None,
        "initial": initial is not None,
    }
    if initial is not None:
        initial.save(exchange / _INITIAL)
    write_json(exchange / _TASK, task)
    process = subprocess.Popen([*_launcher(settings), "-m", __name__, str(exchange / _TASK)])
    try:
        forwarded = 0
        while True:
            running = process.poll() is None
            forwarded = _forward(exchange / _METRICS, forwarded, logger)
            _answer(exchange, validate)
            if not running:
                break
            time.sleep(_POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    for error in sorted(exchange.glob("error_*.json")):
        raise UserError(read_json(error)["message"])
    if process.returncode != 0:
        raise UserError(
            f"A training process ended with code {process.returncode}; its last words are above."
        )
    model = DepthModel.load(exchange / _MODEL)
    shutil.rmtree(exchange, ignore_errors=True)
    return model


def _launcher(settings: TrainSettings) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nproc-per-node={settings.devices}",
        "--max-restarts=0",
    ]
    if settings.num_nodes == 1:
        return [*command, "--standalone"]
    address, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT", "29500")
    if not address:
        raise UserError(
            "train.num_nodes is above 1, but MASTER_ADDR does not say where node 0 is; set it, or"
            " num_nodes: 1."
        )
    node = os.environ.get("NODE_RANK", os.environ.get("SLURM_NODEID", "0"))
    return [
        *command,
        f"--nnodes={settings.num_nodes}",
        f"--node-rank={node}",
        f"--master-addr={address}",
        f"--master-port={port}",
    ]


def _forward(path: Path, done: int, logger: MetricsLogger | None) -> int:
    """Hand complete new lines of the metrics file to the logger; returns how many bytes have been
    handed on."""
    if logger is None or not path.is_file():
        return done
    with path.open("rb") as stream:
        stream.seek(done)
        text = stream.read()
    whole = text[: text.rfind(b"\n") + 1]
    for line in whole.splitlines():
        entry = json.loads(line)
        logger.log_metrics(entry["metrics"], step=entry["step"])
    return done + len(whole)


def _answer(exchange: Path, validate: Callable[[DepthModel], dict[str, float]] | None) -> None:
    """Validate models that rank 0 has put down and write the figures beside them."""
    for folder in sorted(path for path in exchange.glob("validate_*") if path.is_dir()):
        answer = exchange / f"{folder.name}.json"
        if validate is not None and not answer.is_file():
            write_json(
                answer,
                {name: float(value) for name, value in validate(DepthModel.load(folder)).items()},
            )


class _FileLogger:
    """What rank 0 logs, as lines of JSON."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, "metrics": metrics}) + "\n")


def _validate_elsewhere(exchange: Path) -> Callable[[DepthModel], dict[str, float]]:
    """A validation that is done by the process that asked for the training."""

    def validate(model: DepthModel) -> dict[str, float]:
        name = f"validate_{model.metadata['step']:08d}"
        model.save(exchange / name)
        while not (exchange / f"{name}.json").is_file():
            if os.getppid() == 1:
                raise UserError("The process that asked for this training is gone.")
            time.sleep(_POLL_SECONDS)
        figures = read_json(exchange / f"{name}.json")
        shutil.rmtree(exchange / name, ignore_errors=True)
        return figures

    return validate


def run_rank(path: Path) -> None:
    """Do this rank's share of the training that `path` describes."""
    exchange = Path(path).parent
    task: dict[str, Any] = read_json(path)
    rank = int(os.environ.get("RANK", "0"))
    first = rank == 0
    try:
        model = fit(
            {name: Path(folder) for name, folder in task["domains"].items()},
            read_settings(TrainSettings, task["settings"], "train"),
            Path(task["checkpoints"]),
            _FileLogger(exchange / _METRICS) if first and task["logged"] else None,
            _validate_elsewhere(exchange) if first and task["validated"] else None,
            task["fingerprint"],
            DepthModel.load(exchange / _INITIAL) if task["initial"] else None,
        )
    except UserError as error:
        # Every rank: the launcher stops the others as soon as one has ended.
        write_json(exchange / f"error_{rank}.json", {"message": str(error)})
        raise SystemExit(1) from error
    if first:
        model.save(exchange / _MODEL)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_rank(Path(sys.argv[1]))
