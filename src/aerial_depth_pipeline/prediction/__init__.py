"""Depth of footage by a trained model: videos, depth maps and point clouds to look at and to work
with."""
