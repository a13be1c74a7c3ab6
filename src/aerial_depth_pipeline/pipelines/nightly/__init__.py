from aerial_depth_pipeline.pipelines.nightly.pipeline import create_pipeline

__all__ = ["create_pipeline"]
