"""The training curve outlives the process that draws it."""

from aerial_depth_pipeline.training.curve import Curve


class Forward:
    def __init__(self) -> None:
        self.metrics, self.images = [], []

    def log_metrics(self, metrics, step) -> None:
        self.metrics.append((step, metrics))

    def log_image(self, name, image_HW3, step) -> None:
        self.images.append((name, step))


def test_a_continued_training_continues_its_curve(tmp_path) -> None:
    path = tmp_path / "checkpoints" / "curve.jsonl"
    first = Curve(path)
    for step in range(1, 8):
        first.log_metrics({"train/total": 1 / step, "train/learning_rate": 1.0}, step)
    with path.open("a") as stream:
        stream.write('{"step": 8, "metr')  # killed while it wrote
    forward = Forward()
    second = Curve(path, forward)
    second.log_metrics({"train/total": 0.5, "val/photometric": 0.2}, 6)
    second.log_image("triplets", None, 6)
    assert second.points() == {
        "train/total": [(n, 1 / n) for n in range(1, 6)] + [(6, 0.5)],
        "val/photometric": [(6, 0.2)],
    }
    assert forward.metrics == [
        (6, {"train/total": 0.5, "val/photometric": 0.2})
    ] and forward.images == [("triplets", 6)]
    fresh = Curve(path)
    fresh.log_metrics({"train/total": 2.0}, 1)
    assert fresh.points() == {"train/total": [(1, 2.0)]}


def test_a_long_curve_is_thinned_out_between_its_ends(tmp_path) -> None:
    curve = Curve(tmp_path / "curve.jsonl")
    for step in range(1, 101):
        curve.log_metrics({"train/total": float(step)}, step)
    steps = [step for step, _ in curve.points()["train/total"]]
    assert len(steps) == 20 and steps[0] == 1 and steps[-1] == 100
