"""The geometry of a batch follows its images."""

import numpy as np
import pytest
import torch
from tests.worlds.loss_scene import HEIGHT as H
from tests.worlds.loss_scene import WIDTH as W
from tests.worlds.loss_scene import loss_of
from tests.worlds.tiny_world import World, calibration, orbit

from aerial_depth_pipeline.geometry.ground import ground_slope, relative_inverse_depth
from aerial_depth_pipeline.geometry.poses import relative_pose, rotation_from_axis_angle
from aerial_depth_pipeline.training.augmentation import augment, color_jitter
from aerial_depth_pipeline.training.batch import FIELDS, InverseDepth, crop, flip, rotate
from aerial_depth_pipeline.training.settings import AugmentationSettings

GEOMETRY = ("images", "K", "T", "usable")


def batch_of(scene, **fields) -> dict[str, torch.Tensor]:
    return {name: scene[name] for name in GEOMETRY} | fields


def with_depth(batch, depth) -> dict[str, torch.Tensor]:
    return batch | {"depth": torch.as_tensor(depth).float().reshape(1, 1, *depth.shape[-2:])}


def test_a_flipped_triplet_has_the_same_loss(scene):
    # A principal point off the middle, or a pose left alone, would show here.
    images, depth = scene["images"][..., :-16], scene["depth"][..., :-16]
    batch = batch_of(scene | {"images": images})
    before = loss_of(with_depth(batch, depth))
    flipped = flip(batch, torch.tensor([True]))
    assert float(flipped["K"][0, 0, 2]) == pytest.approx(images.shape[-1] - W / 2)
    mirrored = with_depth(flipped, depth.flip(-1))
    assert torch.isclose(loss_of(mirrored)["total"], before["total"], rtol=1e-4)
    for wrong in (mirrored | {"K": scene["K"]}, mirrored | {"T": scene["T"]}):
        assert loss_of(wrong)["photometric"] > 1.3 * before["photometric"]


def test_samples_that_are_not_chosen_stay_as_they_are(scene):
    batch = flip(batch_of(scene), torch.tensor([False]))
    assert all(torch.equal(batch[name], scene[name]) for name in GEOMETRY)


def test_a_cropped_triplet_still_fits_its_depth(scene):
    piece = torch.tensor([1.5]), torch.tensor([[0.8, 0.3]])
    cropped = crop(batch_of(scene, depth_hint=1 / scene["depth"]), *piece)
    cropped = with_depth(cropped, 1 / cropped["depth_hint"])
    loss = loss_of(cropped)
    assert loss["photometric"] < 0.5 * loss["unwarped"]
    assert loss_of(cropped | {"K": scene["K"]})["photometric"] > 1.2 * loss["photometric"]


def test_a_rotated_triplet_is_what_a_rotated_camera_sees(scene):
    vector = torch.tensor([[0.08, -0.1, 0.15]])
    R = np.eye(4)
    R[:3, :3] = rotation_from_axis_angle(vector)[0].double()
    poses = [R @ pose for pose in orbit(3, 2.0)]
    image, depth = World.random(4).render(poses[1], calibration(W, H), W, H)
    T = np.stack([relative_pose(poses[s], poses[1]) for s in (0, 2)])
    T[:, :3, 3] /= 60
    batch = batch_of(scene)
    rotated, back = rotate(batch, vector), rotate(batch, -vector)
    mask = rotated["valid_mask"]
    assert np.allclose(rotated["T"][0], T, atol=1e-5) and 0.6 < mask.float().mean() < 0.95
    expected = torch.tensor(image).permute(2, 0, 1).float() / 255
    difference, wrong = (
        (b["images"][0, 1] - expected).abs().mean(0)[mask[0, 0]].mean() for b in (rotated, back)
    )
    assert difference < 0.4 * wrong  # sampled twice, the image is softer than a rendered one
    rotated = with_depth(rotated, depth / 60)
    loss = loss_of(rotated)
    assert loss["photometric"] < 0.5 * loss["unwarped"]
    assert loss_of(rotated | {"T": scene["T"]})["photometric"] > 1.15 * loss["photometric"]


def test_the_depth_hint_rotates_with_the_camera_and_only_the_image_counts(scene):
    random = torch.full((1, 16), 0.5)
    random[0, 10:13] = torch.tensor([0.9, 0.2, 0.8])
    batch = batch_of(scene, depth_hint=1 / scene["depth"], random=random)
    settings = AugmentationSettings(flip=0.0, color_jitter=0.0, rotate=10.0)
    rotated, seen_by_network = augment(batch, settings)
    assert torch.equal(seen_by_network, rotated["images"])
    angle = np.radians(10) * (2 * random[0, 10:13].numpy() - 1)
    R = np.eye(4)
    R[:3, :3] = rotation_from_axis_angle(torch.tensor(angle)[None])[0].double()
    depth = World.random(4).render(R @ orbit(3, 2.0)[1], calibration(W, H), W, H)[1] / 60
    hint = rotated["depth_hint"][0, 0]
    assert torch.equal(hint > 0, rotated["valid_mask"][0, 0])
    ratio = hint[hint > 0] * torch.tensor(depth, dtype=torch.float32)[hint > 0]
    assert (ratio - 1).abs().median() < 0.006  # the nearest pixel is up to half a pixel off
    # What was filled in must not count: without its mask it does.
    rotated = with_depth(rotated, depth)
    masked = loss_of(rotated)
    del rotated["valid_mask"]
    whole = loss_of(rotated)
    assert masked["used"] < whole["used"] and masked["photometric"] < whole["photometric"]


def test_up_and_points_follow_the_image():
    K, pose = torch.tensor(calibration(W, H))[None].float(), orbit(3, 2.0)[1]
    K[:, 0, 2] += 5
    up = torch.tensor(pose[:3, 2]).float()[None]
    T, random = torch.eye(4).repeat(1, 2, 1, 1), torch.full((1, 16), 0.3)
    batch = {"images": torch.rand(1, 3, 3, H, W), "K": K, "T": T, "random": random, "up": up}

    def ground(batch) -> torch.Tensor:
        return relative_inverse_depth(ground_slope(batch["up"], batch["K"], H, W), H, W)

    off = AugmentationSettings(flip=0.0, color_jitter=0.0)
    flipped, _ = augment(batch, off.model_copy(update={"flip": 1.0}))
    torch.testing.assert_close(ground(flipped), ground(batch).flip(-1))
    zoomed, _ = augment(batch | {"depth_hint": ground(batch)}, off.model_copy(update={"zoom": 1.5}))
    ratio = (ground(zoomed) / zoomed["depth_hint"])[..., 2:-2, 2:-2]
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=2e-2, atol=0)
    rotated, _ = augment(batch, off.model_copy(update={"rotate": 10.0}))
    angle = torch.full((1, 3), np.radians(10) * (2 * 0.3 - 1))
    expected = (rotation_from_axis_angle(angle)[0] @ up[0])[None].float()
    torch.testing.assert_close(rotated["up"], expected)
    both = off.model_copy(update={"flip": 1.0, "rotate": 10.0})
    moved, _ = augment(batch | {"points": up[:, None]}, both)
    torch.testing.assert_close(moved["points"][:, 0], moved["up"])


def test_a_field_of_ones_own_follows_by_its_kind(monkeypatch, scene):
    monkeypatch.setitem(FIELDS, "teacher", InverseDepth())
    teacher = torch.rand(1, 1, H, W)
    flipped = flip(batch_of(scene, teacher=teacher), torch.tensor([True]))
    assert torch.equal(flipped["teacher"], teacher.flip(-1))


def test_augmentation_keeps_its_precision_under_autocast(scene):
    batch = batch_of(scene, random=torch.full((1, 16), 0.3))
    settings = AugmentationSettings(flip=1.0, color_jitter=0.2, zoom=1.3, rotate=5.0)
    exact, _ = augment(batch, settings)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, _ = augment(batch, settings)
    for name in ("T", "K", "images"):
        assert torch.equal(mixed[name], exact[name]), name


def test_neutral_factors_of_color_jitter_change_nothing():
    images = torch.rand(2, 3, 3, 8, 8)
    assert torch.allclose(color_jitter(images, torch.ones(2, 6)), images, atol=1e-6)
    brighter = color_jitter(images * 0.5, torch.tensor([[1.2, 1, 1, 1, 1, 1]] * 2))
    assert torch.allclose(brighter, images * 0.6, atol=1e-6)
