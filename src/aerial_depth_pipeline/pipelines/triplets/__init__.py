from aerial_depth_pipeline.pipelines.triplets.pipeline import create_pipeline

__all__ = ["create_pipeline"]
