"""Notices early when a training goes wrong, and says in plain words what it is and where it likely
comes from."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.training.plane_sweep import CLEAR_SHARE, guide
from aerial_depth_pipeline.training.settings import WatchdogSettings
from aerial_depth_pipeline.training.triplet_data import Triplet, decode


class TrainingFault(UserError):
    """The training was stopped because going on would waste time.

    Attributes:
        fault: short name of what was found: `not_finite`, `flat`, `saturated`, `inverted`,
            `pose_zero`, `mask_empty`, `no_gain`, `calibration`.
    """

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


_SENTENCES = {
    "not_finite": (
        "the loss is not a finite number. The learning rate is likely too high, or a picture or"
        " pose holds no numbers"
    ),
    "flat": (
        "inverse depth is the same everywhere. Likely causes are too much smoothness, a learning"
        " rate too high, or poses without parallax"
    ),
    "saturated": (
        "inverse depth lies at one end of its range. The unit of the poses likely does not fit"
        " min_depth and max_depth; leave train.pose.centre_units on, or widen the range"
    ),
    "inverted": (
        "near and far are exchanged. Purely learned poses end here on flights around a point; set"
        " train.pose.source: two_view or colmap"
    ),
    "pose_zero": (
        "the predicted camera does not move. learned_scale is likely too small for this footage, or"
        " the frames of a triplet are alike"
    ),
    "mask_empty": (
        "the auto-mask leaves nothing to learn from. The frames of a triplet likely hardly differ"
        " (hovering), or poses do not fit them"
    ),
    "no_gain": (
        "the warped sources explain the target no better than the sources as they are. Poses,"
        " calibration or the order of the frames likely do not fit the pictures"
    ),
}


@dataclass
class Probe:
    """A few pictures with rough evidence of what is near and what is far.

    Attributes:
        images_B3HW: pictures in 0..1.
        nearness_BHW: larger where nearer: inverse depth of a plane sweep, or the image row where
            there is none.
        mask_BHW: where `nearness_BHW` says something.
        measured: whether the evidence comes from the pictures; an image row says little about a
            camera that looks straight down.
        slope_B2: slope of level ground in each picture, NaN where it is not known; None where it is
            nowhere known.
    """

    images_B3HW: torch.Tensor
    nearness_BHW: torch.Tensor
    mask_BHW: torch.Tensor
    measured: bool = True
    slope_B2: torch.Tensor | None = None

    def to(self, device: torch.device) -> "Probe":
        """The probe on another device."""
        slope = None if self.slope_B2 is None else self.slope_B2.to(device)
        return Probe(
            self.images_B3HW.to(device),
            self.nearness_BHW.to(device),
            self.mask_BHW.to(device),
            self.measured,
            slope,
        )

    def correlation(self, inverse_depth_B1HW: torch.Tensor) -> float:
        """Mean over the pictures of the correlation of inverse depth with what is known to be near;
        0 where either is flat."""
        values = []
        for predicted, nearness, mask in zip(
            inverse_depth_B1HW[:, 0].float(), self.nearness_BHW, self.mask_BHW, strict=True
        ):
            if mask.sum() < 32:
                continue
            a, b = predicted[mask] - predicted[mask].mean(), nearness[mask] - nearness[mask].mean()
            scale = float(a.norm() * b.norm())
            values.append(float((a * b).sum()) / scale if scale > 1e-12 else 0.0)
        return float(np.mean(values)) if values else 0.0


def make_probe(triplets: list[Triplet], depths: dict[str, float], count: int = 8) -> Probe:
    """Pictures for the watchdog with the plane sweep's inverse depth, or with the image row where
    poses are not given.

    Args:
        depths: median depth of the scenes whose poses are given, in the unit of their translations.
    """
    images, nearness, masks, slopes = [], [], [], []
    measured = False
    for index in np.unique(np.linspace(0, len(triplets) - 1, count).round().astype(int)):
        triplet = triplets[index]
        frames = decode(triplet.image, len(triplet.T_S44) + 1)
        target = torch.from_numpy(frames[len(frames) // 2]).permute(2, 0, 1).float() / 255
        size = target.shape[-2:]
        near, mask = (
            torch.linspace(0, 1, size[0])[:, None].expand(size),
            torch.ones(size, dtype=torch.bool),
        )
        if triplet.scene in depths:
            found = F.interpolate(
                guide(triplet, depths[triplet.scene])[None, None].float(), size, mode="nearest"
            )[0, 0]
            if (found > 0).float().mean() >= CLEAR_SHARE:
                near, mask, measured = found, found > 0, True
        images.append(target)
        nearness.append(near)
        masks.append(mask)
        slopes.append(
            ground_slope(
                torch.tensor(triplet.up_3[None]).float(),
                torch.tensor(triplet.K_33[None]).float(),
                *size,
            )[0]
        )
    return Probe(
        torch.stack(images),
        torch.stack(nearness),
        torch.stack(masks),
        measured,
        torch.stack(slopes),
    )


class Watchdog:
    """Looks at the figures of every step.

    Every condition must hold for `patience` steps in a row; those that any young training meets
    count only after the warm-up.
    """

    def __init__(self, settings: WatchdogSettings, warm_up_steps: int) -> None:
        self.settings, self.warm_up_steps = settings, warm_up_steps
        self._in_a_row: dict[str, int] = {}
        self._correlations: deque[float] = deque(maxlen=3)

    @property
    def suspicious(self) -> bool:
        """Whether some condition holds at present, though not yet for long: no state to go back
        to."""
        return any(self._in_a_row.values())

    def forget(self) -> None:
        """Start counting anew, after the training went back to an earlier state."""
        self._in_a_row.clear()
        self._correlations.clear()

    def observe(
        self, step: int, terms: dict[str, float], correlation: float | None = None
    ) -> TrainingFault | None:
        """What is wrong at this step, or None.

        Args:
            step: optimizer steps done.
            terms: `total`, `warped`, `unwarped`, `used`, `in_view`, `relief`, `at_an_end`, `motion`
                (see the engine).
            correlation: of predicted inverse depth with the probe, where it was measured at this
                step; halved where the probe is no measurement.
        """
        s = self.settings
        if not s.enabled:
            return None
        if not all(math.isfinite(value) for value in terms.values()):
            return self._fault("not_finite", step)
        grown_up = step > self.warm_up_steps
        conditions = {
            "flat": grown_up and terms["relief"] < s.minimum_relief,
            "saturated": terms["at_an_end"] > s.maximum_at_an_end,
            "pose_zero": grown_up and terms["motion"] < s.minimum_motion,
            "mask_empty": terms["used"] < s.minimum_used,
            "no_gain": grown_up and terms["warped"] > s.maximum_ratio * terms["unwarped"],
        }
        for name, holds in conditions.items():
            self._in_a_row[name] = self._in_a_row.get(name, 0) + 1 if holds else 0
        if correlation is not None and grown_up:
            self._correlations.append(correlation)
            if (
                len(self._correlations) == self._correlations.maxlen
                and max(self._correlations) < s.minimum_correlation
            ):
                return self._fault("inverted", step)
        # An empty mask also makes everything else look strange, so it is named first.
        for name in ("mask_empty", "saturated", "pose_zero", "flat", "no_gain"):
            if self._in_a_row[name] >= s.patience:
                return self._fault(name, step)
        return None

    @staticmethod
    def _fault(name: str, step: int) -> TrainingFault:
        return TrainingFault(name, f"Training stopped at step {step}: {_SENTENCES[name]}.")


def check_calibration(K_33: np.ndarray, width: int, height: int, name: str) -> None:
    """Refuse a calibration that cannot belong to a picture of this size.

    Raises:
        TrainingFault: where the principal point lies far from the picture's middle or the field of
            view is absurd.
    """
    fx, fy, cx, cy = K_33[0, 0], K_33[1, 1], K_33[0, 2], K_33[1, 2]
    fits = (
        np.isfinite(K_33).all()
        and 0.25 * width < cx < 0.75 * width
        and 0.25 * height < cy < 0.75 * height
    )
    fits = fits and 0.2 * width < fx < 20 * width and 0.5 < fx / fy < 2
    if not fits:
        raise TrainingFault(
            "calibration",
            f"The calibration of {name} does not fit its pictures of {width}x{height} pixels: focal"
            f" length {fx:.0f}, {fy:.0f}, principal point {cx:.0f}, {cy:.0f}. It likely belongs to"
            f" another size (about {2 * cx:.0f}x{2 * cy:.0f}); make the triplets again.",
        )
