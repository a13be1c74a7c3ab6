"""Subtitles of twenty drones that people published, read as their drone meant them."""

import numpy as np
import pytest

from aerial_depth_pipeline.capture.telemetry import read_srt

# Entries, first latitude, longitude and height (None: not stated), what heights count from, the
# 35 mm equivalent focal length in millimetres, the gimbal's first pitch
READ = {
    "metadata_embedder_samples/Avata360_clip.SRT": (5, 53.36508, 6.460739, 5.4, "start", 28, 0),
    "metadata_embedder_samples/Mini5PRO_clip.SRT": (5, 53.365108, 6.460719, 6, "start", 24, None),
    "metadata_embedder_samples/air3S_clip.SRT": (5, 34.270373, -84.17616, 0, "start", 24, None),
    "metadata_embedder_samples/air3_clip.SRT": (2, 59.1111, 18.2222, 5, "start", None, None),
    "metadata_embedder_samples/avata2_clip.SRT": (
        *(2, 39.906217, 116.391305, 91.2, "start", None, None),
    ),
    "metadata_embedder_samples/mini4pro_clip.SRT": (2, 59, 18, 1, "start", None, None),
    "metadata_embedder_samples/neo2_clip.SRT": (5, 45.607181, 13.75386, 0, "start", None, None),
    "metadata_embedder_samples/neo2_clip_nogps.SRT": (6, None, None, 0.4, "start", None, None),
    "srt_parser_samples/MAVIC3.srt": (138, 3.41531, -3.3744, -2.4, "start", 24, None),
    "srt_parser_samples/air2s.srt": (17, 41.424724, 2.234156, 117, "sea", 24, None),
    "srt_parser_samples/broken_incomplete.SRT": (
        *(19, -34.7383, -58.4563, 20.1, "start", None, None),
    ),
    "srt_parser_samples/broken_incomplete2.SRT": (
        *(6, -34.86995, -57.823395, 74.725998, "sea", 28, None),
    ),
    "srt_parser_samples/m2zoom.SRT": (136, 31.452012, 74.398751, 213.983002, "sea", 24, None),
    "srt_parser_samples/matrice_300.srt": (381, 36.6146, -6.112, 0.3, "start", None, None),
    "srt_parser_samples/mavic_2pro_new.SRT": (146, -35.080155, -60.286702, None, None, 28, None),
    "srt_parser_samples/mavic_air2.srt": (25, 41.420684, 2.162162, 27.3, "sea", 24, None),
    "srt_parser_samples/mavic_mini.SRT": (117, 48.0771, -121.7458, 200.7, "start", None, None),
    "srt_parser_samples/mavic_pro.SRT": (263, -20.2533, 149.0251, 1.9, "start", None, None),
    "srt_parser_samples/mavic_pro_buggy.SRT": (269, 42.4668, -1.2218, 0, "start", None, None),
    "srt_parser_samples/mix_p4rtk_mavic2pro.srt": (
        *(12, -34.6502, -59.409424, 17.39, "start", 28, -27.3),
    ),
    "srt_parser_samples/old_format.SRT": (271, -20.2533, 149.0251, 1.9, "start", None, None),
    "srt_parser_samples/p4_rtk.SRT": (55, -34.237922, -58.851745, 85.8, "start", None, -24.4),
    "srt_parser_samples/p4p_sample.SRT": (5, 47.4692, 8.209, 45.6, "start", None, None),
}
REFUSED = {
    "srt_parser_samples/broken_empty.SRT": "is empty",
    "srt_parser_samples/broken_empty2.SRT": "states no times",
    "srt_parser_samples/mavic_2_style.SRT": "states no times",
    "srt_parser_samples/mavic_air.SRT": "holds no position, height, focal length or gimbal angle",
}


@pytest.fixture(scope="module")
def subtitles(shared_data):
    """The folder of them."""
    folder = shared_data / "telemetry"
    if not folder.is_dir():
        pytest.skip(f"public subtitles are not there: {folder}")
    return folder


def test_every_file_is_looked_at(subtitles):
    there = {p.relative_to(subtitles).as_posix() for p in subtitles.glob("*/*.[sS][rR][tT]")}
    assert there == READ.keys() | REFUSED.keys()


@pytest.mark.parametrize(("name", "meant"), READ.items(), ids=READ)
def test_what_the_drone_meant(subtitles, name, meant):
    count, *position, datum, focal, pitch = meant
    telemetry = read_srt(subtitles / name)
    assert len(telemetry.time_N) == count and telemetry.focal_35mm == focal
    expected = [np.nan if number is None else number for number in position]
    np.testing.assert_allclose(telemetry.position_N3[0], expected, atol=1e-9)
    angles = telemetry.attitude_N2
    assert (None if angles is None else angles[0, 0]) == pitch
    if datum is not None:
        assert telemetry.datum == datum
    # Nobody flew more than a few kilometres.
    assert np.nanmax(np.nanmax(telemetry.position_N3[:, :2], 0) - expected[:2], initial=0) < 0.05


@pytest.mark.parametrize(("name", "reason"), REFUSED.items(), ids=REFUSED)
def test_why_not(subtitles, name, reason):
    with pytest.raises(ValueError, match=rf"{name.rsplit('/', 1)[1]} {reason}"):
        read_srt(subtitles / name)
