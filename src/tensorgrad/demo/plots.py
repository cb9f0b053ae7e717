"""matplotlib for the course, which goes on without it."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

STYLE = {
    "figure.figsize": (8, 4.5),
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def pyplot() -> Any:
    """`matplotlib.pyplot`, set up for figures 800 pixels wide; None without matplotlib, and a line that says
    how to install it. Without a display figures are made, and `show` leaves it at that.
    """
    try:
        plt = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        print("(The plots are left out. They need matplotlib: pip install matplotlib)")
        return None
    plt.rcParams.update(STYLE)
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
    return plt
