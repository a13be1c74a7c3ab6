from aerial_depth_pipeline.pipelines.frame_extraction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
