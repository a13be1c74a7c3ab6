"""What the parts of the study share: cells from settings, and tables from results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aerial_depth_pipeline.configuration import present_names
from aerial_depth_pipeline.files import fingerprint_of
from aerial_depth_pipeline.study.cells import Cell, Footage, changed, train_settings
from aerial_depth_pipeline.study.measuring import Measuring
from aerial_depth_pipeline.study.run_study import Outcome
from aerial_depth_pipeline.study.settings import StudySettings
from aerial_depth_pipeline.training.settings import TrainSettings

CELLS = ["part", "cell", "status", "reason", "samples", "seconds", "triplets"]


@dataclass(frozen=True)
class Planner:
    """Makes cells.

    Attributes:
        settings: of the study.
        train: the parameters `train`.
        triplets: the parameters `triplets`.
        footage: by domain, in the order of the study.
        measuring: how models are measured.
    """

    settings: StudySettings
    train: Mapping[str, Any]
    triplets: Mapping[str, Any]
    footage: Mapping[str, Footage]
    measuring: Measuring

    @property
    def domains(self) -> list[str]:
        """The study's domains."""
        return list(self.footage)

    def cell(
        self,
        label: str,
        train_on: Sequence[str],
        seed: int,
        *changes: Mapping[str, Any],
        samples: int = 0,
        **options: Any,
    ) -> Cell:
        """A cell with changes of the parameters `train` over those of the whole study; `options`
        are further fields of `Cell`.

        Raises:
            UserError: for a change that `train` does not know.
        """
        layers = (self.train, self.settings.train, *changes)
        present = [present_names(TrainSettings, layer, "train") for layer in layers]
        train = train_settings(changed({}, *present), seed)
        data = fingerprint_of(
            {name: f.fingerprint for name, f in self.footage.items()},
            {
                "settings": self.measuring.settings.for_fingerprint(),
                "metrics": self.measuring.metrics,
            },
            self.settings.test_frames,
        )
        return Cell(
            f"{label}, seed {seed}",
            tuple(train_on),
            train,
            samples or self.settings.samples,
            data,
            **options,
        )


def cells_table(part: str, cells: Sequence[Cell], outcomes: Mapping[str, Outcome]) -> pd.DataFrame:
    """What became of each cell of a part, one row each, with the columns CELLS."""
    rows = []
    for cell in {cell.fingerprint: cell for cell in cells}.values():
        outcome = outcomes[cell.fingerprint]
        result = outcome.result or {}
        status = "failed" if outcome.result is None else "ok"
        rows.append(
            (
                part,
                cell.label,
                status,
                outcome.reason,
                *(result.get(name) for name in ("samples", "seconds", "triplets")),
            )
        )
    return pd.DataFrame(rows, columns=CELLS)


def last_rows(outcome: Outcome) -> list[dict[str, Any]]:
    """What was measured at the end of a cell's training; nothing if it failed."""
    rows = [] if outcome.result is None else outcome.result["rows"]
    end = max((row["samples"] for row in rows), default=0)
    return [row for row in rows if row["samples"] == end]
