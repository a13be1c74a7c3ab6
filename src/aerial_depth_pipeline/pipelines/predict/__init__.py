from aerial_depth_pipeline.pipelines.predict.pipeline import create_pipeline

__all__ = ["create_pipeline"]
