"""What all charts share: a figure that needs no screen, the look of axes, PNG."""

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float, height: float, dpi: int = 110) -> Figure:
    """A white figure of that size in inches, whose axes make room for their labels."""
    return Figure(figsize=(width, height), dpi=dpi, facecolor="white", layout="constrained")


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()


def finish(axes: Axes, x: str, y: str = "abs rel") -> None:
    """Labels and the look that all charts share; errors begin at zero."""
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.set_ylim(bottom=0)  # keeps a top that was set
    axes.grid(True, axis="y", color="#eee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
