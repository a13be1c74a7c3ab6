"""What the parts of the study share: runs from settings, and tables from results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aerial_depth_pipeline.configuration import present_names
from aerial_depth_pipeline.files import fingerprint_of
from aerial_depth_pipeline.study.measuring import Measuring
from aerial_depth_pipeline.study.run import Run, StudyDomain, changed, train_settings
from aerial_depth_pipeline.study.run_study import Outcome
from aerial_depth_pipeline.study.settings import StudySettings
from aerial_depth_pipeline.training.settings import TrainSettings

RUN_COLUMNS = ["part", "cell", "status", "reason", "samples", "seconds", "triplets"]


@dataclass(frozen=True)
class Planner:
    """Makes runs.

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
    footage: Mapping[str, StudyDomain]
    measuring: Measuring

    @property
    def domains(self) -> list[str]:
        """The study's domains."""
        return list(self.footage)

    def run(
        self,
        label: str,
        train_on: Sequence[str],
        seed: int,
        *changes: Mapping[str, Any],
        samples: int = 0,
        **options: Any,
    ) -> Run:
        """A run with changes of the parameters `train` over those of the whole study; `options`
        are further fields of `Run`.

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
        return Run(
            f"{label}, seed {seed}",
            tuple(train_on),
            train,
            samples or self.settings.samples,
            data,
            **options,
        )


def runs_table(part: str, runs: Sequence[Run], outcomes: Mapping[str, Outcome]) -> pd.DataFrame:
    """What became of each run of a part, one row each, with the columns RUN_COLUMNS."""
    rows = []
    for run in {run.fingerprint: run for run in runs}.values():
        outcome = outcomes[run.fingerprint]
        result = outcome.result or {}
        status = "failed" if outcome.result is None else "ok"
        rows.append(
            (
                part,
                run.label,
                status,
                outcome.reason,
                *(result.get(name) for name in ("samples", "seconds", "triplets")),
            )
        )
    return pd.DataFrame(rows, columns=RUN_COLUMNS)


def last_rows(outcome: Outcome) -> list[dict[str, Any]]:
    """What was measured at the end of a run's training; nothing if it failed."""
    rows = [] if outcome.result is None else outcome.result["rows"]
    end = max((row["samples"] for row in rows), default=0)
    return [row for row in rows if row["samples"] == end]
