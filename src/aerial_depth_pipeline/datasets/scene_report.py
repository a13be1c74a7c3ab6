"""`scene_report.csv`: what became of every scene in every step, and why."""

import csv
import io
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from aerial_depth_pipeline.datasets.storage import Storage
from aerial_depth_pipeline.files import lock, write_text

_COLUMNS = ["domain", "scene", "step", "status", "reason"]


@dataclass
class SceneReport:
    """What became of a domain's scenes in one step: scene → '' if it went well, else the reason why
    it was left out."""

    reasons: dict[str, str] = field(default_factory=dict)
    complete: bool = False


class SceneReportDataset(AbstractDataset[SceneReport, SceneReport]):
    """The rows of one domain and step in the shared report; saving replaces them and leaves the
    others.

    A step that is under way has no rows, so that `--only-missing-outputs` runs an interrupted step
    again.
    """

    def __init__(self, filepath: str, domain: str, step: str, metadata: dict | None = None) -> None:
        self._filepath, self._domain, self._step = filepath, domain, step
        self.metadata = metadata

    def _rows(self) -> list[dict[str, str]]:
        folder, _, name = self._filepath.rpartition("/")
        text = Storage(folder).read_text(name)
        return [] if text is None else list(csv.DictReader(io.StringIO(text)))

    def _is_mine(self, row: dict[str, str]) -> bool:
        return row["domain"] == self._domain and row["step"] == self._step

    def load(self) -> SceneReport:
        mine = [row for row in self._rows() if self._is_mine(row)]
        return SceneReport({row["scene"]: row["reason"] for row in mine}, complete=bool(mine))

    def save(self, data: SceneReport) -> None:
        with _locked(self._filepath):
            rows = [row for row in self._rows() if not self._is_mine(row)]
            if data.complete:
                for scene, reason in data.reasons.items():
                    status = "left out" if reason else "ok"
                    rows.append(
                        dict(
                            zip(
                                _COLUMNS,
                                [self._domain, scene, self._step, status, reason],
                                strict=True,
                            )
                        )
                    )
            rows.sort(key=lambda row: (row["domain"], row["scene"], row["step"]))
            text = io.StringIO()
            writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            folder, _, name = self._filepath.rpartition("/")
            storage = Storage(folder)
            if storage.is_local:
                write_text(Path(storage.path(name)), text.getvalue())
            else:
                storage.filesystem.pipe_file(storage.path(name), text.getvalue().encode())

    def _exists(self) -> bool:
        return self.load().complete

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "domain": self._domain, "step": self._step}


@contextmanager
def _locked(filepath: str):
    """Keep two runs on one machine from writing the report at once; a crash releases the lock."""
    folder, _, name = filepath.rpartition("/")
    storage = Storage(folder)
    if not storage.is_local:
        yield
        return
    held = lock(Path(storage.path(f".{name}.lock")), float("inf"))
    with held or nullcontext():
        yield
