"""Videos that are cut off, corrupt, empty or something else."""

import av
import cv2
import numpy as np
import pytest
from tests.worlds.flights import extract, refused
from tests.worlds.footage import write_video

from aerial_depth_pipeline.formats import images


def test_zero_byte_video(raw, out):
    (raw / "video.mp4").touch()
    refused(raw, out, "video.mp4", "0 bytes", "copy it again")


def test_file_that_is_no_video(raw, out):
    for seed in range(25):  # FFmpeg takes some noise for one container or another
        (raw / "video.mp4").write_bytes(np.random.default_rng(seed).bytes(50000))
        refused(raw, out, "video.mp4", "cannot be opened", "copy it again")


def test_mp4_cut_off_before_its_index(flight, raw, out):
    data = (flight.raw / "video.mp4").read_bytes()
    (raw / "video.mp4").write_bytes(data[: len(data) // 2])
    refused(raw, out, "video.mp4", "no index (moov)", "copy it again", "untrunc")


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_truncated_video_gives_what_decodes(flight, raw, out, suffix, tmp_path):
    whole = tmp_path / f"whole{suffix}"
    write_video(whole, flight.images, fps=10, g=8)
    data = whole.read_bytes()
    (raw / f"video{suffix}").write_bytes(data[: int(len(data) * 0.6)])
    summary, table = extract(raw, out)
    assert 18 <= len(table) <= 30 and summary["kept"] >= 15
    assert table["frame"].tolist() == list(range(len(table)))


def test_truncated_mp4_with_its_index_in_front_says_what_is_missing(flight, raw, out, tmp_path):
    whole = tmp_path / "whole.mp4"
    with (
        av.open(str(flight.raw / "video.mp4")) as source,
        av.open(str(whole), "w", options={"movflags": "faststart"}) as copy,
    ):
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    data = whole.read_bytes()
    (raw / "video.mp4").write_bytes(data[: int(len(data) * 0.7)])
    summary, table = extract(raw, out)
    assert 20 <= len(table) < 40
    assert any("should have 40 frames" in w and "missing" in w for w in summary["warnings"])


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_corrupt_stretch_is_reported_and_the_rest_kept(flight, raw, out, codec):
    options = {"g": 5} if codec == "libx264" else {"x265-params": "keyint=5:log-level=none"}
    write_video(raw / "video.mkv", flight.images, fps=10, codec=codec, **options)
    data = bytearray((raw / "video.mkv").read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 20] = np.random.default_rng(0).bytes(len(data) // 20)
    (raw / "video.mkv").write_bytes(data)
    summary, table = extract(raw, out)
    assert any("is damaged in" in w for w in summary["warnings"]), summary["warnings"]
    kept = table[table["kept"]]["frame"]
    assert kept.min() <= 2 and kept.max() >= 36 and len(kept) >= 20
    for frame in kept:  # none of the kept frames is smeared, and none has slipped to another number
        image = images.read_image(out / "frames" / f"{frame:06d}.jpg")
        errors = [np.abs(image.astype(int) - other).mean() for other in flight.images]
        assert int(np.argmin(errors)) == frame and min(errors) < 8, frame


def test_video_of_one_frame(flight, raw, out):
    write_video(raw / "video.mp4", flight.images[:1])
    refused(raw, out, "video.mp4", "1 usable frames of 1", "longer capture")


def test_audio_only(raw, out):
    with av.open(str(raw / "video.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 4096), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    refused(raw, out, "video.mp4", "no images", "audio")


def test_frames_of_changing_size_are_left_out_with_their_size(flight, raw, out):
    """Two streams of different size one after the other, as a receiver that changes its resolution
    records them."""
    big, small = raw / "big.ts", raw / "small.ts"
    write_video(big, flight.images[:20], fps=10, g=5)
    write_video(
        small, [cv2.resize(image, (160, 96)) for image in flight.images[20:30]], fps=10, g=5
    )
    (raw / "video.ts").write_bytes(big.read_bytes() + small.read_bytes())
    big.unlink(), small.unlink()
    summary, table = extract(raw, out)
    assert summary["reasons"]["size"] == (table["reason"] == "size 160x96").sum() >= 5
    assert table[table["kept"]]["frame"].max() < 20 and summary["kept"] >= 10


def test_interlaced_video_is_refused_with_the_way_out(flight, raw, out):
    write_video(
        raw / "video.mp4", flight.images[:10], **{"flags": "+ildct+ilme", "x264-params": "tff=1"}
    )
    refused(raw, out, "video.mp4", "interlaced", "yadif")


def _box(kind: bytes, content: bytes = b"", size: int | None = None) -> bytes:
    return (len(content) + 8 if size is None else size).to_bytes(4, "big") + kind + content


_START = _box(b"ftyp", b"isom\0\0\2\0isom")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (_START + _box(b"mdat", bytes(500)), "before the camera wrote it"),
        (_START + _box(b"mdat", bytes(500), 0), "before the camera wrote it"),
        (_START + _box(b"mdat", bytes(500), 9000), "ends 8492 bytes too early"),
        (_START + _box(b"mdat", (9000).to_bytes(8, "big") + bytes(500), 1), "bytes too early"),
        (_box(b"wide") + _box(b"mdat", bytes(500)), "before the camera wrote it"),
        (_START + _box(b"free", bytes(99)), "before the camera wrote it"),
    ],
)
def test_a_film_without_its_index_is_told_from_a_damaged_one(raw, out, content, cause):
    (raw / "video.mov").write_bytes(content)
    refused(raw, out, "video.mov", "no index (moov)", cause, "untrunc whole.mp4 video.mov")


def test_a_film_with_a_damaged_index_is_no_film_without_one(raw, out):
    (raw / "video.mp4").write_bytes(_START + _box(b"moov", bytes(500)))
    assert "untrunc" not in refused(raw, out, "video.mp4", "copy it again")
