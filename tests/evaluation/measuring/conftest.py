import numpy as np
import pytest


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """Reference and predicted depth [N] of one image."""
    random = np.random.default_rng(3)
    reference = random.uniform(5, 90, 5001).astype(np.float32)
    return reference, (reference * np.exp(random.normal(0, 0.2, 5001))).astype(np.float32)
