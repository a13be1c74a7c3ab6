"""Footage with a known camera comes from the helpers of the room `capture`."""
