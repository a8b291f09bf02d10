"""What all plots share: where a figure comes from, axes of time, legends, and text that Matplotlib only draws."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from logkit.views.style import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Say = Callable[[str], str]
"""What a name or message is shown as: itself, or redacted."""

DAY_US: Final = 86_400_000_000
"""Matplotlib counts time in days since 1970."""

MUTED: Final = "#6b6b6b"
"""The colour of what is said beside the data."""


def new_axes(inches_wide: float, inches_high: float) -> Axes:
    """Axes of a figure of their own."""
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


def legend(ax: Axes, names: list[str], colours: list[str], title: str) -> None:
    """A legend beside the data, in the order of the stack."""
    from matplotlib.patches import Patch

    # Labels are set afterwards: Matplotlib leaves out what begins with "_", and reads "$" as mathematics.
    handles = [Patch(color=colour) for colour in reversed(colours)]
    legend = ax.legend(
        handles,
        [str(at) for at in range(len(handles))],
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.02),
        frameon=False,
        fontsize=9,
        handlelength=1.0,
    )
    for text, name in zip(legend.get_texts(), reversed(names), strict=True):
        text.set_parse_math(False)
        text.set_text(drawable(name, 28))


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
    """A light grid along one axis, and no frame but the other axis."""
    ax.grid(axis=grid, color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left" if grid == "y" else "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(grid, length=0)


def nothing(ax: Axes, why: str) -> Axes:
    """Empty axes that say why."""
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=MUTED)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def time_axis(ax: Axes, first_us: int, last_us: int) -> None:
    """The x axis as times of day in UTC, from the first to the last."""
    from matplotlib import dates

    most = min(max(int(1.7 * ax.bbox.width / ax.figure.dpi), 4), 9)  # on narrow axes more would touch
    locator = dates.AutoDateLocator(tz="UTC", minticks=3, maxticks=most)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz="UTC"))  # type: ignore[no-untyped-call]
    ax.set_xlim(first_us / DAY_US, last_us / DAY_US)
    ax.set_xlabel("time (UTC)")


def marked(ax: Axes, marks: list[tuple[int, str]], say: Say) -> None:
    """A dashed line for each note, with its text above the axes; notes outside of the axes' times are left out."""
    low, high = ax.get_xlim()
    inside = [(us / DAY_US, text) for us, text in marks if low <= us / DAY_US <= high]
    for nth, (at, text) in enumerate(inside):
        ax.axvline(at, color="#1a1a1a", linewidth=1.0, linestyle=(0, (4, 2)))
        right = (at - low) > 0.6 * (high - low)
        ax.annotate(
            drawable(say(text), 44),
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if right else 3, 3 + 11 * (nth % 3)),
            textcoords="offset points",
            ha="right" if right else "left",
            va="bottom",
            fontsize=8.5,
            parse_math=False,
            annotation_clip=False,
        )


def shaded(ax: Axes, spans: list[tuple[int, int]], colour: str) -> None:
    """A tint behind the data for each span of time."""
    for start, stop in spans:
        ax.axvspan(start / DAY_US, stop / DAY_US, color=colour, alpha=0.09, linewidth=0, zorder=0)
