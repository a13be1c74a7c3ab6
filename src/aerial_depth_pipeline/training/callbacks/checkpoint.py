"""The checkpoint that a killed training continues from."""

from pathlib import Path

import lightning as L

from aerial_depth_pipeline.training.callbacks.step import StepCallback
from aerial_depth_pipeline.training.callbacks.watchdog import WatchdogCallback
from aerial_depth_pipeline.training.checkpoints import LAST, save_checkpoint
from aerial_depth_pipeline.training.module import TrainingModule


class Checkpoint(StepCallback):
    """Saves `last.pt` every `checkpoint_every` steps and at the end; under `rewind` only while the
    watchdog sees nothing."""

    def __init__(self, folder: Path, fingerprint: str, watchdog: WatchdogCallback) -> None:
        self.folder, self.fingerprint, self.watchdog = folder, fingerprint, watchdog

    def after_step(self, trainer: L.Trainer, module: TrainingModule) -> None:
        settings = module.settings
        good = settings.watchdog.action != "rewind" or not self.watchdog.rules.suspicious
        due = module.step % settings.checkpoint_every == 0 and good
        if (due or module.finished) and trainer.is_global_zero:
            content = module.content() | {"fingerprint": self.fingerprint}
            optimizer = trainer.optimizers[0].state_dict()
            save_checkpoint(self.folder / LAST, content | {"optimizer": optimizer})
