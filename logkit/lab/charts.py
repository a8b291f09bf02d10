"""Charts of what was counted and measured: Axes in, Axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logkit.lab.pictures import KEPT, LOST
from logkit.views.drawing import MUTED, new_axes, quiet
from logkit.views.style import REST_COLOUR, SERIES_COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from logkit.lab.queues import Backpressure
    from logkit.lab.speed import Gil
    from logkit.lab.stopping import Shutdown


def draw_backpressure(found: Backpressure, ax: Axes | None) -> Axes:
    """Items waiting over time; on the right what they take in memory."""
    ax = ax if ax is not None else new_axes(7.5, 3.2)
    most = max(found.unbounded.peak, found.bounded.peak)
    for run, colour, style in ((found.unbounded, LOST, "-"), (found.bounded, SERIES_COLOURS[0], "-")):
        ax.step(run.seconds, run.depth, where="post", color=colour, linewidth=1.8, linestyle=style)
        limit = f"bounded: maxsize={run.maxsize}" if run.maxsize else "unbounded"
        at = run.depth.index(run.peak)
        said = f"{limit}, {run.peak} at most, {run.peak_bytes / 1e6:.1f} MB"
        x = 0.3 * run.seconds[-1] if run.maxsize else run.seconds[at]  # clear of the other line
        ax.annotate(said, (x, run.peak), (6, 5), textcoords="offset points", color=colour, fontsize=9)
        ax.plot(run.producer_seconds, run.depth[_last_put(run.seconds, run.producer_seconds)], "o", color=colour)
    ax.set_ylim(0, most * 1.18)
    ax.set_xlim(0, max(found.unbounded.seconds[-1], found.bounded.seconds[-1]) * 1.04)
    ax.set_xlabel("seconds;   ●  the producer has put its last item")
    ax.set_ylabel("items that wait")
    quiet(ax, grid="y")
    megabytes: Any = found.item_bytes / 1e6
    right = ax.secondary_yaxis("right", functions=(lambda items: items * megabytes, lambda mb: mb / megabytes))
    right.set_ylabel("MB of items")
    right.spines["right"].set_visible(False)
    return ax


def _last_put(seconds: Sequence[float], producer_seconds: float) -> int:
    return max(0, sum(at <= producer_seconds for at in seconds) - 1)


def draw_shutdown(found: Shutdown, ax: Axes | None) -> Axes:
    """A bar per way to stop: what was done, what was torn, what was left."""
    ax = ax if ax is not None else new_axes(7.5, 2.6)
    parts = (
        ("done", "done", KEPT),
        ("half_done", "torn in the middle", LOST),
        ("left", "left in the queue", REST_COLOUR),
    )
    rows = range(len(found.ways))
    base = [0] * len(found.ways)
    for name, label, colour in parts:
        width = [getattr(way, name) for way in found.ways]
        bars = ax.barh(rows, width, 0.6, left=base, color=colour, label=label, edgecolor="white")
        ax.bar_label(bars, [str(one) if one else "" for one in width], label_type="center", fontsize=9)
        base = [one + two for one, two in zip(base, width, strict=True)]
    for row, way in zip(rows, found.ways, strict=True):
        clean = "" if way.cleaned_up else ", finally did not run"
        ax.text(
            found.items + 0.15,
            row,
            f"{way.seconds:.2f} s to stop{clean}",
            va="center",
            fontsize=9,
            color=LOST if clean else MUTED,
        )
    ax.set_yticks(rows, [way.way for way in found.ways])
    ax.set_ylim(len(found.ways) - 0.4, -0.6)
    ax.set_xlim(0, found.items * 1.5)
    ax.set_xticks(range(0, found.items + 1, max(1, found.items // 5)))
    ax.set_xlabel("items")
    quiet(ax, grid="x")
    ax.legend(loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=3, frameon=False, fontsize=9, handlelength=1.0)
    return ax


def draw_gil(found: Gil, ax: Axes | None) -> Axes:
    """How many times as fast each kind of work is at once."""
    ax = ax if ax is not None else new_axes(7.5, 2.9)
    names = [f"{row.work},\n{found.workers} {row.how}" for row in found.rows]
    speedups = [row.speedup for row in found.rows]
    colours: list[Any] = [KEPT if row.speedup > 1.3 else LOST for row in found.rows]
    bars = ax.barh(range(len(names)), speedups, 0.62, color=colours)
    labels = [
        f"{row.speedup:.1f} times   ({row.one_by_one_seconds:.2f} s → {row.at_once_seconds:.2f} s)"
        for row in found.rows
    ]
    for text in ax.bar_label(bars, labels, padding=5, fontsize=9, color=MUTED):
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.0})
    ax.axvline(1, color="#202020", linewidth=1)
    ax.axvline(found.workers, color="#202020", linewidth=1, linestyle=":")
    ax.set_yticks(range(len(names)), names, fontsize=9)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, max(*speedups, found.workers) * 1.45)
    gil = "on" if found.enabled else "off"
    ax.set_xlabel(f"times as fast at once as one by one (Python {found.python}, GIL {gil}, {found.cores} cores)")
    quiet(ax, grid="x")
    ax.tick_params("y", length=0)
    return ax
