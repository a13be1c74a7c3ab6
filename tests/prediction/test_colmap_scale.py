"""The scale of a COLMAP model of the same footage."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.worlds.bright_footage import HEIGHT, WIDTH, LevelGround, gradient

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.images import write_jpeg
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.settings import PredictSettings


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
    write_colmap_model(tmp_path / "other", model.depth, ["image.jpg"], scale=1.0)
    with pytest.raises(UserError, match=r"places no frame of flight\.mp4"):
        predict(flight, model, PredictSettings(colmap=str(tmp_path / "other")), tmp_path / "c")
    (tmp_path / "other" / "images.txt").write_text("nonsense\n")
    with pytest.raises(UserError, match="cannot be read"):
        predict(flight, model, PredictSettings(colmap=str(tmp_path / "other")), tmp_path / "d")
