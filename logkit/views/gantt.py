"""The Gantt of threads: a lane per thread, a colour per state, so that one sees who waited for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from logkit.capture import STATES
from logkit.views.drawing import MUTED, drawable, new_axes, nothing, quiet
from logkit.views.style import SERIES_COLOURS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STATE_COLOURS: Final = {
    "starting": "#f4f4f4",
    "waiting": "#cdcdcd",
    "blocked": "#d55e00",
    "holding": "#404040",
    "sleeping": "#f0f0f0",
    "scanning": "#f0e442",
    "planning": "#e69f00",
    "probing": "#cc79a7",
    "reading": "#56b4e9",
    "parsing": "#0072b2",
    "committing": "#009e73",
    "working": "#93a9d1",
}
"""A colour per state: idle ones pale, waiting for somebody else the loudest. Told apart with any colour vision."""

_LOUD: Final = ("committing", "holding", "blocked")  # short, and what one looks for: drawn last, and never thinner than
_THIN: Final = 0.9  # this many points
_SEPARATE: Final = 0.01  # from so much of the width on, two of them side by side are told apart by their edges
_VISIBLE: Final = 0.0005  # a state that takes less of the width in all cannot be seen
_CHARACTERS: Final = 80  # that fit into the width
_HEIGHT: Final = 0.62

assert set(STATE_COLOURS) == set(STATES)


def draw(activity: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The intervals of an `ActivityFrame`, on a time axis in seconds from the first one on.

    Bars that are wide enough say what a thread was blocked by or holding. States that `STATES` does not know are drawn
    in colours of their own.
    """
    lanes = list(dict.fromkeys(activity["thread"]))
    ax = ax if ax is not None else new_axes(9.0, 1.3 + 0.36 * max(len(lanes), 3))
    if not lanes:
        return nothing(ax, "nothing recorded")
    first = activity["start"].min()
    begin = (activity["start"] - first).dt.total_seconds().to_numpy(float)
    length = (activity["end"] - activity["start"]).dt.total_seconds().to_numpy(float)
    places = activity["thread"].map({name: at for at, name in enumerate(lanes)}).to_numpy(int)
    states = activity["state"].to_numpy()
    width = float((begin + length).max()) or 1.0
    colours = _colours([s for s in dict.fromkeys(states) if s in _LOUD or length[states == s].sum() > _VISIBLE * width])
    for state in sorted(colours, key=lambda state: _LOUD.index(state) if state in _LOUD else -1):
        for lane in range(len(lanes)):
            chosen = (states == state) & (places == lane)
            wide = [colours[state] if state in _LOUD and one < _SEPARATE * width else "white" for one in length[chosen]]
            bars = list(zip(begin[chosen], length[chosen], strict=True))
            edge = {"linewidth": _THIN, "edgecolor": wide} if state in _LOUD else {"linewidth": 0}
            if bars:
                ax.broken_barh(bars, (lane - _HEIGHT / 2, _HEIGHT), facecolors=colours[state], **edge)
    _label(ax, activity, begin, length / width, places)
    _axes_of(ax, lanes, first)
    _legend(ax, colours)
    return ax


def _colours(states: list[str]) -> dict[str, str]:
    """A colour for each state there is, in the order of `STATES`."""
    unknown = [state for state in states if state not in STATE_COLOURS]
    known = {state: colour for state, colour in STATE_COLOURS.items() if state in states}
    return known | {state: SERIES_COLOURS[at % len(SERIES_COLOURS)] for at, state in enumerate(unknown)}


def _label(ax: Axes, activity: pd.DataFrame, begin: Any, share: Any, places: Any) -> None:
    """What a thread was blocked by, or holds, inside of bars that have room for it; `share` is of the whole width."""
    middle = begin + activity["seconds"].to_numpy(float) / 2
    for at, (state, doing) in enumerate(zip(activity["state"], activity["doing"], strict=True)):
        if state not in ("blocked", "holding") or share[at] * _CHARACTERS < min(len(doing), 12) + 1:
            continue
        text = ax.text(middle[at], places[at], "", ha="center", va="center", fontsize=8, color="white", clip_on=True)
        text.set_parse_math(False)
        text.set_text(drawable(doing, int(share[at] * _CHARACTERS)))


def _axes_of(ax: Axes, lanes: list[str], first: pd.Timestamp) -> None:
    ax.set_yticks(range(len(lanes)), [drawable(name, 36) for name in lanes], parse_math=False)
    ax.set_ylim(max(len(lanes), 3) - 0.4, -0.6)
    ax.margins(x=0.01)
    ax.set_xlabel(f"seconds since {first:%H:%M:%S} UTC")
    quiet(ax, grid="x")
    ax.tick_params("y", length=0)


def _legend(ax: Axes, colours: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=colour, edgecolor=MUTED, linewidth=0.4) for colour in colours.values()]
    legend = ax.legend(
        handles,
        [str(at) for at in range(len(handles))],
        loc="upper left",
        bbox_to_anchor=(1.0, 1.02),
        frameon=False,
        fontsize=9,
        handlelength=1.0,
    )
    for text, state in zip(legend.get_texts(), colours, strict=True):
        text.set_parse_math(False)
        text.set_text(STATES.get(state) or drawable(state, 28))
