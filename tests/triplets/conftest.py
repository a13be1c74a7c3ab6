"""Fixtures of footage."""

from tests.worlds.flights import flight, out, world

__all__ = ["flight", "out", "world"]
