from aerial_depth_pipeline.pipelines.ground_truth.pipeline import create_pipeline

__all__ = ["create_pipeline"]
