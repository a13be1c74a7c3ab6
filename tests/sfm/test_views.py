"""Views are spread by motion, and overlap."""

import numpy as np
import pandas as pd

from aerial_depth_pipeline.sfm.views import choose_views


def frames(motion):
    return pd.DataFrame({"frame": np.arange(len(motion)) * 2, "motion": motion})


def test_few_frames_are_all_taken():
    assert choose_views(frames([np.nan, 0.1, 0.1]), 5, 0.2) == [0, 2, 4]


def test_views_are_dense_where_the_image_moves():
    motion = np.r_[np.nan, np.full(49, 0.001), np.full(50, 0.03)]
    views = choose_views(frames(motion), 11, 0.5)
    assert views[0] == 0 and views[-1] == 198
    assert sum(view >= 98 for view in views) >= 9


def test_long_footage_keeps_its_overlap():
    motion = np.full(1000, 0.05)
    views = choose_views(frames(motion), 21, 0.1)
    assert np.diff(views).max() <= 2 * 2  # two frames of 0.05 each
    assert abs(np.mean(views) - 999) < 20  # the middle of the footage


def test_frames_with_exact_depth_are_preferred():
    exact = set(range(0, 400, 20))
    views = choose_views(frames(np.full(200, 0.01)), 15, 0.5, exact)
    assert sum(view in exact for view in views) >= 10
    assert len(views) == 15


def test_photographs_without_positions_are_taken_in_their_order():
    assert choose_views(frames(np.full(50, np.nan)), 10, 0.5) == list(range(40, 60, 2))


def test_photographs_of_a_survey_are_neighbours_on_the_map():
    # Ten lines of ten photographs, 40 m apart along a line and 60 m between lines.
    lines, along = np.divmod(np.arange(100), 10)
    along = np.where(lines % 2, 9 - along, along)  # there and back
    table = frames(np.full(100, np.nan)).assign(east=60.0 * lines, north=40.0 * along)
    chosen = table[table["frame"].isin(choose_views(table, 36, 0.5))]
    places = chosen[["east", "north"]].to_numpy()
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(len(places))
    assert len(chosen) == 36 and (np.sort(apart, axis=1)[:, 1] <= 60).all()
    assert np.ptp(places, axis=0).max() <= 7 * 60
