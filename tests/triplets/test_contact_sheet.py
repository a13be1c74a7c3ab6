"""The contact sheet of a domain."""

import numpy as np

from aerial_depth_pipeline.formats.images import read_image
from aerial_depth_pipeline.triplets.contact_sheet import draw_contact_sheet
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.settings import TripletSettings


def test_contact_sheet(flight, tmp_path):
    folder = tmp_path / "straight"
    folder.mkdir()
    make_triplets(
        flight.frames, folder, TripletSettings(width=160, height=96, min_inliers=60, corners=500)
    )
    path = tmp_path / "sheet.png"
    draw_contact_sheet({"straight": flight.frames}, {"straight": folder}, path, rows=2)
    sheet = read_image(path)
    assert sheet.shape[1] == 1200 and sheet.shape[0] > 700
    yellow = (sheet[..., 0] > 200) & (sheet[..., 1] > 170) & (sheet[..., 2] < 90)
    assert yellow[:, 400:800].sum() > 200  # the flow is drawn, and in the target
    assert yellow[:, :380].sum() + yellow[:, 820:].sum() < 0.1 * yellow.sum()
    first = path.read_bytes()
    draw_contact_sheet({"straight": flight.frames}, {"straight": folder}, path, rows=2)
    assert np.array_equal(read_image(path), sheet) and path.read_bytes() == first
