"""All methods that are measured, one row each. Nothing heavy is imported here: settings read it."""

from dataclasses import dataclass
from typing import Literal

from aerial_depth_pipeline.mvs.backend_table import BACKENDS

METHOD = "contestant"  # the column of `evaluation.csv` that names the method
Kind = Literal["model", "blind", "points", "conventional", "oracle"]


@dataclass(frozen=True)
class MethodRow:
    """What tables, charts and settings know of a method.

    Attributes:
        name: in `evaluation.csv` and in configuration.
        kind: `model`: ours, one image; `blind`: does not look at the image; `points`: the frame's
            points that the flight holds, nothing learned; `conventional`: several images; `oracle`:
            sees the reference.
        colour: in charts; empty: the next of the colours of other people's models.
        baseline: whether it stands in every table, last, and for itself in charts along a flight.
        dense: whether a conventional method computes dense depth of its own.
    """

    name: str
    kind: Kind
    colour: str = ""
    baseline: bool = False
    dense: bool = False


_DENSE_COLOURS = {"plane_sweep": "#1a7f37", "sgbm": "#7bc96f", "patch_match": "#0b3d1e"}
METHODS: list[MethodRow] = [
    MethodRow("model", "model", "#7e03a8"),
    MethodRow("model_picture_alone", "model"),
    MethodRow("model_mirrored", "model"),
    MethodRow("model_without_points", "model"),
    MethodRow("level_ground", "blind"),
    MethodRow("own_points", "points", "#0b7285"),
    MethodRow("own_plane", "points", "#66b2c0"),
    MethodRow("constant", "blind", "#b4b4bc", baseline=True),
    MethodRow("mean_depth_map", "blind", "#8fb8de", baseline=True),
    MethodRow("tilted_plane", "oracle", "#f89540", baseline=True),
    MethodRow("colmap_sparse", "conventional", "#8c564b"),
    *(
        MethodRow(name, "conventional", _DENSE_COLOURS.get(name, ""), dense=True)
        for name in BACKENDS
    ),
]

MODEL, PICTURE_ALONE, MIRRORED, WITHOUT_POINTS, LEVEL_GROUND, OWN_POINTS, OWN_PLANE = (
    row.name for row in METHODS[:7]
)
BASELINES = tuple(row.name for row in METHODS if row.baseline)
CONVENTIONAL = tuple(row.name for row in METHODS if row.kind == "conventional")
DENSE_CONVENTIONAL = tuple(row.name for row in METHODS if row.dense)
RESERVED_NAMES = tuple(row.name for row in METHODS)
