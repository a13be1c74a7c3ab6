"""Footprints against views that are cast at level ground."""

import numpy as np
import pytest
from tests.worlds.flown_ground import HEIGHT, WIDTH, lawnmower, straight, write_flight

from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.triplets.footprints import CORNER_COLUMNS, scene_footprints

PLACE = (47.0, 8.0)


def corners(folders, place=PLACE) -> np.ndarray:
    return scene_footprints(*folders, place)[CORNER_COLUMNS].to_numpy().reshape(-1, 4, 2)


@pytest.mark.parametrize("pitch", [-90.0, -60.0, -45.0])
def test_views_lie_where_they_are_cast_and_are_a_tenth_larger(tmp_path, pitch):
    flight = lawnmower(3, 200.0, 10.0, 0.5, pitch)
    found = corners(write_flight(flight, tmp_path))
    true = flight.path[:, None] + 1.1 * (flight.true_corners() - flight.path[:, None])
    error = np.linalg.norm(found - true, axis=-1).max(1)
    assert np.median(error) < 0.05 * HEIGHT and np.quantile(error, 0.9) < 0.1 * HEIGHT


def test_without_attitude_a_square_twice_as_wide_stands_for_the_view(tmp_path):
    flight = straight(200.0, 10.0)
    found = corners(write_flight(flight, tmp_path, attitude=False))
    assert np.ptp(found, axis=1) == pytest.approx(2.2 * WIDTH, rel=0.02)
    assert found.mean(1) == pytest.approx(flight.path, abs=1.0)


def test_without_positions_frames_lie_along_the_flight_in_image_widths(tmp_path):
    folders = write_flight(straight(3 * WIDTH, WIDTH / 10), tmp_path, positions=False)
    table = scene_footprints(*folders, None)
    assert table["place"].to_numpy() == pytest.approx(np.arange(30) / 10)
    assert table[CORNER_COLUMNS].isna().all(axis=None)


def test_frames_that_were_thinned_out_count_once(tmp_path):
    folders = write_flight(straight(3 * WIDTH, WIDTH / 10), tmp_path, positions=False)
    scene = SceneFolder(folders[0])
    table = scene.frame_table()
    thinned = table["frame"].between(10, 14)
    table.loc[thinned, ["kept", "reason"]] = False, "thinned out"
    table.loc[table["frame"] == 15, "motion"] = 0.6
    scene.write_frame_table(table)
    places = scene_footprints(*folders, None)["place"].to_numpy()
    assert places[[9, 10, -1]] == pytest.approx([0.9, 1.5, 2.9])
