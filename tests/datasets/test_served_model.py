"""A saved model is an MLflow model, and MLflow's own server answers with its depth."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import mlflow
import numpy as np
import pytest
import torch

from aerial_depth_pipeline.capture.motion.attitude import up_of_gimbal
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.tracking.pyfunc import make_servable


@pytest.fixture
def saved(tmp_path):
    """A small model and its folder."""
    torch.manual_seed(0)
    settings = NetworkSettings(encoder="resnet10t", decoder_channels=[4, 4, 8, 8, 8])
    model = DepthModel(DepthNetwork(settings), settings, 64, 32, {"depth_scale": 30.0})
    torch.nn.init.normal_(model.network.decoder.heads["0"].weight, std=1.0)
    model.save(tmp_path / "depth_model")
    make_servable(tmp_path / "depth_model")
    return model, tmp_path / "depth_model"


def test_it_is_told_how_the_camera_was_held(saved):
    model, folder = saved
    loaded = mlflow.pyfunc.load_model(str(folder))
    images = loaded.input_example
    held = {"pitch": -40.0, "roll": 3.0, "field_of_view": 70.0}
    height, width = images.shape[1:3]
    focal = width / 2 / np.tan(np.radians(35))
    K = torch.tensor([[[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]])
    up = torch.tensor(up_of_gimbal(-40.0, 3.0)).reshape(1, 3)
    slope = ground_slope(up, K.double(), height, width).numpy()
    expected = model.predict(images, slope)
    np.testing.assert_allclose(loaded.predict(images, params=held), expected, rtol=1e-5)
    assert np.abs(expected / loaded.predict(images) - 1).max() > 0.1
    with pytest.raises(ValueError, match="field_of_view"):
        loaded.predict(images, params={"pitch": -40.0})


def test_mlflow_loads_it_with_signature_and_example(saved):
    model, folder = saved
    loaded = mlflow.pyfunc.load_model(str(folder))
    example = loaded.input_example
    assert example.dtype == np.uint8 and example.ndim == 4
    np.testing.assert_array_equal(loaded.predict(example), model.predict(example))
    (wanted,), (given,) = (
        loaded.metadata.signature.inputs.inputs,
        loaded.metadata.signature.outputs.inputs,
    )
    assert (wanted.type, wanted.shape, given.type, given.shape) == (
        np.uint8,
        (-1, -1, -1, 3),
        np.float32,
        (-1, -1, -1),
    )
    assert (
        not list(folder.rglob("*.pkl"))
        and "data" not in mlflow.models.Model.load(str(folder)).flavors["python_function"]
    )
    np.testing.assert_array_equal(
        DepthModel.load(folder)(example[0]), model(example[0])
    )  # still what it was


@pytest.mark.slow
def test_mlflow_serves_it_on_this_computer(saved):
    model, folder = saved
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "serve",
        f"--model-uri={folder}",
        "--env-manager=local",
        "--host=127.0.0.1",
        f"--port={port}",
        "--workers=1",
    ]
    environment = os.environ | {
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "models", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/ping", server)
        pictures = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), np.uint8)
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps({"inputs": pictures.tolist()}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            depth = np.array(json.load(answer)["predictions"])
        np.testing.assert_allclose(depth, model.predict(pictures), rtol=1e-5)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _wait_for(address: str, server: subprocess.Popen) -> None:
    for _ in range(600):
        assert server.poll() is None, server.stdout.read()[-3000:]
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the server does not answer")
