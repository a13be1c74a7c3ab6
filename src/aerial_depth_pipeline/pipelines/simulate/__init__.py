from aerial_depth_pipeline.pipelines.simulate.pipeline import create_pipeline

__all__ = ["create_pipeline"]
