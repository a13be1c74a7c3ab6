"""Cameras, poses, projection and warping. Knows numpy and torch, nothing else of this project.

Conventions (COLMAP's): x right, y down, z forward. A pose is `cam_from_world`, 4x4;
`T_source_from_target` takes points of the target camera to the source camera. The image's corner is
pixel (0, 0), the first pixel's centre (0.5, 0.5). Depth is z-depth.

Shape suffixes: B batch, C channels, H height, W width, N points, 3 and 4 matrix sizes.
"""
