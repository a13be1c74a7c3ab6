from aerial_depth_pipeline.pipelines.study.pipeline import create_pipeline

__all__ = ["create_pipeline"]
