"""Coloured point clouds as binary PLY, which MeshLab, CloudCompare and Blender open."""

from pathlib import Path

import numpy as np

_VERTEX = np.dtype(
    [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
)


def write_ply(path: Path, points_N3: np.ndarray, colours_N3: np.ndarray) -> None:
    """Write points with their colours, uint8 RGB."""
    vertices = np.empty(len(points_N3), _VERTEX)
    for name, values in zip(_VERTEX.names or (), (*points_N3.T, *colours_N3.T), strict=True):
        vertices[name] = values
    kinds = {"<f4": "float", "|u1": "uchar"}
    properties = "".join(f"property {kinds[kind]} {name}\n" for name, kind in _VERTEX.descr)
    header = (
        "ply\nformat binary_little_endian 1.0\nelement vertex"
        f" {len(vertices)}\n{properties}end_header\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode("ascii") + vertices.tobytes())
