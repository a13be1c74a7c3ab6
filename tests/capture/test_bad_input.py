"""Footage as it comes: each fault ends in what can be used, or in one sentence that names the file
and the way out."""

import errno
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.worlds.footage import CAMERA, bracketed_srt, no_calibration, write_camera, write_video

from aerial_depth_pipeline.capture import frame_writer
from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources import open_source
from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.formats import depth_maps, images
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.triplets import triplet_files
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.settings import TripletSettings

SETTINGS = FrameExtractionSettings()


def _extract(
    raw: Path, folder: Path, settings: FrameExtractionSettings = SETTINGS, calibrate=no_calibration
) -> tuple[dict, pd.DataFrame]:
    folder.mkdir(parents=True, exist_ok=True)
    summary = extract_frames(raw, folder, settings, calibrate)
    return summary, pd.read_parquet(folder / "frames.parquet")


def _refused(
    raw: Path, folder: Path, *parts: str, settings: FrameExtractionSettings = SETTINGS
) -> str:
    """The sentence of the SceneError, which must name what `parts` says."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.raises(SceneError) as caught:
        extract_frames(raw, folder, settings, no_calibration)
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    assert "\n" not in message and message.endswith(".")
    return message


@pytest.fixture
def raw(tmp_path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    write_camera(folder / "camera.yaml")
    return folder


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def test_empty_folder(raw, out):
    _refused(raw, out, str(raw), "holds no footage", "video.mp4")


def test_zero_byte_video(raw, out):
    (raw / "video.mp4").touch()
    _refused(raw, out, "video.mp4", "0 bytes", "copy it again")


def test_file_that_is_no_video(raw, out):
    for seed in range(25):  # FFmpeg takes some noise for one container or another
        (raw / "video.mp4").write_bytes(np.random.default_rng(seed).bytes(50000))
        _refused(raw, out, "video.mp4", "cannot be opened", "copy it again")


def test_mp4_cut_off_before_its_index(flight, raw, out):
    data = (flight.raw / "video.mp4").read_bytes()
    (raw / "video.mp4").write_bytes(data[: len(data) // 2])
    _refused(raw, out, "video.mp4", "damaged or incomplete", "ffmpeg")


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_truncated_video_gives_what_decodes(flight, raw, out, suffix, tmp_path):
    whole = tmp_path / f"whole{suffix}"
    write_video(whole, flight.images, fps=10, g=8)
    data = whole.read_bytes()
    (raw / f"video{suffix}").write_bytes(data[: int(len(data) * 0.6)])
    summary, table = _extract(raw, out)
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
    summary, table = _extract(raw, out)
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
    summary, table = _extract(raw, out)
    assert any("is damaged in" in w for w in summary["warnings"]), summary["warnings"]
    kept = table[table["kept"]]["frame"]
    assert kept.min() <= 2 and kept.max() >= 36 and len(kept) >= 20
    for frame in kept:  # none of the kept frames is smeared, and none has slipped to another number
        image = images.read_image(out / "frames" / f"{frame:06d}.jpg")
        errors = [np.abs(image.astype(int) - other).mean() for other in flight.images]
        assert int(np.argmin(errors)) == frame and min(errors) < 8, frame


def test_video_of_one_frame(flight, raw, out):
    write_video(raw / "video.mp4", flight.images[:1])
    _refused(raw, out, "video.mp4", "1 usable frames of 1", "longer capture")


def test_audio_only(raw, out):
    with av.open(str(raw / "video.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 4096), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    _refused(raw, out, "video.mp4", "no images", "audio")


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
    summary, table = _extract(raw, out)
    assert summary["reasons"]["size"] == (table["reason"] == "size 160x96").sum() >= 5
    assert table[table["kept"]]["frame"].max() < 20 and summary["kept"] >= 10


def test_interlaced_video_is_refused_with_the_way_out(flight, raw, out):
    write_video(
        raw / "video.mp4", flight.images[:10], **{"flags": "+ildct+ilme", "x264-params": "tff=1"}
    )
    _refused(raw, out, "video.mp4", "interlaced", "yadif")


@pytest.mark.parametrize(
    "name",
    [
        "Flüge über dem Wald 飛行",
        "-rf; $(touch hacked) `x` & %s {0}",
        "a'b\"c#d?e",
        "con.scene .",
        "x" * 200,
    ],
)
def test_names_of_any_kind(flight, tmp_path, name):
    raw = tmp_path / name
    raw.mkdir()
    video = f"{name[:60]}.MP4"
    (raw / video).write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / f"{name[:60]}.srt").write_text((flight.raw / "video.SRT").read_text())
    write_camera(raw / "camera.yaml")
    summary, _ = _extract(raw, tmp_path / "out" / name, FrameExtractionSettings(stride=4))
    assert summary["source"] == video and summary["kept"] == 10 and summary["metric"]
    assert not (tmp_path / "hacked").exists() and not Path("hacked").exists()


def test_hidden_files_are_no_footage(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "._video.mp4").write_bytes(b"what a Mac leaves on a card")
    (raw / ".video.SRT").write_text("nothing")
    assert _extract(raw, out)[0]["source"] == "video.mp4"


def test_two_videos_are_two_scenes(flight, raw, out):
    for name in ("DJI_0001.MP4", "DJI_0002.MP4"):
        (raw / name).write_bytes((flight.raw / "video.mp4").read_bytes())
    _refused(raw, out, "2 videos", "DJI_0001.MP4", "folder of its own")


def test_telemetry_shorter_than_the_video(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "video.SRT").write_text(
        bracketed_srt([(47.0, 8.0 + i * 1e-5, 40.0, 440.0) for i in range(20)], 10)
    )
    summary, table = _extract(raw, out)
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
    summary, table = _extract(raw, out)
    assert summary["telemetry"] is None and not summary["metric"] and table["east"].isna().all()


def _photographs(
    flight,
    folder: Path,
    count: int = 6,
    size: tuple[int, int] = (320, 192),
    first: int = 0,
    exif: Image.Exif | None = None,
) -> None:
    folder.mkdir(exist_ok=True)
    for i in range(first, first + count):
        image = Image.fromarray(cv2.resize(flight.images[i * 3], size))
        image.save(
            folder / f"DJI_{i}.JPG", quality=95, **({"exif": exif} if exif is not None else {})
        )


def test_photographs_of_several_sizes_keep_the_majority(flight, raw, out):
    _photographs(flight, raw / "images", 6)
    _photographs(flight, raw / "images", 2, (160, 96), first=6)
    summary, table = _extract(raw, out)
    assert summary["kept"] == 6 and table["reason"].tolist() == [""] * 6 + ["size 160x96"] * 2
    assert any("2 of 8 photographs" in w for w in summary["warnings"])


def test_photographs_without_a_majority_are_refused(flight, raw, out):
    _photographs(flight, raw / "images", 3)
    _photographs(flight, raw / "images", 3, (160, 96), first=3)
    _refused(raw, out, "images", "several sizes", "3 of 320x192", "scene of their own")


def test_photographs_that_are_none(raw, out):
    (raw / "images").mkdir()
    (raw / "images" / "a.jpg").write_bytes(b"not a picture")
    (raw / "images" / "b.jpg").touch()
    _refused(raw, out, "images", "None of the 2 files", "copy them again")


def test_damaged_photographs_are_left_out(flight, raw, out):
    _photographs(flight, raw / "images", 6)
    data = (raw / "images" / "DJI_2.JPG").read_bytes()
    (raw / "images" / "DJI_2.JPG").write_bytes(data[:200])
    (raw / "images" / "DJI_3.JPG").write_bytes(b"")
    summary, table = _extract(raw, out)
    assert table["reason"].tolist() == ["", "", "unreadable", "unreadable", "", ""]
    assert any("2 files" in w for w in summary["warnings"])


def _exif(
    focal_35mm: int | None = 24, gps: dict | None = None, orientation: int = 1, model: str = ""
) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if model:
        exif[0x0110] = model
    details = exif.get_ifd(0x8769)
    if focal_35mm:
        details[0xA405] = focal_35mm
    if gps:
        exif.get_ifd(0x8825).update(gps)
    return exif


def test_exif_without_gps_is_no_telemetry(flight, raw, out):
    (raw / "camera.yaml").unlink()
    _photographs(flight, raw / "images", exif=_exif())
    summary, table = _extract(raw, out)
    assert (
        summary["camera_source"] == "exif"
        and summary["telemetry"] is None
        and table["east"].isna().all()
    )
    assert summary["focal_length"] == pytest.approx(24 / 43.267 * np.hypot(320, 240), rel=1e-3)


def test_photographs_that_name_only_the_drone_have_its_focal_length(flight, raw, out):
    (raw / "camera.yaml").unlink()
    _photographs(flight, raw / "images", exif=_exif(focal_35mm=None, model="FC3411"))
    summary, _ = _extract(raw, out)
    assert summary["camera_source"] == "exif"
    assert summary["focal_length"] == pytest.approx(22 / 43.267 * np.hypot(320, 240), rel=1e-3)


@pytest.mark.parametrize(
    "gps",
    [{2: (0, 0, 0), 4: (0, 0, 0)}, {2: (97.0, 0, 0), 4: (8.0, 0, 0)}, {1: "N", 2: (47.0, 0, 0)}],
)
def test_exif_with_damaged_gps_is_no_telemetry(flight, raw, out, gps):
    _photographs(flight, raw / "images", exif=_exif(gps=gps))
    assert _extract(raw, out)[0]["telemetry"] is None


def test_exif_position_and_orientation(flight, raw, out):
    (raw / "camera.yaml").unlink()
    (raw / "images").mkdir()
    for i in range(4):
        gps = {
            1: "S",
            2: (33.0, 30.0, i * 0.36),
            3: "W",
            4: (70.0, 15.0, 0.0),
            5: b"\x00",
            6: 500.0 + i,
        }
        turned = Image.fromarray(
            np.ascontiguousarray(np.rot90(flight.images[3 * i]))
        )  # lying on its side: orientation 6 turns it back
        turned.save(raw / "images" / f"{i}.jpg", quality=95, exif=_exif(gps=gps, orientation=6))
    summary, table = _extract(raw, out)
    assert (summary["width"], summary["height"]) == (320, 192) and summary["telemetry"] == "exif"
    assert summary["origin"] == {"latitude": -33.5, "longitude": -70.25, "altitude": 500.0}
    np.testing.assert_allclose(table["north"], [0, -11.09, -22.18, -33.27], atol=0.05)
    np.testing.assert_allclose(table["up"], [0, 1, 2, 3], atol=0.01)
    image = images.read_image(out / "frames" / "000001.jpg")
    assert np.abs(image.astype(int) - flight.images[3]).mean() < 4


def test_camera_for_another_size_is_rescaled(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    write_camera(raw / "camera.yaml", CAMERA.resized(3840, 2304))
    summary, _ = _extract(raw, out)
    assert summary["focal_length"] == pytest.approx(260)


def test_camera_for_another_shape_is_refused(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    write_camera(raw / "camera.yaml", Camera.pinhole(4000, 3000, 3000, 3000, 2000, 1500))
    _refused(raw, out, "camera.yaml", "4000x3000", "320x192", "remove the file")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model: PINHOLE",
        "model: MAGIC\nwidth: 1\nheight: 1\nparams: [1]",
        "{[",
        "model: PINHOLE\nwidth: 320\nheight: 192\nparams: [.nan, 1, 1, 1]",
    ],
)
def test_camera_file_that_is_none(flight, raw, out, text):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "camera.yaml").write_text(text)
    _refused(raw, out, "camera.yaml", "remove it")


def test_camera_asked_for_and_not_there(flight, raw, out):
    (raw / "camera.yaml").unlink()
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    _refused(
        raw, out, "camera.yaml", "camera: auto", settings=FrameExtractionSettings(camera="file")
    )
    _refused(
        raw, out / "b", "EXIF", "camera: auto", settings=FrameExtractionSettings(camera="exif")
    )


@pytest.mark.parametrize("bits", [np.uint8, np.uint16])
def test_depth_that_is_none(flight, raw, out, bits):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "depth").mkdir()
    shape = (192, 320) if bits == np.uint8 else (192, 320, 3)
    cv2.imwrite(str(raw / "depth" / "000000.png"), np.ones(shape, bits))
    _refused(raw, out, "000000.png", "16-bit")


def test_poses_that_are_none(flight, raw, out):
    (raw / "video.mp4").write_bytes((flight.raw / "video.mp4").read_bytes())
    (raw / "poses.csv").write_text("a,b\n1,2\n")
    _refused(raw, out, "poses.csv", "remove it")


def test_full_disk_ends_in_a_sentence(flight, out, monkeypatch):
    written = []

    def full(path, *arguments):
        written.append(path)
        if len(written) > 5:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(frame_writer, "write_jpeg", full)
    out.mkdir()
    with pytest.raises(UserError, match=r"disk that holds .* is full; free some space") as caught:
        extract_frames(flight.raw, out, SETTINGS, no_calibration)
    assert not isinstance(caught.value, SceneError)  # the next scene would not fit either
    assert len(written) < 30  # the decoder does not go on to the end


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is not there")
def test_files_that_cannot_be_written_raise(flight):
    full = Path("/dev/full")
    for write in (
        lambda: images.write_jpeg(full, flight.images[0], 95),
        lambda: depth_maps.write_depth(full, flight.depths[0]),
    ):
        with pytest.raises(OSError) as caught:
            write()
        assert caught.value.errno == errno.ENOSPC


def test_full_disk_while_triplets_are_written(flight, out, monkeypatch):
    def full(path, *arguments):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(triplet_files, "write_jpeg", full)
    out.mkdir()
    with pytest.raises(UserError, match=r"disk that holds .* is full"):
        make_triplets(
            flight.frames, out, TripletSettings(width=96, height=64, min_inliers=60, corners=300)
        )


def test_folder_that_is_none(tmp_path):
    with pytest.raises(SceneError, match="is not a folder"):
        open_source(tmp_path / "nowhere")
