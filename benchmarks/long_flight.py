"""A long flight beside its first minutes: frames, triplets, calibration and ground truth.

A rendered flight is flown there and back with fresh sensor noise until the film is long enough, and
both films take the same steps with the camera unknown: frame extraction, self-calibration, triplets
and ground truth. Every line of the table should have equal columns; `seconds` shows what the length
costs.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources.video import VideoSource
from aerial_depth_pipeline.evaluation.poses.trajectories import relative_pose_errors
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder
from aerial_depth_pipeline.formats.videos import VideoWriter
from aerial_depth_pipeline.mvs.accuracy import ground_truth_accuracy
from aerial_depth_pipeline.mvs.ground_truth import build_ground_truth
from aerial_depth_pipeline.mvs.settings import GroundTruthSettings
from aerial_depth_pipeline.sfm.self_calibration import self_calibrate
from aerial_depth_pipeline.simulation.flight import flight_camera, simulate_flight
from aerial_depth_pipeline.simulation.settings import FlightSettings
from aerial_depth_pipeline.triplets.make import make_triplets
from aerial_depth_pipeline.triplets.settings import TripletSettings

NOISE = 1.5  # grey levels


def fly_again(short: Path, long: Path, flight: FlightSettings, laps: int) -> None:
    """Fly there and back `laps` times; exact depth belongs to the lap in the middle."""
    source, scene = VideoSource(short / "video.mp4"), SceneFolder(short)
    size = (flight.width, flight.height)
    images = [frame.image for frame in source.frames(*size, lambda index: True)]
    random = np.random.default_rng(0)
    long.mkdir()
    with VideoWriter(long / "video.mp4", *size, flight.fps, "footage") as video:
        for lap in range(laps):
            for image in images if lap % 2 == 0 else images[::-1]:
                grain = random.standard_normal(image.shape, dtype=np.float32) * NOISE
                video.write(np.clip(image + grain, 0, 255).astype(np.uint8))
    first = laps // 4 * 2 * len(images)  # of a lap that flies forwards
    for frame in scene.depth_files():
        SceneFolder(long).write_depth(first + frame, scene.depth(frame))
    poses = np.array(list(scene.poses().values()))
    SceneFolder(long).write_poses(np.concatenate([poses, poses[::-1]] * laps)[: laps * len(poses)])


def measure(raw: Path, work: Path, flight: FlightSettings) -> dict[str, float]:
    """The figures of one film."""
    frames, triplets, truth = (work / name for name in ("frames", "triplets", "truth"))
    for folder in (frames, triplets):
        folder.mkdir(parents=True)
    start = time.perf_counter()
    settings = FrameExtractionSettings(camera="self_calibration")
    summary = extract_frames(raw, frames, settings, self_calibrate)
    extracted = time.perf_counter()
    made = make_triplets(frames, triplets, TripletSettings())
    tripled = time.perf_counter()
    ground_truth = build_ground_truth(frames, truth, GroundTruthSettings(), work / "scratch")
    accuracy = ground_truth_accuracy(frames, truth, "flights", "flight")[0]
    matrices = TripletFolder(triplets).table("poses")
    names = [f"t{row}{column}" for row in range(4) for column in range(4)]
    numbers = matrices[["source_frame", "frame"]].astype(int).itertuples(index=False)
    transforms = matrices[names].to_numpy(float).reshape(-1, 4, 4)
    pairs = [(*pair, T) for pair, T in zip(numbers, transforms, strict=True)]
    errors = relative_pose_errors(pairs, SceneFolder(raw).poses())
    minutes = summary["frames"] / flight.fps / 60 * summary["stride"]
    focal = flight_camera(flight).params[0]
    return {
        "minutes": minutes,
        "frames considered": summary["frames"],
        "frames kept": summary["kept"],
        "triplets per frame kept": len(made["targets"]) / made["kept"],
        "pairs with a two-view pose": made["two_view"],
        "median parallax, % of the width": 100 * made["parallax"],
        "frames from target to source": made["frame_offset"],
        "error of the pairs' rotation, degrees": errors["pair_rotation_deg"],
        "error of the pairs' direction, degrees": errors["pair_direction_deg"],
        "error of the focal length, %": 100 * (summary["focal_length"] / focal - 1),
        "views registered of those chosen": ground_truth["registered"] / ground_truth["frames"],
        "coverage of ground truth": accuracy["coverage"],
        "abs rel of ground truth": accuracy["abs_rel"],
        "seconds a minute of film, frames": (extracted - start) / minutes,
        "seconds of triplets": tripled - extracted,
        "seconds of ground truth": time.perf_counter() - tripled,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="of the flight that is rendered")
    parser.add_argument("--minutes", type=float, default=60, help="of the long film")
    parser.add_argument("--keep", type=Path, help="folder that keeps films and results")
    arguments = parser.parse_args()
    flight = FlightSettings(
        path="free",
        step=0.4,
        frames=round(15 * arguments.seconds),
        depth_every=15,
        world_seed=31,
        seed=31,
    )
    laps = round(60 * arguments.minutes / arguments.seconds)
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        short, long = work / "short", work / "long"
        if not (short / "poses.csv").is_file():
            simulate_flight(flight, short)
        if not long.is_dir():
            fly_again(short, long, flight, laps)
        films = {"first": short, "long": long}
        columns = {name: measure(raw, work / f"{name}_made", flight) for name, raw in films.items()}
    print(pd.DataFrame(columns).to_string(float_format=lambda number: f"{number:.4g}"))


if __name__ == "__main__":
    main()
