"""Nightly retraining: what is new, what the challenger learns from, whether it takes the champion's
place."""
