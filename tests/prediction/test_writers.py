"""Point clouds and colours of predicted frames."""

import numpy as np
from PIL import Image
from tests.worlds.bright_footage import HEIGHT, WIDTH, Brightness

from aerial_depth_pipeline.formats.images import write_jpeg
from aerial_depth_pipeline.prediction.predict import predict
from aerial_depth_pipeline.prediction.settings import PredictSettings


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


def test_colours_do_not_flicker(tmp_path):
    """A part of the image that stays the same keeps its colour, whatever comes and goes beside
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
    images = [
        np.array(Image.open(p)).astype(int)
        for p in sorted((tmp_path / "out" / "side_by_side").iterdir())
    ]
    assert len(images) == 6
    for place in ((50, WIDTH + 10), (50, WIDTH + 45)):
        colours = np.array([image[place] for image in images])
        assert np.ptp(colours, axis=0).max() <= 6  # JPEG
    assert np.abs(images[0][10, WIDTH + 80] - images[5][10, WIDTH + 80]).max() > 60
