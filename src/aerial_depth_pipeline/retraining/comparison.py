"""Two models, or a model and a baseline, on the same held-out images."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.measuring.depth_alignment import median_ratio
from aerial_depth_pipeline.evaluation.method_table import METHOD
from aerial_depth_pipeline.evaluation.methods import method
from aerial_depth_pipeline.evaluation.methods.baselines import tilted_plane
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.evaluation.report.panels import PanelFrame, draw_panels
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.retraining.decision import PAIR

log = logging.getLogger(__name__)

Predict = Callable[[np.ndarray], np.ndarray]
References = Mapping[str, Sequence[Reference]]
CHALLENGER, CHAMPION = "challenger", "champion"


@dataclass(frozen=True)
class Measured:
    """One hold-out, measured.

    Attributes:
        per_image: domain, scene, frame, and abs_rel under the main alignment in the columns
            `incumbent` and `challenger`.
        references: what it was measured against, by domain and scene.
        metres: as `per_image`, without alignment, of images for which both predict metres.
    """

    per_image: pd.DataFrame
    references: dict[str, References]
    metres: pd.DataFrame

    def errors(self, metres: bool = False) -> dict[str, pd.DataFrame]:
        """Errors per image by domain: `scene`, `incumbent`, `challenger`."""
        table = self.metres if metres else self.per_image
        return {
            str(domain): rows[["scene", *PAIR]]
            for domain, rows in table.groupby("domain", sort=True)
        }


def measure_hold_out(
    champion: Predict | None,
    challenger: Predict,
    hold_out: Mapping[str, References],
    train: Mapping[str, References],
    settings: EvaluationSettings,
    baseline: str = "constant",
) -> Measured:
    """Measure champion and challenger on held-out images.

    Args:
        champion, challenger: from an image [H, W, 3] uint8 RGB to z-depth [H, W].
        hold_out: references of the held-out frames, by domain and scene.
        train: references of the training frames, for the baseline.
        settings: of the evaluation; abs_rel is taken under its main alignment.
        baseline: the incumbent where there is no champion.
    """
    alignments = list(dict.fromkeys([settings.main_alignment, "none"]))
    plain = {"alignments": alignments, "caps": [], "bootstrap_samples": 0}
    settings = settings.model_copy(update=plain)
    tested = [r for scenes in hold_out.values() for frames in scenes.values() for r in frames]

    def contestant(model: Predict, name: str) -> method.Method:
        # Unchecked: with what points confirm alone two networks would often be the same surface.
        return method.model_method(model, name, tested, checked=False)

    methods, incumbent = [contestant(challenger, CHALLENGER)], baseline
    if champion is not None:
        methods.append(contestant(champion, CHAMPION))
        incumbent = CHAMPION
    tables: dict[str, list[pd.DataFrame]] = {alignment: [] for alignment in alignments}
    for domain, scenes in hold_out.items():
        if not any(scenes.values()):
            log.warning("%s: none of the held-out frames has reference depth.", domain)
            continue
        known = train.get(domain, {})
        try:
            records = measure(None, scenes, known, domain, settings, methods).per_image
        except UserError as error:
            log.warning("%s", error)
            continue
        for alignment, part in records.groupby("alignment"):
            wide = part.pivot(index=["domain", "scene", "frame"], columns=METHOD, values="abs_rel")
            wide = wide.reindex(columns=[incumbent, CHALLENGER]).set_axis(PAIR, axis=1)
            tables[str(alignment)].append(wide.reset_index())
    empty = pd.DataFrame(columns=["domain", "scene", "frame", *PAIR])
    main, metres = (
        pd.concat(tables[alignment], ignore_index=True) if tables[alignment] else empty
        for alignment in (settings.main_alignment, "none")
    )
    return Measured(main, dict(hold_out), metres.dropna(subset=PAIR))


def comparison_picture(
    champion: Predict | None, challenger: Predict, measured: Measured
) -> bytes | None:
    """The frames that gained and lost most, predicted by both models and median-aligned, as PNG;
    None where nothing was measured."""
    table = measured.per_image.dropna(subset=PAIR)
    if table.empty:
        return None
    change = (table["challenger"] - table["incumbent"]).sort_values(kind="stable")
    columns = []
    models = ((CHAMPION, champion, "incumbent"), (CHALLENGER, challenger, "challenger"))
    for word, place in (("best", change.index[0]), ("worst", change.index[-1])):
        row = table.loc[place]
        domain, scene, frame = row["domain"], row["scene"], int(row["frame"])
        reference = next(r for r in measured.references[domain][scene] if r.frame == frame)
        for name, model, column in models:
            if model is not None:
                what = f"{name}, {word} change\n{domain}/{scene} {numbered(frame)}"
                columns += _column(f"{what}\nabs rel {row[column]:.3f}", scene, model, reference)
    return draw_panels(columns) if columns else None


def _column(title: str, scene: str, model: Predict, reference: Reference) -> list[PanelFrame]:
    frame = method.Frame(scene, reference)
    try:
        depth_HW = np.reciprocal(method.inverse_prediction(method.model_method(model), frame))
        known_HW = (frame.depth > 0) & np.isfinite(depth_HW)
        depth_HW = depth_HW * np.float32(median_ratio(frame.depth[known_HW], depth_HW[known_HW]))
        plane_HW = tilted_plane(frame.depth)
        plane_HW = np.zeros_like(frame.depth) if plane_HW is None else plane_HW
        maps_HW = depth_HW, frame.depth, plane_HW
        return [PanelFrame(title, scene, reference.frame, frame.image, *maps_HW)]
    except (method.PredictionError, SceneError) as error:
        log.warning("No image of %s/%06d: %s", scene, reference.frame, error)
        return []
