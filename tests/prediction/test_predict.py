"""Films, depth maps and point clouds of footage, by a model whose answer is known."""

import json
import re
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.cameras import camera_to_yaml
from aerial_depth_pipeline.formats.images import write_jpeg
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.inference.mirroring import mirrored_mean
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.prediction.input_frames import open_footage
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.settings import PredictSettings
from aerial_depth_pipeline.reporting.colours import plasma

WIDTH, HEIGHT = 96, 64
CAMERA = Camera.pinhole(WIDTH, HEIGHT, 80.0, 80.0, 48.0, 32.0)


class Brightness:
    """Depth is 2 plus the mean of the colours over 10: 2 where the picture is black, 27.5 where it
    is white."""

    width, height = WIDTH, HEIGHT

    def __init__(self, **metadata):
        self.metadata = metadata

    def predict(self, images):
        return (2 + np.asarray(images).astype(np.float32).mean(-1) / 10).astype(np.float32)


class LevelGround(Brightness):
    """A camera over a plane with houses on it, in units of its own."""

    def __init__(self, height, pitch, **metadata):
        super().__init__(**metadata)
        x, y = np.meshgrid((np.arange(WIDTH) + 0.5 - 48) / 80, (np.arange(HEIGHT) + 0.5 - 32) / 80)
        down = np.sin(pitch) + y * np.cos(pitch)  # of a ray, where the camera looks down by `pitch`
        self.depth = (height / down).astype(np.float32)
        self.depth[10:30, 20:60] *= 0.7

    def predict(self, images):
        return np.repeat(self.depth[None], len(images), 0)


def gradient(shift):
    ramp = (np.arange(WIDTH)[None, :] * 2 + np.arange(HEIGHT)[:, None] + shift) % 256
    return np.repeat(ramp[..., None], 3, -1).astype(np.uint8)


def write_video(path, frames=12, fps=10, key_every=5):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "5", "g": str(key_every), "threads": "1"}
        for index in range(frames):
            for packet in stream.encode(
                av.VideoFrame.from_ndarray(gradient(3 * index), format="rgb24")
            ):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def write_srt(path, frames=12, fps=10, field="rel_alt", height=60.0):
    blocks = []
    for index in range(frames):
        begin, end = (
            f"00:00:{1000 * i // fps // 1000:02d},{1000 * i // fps % 1000:03d}"
            for i in (index, index + 1)
        )
        blocks.append(
            f"{index + 1}\n{begin} --> {end}\n[latitude: 44.06] [longitude: -123.07] [{field}:"
            f" {height:.3f} abs_alt: 200.0]\n"
        )
    path.write_text("\n".join(blocks))


def decode(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture
def flight(tmp_path):
    write_video(tmp_path / "flight.mp4")
    (tmp_path / "camera.yaml").write_text(camera_to_yaml(CAMERA))
    return tmp_path / "flight.mp4"


def test_a_video_becomes_a_film_and_depth_maps(flight, tmp_path):
    settings = PredictSettings(png_every=4, points_every=6, batch_size=5)
    report = predict(flight, Brightness(unit="metres"), settings, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "prediction.json").read_text()) == report
    assert (
        report["frames"],
        report["unit"],
        report["scale"]["origin"],
        report["camera"]["origin"],
    ) == (
        12,
        "metres",
        "model",
        "camera.yaml",
    )
    sources, film = decode(flight), decode(tmp_path / "out" / "side_by_side.mp4")
    assert len(film) == 12 and film[0].shape == (HEIGHT, 2 * WIDTH, 3)
    for index, (source, picture) in enumerate(zip(sources, film, strict=True)):
        depth = np.array(Image.open(tmp_path / "out" / "depth" / f"{index:06d}.tiff"))
        assert depth.dtype == np.float32
        np.testing.assert_allclose(depth, 2 + source.astype(float).mean(-1) / 10, atol=0.3)
        assert np.abs(picture[:, :WIDTH].astype(float) - source).mean() < 8
        colours = plasma(depth, report["colours"]["near"], report["colours"]["far"])
        assert (
            np.abs(picture[:, WIDTH:].astype(float) - colours).mean() < 25
        )  # compressed, but the same colours on the same scale
    assert [p.name for p in sorted((tmp_path / "out" / "depth_png").iterdir())] == [
        "000000.png",
        "000004.png",
        "000008.png",
    ]
    png = cv2.imread(str(tmp_path / "out" / "depth_png" / "000004.png"), cv2.IMREAD_UNCHANGED)
    tiff = np.array(Image.open(tmp_path / "out" / "depth" / "000004.tiff"))
    assert png.dtype == np.uint16 and report["png_step"] == 0.01
    np.testing.assert_allclose(png * 0.01, tiff, atol=0.0051)


def test_point_clouds_put_every_pixel_where_its_depth_says(flight, tmp_path):
    predict(
        flight, Brightness(), PredictSettings(points_every=6, points_stride=4), tmp_path / "out"
    )
    assert [p.name for p in sorted((tmp_path / "out" / "points").iterdir())] == [
        "000000.ply",
        "000006.ply",
    ]
    import trimesh

    cloud = trimesh.load(tmp_path / "out" / "points" / "000006.ply")
    depth = np.array(Image.open(tmp_path / "out" / "depth" / "000006.tiff"))[::4, ::4]
    points = np.asarray(cloud.vertices).reshape(*depth.shape, 3)
    np.testing.assert_allclose(points[..., 2], depth, rtol=1e-6)
    np.testing.assert_allclose(
        80 * points[..., 0] / points[..., 2] + 48,
        np.broadcast_to(np.arange(0, WIDTH, 4) + 0.5, depth.shape),
        atol=1e-3,
    )
    np.testing.assert_allclose(
        80 * points[..., 1] / points[..., 2] + 32,
        np.arange(0, HEIGHT, 4)[:, None] + 0.5 + 0 * depth,
        atol=1e-3,
    )
    colours = np.asarray(cloud.colors)[:, :3].reshape(*depth.shape, 3).astype(float)
    np.testing.assert_allclose(
        2 + colours.mean(-1) / 10, depth, atol=1e-4
    )  # of this model, colour and depth say the same


def test_metres_come_from_the_height_above_level_ground(flight, tmp_path):
    write_srt(tmp_path / "flight.SRT", height=60.0)
    model = LevelGround(height=1.5, pitch=np.radians(50))
    report = predict(flight, model, PredictSettings(side_by_side=False), tmp_path / "out")
    assert (report["unit"], report["scale"]["origin"]) == ("metres", "height")
    assert report["scale"]["factor"] == pytest.approx(
        40, rel=0.01
    )  # the houses do not pull the ground up
    assert (
        "level" in report["scale"]["explanation"] and "flight.SRT" in report["scale"]["explanation"]
    )
    depth = np.array(Image.open(tmp_path / "out" / "depth" / "000003.tiff"))
    np.testing.assert_allclose(depth, 40 * model.depth, rtol=0.01)


@pytest.mark.parametrize("missing", ["telemetry", "rel_alt", "camera", "height"])
def test_without_what_metres_need_depth_stays_without_and_the_report_says_why(
    missing, flight, tmp_path
):
    if missing != "telemetry":
        write_srt(
            tmp_path / "flight.SRT",
            field="altitude" if missing == "rel_alt" else "rel_alt",
            height=1.0 if missing == "height" else 60,
        )
    if missing == "camera":
        (tmp_path / "camera.yaml").unlink()
    model = LevelGround(height=1.5, pitch=np.radians(50))
    report = predict(flight, model, PredictSettings(side_by_side=False), tmp_path / "out")
    assert (report["unit"], report["scale"]["origin"], report["scale"]["factor"]) == (
        "model units",
        "none",
        1.0,
    )
    expected = {
        "telemetry": "no telemetry",
        "rel_alt": "rel_alt",
        "camera": "camera.yaml or set predict.focal_35mm",
        "height": "no height above 5 m",
    }
    assert expected[missing] in report["scale"]["explanation"]
    np.testing.assert_array_equal(
        np.array(Image.open(tmp_path / "out" / "depth" / "000003.tiff")), model.depth
    )
    with pytest.raises(UserError, match=expected[missing]):
        predict(flight, model, PredictSettings(scale="height"), tmp_path / "other")


def write_colmap_model(folder, depth_HW, names, scale):
    """Pictures of twice the footage's size that all look along the world's z axis, whose sparse
    points lie `scale` times as deep."""
    folder.mkdir(parents=True)
    (folder / "cameras.txt").write_text(f"1 PINHOLE {2 * WIDTH} {2 * HEIGHT} 160 160 96 64\n")
    rows, columns = np.mgrid[2:HEIGHT:6, 2:WIDTH:6]
    z = scale * depth_HW[rows, columns]
    xyz = np.stack([(columns + 0.5 - 48) / 80 * z, (rows + 0.5 - 32) / 80 * z, z], -1).reshape(
        -1, 3
    )
    pixels = np.stack([2 * columns + 1.0, 2 * rows + 1.0], -1).reshape(-1, 2)
    seen = " ".join(f"{x} {y} {i + 1}" for i, (x, y) in enumerate(pixels))
    images = [f"{i + 1} 1 0 0 0 0 0 0 1 {name}\n{seen}\n" for i, name in enumerate(names)]
    (folder / "images.txt").write_text("".join(images))
    tracks = [" ".join(f"{i + 1} {n}" for i in range(len(names))) for n in range(len(xyz))]
    points = [
        f"{n + 1} {x} {y} {z} 0 0 0 0.5 {track}\n"
        for n, ((x, y, z), track) in enumerate(zip(xyz, tracks, strict=True))
    ]
    (folder / "points3D.txt").write_text("".join(points))


@pytest.mark.parametrize("metric", [True, False])
def test_the_scale_of_a_colmap_model_of_the_same_footage(metric, flight, tmp_path):
    model = LevelGround(height=1.5, pitch=np.radians(50), unit="metres")
    scene = tmp_path / "scene"
    write_colmap_model(
        scene / "sfm", model.depth, ["000002.jpg", "000007.jpg", "000999.jpg"], scale=31.0
    )
    (scene / "ground_truth.json").write_text(json.dumps({"metric": metric}))
    settings = PredictSettings(colmap=str(scene), side_by_side=False)
    report = predict(flight, model, settings, tmp_path / "out")
    assert (report["scale"]["origin"], report["unit"]) == (
        "colmap",
        "metres" if metric else "COLMAP units",
    )
    assert report["scale"]["factor"] == pytest.approx(31, rel=1e-3)
    assert (
        "in 2 frames" in report["scale"]["explanation"]
        and str(scene / "sfm") in report["scale"]["explanation"]
    )
    np.testing.assert_allclose(
        np.array(Image.open(tmp_path / "out" / "depth" / "000003.tiff")),
        31 * model.depth,
        rtol=1e-3,
    )


def test_the_scale_of_a_colmap_model_of_photographs(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        write_jpeg(folder / f"DJI_{index}.jpg", gradient(0), 95)
    model = LevelGround(height=1.5, pitch=np.radians(50))
    write_colmap_model(tmp_path / "model" / "sparse" / "0", model.depth, ["DJI_1.jpg"], scale=12.0)
    report = predict(
        folder,
        model,
        PredictSettings(colmap=str(tmp_path / "model"), scale="colmap"),
        tmp_path / "out",
    )
    assert (
        report["scale"]["factor"] == pytest.approx(12, rel=1e-3)
        and report["unit"] == "COLMAP units"
    )


def test_colmap_models_that_cannot_give_a_scale_are_named(flight, tmp_path):
    model = LevelGround(height=1.5, pitch=np.radians(50))
    with pytest.raises(UserError, match=r"predict\.colmap names no COLMAP model"):
        predict(flight, model, PredictSettings(scale="colmap"), tmp_path / "a")
    with pytest.raises(UserError, match="holds no COLMAP model"):
        predict(flight, model, PredictSettings(colmap=str(tmp_path)), tmp_path / "b")
    write_colmap_model(tmp_path / "other", model.depth, ["picture.jpg"], scale=1.0)
    with pytest.raises(UserError, match=r"places no frame of flight\.mp4"):
        predict(flight, model, PredictSettings(colmap=str(tmp_path / "other")), tmp_path / "c")
    (tmp_path / "other" / "images.txt").write_text("nonsense\n")
    with pytest.raises(UserError, match="cannot be read"):
        predict(flight, model, PredictSettings(colmap=str(tmp_path / "other")), tmp_path / "d")


def test_a_model_without_metres_is_not_taken_for_one_with(flight, tmp_path):
    with pytest.raises(UserError, match="predict.scale is 'model'"):
        predict(
            flight,
            Brightness(unit="training units"),
            PredictSettings(scale="model"),
            tmp_path / "out",
        )


def test_colours_do_not_flicker(tmp_path):
    """A part of the picture that stays the same keeps its colour, whatever comes and goes beside
    it."""

    class Passing(Brightness):
        calls = 0

        def predict(self, images):
            depth = np.full((len(images), HEIGHT, WIDTH), 10, np.float32)
            depth[:, :, :32] = 20
            if np.asarray(images).mean() > 120:
                depth[:, :20, 60:] = 3
            return depth

    for index in range(6):
        write_jpeg(tmp_path / f"{index}.jpg", np.full((HEIGHT, WIDTH, 3), 40 * index, np.uint8), 95)
    predict(tmp_path, Passing(), PredictSettings(tiff_every=0), tmp_path / "out")
    pictures = [
        np.array(Image.open(p)).astype(int)
        for p in sorted((tmp_path / "out" / "side_by_side").iterdir())
    ]
    assert len(pictures) == 6
    for place in ((50, WIDTH + 10), (50, WIDTH + 45)):
        colours = np.array([picture[place] for picture in pictures])
        assert np.ptp(colours, axis=0).max() <= 6  # JPEG
    assert np.abs(pictures[0][10, WIDTH + 80] - pictures[5][10, WIDTH + 80]).max() > 60


def test_pictures_keep_their_names(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("DJI_10.jpg", "DJI_9.JPG"):
        write_jpeg(folder / name, gradient(0), 95)
    report = predict(folder, Brightness(), PredictSettings(), tmp_path / "out")
    assert report["kind"] == "photographs" and report["camera"]["origin"] == "assumed"
    assert sorted(p.name for p in (tmp_path / "out" / "depth").iterdir()) == [
        "000000_DJI_9.tiff",
        "000001_DJI_10.tiff",
    ]
    report = predict(
        folder / "DJI_9.JPG", Brightness(), PredictSettings(max_width=40), tmp_path / "one"
    )
    assert (report["frames"], report["source"], report["width"], report["height"]) == (
        1,
        "DJI_9.JPG",
        40,
        26,
    )
    assert np.array(Image.open(tmp_path / "one" / "depth" / "000000_DJI_9.tiff")).shape == (26, 40)


def test_stride_and_choice_of_files(flight, tmp_path):
    report = predict(
        flight, Brightness(), PredictSettings(stride=3, tiff_every=2), tmp_path / "out"
    )
    assert report["frames"] == 4 and len(decode(tmp_path / "out" / "side_by_side.mp4")) == 4
    assert [p.name for p in sorted((tmp_path / "out" / "depth").iterdir())] == [
        "000000.tiff",
        "000006.tiff",
    ]
    with av.open(str(tmp_path / "out" / "side_by_side.mp4")) as film:
        assert float(film.streams.video[0].average_rate) == pytest.approx(
            10 / 3, rel=0.01
        )  # as long as the source
    with pytest.raises(ValueError, match="nothing would be written"):
        PredictSettings(side_by_side=False, tiff_every=0)


def test_the_same_source_gives_the_same_files(flight, tmp_path):
    settings = PredictSettings(png_every=3, points_every=6, batch_size=4)
    for name in ("a", "b"):
        predict(flight, Brightness(), settings, tmp_path / name)
    files = [p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()]
    assert len(files) > 15
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def peak_memory(work) -> tuple[int, int]:
    """The most bytes that Python's objects took while `work` ran, and that the process grew by,
    decoder and encoder included (Linux)."""
    process = Path("/proc/self")
    if process.is_dir():
        (process / "clear_refs").write_text("5")  # the peak counts from here
    before = resident("VmRSS")
    tracemalloc.start()
    work()
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return used, resident("VmHWM") - before


def resident(field: str) -> int:
    status = Path("/proc/self/status")
    return (
        int(re.search(rf"{field}:\s+(\d+) kB", status.read_text())[1]) * 1024
        if status.is_file()
        else 0
    )


def test_memory_does_not_grow_with_length(tmp_path):
    def peak(frames):
        write_video(tmp_path / f"{frames}.mp4", frames)
        settings = PredictSettings(tiff_every=10, scale_frames=4)
        return peak_memory(
            lambda: predict(
                tmp_path / f"{frames}.mp4", Brightness(), settings, tmp_path / f"out{frames}"
            )
        )

    peak(20)  # what is loaded once
    (short, short_process), (long, long_process) = peak(60), peak(600)
    # 16 depth maps may wait for the disk.
    assert long < short + 20 * WIDTH * HEIGHT * 4
    assert (
        long_process < short_process + 400 * WIDTH * HEIGHT * 3
    )  # less than one copy of the pictures that are more


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.mp4", None, r"gone\.mp4 is not there"),
        ("notes.txt", b"hello", r"notes\.txt is neither a video nor an image"),
        ("empty.mp4", b"", r"empty\.mp4 is empty"),
        ("broken.mp4", b"not a video at all", r"broken\.mp4 cannot be opened as a video"),
        ("broken.jpg", b"not a picture", r"broken\.jpg cannot be read as an image"),
        ("folder", "folder", r"folder holds no footage"),
    ],
)
def test_sources_that_cannot_be_used_are_named(name, content, message, tmp_path):
    if content == "folder":
        (tmp_path / name).mkdir()
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        predict(tmp_path / name, Brightness(), PredictSettings(), tmp_path / "out")


def test_two_predictions_are_not_mixed(flight, tmp_path):
    predict(flight, Brightness(), PredictSettings(stride=6), tmp_path / "out")
    with pytest.raises(UserError, match="not empty"):
        predict(flight, Brightness(), PredictSettings(stride=6), tmp_path / "out")


def test_the_telemetry_of_another_flight_is_not_used(flight, tmp_path):
    write_srt(tmp_path / "other.SRT")
    write_video(tmp_path / "other.mp4", frames=2)
    assert open_footage(flight, 768).telemetry is None
    write_srt(tmp_path / "FLIGHT.srt")
    footage = open_footage(flight, 768)
    assert footage.telemetry.source == "FLIGHT.srt" and footage.relative_height


def test_a_depth_model_predicts_in_either_precision(flight, tmp_path):
    torch.manual_seed(0)
    network = NetworkSettings(encoder="resnet10t", decoder_channels=[4, 4, 8, 8, 8])
    model = DepthModel(DepthNetwork(network), network, 64, 32)
    torch.nn.init.normal_(model.network.decoder.heads["0"].weight, std=1.0)
    depth = {}
    for precision in ("float32", "bfloat16"):
        settings = PredictSettings(stride=11, side_by_side=False, precision=precision, device="cpu")
        predict(flight, model, settings, tmp_path / precision)
        depth[precision] = np.array(Image.open(tmp_path / precision / "depth" / "000011.tiff"))
    np.testing.assert_allclose(depth["float32"], model(decode(flight)[11]), rtol=1e-4)
    assert 0 < np.abs(depth["bfloat16"] / depth["float32"] - 1).mean() < 0.01


def test_level_ground_slopes_as_the_gimbal_says(flight, tmp_path):
    torch.manual_seed(0)
    network = NetworkSettings(
        encoder="resnet10t", decoder_channels=[4, 4, 8, 8, 8], level_ground=True
    )
    model = DepthModel(
        DepthNetwork(network), network, 64, 32
    )  # untrained: level ground and nothing else

    def depth_at(name: str, **settings) -> np.ndarray:
        predict(
            flight,
            model,
            PredictSettings(stride=11, side_by_side=False, scale="none", device="cpu", **settings),
            tmp_path / name,
        )
        return np.array(Image.open(tmp_path / name / "depth" / "000011.tiff"))

    def ground(pitch: float) -> np.ndarray:
        y = (np.arange(HEIGHT) + 0.5 - 32) / footage.camera.K[1, 1]
        return np.broadcast_to(1 / (1 + y[:, None] / np.tan(np.radians(-pitch))), (HEIGHT, WIDTH))

    footage = open_footage(flight, 768)
    np.testing.assert_allclose(depth_at("unknown"), np.ones((HEIGHT, WIDTH)), rtol=0.1)
    np.testing.assert_allclose(depth_at("stated", pitch=-40.0), ground(-40.0), rtol=0.1)
    write_srt(flight.with_suffix(".srt"), field="gb_pitch: -50.0 gb_roll: 0.0] [rel_alt")
    np.testing.assert_allclose(depth_at("telemetry", pitch=-40.0), ground(-50.0), rtol=0.1)
    assert np.abs(ground(-40.0) / ground(-50.0) - 1).max() > 0.15


def test_the_mean_with_the_mirrored_picture_is_one_setting_away(flight, tmp_path):
    torch.manual_seed(0)
    network = NetworkSettings(encoder="test_resnet", decoder_channels=[4, 4, 8, 8, 8])
    model = DepthModel(DepthNetwork(network), network, 64, 32)
    torch.nn.init.normal_(model.network.decoder.heads["0"].weight)  # so that there is relief
    settings = PredictSettings(
        stride=11, side_by_side=False, scale="none", device="cpu", mirrored=True
    )
    predict(flight, model, settings, tmp_path / "out")
    depth = np.array(Image.open(tmp_path / "out" / "depth" / "000011.tiff"))
    picture = decode(flight)[11]
    np.testing.assert_allclose(depth, mirrored_mean(model.predict, picture[None])[0], rtol=1e-4)
    assert not np.allclose(depth, model(picture), rtol=1e-3)
