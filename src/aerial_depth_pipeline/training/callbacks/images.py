"""Images of what the training sees: target, inverse depth, warped sources, and the pixels that
count."""

import lightning as L
import numpy as np
import torch

from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.geometry.warping import warp
from aerial_depth_pipeline.reporting.colours import colour_map
from aerial_depth_pipeline.training.batch import Batch
from aerial_depth_pipeline.training.callbacks.step import StepCallback
from aerial_depth_pipeline.training.curve import MetricsLogger
from aerial_depth_pipeline.training.kernels.minimum_reprojection import minimum_reprojection
from aerial_depth_pipeline.training.kernels.photometric_error import interior, photometric_error
from aerial_depth_pipeline.training.module import TrainingModule, compose_poses
from aerial_depth_pipeline.training.samples import spread
from aerial_depth_pipeline.training.settings import LossSettings
from aerial_depth_pipeline.training.store import TripletStore
from aerial_depth_pipeline.training.terms.photometric import auto_mask


class TrainingImages(StepCallback):
    """Logs images of three held-out triplets every `images_every` steps and at the end, to loggers
    that take images."""

    def __init__(self, store: TripletStore | None, logger: MetricsLogger | None) -> None:
        self.store, self.draw = store, getattr(logger, "log_image", None)

    @torch.no_grad()
    def after_step(self, trainer: L.Trainer, module: TrainingModule) -> None:
        every = module.settings.images_every
        if every <= 0 or not (module.step % every == 0 or module.finished):
            return
        if self.draw is None or self.store is None or not trainer.is_global_zero:
            return
        batch = self.store.batch(spread(range(len(self.store)), 3))
        batch = {name: value.to(module.device) for name, value in batch.items()}
        images = batch["images"].permute(0, 1, 4, 2, 3).float() / 255
        module.evaluated.eval()
        with trainer.precision_plugin.forward_context():
            slope = ground_slope(batch["up"], batch["K"], *images.shape[-2:])
            maps, numbers, _ = module.evaluated(images, module.sources, module.target, slope)
        module.model.train()
        batch["T"] = compose_poses(numbers, batch["T"], module.settings.pose)
        frames = images[:, module.target], images[:, module.sources]
        image = training_image(maps[0].float(), *frames, batch, module.settings.loss)
        self.draw("triplets", image, module.step)


def training_image(
    inverse_B1HW: torch.Tensor,
    target_B3HW: torch.Tensor,
    sources_BS3HW: torch.Tensor,
    batch: Batch,
    settings: LossSettings,
) -> np.ndarray:
    """A row for each sample, [B * H, (3 + S) * W, 3], uint8: target, inverse depth, warped sources,
    and white where a pixel counts. Poses in the batch are those that warp."""
    warped, errors, identity, masks = [], [], [], []
    weights = settings.ssim_weight, settings.ssim_range
    for s, source in enumerate(sources_BS3HW.unbind(1)):
        image, inside = warp(source, 1 / inverse_B1HW, batch["K"], batch["T"][:, s])
        warped.append(image)
        masks.append(interior(inside) & batch["usable"][:, s].reshape(-1, 1, 1, 1))
        errors.append(photometric_error(image, target_B3HW, *weights))
        identity.append(photometric_error(source, target_B3HW, *weights))
    error, mask = minimum_reprojection(torch.cat(errors, 1), torch.cat(masks, 1))
    if settings.auto_mask:
        mask = mask & auto_mask(error, torch.cat(identity, 1).amin(1))
    rows = []
    for b, inverse_HW in enumerate(inverse_B1HW[:, 0].float().cpu().numpy()):
        images = [_to_uint8(image[b]) for image in (target_B3HW, *warped)]
        counted = np.pad(255 * mask[b].cpu().numpy().astype(np.uint8), 1)
        depth = colour_map(inverse_HW, *np.percentile(inverse_HW, (1, 99)))
        counted = np.repeat(counted[..., None], 3, 2)
        rows.append(np.concatenate([images[0], depth, *images[1:], counted], 1))
    return np.concatenate(rows)


def _to_uint8(image_3HW: torch.Tensor) -> np.ndarray:
    return (image_3HW.clamp(0, 1) * 255).byte().permute(1, 2, 0).cpu().numpy()
