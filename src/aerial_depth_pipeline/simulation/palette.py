"""What surfaces look like: textures by index, tints, crops."""

import numpy as np

from aerial_depth_pipeline.simulation.terrain import (
    FAR_HALF,
    FAR_SIZE,
    NEAR_HALF,
    NEAR_SIZE,
    Ground,
)
from aerial_depth_pipeline.simulation.textures import (
    FACADES,
    Texture,
    facade,
    flat_roof,
    leaves,
    metal_roof,
    plain,
    slate_roof,
    tiled_roof,
)

NEAR, FAR, LEAVES, PLAIN, FIRST_FACADE = 0, 1, 2, 3, 4
TILES = FIRST_FACADE + FACADES
SLATE, METAL, FLAT = TILES + 2, TILES + 3, TILES + 4

WALL_TINTS = np.array(
    [[1.0, 0.97, 0.9], [0.98, 0.9, 0.74], [0.9, 0.82, 0.72], [0.86, 0.86, 0.88], [0.8, 0.52, 0.42],
     [0.72, 0.62, 0.54], [0.95, 0.84, 0.78], [0.76, 0.82, 0.86], [0.66, 0.44, 0.36],
     [1.0, 0.94, 0.8]]
)  # fmt: skip
ROOF_TINTS = {
    TILES: [[0.78, 0.36, 0.24], [0.66, 0.32, 0.24], [0.84, 0.46, 0.3], [0.5, 0.3, 0.25],
            [0.62, 0.42, 0.34], [0.42, 0.36, 0.34]],
    SLATE: [[0.42, 0.44, 0.5], [0.34, 0.35, 0.38], [0.5, 0.47, 0.46]],
    METAL: [[0.75, 0.77, 0.8], [0.45, 0.55, 0.52], [0.62, 0.4, 0.34], [0.5, 0.56, 0.66]],
    FLAT: [[0.85, 0.85, 0.85], [1.05, 1.03, 1.0], [0.62, 0.63, 0.66]],
}  # fmt: skip
CAR_TINTS = np.array(
    [[0.9, 0.9, 0.9], [0.9, 0.9, 0.92], [0.12, 0.12, 0.13], [0.35, 0.36, 0.38], [0.6, 0.62, 0.64],
     [0.65, 0.1, 0.1], [0.12, 0.2, 0.5], [0.15, 0.3, 0.2], [0.75, 0.65, 0.2], [0.4, 0.3, 0.22]]
)  # fmt: skip
TREE_TINTS = np.array(
    [[0.42, 0.5, 0.26], [0.34, 0.44, 0.22], [0.5, 0.56, 0.28], [0.38, 0.46, 0.32], [0.3, 0.38, 0.2],
     [0.6, 0.52, 0.26], [0.56, 0.36, 0.28], [0.46, 0.55, 0.36]]
)  # fmt: skip
LAWNS = np.array([[98, 114, 66], [112, 120, 76], [88, 104, 60], [122, 122, 82], [104, 112, 76]])
PAVING = np.array(
    [[168, 162, 152], [150, 146, 142], [182, 170, 150], [140, 132, 124], [170, 150, 134]]
)
FIELDS = (
    # colour, kind, row spacing in metres, depth of the rows
    ((112, 122, 68), "meadow", 0.0, 0.0),
    ((98, 116, 62), "meadow", 0.0, 0.0),
    ((152, 138, 92), "crop", 3.2, 0.10),
    ((164, 150, 106), "crop", 2.4, 0.08),
    ((124, 100, 78), "soil", 1.6, 0.16),
    ((106, 86, 68), "soil", 2.2, 0.18),
    ((88, 110, 60), "crop", 1.8, 0.16),
    ((114, 130, 76), "crop", 2.8, 0.13),
    ((156, 150, 78), "crop", 4.5, 0.10),
    ((136, 128, 86), "meadow", 6.0, 0.08),
)


def all_textures(ground: Ground, rng: np.random.Generator) -> list[Texture]:
    """The textures in the order of this module's indices; the ground is painted near (fine) and far
    (coarse)."""
    return [
        ground.paint(NEAR_SIZE, NEAR_HALF, rng),
        ground.paint(FAR_SIZE, FAR_HALF, rng),
        leaves(rng),
        plain(rng),
        *(facade(rng, kind) for kind in range(FACADES)),
        *(tiled_roof(rng), tiled_roof(rng), slate_roof(rng), metal_roof(rng)),
        *(flat_roof(rng, kind) for kind in range(3)),
    ]
