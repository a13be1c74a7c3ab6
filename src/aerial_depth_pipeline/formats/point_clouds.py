"""Coloured point clouds as binary PLY, which MeshLab, CloudCompare and Blender open."""

from pathlib import Path

import numpy as np

_POSITION, _COLOUR = ("x", "y", "z"), ("red", "green", "blue")
_VERTEX = np.dtype([(name, "<f4") for name in _POSITION] + [(name, "u1") for name in _COLOUR])


def write_ply(path: Path, points_N3: np.ndarray, colours_N3: np.ndarray) -> None:
    """Write points with their colours, uint8 RGB."""
    vertices = np.empty(len(points_N3), _VERTEX)
    for name, values in zip(_POSITION + _COLOUR, (*points_N3.T, *colours_N3.T), strict=True):
        vertices[name] = values
    properties = "".join(f"property float {name}\n" for name in _POSITION)
    properties += "".join(f"property uchar {name}\n" for name in _COLOUR)
    header = (
        "ply\nformat binary_little_endian 1.0\nelement vertex"
        f" {len(vertices)}\n{properties}end_header\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode("ascii") + vertices.tobytes())
