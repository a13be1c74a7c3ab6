"""What the parts of the study share: runs from settings, and tables from results."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aerial_depth_pipeline.configuration import present_names
from aerial_depth_pipeline.files import fingerprint_of
from aerial_depth_pipeline.study.measuring import Measuring
from aerial_depth_pipeline.study.run import Footage, Run, changed, train_settings
from aerial_depth_pipeline.study.run_study import Outcomes
from aerial_depth_pipeline.study.settings import StudySettings
from aerial_depth_pipeline.training.settings import TrainSettings

RUN_COLUMNS = ["part", "cell", "status", "reason", "samples", "seconds", "triplets"]


@dataclass(frozen=True)
class Planner:
    """Makes runs from the study's settings and the parameters `train` and `triplets`, with footage
    in the order of the study."""

    settings: StudySettings
    train: Mapping[str, Any]
    triplets: Mapping[str, Any]
    footage: Footage
    measuring: Measuring

    @property
    def domains(self) -> list[str]:
        """The study's domains."""
        return list(self.footage)

    def run(
        self, label: str, train_on: Sequence[str], seed: int, *changes: Mapping, **options: Any
    ) -> Run:
        """A run with changes of the parameters `train` over those of the whole study; `options`
        are further fields of `Run`.

        Raises:
            UserError: for a change that `train` does not know.
        """
        layers = (self.train, self.settings.train, *changes)
        present = [present_names(TrainSettings, layer, "train") for layer in layers]
        train = train_settings(changed({}, *present), seed)
        measured = self.measuring.settings.for_fingerprint()
        data = fingerprint_of(
            {name: domain.fingerprint for name, domain in self.footage.items()},
            {"settings": measured, "metrics": self.measuring.metrics},
            self.settings.test_frames,
        )
        samples = options.pop("samples", 0) or self.settings.samples
        return Run(f"{label}, seed {seed}", tuple(train_on), train, samples, data, **options)


def runs_table(part: str, runs: Iterable[Run], outcomes: Outcomes) -> pd.DataFrame:
    """What became of each run of a part, one row each, with the columns RUN_COLUMNS."""
    rows = []
    for fingerprint, run in {run.fingerprint: run for run in runs}.items():
        outcome = outcomes[fingerprint]
        status = "failed" if outcome.result is None else "ok"
        numbers = ((outcome.result or {}).get(name) for name in RUN_COLUMNS[4:])
        rows.append((part, run.label, status, outcome.reason, *numbers))
    return pd.DataFrame(rows, columns=RUN_COLUMNS)


def end_table(runs: Mapping[tuple, Run], outcomes: Outcomes, *key_names: str) -> pd.DataFrame:
    """What was measured at the end of each run's training, a column for each part of its key."""
    rows = [
        dict(zip(key_names, key, strict=True)) | row
        for key, run in runs.items()
        for row in last_rows(outcomes[run.fingerprint].result)
    ]
    return pd.DataFrame(rows, columns=[*key_names, "domain", "alignment", "metric", "value"])


def last_rows(result: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What was measured at the end of a run's training; nothing if it failed."""
    rows = [] if result is None else result["rows"]
    end = max((row["samples"] for row in rows), default=0)
    return [row for row in rows if row["samples"] == end]
