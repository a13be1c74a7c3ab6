"""Kedro datasets: how scene folders, triplet lists, models and reports get to disk, or to any
fsspec URL, and back."""
