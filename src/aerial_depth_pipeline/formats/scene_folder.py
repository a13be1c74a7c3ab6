"""A scene's folder: footage (`01_raw`), extracted frames (`02_intermediate`) or ground truth
(`03_primary`). docs/design.md lists the files of each."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import read_json, write_json
from aerial_depth_pipeline.formats.cameras import camera_to_yaml, read_camera
from aerial_depth_pipeline.formats.depth_maps import read_depth, write_depth
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.images import decode, read_frame
from aerial_depth_pipeline.geometry.cameras import Camera

_POSE_COLUMNS = [f"cam_from_world_{row}{column}" for row in range(3) for column in range(4)]


@dataclass(frozen=True)
class SceneFolder:
    """One folder. Every method that reads raises `SceneError`, with the file's name and what to do,
    where the file is damaged."""

    path: Path

    @property
    def images(self) -> Path:
        """The folder of `NNNNNN.jpg`."""
        return self.path / "frames"

    def image_file(self, frame: int) -> Path:
        """The JPEG of a frame."""
        return self.images / numbered(frame, ".jpg")

    def image(self, frame: int) -> np.ndarray:
        """A frame [H, W, 3], uint8 RGB."""
        return read_frame(self.image_file(frame))

    @property
    def camera_file(self) -> Path:
        """`camera.yaml`."""
        return self.path / "camera.yaml"

    def camera(self) -> Camera:
        """The camera of the frames."""
        try:
            return read_camera(self.camera_file)
        except (OSError, ValueError) as error:
            raise SceneError(f"{self.camera_file} cannot be used: {error}") from error

    def write_camera(self, camera: Camera) -> None:
        """Write `camera.yaml`."""
        self.camera_file.write_text(camera_to_yaml(camera), encoding="utf-8")

    def frame_table(self) -> pd.DataFrame:
        """`frames.parquet`: a row for every frame that was considered, in order of frames."""
        try:
            table = pd.read_parquet(self.path / "frames.parquet")
            return table.sort_values("frame", ignore_index=True)
        except (OSError, ValueError, KeyError) as error:
            raise SceneError(
                f"{self.path} is not a folder of extracted frames ({error}); run the pipeline"
                " frame_extraction first."
            ) from error

    def write_frame_table(self, table: pd.DataFrame) -> None:
        """Write `frames.parquet`."""
        table.to_parquet(self.path / "frames.parquet", index=False)

    def summary(self) -> dict[str, Any]:
        """`summary.json`; empty where there is none."""
        path = self.path / "summary.json"
        try:
            return read_json(path) if path.is_file() else {}
        except ValueError as error:
            raise SceneError(f"{path} is damaged ({error}); extract the frames again.") from error

    def write_summary(self, content: dict[str, Any]) -> None:
        """Write `summary.json`, what frame extraction says of the scene."""
        write_json(self.path / "summary.json", content)

    def depth_file(self, frame: int) -> Path:
        """The TIFF of a frame's depth."""
        return self.path / "depth" / numbered(frame, ".tiff")

    def depth_files(self) -> dict[int, Path]:
        """Depth maps by frame, in order of frames."""
        paths = sorted((self.path / "depth").glob("*.tiff"))
        return {int(path.stem): path for path in paths if path.stem.isdigit()}

    def depth(self, frame: int) -> np.ndarray:
        """z-depth [H, W] of a frame, float32, 0 = none."""
        return read_depth(self.depth_file(frame))

    def write_depth(self, frame: int, depth_HW: np.ndarray) -> None:
        """Write a frame's z-depth."""
        self.depth_file(frame).parent.mkdir(exist_ok=True)
        write_depth(self.depth_file(frame), depth_HW)

    def confidence(self, frame: int) -> np.ndarray | None:
        """How many other views agree with a frame's depth [H, W], uint8; None where nobody counted
        them."""
        path = self._confidence_file(frame)
        if not path.is_file():
            return None
        return decode(path, cv2.IMREAD_UNCHANGED, "Confidence", "ground_truth")

    def write_confidence(self, frame: int, confidence_HW: np.ndarray) -> None:
        """Write the confidence of a frame's depth."""
        path = self._confidence_file(frame)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cv2.imencode(".png", confidence_HW)[1].tobytes())

    def _confidence_file(self, frame: int) -> Path:
        return self.path / "confidence" / numbered(frame, ".png")

    @property
    def poses_file(self) -> Path:
        """`poses.csv`, true poses."""
        return self.path / "poses.csv"

    def poses(self) -> dict[int, np.ndarray]:
        """True poses: frame → `cam_from_world` [4, 4]; none where nobody knows them."""
        if not self.poses_file.is_file():
            return {}
        try:
            table = pd.read_csv(self.poses_file)
            values = table[_POSE_COLUMNS].to_numpy(float).reshape(-1, 3, 4)
            frames = table["frame"].astype(int)
        except (KeyError, ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise SceneError(
                f"{self.poses_file} is not a table of poses ({error}); it needs the columns frame,"
                " cam_from_world_00 … cam_from_world_23."
            ) from error
        poses = zip(frames, values, strict=True)
        bottom = [0, 0, 0, 1]
        return {int(f): np.vstack([top, bottom]) for f, top in poses if np.isfinite(top).all()}

    def write_poses(self, poses_F44: np.ndarray) -> None:
        """Write the true poses of frames 0, 1, …."""
        lines = [",".join(["frame", *_POSE_COLUMNS])]
        for index, pose in enumerate(poses_F44):
            lines.append(f"{index}," + ",".join(f"{value:.9f}" for value in pose[:3].ravel()))
        self.poses_file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def sfm(self) -> Path:
        """The folder of the COLMAP model."""
        return self.path / "sfm"

    @property
    def has_sfm(self) -> bool:
        """Whether there is a COLMAP model."""
        return (self.sfm / "images.bin").is_file()

    def description(self) -> dict[str, Any]:
        """`ground_truth.json`: how depth and model were made; empty where there is none."""
        path = self.path / "ground_truth.json"
        if not path.is_file():
            return {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SceneError(
                f"{path} is not readable JSON ({error}); run ground_truth for this scene again."
            ) from error
        if not isinstance(content, dict):
            raise SceneError(
                f"{path} must hold a JSON object; run ground_truth for this scene again."
            )
        return content

    def write_description(self, content: dict[str, Any]) -> None:
        """Write `ground_truth.json`."""
        write_json(self.path / "ground_truth.json", content)
