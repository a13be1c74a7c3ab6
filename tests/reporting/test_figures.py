"""Charts."""

import io

import numpy as np
from PIL import Image

from aerial_depth_pipeline.reporting.figures import finish, new_figure, png


def test_a_figure_becomes_a_png_of_its_size_and_errors_begin_at_zero():
    figure = new_figure(4, 3, dpi=50)
    axes = figure.subplots()
    axes.plot([1, 2], [5, 6], color="red")
    finish(axes, "distance")
    assert axes.get_ylim()[0] == 0 and axes.get_ylabel() == "abs rel"
    pixels = np.asarray(Image.open(io.BytesIO(png(figure))).convert("RGB")).astype(int)
    assert pixels.shape == (150, 200, 3)
    assert (pixels[0] == 255).all() and (pixels[..., 0] - pixels[..., 1] > 200).any()
