"""`split.json` beside a domain's triplet lists: how the lists were made, and what share of the
tested ground training saw."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from aerial_depth_pipeline.files import write_json

SPLIT_RECORD = "split.json"
WORTH_A_WARNING = 0.1  # share of the tested ground

_HOW = {
    "scene": "whole flights are held out",
    "ground": "blocks of flights are held out whose ground no training frame shows",
    "time": "blocks of time are held out of the flights that are trained on",
}


@dataclass(frozen=True)
class SplitRecord:
    """How a domain's triplets were divided.

    Attributes:
        by: what is held out: whole scenes, blocks apart on the ground, or blocks of time.
        ground_seen: share of the ground of the test targets that training frames show; None where
            nothing tells.
        basis: what tells where frames lie: `positions`, `motion` or both; empty where nothing does.
        left_out: triplets between blocks, which are in no list.
        together: scenes that share ground or a recording.
    """

    by: Literal["scene", "ground", "time"]
    ground_seen: float | None = None
    basis: list[str] = field(default_factory=list)
    left_out: int = 0
    together: list[list[str]] = field(default_factory=list)

    @property
    def is_leaky(self) -> bool:
        """Whether training saw enough of the tested ground to say so beside every figure."""
        return self.ground_seen is not None and self.ground_seen > WORTH_A_WARNING

    @property
    def share_seen(self) -> str:
        """What share of the tested ground was seen, in words."""
        if self.ground_seen is None:
            return "what share of the tested ground training saw is not known"
        return f"training saw {100 * self.ground_seen:.0f} % of the tested ground"

    @property
    def sentence(self) -> str:
        """How the split was made and what was seen, and by what."""
        words = f"Split: {_HOW[self.by]}; {self.share_seen}"
        if self.ground_seen is not None and "motion" in self.basis:
            words += (
                ", by the motion along each flight: without positions a flight that comes back over"
                " its own ground, or another over the same, is not noticed"
            )
        return f"{words}."


def write_split_record(folder: Path, record: SplitRecord) -> None:
    """Write `split.json`."""
    write_json(Path(folder) / SPLIT_RECORD, asdict(record))


def read_split_record(folder: Path) -> SplitRecord | None:
    """The record of a domain's lists; None where they were made without one."""
    path = Path(folder) / SPLIT_RECORD
    if not path.is_file():
        return None
    return SplitRecord(**json.loads(path.read_text(encoding="utf-8")))
