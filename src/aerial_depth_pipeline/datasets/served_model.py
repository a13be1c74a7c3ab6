"""Where MLflow finds the loader of models that were logged before it moved to `tracking/`."""

from aerial_depth_pipeline.tracking.pyfunc import _load_pyfunc

__all__ = ["_load_pyfunc"]
