"""Footage with a known camera comes from the helpers of the room `capture`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "capture"))
