"""The contact sheet of a domain."""

import numpy as np

from aerial_depth_pipeline.triplets.contact_sheet import draw_contact_sheet
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.settings import TripletSettings


def drawn(frames, folder):
    figure = draw_contact_sheet({"straight": frames}, {"straight": folder}, rows=2)
    figure.set_dpi(100)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def test_contact_sheet(flight, tmp_path):
    folder = tmp_path / "straight"
    folder.mkdir()
    make_triplets(
        flight.frames, folder, TripletSettings(width=160, height=96, min_inliers=60, corners=500)
    )
    sheet = drawn(flight.frames, folder)
    assert sheet.shape[1] == 1200 and sheet.shape[0] > 700
    yellow = (sheet[..., 0] > 200) & (sheet[..., 1] > 170) & (sheet[..., 2] < 90)
    assert yellow[:, 400:800].sum() > 200  # the flow is drawn, and in the target
    assert yellow[:, :380].sum() + yellow[:, 820:].sum() < 0.1 * yellow.sum()
    assert np.array_equal(drawn(flight.frames, folder), sheet)
