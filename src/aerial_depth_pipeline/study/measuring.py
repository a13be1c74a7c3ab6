"""The evaluation's figures of a model, as rows of the study's tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.method_table import METHOD
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.study.run import Footage

Predict = Callable[[np.ndarray], np.ndarray]
References = Mapping[str, Sequence[Reference]]


@dataclass(frozen=True)
class Measuring:
    """How models are measured.

    Attributes:
        settings: the evaluation's; its alignments are those of the study's tables.
        metrics: which of the evaluation's metrics are kept.
    """

    settings: EvaluationSettings
    metrics: Sequence[str]

    def of_domains(self, model: Predict, footage: Footage) -> list[dict[str, Any]]:
        """Rows of domain, alignment, metric and value: means over each domain's test frames."""
        rows = []
        for name, domain in footage.items():
            table = measure(model, domain.references, {}, name, self.settings).table
            kept = (table[METHOD] == "model") & (table["scene"] == "all")
            chosen = table[kept & table["metric"].isin(self.metrics)]
            rows += chosen[["domain", "alignment", "metric", "value"]].to_dict("records")
        return rows

    def of_frames(self, model: Predict, domain: str, references: References) -> list[dict]:
        """Rows of domain, scene, frame and abs_rel (under the first alignment), one for each frame
        that could be measured."""
        table = measure(model, references, {}, domain, self.settings).per_image
        first = table["alignment"] == self.settings.alignments[0]
        chosen = table[(table[METHOD] == "model") & first]
        return chosen[["domain", "scene", "frame", "abs_rel"]].to_dict("records")


def spread_evenly(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the items, evenly spread, in their order; all of them for 0."""
    if count <= 0 or count >= len(items):
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def thinned(references: References, count: int) -> dict[str, list[Reference]]:
    """At most `count` references, evenly spread over all scenes, by scene."""
    pairs = [(scene, reference) for scene, found in references.items() for reference in found]
    result: dict[str, list[Reference]] = {}
    for scene, reference in spread_evenly(pairs, count):
        result.setdefault(scene, []).append(reference)
    return result
