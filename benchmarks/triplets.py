"""Triplets dumped per second against a straightforward port of the original's method: same frames,
same order, same size.

The original's method: the frames lie on disk as full-size PNGs; for each triplet three of them are
read with PIL, resized, stacked and
written, joblib over the cores. Ours: the frames were scaled while they were decoded and lie as
    JPEG; each is read once. Both are measured
from frames on disk to triplets on disk, in turns in one run. What relative poses cost on top, which
the original did not have, is printed as well.
"""

import argparse
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from joblib import Parallel, delayed
from PIL import Image

from aerial_depth_pipeline.capture.extraction import extract_frames
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources.video import VideoSource
from aerial_depth_pipeline.formats.cameras import camera_to_yaml, read_camera
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.triplets.make import make_triplets, write_triplets
from aerial_depth_pipeline.triplets.settings import TripletSettings
from frames import HEIGHT, WIDTH, write_clip

SETTINGS = TripletSettings(width=384, height=224, frame_offset=2, min_inliers=0)


def dump_like_the_original(target: int, members: list[int], frames: Path, folder: Path) -> None:
    pictures = [
        Image.open(frames / f"{frame:06d}.png")
        .convert("RGB")
        .resize((SETTINGS.width, SETTINGS.height))
        for frame in members
    ]
    row = np.concatenate([np.asarray(picture) for picture in pictures], axis=1)
    Image.fromarray(row).save(folder / f"{target:06d}.jpg", quality=SETTINGS.jpeg_quality)
    scale_x, scale_y = SETTINGS.width / WIDTH, SETTINGS.height / HEIGHT
    (folder / f"{target:06d}_cam.txt").write_text(
        f"{1500 * scale_x},0,{960 * scale_x},0,{1500 * scale_y},{540 * scale_y},0,0,1"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=60, help="frames on disk")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        raw, pngs, ours = work / "raw", work / "pngs", work / "frames"
        for folder in (raw, pngs, ours):
            folder.mkdir()
        write_clip(raw / "video.mp4", arguments.frames)
        (raw / "camera.yaml").write_text(
            camera_to_yaml(Camera.pinhole(WIDTH, HEIGHT, 1500, 1500, WIDTH / 2, HEIGHT / 2))
        )
        for frame in VideoSource(raw / "video.mp4").frames(WIDTH, HEIGHT, lambda index: True):
            cv2.imwrite(
                str(pngs / f"{frame.index:06d}.png"), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
            )
        extract_frames(
            raw,
            ours,
            FrameExtractionSettings(stride=1, min_motion=0, min_parallax=0),
            lambda images: None,
        )
        kept = sorted(int(path.stem) for path in (ours / "frames").iterdir())
        members = {kept[i]: [kept[i - 2], kept[i], kept[i + 2]] for i in range(2, len(kept) - 2)}

        def original(folder: Path) -> None:
            jobs = (
                delayed(dump_like_the_original)(target, group, pngs, folder)
                for target, group in members.items()
            )
            Parallel(n_jobs=cores)(jobs)

        def dump(folder: Path) -> None:
            with ThreadPoolExecutor(cores) as pool:
                write_triplets(
                    members,
                    SceneFolder(ours),
                    TripletFolder(folder),
                    read_camera(ours / "camera.yaml"),
                    SETTINGS,
                    pool,
                )

        def with_poses(folder: Path) -> None:
            make_triplets(ours, folder, SETTINGS)

        seconds: dict[str, list[float]] = {"original": [], "dump": [], "with_poses": []}
        for number in range(arguments.rounds + 1):
            for method in (original, dump, with_poses):
                folder = work / f"{method.__name__}{number}"
                folder.mkdir()
                start = time.perf_counter()
                method(folder)
                if number:  # the first round warms up, joblib's processes too
                    seconds[method.__name__].append(time.perf_counter() - start)
        difference = statistics.mean(
            float(
                np.abs(
                    cv2.imread(str(work / "original0" / name)).astype(int)
                    - cv2.imread(str(work / "dump0" / name))
                ).mean()
            )
            for name in (f"{target:06d}.jpg" for target in members)
        )
    rate = {name: len(members) / statistics.median(times) for name, times in seconds.items()}
    print(
        f"{len(members)} triplets of {SETTINGS.width}x{SETTINGS.height} from {WIDTH}x{HEIGHT}"
        f" footage, {cores} cores"
    )
    print(f"mean difference of the pictures: {difference:.1f} grey levels")
    print(f"the original's method            {rate['original']:8.1f} triplets/s")
    print(f"ours                             {rate['dump']:8.1f} triplets/s")
    print(f"ours with two-view poses         {rate['with_poses']:8.1f} triplets/s")
    print(f"ratio: {rate['dump'] / rate['original']:.2f}")


if __name__ == "__main__":
    main()
