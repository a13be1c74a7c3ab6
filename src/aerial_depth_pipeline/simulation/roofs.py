"""Gable and hip roofs."""

import numpy as np

from aerial_depth_pipeline.simulation.meshes import rectangle


def gable_roof(
    builder,
    center,
    size,
    angle,
    eaves,
    rise,
    roof_texture,
    roof_tint,
    wall_texture,
    wall_tint,
    u0=0.0,
    overhang=0.5,
) -> None:
    """Two slopes whose ridge runs along the first side of `size`, and the two gables below them."""
    length, width = size
    slope = rise / (width / 2)
    low = eaves - overhang * slope
    over = rectangle(center, (length + 2 * overhang, width + 2 * overhang), angle)
    along = np.array([np.cos(angle), np.sin(angle)])
    ends = [
        np.asarray(center) - along * (length / 2 + overhang),
        np.asarray(center) + along * (length / 2 + overhang),
    ]
    ridge = [np.append(e, eaves + rise) for e in ends]
    corner = [np.append(c, low) for c in over]
    builder.surface(
        [[corner[0], corner[1], ridge[1], ridge[0]], [corner[2], corner[3], ridge[0], ridge[1]]],
        along,
        roof_texture,
        roof_tint,
        u0,
    )
    wall = rectangle(center, size, angle)
    inner = [
        np.append(np.asarray(center) - along * length / 2, eaves + rise),
        np.append(np.asarray(center) + along * length / 2, eaves + rise),
    ]
    w = [np.append(c, eaves) for c in wall]
    gables = np.array([[w[1], w[2], inner[1], inner[1]], [w[3], w[0], inner[0], inner[0]]])
    uv = np.array([[[0, 0], [width, 0], [width / 2, rise], [width / 2, rise]]] * 2) + [u0, 9.6]
    builder.quads(gables, uv, wall_texture, wall_tint)


def hip_roof(
    builder, center, size, angle, eaves, rise, roof_texture, roof_tint, u0=0.0, overhang=0.5
) -> None:
    """Four slopes; a pyramid where the sides are equal. The ridge runs along the longer side."""
    length, width = size
    if length < width:
        length, width, angle = width, length, angle + np.pi / 2
    along = np.array([np.cos(angle), np.sin(angle)])
    low = eaves - overhang * rise / (width / 2)
    corner = [
        np.append(c, low)
        for c in rectangle(center, (length + 2 * overhang, width + 2 * overhang), angle)
    ]
    half = (length - width) / 2
    ridge = [
        np.append(np.asarray(center) - along * half, eaves + rise),
        np.append(np.asarray(center) + along * half, eaves + rise),
    ]
    builder.surface(
        [[corner[0], corner[1], ridge[1], ridge[0]], [corner[2], corner[3], ridge[0], ridge[1]]],
        along,
        roof_texture,
        roof_tint,
        u0,
    )
    across = np.array([-along[1], along[0]])
    builder.surface(
        [[corner[1], corner[2], ridge[1], ridge[1]], [corner[3], corner[0], ridge[0], ridge[0]]],
        across,
        roof_texture,
        roof_tint,
        u0,
    )
