import cv2
import numpy as np
import onnx
import pytest
import torch
from tests.worlds.evaluation_scenes import index_of, write_depth

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.methods.external import external_methods, read_prediction
from aerial_depth_pipeline.evaluation.methods.method import PredictionError
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings, MethodSettings

SETTINGS = EvaluationSettings(bootstrap_samples=0, size=[40, 24])


def write_pfm(path, values, order="<"):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = f"Pf\n{values.shape[1]} {values.shape[0]}\n{'-' if order == '<' else ''}1.0\n".encode()
    path.write_bytes(header + values[::-1].astype(f"{order}f4").tobytes())


def write_npy(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


def write_png(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.round(values).astype(np.uint16))


def write_onnx(path, height, width):
    """Inverse depth that grows with the picture's brightness and downwards, as no real network
    would say it."""
    import onnx.helper as h

    rows = np.linspace(1, 2, height, dtype=np.float32)[None, None, :, None]
    graph = h.make_graph(
        [
            h.make_node("ReduceMean", ["picture"], ["grey"], axes=[1], keepdims=1),
            h.make_node("Mul", ["grey", "zero"], ["nothing"]),
            h.make_node("Add", ["nothing", "rows"], ["disparity"]),
        ],
        "slope",
        [h.make_tensor_value_info("picture", onnx.TensorProto.FLOAT, [1, 3, height, width])],
        [h.make_tensor_value_info("disparity", onnx.TensorProto.FLOAT, [1, 1, height, width])],
        [
            onnx.numpy_helper.from_array(rows, "rows"),
            onnx.numpy_helper.from_array(np.float32(0), "zero"),
        ],
    )
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8), str(path))


class Slope(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        rows = torch.linspace(1, 2, x.shape[2])[None, None, :, None]
        return {"disparity": rows + 0 * x.mean(1, keepdim=True)}


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_a_contestant_of_each_kind_in_one_table(tmp_path, references, depths):
    truth = [np.where(depth > 0, depth, 50) for depth in depths]
    for index, reference in enumerate(references):
        name = f"{reference.frame:06d}"
        write_depth(
            tmp_path / "tiff" / "flight" / f"{name}.tiff", (truth[index] * 2).astype(np.float32)
        )
        write_png(tmp_path / "png" / "town" / "flight" / f"{name}.png", truth[index] * 100)
        write_npy(
            tmp_path / "npy" / "flight" / f"{name}.npy", (1 / truth[index])[None].astype(np.float64)
        )
        write_pfm(tmp_path / "pfm" / "flight" / f"{name}.pfm", 5 / truth[index] - 0.02)
    write_onnx(tmp_path / "slope.onnx", 32, 64)
    torch.jit.script(Slope()).save(str(tmp_path / "slope.pt"))
    others = [
        MethodSettings(name="twice", path=str(tmp_path / "tiff")),
        MethodSettings(name="centimetres", path=str(tmp_path / "png"), scale=0.01),
        MethodSettings(name="inverse", path=str(tmp_path / "npy"), output="inverse_depth"),
        MethodSettings(name="affine", path=str(tmp_path / "pfm"), output="affine_inverse_depth"),
        MethodSettings(name="onnx", path=str(tmp_path / "slope.onnx"), output="inverse_depth"),
        MethodSettings(name="script", path=str(tmp_path / "slope.pt"), output="inverse_depth"),
        MethodSettings(name="elsewhere", path=str(tmp_path / "png"), domains=["rural"]),
    ]
    measured = measure(
        lambda image: truth[index_of(image)],
        {"flight": references},
        {},
        "town",
        SETTINGS,
        external_methods(others, "town"),
    )
    wide = measured.table[
        (measured.table["metric"] == "abs_rel") & (measured.table["scene"] == "all")
    ]
    wide = wide.pivot(index="contestant", columns="alignment", values="value")
    assert set(wide.index) == {
        "model",
        "twice",
        "centimetres",
        "inverse",
        "affine",
        "onnx",
        "script",
        "constant",
        "tilted_plane",
    }
    assert wide.loc["twice", "none"] == pytest.approx(1, rel=1e-5)
    assert wide.loc["twice", "median_per_image"] == pytest.approx(0, abs=1e-5)
    assert wide.loc["centimetres", "none"] == pytest.approx(
        0, abs=2e-4
    )  # rounded to whole centimetres
    assert wide.loc["inverse", "median_per_image"] == pytest.approx(0, abs=1e-5)
    assert np.isnan(wide.loc["inverse", "none"])  # it has no unit
    assert wide.loc["affine", "lstsq_inverse_depth"] == pytest.approx(0, abs=1e-4)
    assert wide.loc["affine", ["none", "median_per_image", "median_per_scene"]].isna().all()
    # Both networks say the same slope at different sizes, and a slope fits this ground better than
    # a constant.
    assert wide.loc["onnx", "median_per_image"] == pytest.approx(
        wide.loc["script", "median_per_image"], rel=0.02
    )
    assert wide.loc["onnx", "median_per_image"] < wide.loc["constant", "median_per_image"]
    assert measured.problems.empty


def test_missing_damaged_and_picture_predictions_are_named_and_counted(
    tmp_path, references, depths
):
    folder = tmp_path / "theirs" / "flight"
    write_npy(folder / "000000.npy", depths[0])
    write_npy(folder / "000010.npy", np.zeros((0, 0)))
    (folder / "000020.npy").write_bytes(b"\x93NUMPY rubbish")
    cv2.imwrite(str(folder / "000030.png"), np.full((48, 80), 200, np.uint8))
    others = external_methods(
        [MethodSettings(name="theirs", path=str(tmp_path / "theirs"))], "town"
    )
    measured = measure(
        lambda image: np.ones(image.shape[:2]), {"flight": references}, {}, "town", SETTINGS, others
    )
    problems = measured.problems[measured.problems["contestant"] == "theirs"]
    assert dict(zip(problems["frame"], problems["problem"], strict=True)) == {
        10: "damaged",
        20: "damaged",
        30: "damaged",
        40: "missing",
    }
    counts = measured.table[
        (measured.table["contestant"] == "theirs") & (measured.table["scene"] == "all")
    ]
    assert counts[counts["metric"] == "images_missing"]["value"].item() == 1
    assert counts[counts["metric"] == "images_damaged"]["value"].item() == 3
    assert (
        counts[(counts["metric"] == "abs_rel") & (counts["alignment"] == "none")]["images"].item()
        == 1
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_pfm_rows_run_upwards_in_either_byte_order(tmp_path, order):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_pfm(tmp_path / "a.pfm", values, order)
    np.testing.assert_array_equal(read_prediction(tmp_path / "a.pfm"), values)


@pytest.mark.parametrize(
    "content",
    [b"", b"Pf\n4 3\n-1.0\n\x00\x00", b"PF\n1 1\n-1\n" + bytes(12), b"Pf\n4", b"Pf\nx y\n-1\n"],
)
def test_damaged_pfm(tmp_path, content):
    (tmp_path / "a.pfm").write_bytes(content)
    with pytest.raises(PredictionError, match="a.pfm"):
        read_prediction(tmp_path / "a.pfm")


def test_predictions_of_other_proportions_are_refused_unless_they_are_said_to_be_stretched(
    tmp_path, references, depths
):
    for reference in references:
        write_npy(
            tmp_path / "squeezed" / "flight" / f"{reference.frame:06d}.npy",
            np.ones((20, 20), np.float32),
        )
    for stretched, images in ((False, 0), (True, 5)):
        others = external_methods(
            [MethodSettings(name="squeezed", path=str(tmp_path / "squeezed"), stretched=stretched)],
            "town",
        )
        per_image = measure(None, {"flight": references}, {}, "town", SETTINGS, others).per_image
        assert per_image[per_image["contestant"] == "squeezed"]["frame"].nunique() == images


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.onnx", b"rubbish", "not a usable ONNX"),
        ("a.pt", b"rubbish", "not a usable TorchScript"),
        ("a.bin", b"", "neither a folder"),
    ],
)
def test_unusable_files_are_a_sentence(tmp_path, file, content, message):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=message):
        external_methods([MethodSettings(name="theirs", path=str(tmp_path / file))], "town")
    with pytest.raises(UserError, match="does not exist"):
        external_methods([MethodSettings(name="theirs", path=str(tmp_path / "nothing"))], "town")


def test_contestants_come_from_configuration():
    values = {
        "methods": [{"name": "midas", "path": "midas.onnx", "output": "affine_inverse_depth"}]
    }
    assert (
        read_settings(EvaluationSettings, values, "evaluation").methods[0].output
        == "affine_inverse_depth"
    )
    for wrong in (
        {"name": "model", "path": "x"},
        {"name": "a/b", "path": "x"},
        {"name": "a"},
        {"name": "a", "path": "x", "width": 3},
    ):
        with pytest.raises(UserError, match="evaluation"):
            read_settings(EvaluationSettings, {"methods": [wrong]}, "evaluation")
    with pytest.raises(UserError, match="a name of its own"):
        read_settings(EvaluationSettings, {"methods": [values["methods"][0]] * 2}, "evaluation")
