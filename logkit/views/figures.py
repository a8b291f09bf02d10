"""What all still pictures have in common: where a figure comes from, and how axes look."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Literal

from logkit.views.style import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MUTED: Final = "#6b6b6b"
"""The colour of text that explains."""


def new_axes(inches_wide: float, inches_high: float) -> Axes:
    """Axes on a figure of their own: pyplot's in a notebook that shows figures, else one pyplot does not know."""
    figure = _new_figure(inches_wide, inches_high)
    return figure.add_subplot()


def _new_figure(inches_wide: float, inches_high: float) -> Figure:
    size = (inches_wide, inches_high)
    if _shows_figures():
        from matplotlib import pyplot

        return pyplot.figure(figsize=size, layout="constrained")
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def _shows_figures() -> bool:
    """Whether a notebook kernel is running us and pyplot's figures appear under its cells."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is None:
        return False
    import matplotlib

    return any(name in matplotlib.get_backend().lower() for name in ("inline", "ipympl", "nbagg", "widget"))


def drawable(text: str, limit: int) -> str:
    """`plain` text in characters the plot's font has, others as their code: Matplotlib would warn of each."""
    from matplotlib import font_manager, rcParams

    fonts = [
        font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=[family])))
        for family in rcParams["font.family"]
    ]
    known = (any(font.get_char_index(ord(char)) for font in fonts) for char in plain(text, limit))
    codes = (char if has else f"\\u{ord(char):04x}" for char, has in zip(plain(text, limit), known, strict=True))
    return "".join(codes) or "(no name)"


def quiet(ax: Axes, grid: Literal["x", "y"]) -> None:
    """A pale grid along one axis, and no more lines than it needs."""
    ax.grid(axis=grid, color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left" if grid == "y" else "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(grid, length=0)


def nothing(ax: Axes, why: str) -> Axes:
    """Axes that say why they are empty."""
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=MUTED)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax
