"""Telemetry beside footage that covers it in part or not at all."""

import numpy as np
import pytest
from tests.worlds.flights import extract
from tests.worlds.footage import bracketed_srt


def test_telemetry_shorter_than_the_video(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "video.SRT").write_text(
        bracketed_srt([(47.0, 8.0 + i * 1e-5, 40.0, 440.0) for i in range(20)], 10)
    )
    summary, table = extract(raw, out)
    assert table["east"].notna().sum() == 30  # 20 entries and the second after them
    assert table["east"].iloc[:20].notna().all() and table["east"].iloc[30:].isna().all()
    assert any("covers 30 of 40" in w for w in summary["warnings"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no subtitles at all",
        "1\n00:00:00,000 --> 00:00:01,000\nHOME(,) latitude: nowhere\n",
        "\x00\xff\xfe",
    ],
)
def test_telemetry_that_says_nothing_is_no_telemetry(flight, raw, out, text):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "video.SRT").write_bytes(text.encode("latin-1"))
    summary, table = extract(raw, out)
    assert summary["telemetry"] is None and not summary["metric"] and table["east"].isna().all()


def test_positions_without_heights_lie_in_the_plane(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    rows = "".join(f"{i / 10},47.0,{8.0 + i * 1e-5:.6f}\n" for i in range(40))
    (raw / "video.csv").write_text(f"time,latitude,longitude\n{rows}")
    summary, table = extract(raw, out)
    assert table["up"].isna().all() and table["north"].abs().max() < 1e-3
    assert np.diff(table["east"]) == pytest.approx(0.7607, abs=1e-3)  # metres of 1e-5° at 47° N
    assert any("have a height" in warning for warning in summary["warnings"])


def test_frames_at_another_zoom_are_left_out_and_end_the_segment(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    text = bracketed_srt([(47.0, 8.0 + i * 1e-5, 40.0, 440.0) for i in range(40)], 10)
    blocks = text.split("\n\n")
    for place in range(18, 24):
        blocks[place] = blocks[place].replace("[ct:", "[dzoom_ratio: 2.00] [ct:")
    (raw / "video.SRT").write_text("\n\n".join(blocks))
    summary, table = extract(raw, out)
    assert set(table.loc[table["reason"] == "zoom", "frame"]) == set(range(18, 24))
    kept = table[table["kept"]]
    assert summary["segments"] == 2
    assert kept.loc[kept["frame"] < 18, "segment"].nunique() == 1
    assert kept.loc[kept["frame"] > 23, "segment"].nunique() == 1
