"""Fixtures of footage."""

from tests.worlds.flights import flight, out, raw, world

__all__ = ["flight", "out", "raw", "world"]
