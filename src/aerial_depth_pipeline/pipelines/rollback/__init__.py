from aerial_depth_pipeline.pipelines.rollback.pipeline import create_pipeline

__all__ = ["create_pipeline"]
