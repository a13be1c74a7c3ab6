"""Fixtures of predicted footage."""

from tests.worlds.bright_footage import flight

__all__ = ["flight"]
