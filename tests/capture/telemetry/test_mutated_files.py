"""Files of telemetry that something happened to: what is read is sound, or there is a sentence."""

import random

import numpy as np
import pytest
from tests.worlds.footage import bracketed_srt

from aerial_depth_pipeline.capture.sources.source import Recording
from aerial_depth_pipeline.capture.telemetry import find_telemetry
from aerial_depth_pipeline.capture.telemetry.telemetry import at_times, up_at_times

TIMES = "{n}\n00:00:{n:02d},000 --> 00:00:{n:02d},900\n"
ORIGINALS = {
    "bracketed.srt": bracketed_srt([(47.0, 8.0 + i * 1e-5, 30.0, 400.0) for i in range(20)], 5),
    "older.srt": "".join(
        TIMES.format(n=n)
        + f"HOME(8.5,47.2) 2017.08.05\nGPS(8.5{n:02d},47.25,16) BAROMETER:1{n}.5\n\n"
        for n in range(20)
    ),
    "poles.srt": "".join(
        TIMES.format(n=n) + f"GPS(E:8.5{n:02d},N:47.25,1{n}.5m) G.PRY (-40.{n}°, 0.0°, 9.0°)\n\n"
        for n in range(20)
    ),
    "log.csv": "time(millisecond),datetime(utc),latitude,longitude,height_above_takeoff(feet),"
    "gimbal_pitch(degrees),isVideo\n"
    + "".join(
        f"{i * 100},2024-05-01 10:00:0{i // 10},47.0,8.00{i:02d},9{i}.1,-44,{int(i > 9)}\n"
        for i in range(40)
    ),
    "plain.csv": "time;latitude;longitude;rel_alt\n"
    + "".join(f"{i},5;47,0;8,00{i:02d};31,{i}\n" for i in range(30)),
}
_PIECES = [
    *(
        "\n",
        "\n\n",
        ",",
        ";",
        ":",
        "-->",
        "-",
        ".",
        "(",
        ")",
        "[",
        "]",
        '"',
        "\0",
        "\ufeff",
        "\u00b0",
    ),
    *("NaN", "inf", "1e999", "9" * 400, "N/A", "latitude: 91", "GPS(,,)", "G.PRY(1,2)", "sep=;\n"),
    *("00:00:00,000 --> 00:00:01,000\n", "99:99:99,999 --> ", "time,", "E:", "7"),
]


def _mutated(text: str, chance: random.Random) -> bytes:
    """The text with one to six places cut, doubled, replaced, filled or moved; some in bytes."""
    for _ in range(chance.randint(1, 6)):
        a, b = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        b = min(b, a + chance.choice([1, 5, 60, 2000]))
        piece = chance.choice(_PIECES)
        text = (
            chance.choice(
                [
                    text[:a] + text[b:],
                    text[:b] + text[a:],
                    text[:a] + piece + text[b:],
                    text[:a] + piece + text[a:],
                    text[:a] or text,
                    text.replace(
                        chance.choice("0123456789.,;:()\n"), piece, chance.choice([1, 3, -1])
                    ),
                    text[b:] + text[a:b] + text[:a],
                ]
            )[:100_000]
            or "\n"
        )
    data = bytearray(text.encode(chance.choice(["utf-8"] * 4 + ["utf-16", "utf-16-be"])))
    for _ in range(chance.choice([0, 0, 1, 20])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("seed", [*range(147), 795, 1109, 1571])
def test_a_mutated_file_is_read_soundly_or_refused_in_a_sentence(tmp_path, seed):
    chance = random.Random(seed)
    name = chance.choice(list(ORIGINALS))
    path = tmp_path / f"video.{name.rsplit('.', 1)[1]}"
    path.write_bytes(_mutated(ORIGINALS[name], chance))
    recording = Recording(10, chance.choice([None, 1714557600.0]), chance.choice([None, 3.0]))
    telemetry, told = find_telemetry(tmp_path, tmp_path / "video.mp4", recording)
    assert all(path.name in sentence and "\n" not in sentence for sentence in told)
    if telemetry is None:
        assert told
        return
    assert np.isfinite(telemetry.time_N).all() and (np.diff(telemetry.time_N) > 0).all()
    latitude, longitude, height = telemetry.position_N3.T
    assert not np.isinf(telemetry.position_N3).any()
    assert not (np.abs(latitude) > 90).any() and not (np.abs(longitude) > 540).any()
    assert np.isfinite(latitude).any() or np.isfinite(height).any() or telemetry.warnings
    times = np.linspace(-5, 50, 56)
    assert at_times(telemetry, times).shape == up_at_times(telemetry, times).shape == (56, 3)


@pytest.mark.parametrize("name", ORIGINALS)
@pytest.mark.parametrize("nothing", ["0", "n/a", ""])
def test_files_whose_numbers_are_lost_give_no_metres(tmp_path, name, nothing):
    path = tmp_path / f"video.{name.rsplit('.', 1)[1]}"
    lines = ORIGINALS[name].splitlines()
    kept = [
        line
        if "-->" in line or not i
        else "".join(nothing if c in "123456789" else c for c in line)
        for i, line in enumerate(lines)
    ]
    path.write_text("\n".join(kept) + "\n")
    telemetry, told = find_telemetry(tmp_path, tmp_path / "video.mp4", Recording(10))
    assert told if telemetry is None else not telemetry.has_places
    if telemetry is not None:
        assert not np.nan_to_num(telemetry.position_N3[:, 2]).any()
