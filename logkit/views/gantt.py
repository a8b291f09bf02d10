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
    "sending": "#117733",
    "retrying": "#882255",
    "expiring": "#999933",
    "closing": "#7f7f7f",
    "working": "#93a9d1",
}
"""A colour per state: idle ones pale, waiting for somebody else the loudest. Told apart with any colour vision."""

_IDLE: Final = ("starting", "waiting", "sleeping")  # nothing to say about
# Short, and what one looks for: drawn last, and never thinner than so many points.
_LOUD: Final = ("scanning", "planning", "committing", "retrying", "holding", "blocked")
_THIN: Final = 0.9
_SEPARATE: Final = 0.01  # from so much of the width on, two of them side by side are told apart by their edges
_VISIBLE: Final = 0.001  # a state whose longest bar takes less of the width cannot be seen
_CHARACTERS: Final = 80  # that fit into the width
_READABLE: Final = 8  # characters of a longer text that are worth showing
_HEIGHT: Final = 0.62

assert set(STATE_COLOURS) == set(STATES)


def draw(activity: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The intervals of an `ActivityFrame`, on a time axis in seconds from the first one on.

    Bars that are wide enough say what a thread was doing: which file, which lock it was blocked by or held; of files
    the name without its folder. A thread that died ends with a cross and the reason. States that `STATES` does not know
    are drawn in colours of their own. Raises SettingError for a frame without the columns of one.
    """
    from logkit.analysis.activity import require

    require(activity)
    lanes = list(dict.fromkeys(activity["thread"]))
    if not lanes:
        return nothing(ax if ax is not None else new_axes(9.0, 1.6), "nothing recorded")
    first = activity["start"].min()
    begin = (activity["start"] - first).dt.total_seconds().to_numpy(float)
    length = (activity["end"] - activity["start"]).dt.total_seconds().to_numpy(float)
    places = activity["thread"].map({name: at for at, name in enumerate(lanes)}).to_numpy(int)
    states = activity["state"].to_numpy()
    width = float((begin + length).max()) or 1.0
    longest = {state: length[states == state].max() for state in dict.fromkeys(states) if state != "died"}
    colours = _colours([one for one in longest if one in _LOUD or longest[one] > _VISIBLE * width])
    ax = ax if ax is not None else new_axes(9.0, max(0.9 + 0.36 * len(lanes), 0.5 + 0.22 * len(colours)))
    for state in sorted(colours, key=lambda state: _LOUD.index(state) if state in _LOUD else -1):
        for lane in range(len(lanes)):
            chosen = (states == state) & (places == lane)
            if not chosen.any():
                continue
            wide = length[chosen] >= _SEPARATE * width
            edges = ["white" if one else colours[state] if state in _LOUD else "none" for one in wide]
            bars = list(zip(begin[chosen], length[chosen], strict=True))
            place = (lane - _HEIGHT / 2, _HEIGHT)
            ax.broken_barh(bars, place, facecolors=colours[state], edgecolors=edges, linewidths=_THIN)
    _label(ax, activity, begin, length / width, places, colours)
    for at in (states == "died").nonzero()[0]:
        _died(ax, activity["doing"].iloc[at], begin[at], places[at], begin[at] > width / 2)
    _axes_of(ax, lanes, first)
    _legend(ax, colours)
    return ax


def _colours(states: list[str]) -> dict[str, str]:
    """A colour for each state there is, in the order of `STATES`."""
    unknown = [state for state in states if state not in STATE_COLOURS]
    known = {state: colour for state, colour in STATE_COLOURS.items() if state in states}
    return known | {state: SERIES_COLOURS[at % len(SERIES_COLOURS)] for at, state in enumerate(unknown)}


def _label(ax: Axes, activity: pd.DataFrame, begin: Any, share: Any, places: Any, colours: dict[str, str]) -> None:
    """What a thread was doing, inside of bars that have room for it; `share` is of the whole width."""
    middle = begin + activity["seconds"].to_numpy(float) / 2
    for at, (state, doing) in enumerate(zip(activity["state"], activity["doing"], strict=True)):
        said = doing.replace("\\", "/").rpartition("/")[2] or doing
        if (
            not said
            or state in _IDLE
            or state not in colours
            or share[at] * _CHARACTERS < min(len(said), _READABLE) + 1
        ):
            continue
        text = ax.text(middle[at], places[at], "", ha="center", va="center", fontsize=8, clip_on=True)
        text.set_color(_ink(colours[state]))
        text.set_parse_math(False)
        text.set_text(drawable(said, int(share[at] * _CHARACTERS)))


def _ink(colour: str) -> str:
    """Black or white, whichever is better read on a colour given as #rrggbb."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else "white"


def _died(ax: Axes, why: str, at: float, lane: int, late: bool) -> None:
    """A cross where a thread died, and the reason on the side where there is room."""
    ax.plot(at, lane, "X", color="black", markeredgecolor="white", markersize=11, clip_on=False, zorder=4)
    place, side = ((-9, 0), "right") if late else ((9, 0), "left")
    said = ax.annotate("", (at, lane), place, textcoords="offset points", ha=side, va="center", fontsize=8, zorder=4)
    said.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.5})
    said.set_parse_math(False)
    said.set_text(f"died of {drawable(why, 46)}")


def _axes_of(ax: Axes, lanes: list[str], first: pd.Timestamp) -> None:
    ax.set_yticks(range(len(lanes)), [drawable(name, 36) for name in lanes], parse_math=False)
    ax.set_ylim(len(lanes) - 0.4, -0.6)
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
