"""The flight that the tests of extraction use."""

from tests.capture.conftest import flight, world

__all__ = ["flight", "world"]
