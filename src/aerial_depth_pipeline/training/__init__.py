"""Losses, data, and the engine that trains the joint depth-pose model on triplets without
annotation."""
