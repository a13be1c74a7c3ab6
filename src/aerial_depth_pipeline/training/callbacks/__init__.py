"""What happens after each step of a training, in order: metrics, moving average, watchdog, log,
validation, images, checkpoint."""
