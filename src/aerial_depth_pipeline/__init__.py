"""Monocular depth learned from drone video alone, as a Kedro project."""

__version__ = "0.1.0"
