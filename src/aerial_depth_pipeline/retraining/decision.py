"""Whether a challenger takes the champion's place: errors per image in, a decision with its reasons
out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aerial_depth_pipeline.evaluation.measuring.statistics import Bootstrap
from aerial_depth_pipeline.retraining.settings import NightlySettings

PAIR = ["incumbent", "challenger"]


@dataclass(frozen=True)
class Comparison:
    """The same images measured with both models.

    Attributes:
        images: how many.
        incumbent, challenger: mean abs_rel.
        change: of the mean, as a share of the incumbent's; negative is better.
        low, high: its 95 % interval from resampling scenes and blocks of images in pairs.
    """

    images: int
    incumbent: float
    challenger: float
    change: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"abs rel {self.incumbent:.4f} → {self.challenger:.4f}, {100 * self.change:+.1f} % "
            f"[{100 * self.low:+.1f}, {100 * self.high:+.1f}] on {self.images} images"
        )


@dataclass(frozen=True)
class Decision:
    """The verdict, why, and the figures behind it: `new`, `old`, and every old domain as
    `old/<domain>`."""

    promote: bool
    reasons: list[str]
    figures: dict[str, Comparison]


def compare(errors: pd.DataFrame, settings: NightlySettings) -> Comparison | None:
    """Compare the incumbent's errors with the challenger's on the images that both could measure;
    None without any."""
    errors = errors.dropna(subset=PAIR)
    pairs_N2, scenes = errors[PAIR].to_numpy(float), errors["scene"].tolist()
    if not len(pairs_N2) or not pairs_N2[:, 0].mean() > 0:
        return None
    bootstrap = Bootstrap(settings.bootstrap_samples, settings.seed)
    means_B2 = bootstrap.means(pairs_N2, scenes)
    incumbent, challenger = (float(value) for value in pairs_N2.mean(0))
    change = challenger / incumbent - 1
    changes_B1 = means_B2[:, 1:] / means_B2[:, :1] - 1
    low, high = bootstrap.interval(np.array([change]), changes_B1, scenes)
    return Comparison(len(pairs_N2), incumbent, challenger, change, float(low[0]), float(high[0]))


def decide(
    new: Mapping[str, pd.DataFrame],
    old: Mapping[str, pd.DataFrame],
    settings: NightlySettings,
    margin: float | None = None,
    metres: Mapping[str, pd.DataFrame] | None = None,
) -> Decision:
    """Promote only what is better on the new by the margin and not worse on the old than the
    tolerance, with the whole interval.

    Args:
        new: abs_rel of the new scenes' held-out images by domain: `scene`, `incumbent` and
            `challenger` (NaN where one gave no depth), those of a scene in order of time.
        old: the same of the old hold-out. Where there is none, the new decide alone.
        settings: `margin`, `tolerance`, `minimum_images`, the resampling.
        margin: in place of the settings' one.
        metres: the same as `old` without alignment, where both models predict metres.
    """
    margin = settings.margin if margin is None else margin
    tolerance, needed = settings.tolerance, settings.minimum_images
    new_errors, old_errors = _joined(new), _joined(old)
    figures, reasons = {}, []
    both = pd.concat([new_errors, old_errors])
    lost = int((both["incumbent"].notna() & both["challenger"].isna()).sum())
    if lost:
        reasons.append(f"The challenger gave no depth for {lost} images for which the other did.")
    within = f"within {100 * tolerance:.1f} % of the champion on the old hold-out"
    for name, errors, bound, wished in (
        ("new", new_errors, -margin, f"better on the new scenes by {100 * margin:.1f} %"),
        ("old", old_errors, tolerance, within),
    ):
        found = compare(errors, settings)
        if found is not None:
            figures[name] = found
        count = 0 if found is None else found.images
        if name == "old" and not len(errors):
            continue
        if count < needed:
            reasons.append(
                f"Only {count} held-out images of the {name} scenes could be measured; {needed} are"
                " needed to tell skill from luck."
            )
        elif found and (not found.high <= bound or (name == "new" and not found.high < 0)):
            reasons.append(f"It is not surely {wished}: {found}.")
    for domain, errors in sorted(old.items()):
        found = compare(errors, settings)
        if found is not None:
            figures[f"old/{domain}"] = found
            # A mean over all domains must not hide that one of them is lost.
            if found.images >= needed and found.low > tolerance:
                reasons.append(f"It is surely worse in the old domain {domain}: {found}.")
    found = compare(_joined(metres or {}), settings)
    if found is not None:
        figures["old, in metres"] = found
        if found.images >= needed and found.low > tolerance:
            reasons.append(f"Its metres are surely worse on the old hold-out: {found}.")
    if reasons:
        return Decision(False, reasons, figures)
    kept = "There is no old hold-out to be worse on."
    if "old" in figures:
        kept = f"The old hold-out: {figures['old']}."
    return Decision(True, [f"It is better on the new scenes: {figures['new']}. {kept}"], figures)


def _joined(errors: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    parts = [
        of.assign(scene=f"{domain}/" + of["scene"].astype(str)) for domain, of in errors.items()
    ]
    return pd.concat(parts) if parts else pd.DataFrame(columns=["scene", *PAIR], dtype=float)
