"""The plots of a post-mortem: whose errors when, how long things took, templates, one trace, how errors spread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from logkit import schema
from logkit.analysis.patterns import timeline
from logkit.analysis.timeline import bucket_us
from logkit.errors import SettingError
from logkit.views.drawing import DAY_US, MUTED, Say, drawable, legend, new_axes, nothing, quiet, time_axis
from logkit.views.style import LEVEL_COLOURS, NO_LEVEL, SERIES_COLOURS, duration, number, share

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from logkit.analysis.propagation import Propagation
    from logkit.snapshot import Snapshot

_MAX_ROWS: Final = 20
_MAX_EVENTS: Final = 40
_SPARK_BINS: Final = 120
_EMPTY: Final = "#eeeeee"
_SCALE: Final = ("#fff7ec", "#fdbb84", "#d7301f", "#5b0a1a")
"""From no errors to nothing but errors, lighter to darker all the way: it reads in grey and with any colour vision."""


def _checked(ax: Axes | None) -> Axes | None:
    """What a plot was given to draw on; raises SettingError for what is no axes, most likely another argument."""
    from matplotlib.axes import Axes

    if ax is None or isinstance(ax, Axes):
        return ax
    raise SettingError(
        f"expected ax as Matplotlib's axes or None, found {ax!r}; try the argument you mean by its name",
        setting="ax",
        value=ax,
    )


def error_rates(ax: Axes | None, snapshot: Snapshot, width: Any, say: Say) -> Axes:
    """See `Plots.error_rates`."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm
    from matplotlib.ticker import PercentFormatter

    ax, stats = _checked(ax), snapshot.stats
    width_us = max(bucket_us(stats, width) // stats.width_us, 1) * stats.width_us
    is_error = pl.col("level").is_not_null() & (pl.col("level").to_physical().fill_null(0) >= schema.ERROR_RANK)
    bucket = (pl.col("bucket_us") // width_us * width_us).alias("at")
    cells = stats.buckets.group_by("service", bucket).agg(
        pl.col("events").sum(), pl.col("events").filter(is_error).sum().alias("errors")
    )
    if not cells.height:
        return nothing(ax if ax is not None else new_axes(9.0, 2.4), "no events with a time")
    names = _rows_in_trouble(snapshot, cells)
    ax = ax if ax is not None else new_axes(9.0, 1.1 + 0.3 * max(len(names), 3))
    cells = cells.filter(pl.col("service").is_in(names))
    low, high = int(cells["at"].min()), int(cells["at"].max()) + width_us  # type: ignore[arg-type]
    if (high - low) // width_us > 5000:
        return nothing(ax, "times too far apart to draw; try snap.between(…) first")
    grid = np.full((len(names), (high - low) // width_us), np.nan)
    row = cells["service"].replace_strict(names, list(range(len(names))), return_dtype=pl.Int64).to_numpy()
    grid[row, (cells["at"].to_numpy() - low) // width_us] = (cells["errors"] / cells["events"]).to_numpy()
    colours = LinearSegmentedColormap.from_list("errors", list(_SCALE)).with_extremes(bad=_EMPTY)
    # The square root: a service at 5 % is in trouble already, and must not look like one at 0.
    drawn = ax.imshow(
        np.ma.masked_invalid(grid),
        aspect="auto",
        cmap=colours,
        norm=PowerNorm(0.5, 0, 1),
        extent=(low / DAY_US, high / DAY_US, len(names) - 0.5, -0.5),
        interpolation="nearest",
    )
    ax.set_yticks(np.arange(len(names)), [drawable(say(name), 28) for name in names], parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.hlines(np.arange(len(names) - 1) + 0.5, low / DAY_US, high / DAY_US, color="white", linewidth=2)
    time_axis(ax, low, high)
    for spine in ax.spines.values():
        spine.set_visible(False)
    beside = ax.inset_axes((1.015, 0.0, 0.035, 1.0))
    bar = ax.figure.colorbar(drawn, cax=beside, ticks=[0, 0.05, 0.25, 0.5, 1])
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    bar.set_label(f"errors of events\nper {duration(width_us)}", fontsize=9)
    bar.outline.set_visible(False)
    return ax


def _rows_in_trouble(snapshot: Snapshot, cells: pl.DataFrame) -> list[str]:
    """The services whose error rate burst first, then those with the most errors."""
    bursts = snapshot.bursts()
    early = bursts[bursts["measure"] == "error_rate"].sort_values("start")["service"]
    most = cells.group_by("service").agg(pl.col("errors").sum(), pl.col("events").sum())
    rest = most.sort("errors", "events", "service", descending=[True, True, False])["service"].to_list()
    return list(dict.fromkeys([*early.tolist(), *rest]))[:_MAX_ROWS]


def latency(ax: Axes | None, snapshot: Snapshot, service: str | None, say: Say) -> Axes:
    """See `Plots.latency`."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    ax = _checked(ax) or new_axes(9.0, 2.8)
    stats = snapshot.stats
    if service is not None:
        if service not in stats.services:
            raise SettingError(
                f"expected one of snap.services, found {service!r}; try {', '.join(stats.services[:5])}",
                setting="service",
                value=service,
            )
        stats = stats.where(services={service}) or stats
    lines = {
        q: stats.quantile(q, ("bucket_us",)).filter(pl.col("bucket_us").is_not_null()).sort("bucket_us")
        for q in _QUANTILES
    }
    at = lines[0.5]["bucket_us"].to_numpy()
    if not len(at):
        return nothing(ax, "no events with a duration")
    width = stats.bin_width_us
    # A gap in the data is a gap in the line: a bucket of nothing between buckets that are not neighbours.
    breaks = np.flatnonzero(np.diff(at) > width) + 1
    x = np.insert((at + width / 2) / DAY_US, breaks, np.nan)
    values = {q: np.insert(line["quantile_ms"].to_numpy(), breaks, np.nan) for q, line in lines.items()}
    ax.fill_between(x, values[0.95], values[0.99], color=SERIES_COLOURS[0], alpha=0.16, linewidth=0, label="p95 to p99")
    ax.fill_between(x, values[0.5], values[0.95], color=SERIES_COLOURS[0], alpha=0.38, linewidth=0, label="p50 to p95")
    ax.plot(x, values[0.5], color=SERIES_COLOURS[0], linewidth=1.6, label="median (p50)")
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylabel(f"duration (ms)\nper {duration(width)}")
    time_axis(ax, int(at[0]), int(at[-1]) + width)
    quiet(ax, grid="y")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False, fontsize=9, handlelength=1.2)
    if service is not None:
        ax.set_title(drawable(say(service), 40), loc="left", fontsize=10, parse_math=False)
    return ax


_QUANTILES: Final = (0.5, 0.95, 0.99)


def patterns(ax: Axes | None, snapshot: Snapshot, ids: Sequence[str] | None, top: int, say: Say) -> Axes:
    """See `Plots.patterns`."""
    ax = _checked(ax)
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise SettingError(f"expected top as a whole number from 1 on, found {top!r}; try 12", setting="top", value=top)
    if isinstance(ids, str):
        raise SettingError(f"expected ids as several, found {ids!r}; try [{ids!r}]", setting="ids", value=ids)
    table = snapshot.tables("patterns")
    unknown = [one for one in ids or () if one not in table["pattern"]]
    if unknown:
        raise SettingError(f"expected ids of snap.patterns, found {unknown[0]!r}", setting="ids", value=unknown)
    each = table.group_by("pattern").agg(pl.col("template").first(), pl.col("count").sum(), pl.col("level").max())
    each = each.sort("count", "pattern", descending=[True, False]).head(top) if ids is None else _in_order(each, ids)
    ax = ax if ax is not None else new_axes(9.0, 0.8 + 0.42 * max(each.height, 2))
    stats, found = snapshot.mined
    counts = (
        timeline(stats, found).group_by("pattern", pl.col("timestamp").dt.timestamp("us")).agg(pl.col("count").sum())
    )
    if not counts.height or not each.height:
        return nothing(ax, "no message templates with a time")
    own_us = stats.patterns.width_us
    low, high = int(counts["timestamp"].min()), int(counts["timestamp"].max()) + own_us  # type: ignore[arg-type]
    width = ((high - low) // (_SPARK_BINS * own_us) + 1) * own_us
    bins = -(-(high - low) // width)
    x = np.repeat((low + np.arange(bins + 1) * width) / DAY_US, 2)[1:-1]
    for row, (key, template, _, level) in enumerate(each.iter_rows()):
        own = counts.filter(pl.col("pattern") == key)
        y = np.bincount((own["timestamp"].to_numpy() - low) // width, own["count"].to_numpy(), bins)
        most, base = y.max() or 1, -float(row)
        colour = LEVEL_COLOURS[level or NO_LEVEL]
        ax.fill_between(x, base, base + 0.55 * np.repeat(y, 2) / most, color=colour, linewidth=0)
        across = ax.get_yaxis_transform()
        text = drawable(say(template), 96)
        ax.text(0.006, base + 0.6, text, transform=across, fontsize=8.5, va="bottom", parse_math=False)
        ax.text(1.01, base, f"max {most:,.0f}", transform=across, fontsize=8, color=MUTED, va="bottom")
    ax.set_ylim(-each.height + 0.85, 1.05)
    ax.set_yticks([])
    time_axis(ax, low, low + bins * width)
    quiet(ax, grid="x")
    ax.set_ylabel(f"events per {duration(width)}", color=MUTED, fontsize=9)
    return ax


def _in_order(each: pl.DataFrame, ids: Sequence[str]) -> pl.DataFrame:
    wanted = pl.DataFrame({"pattern": list(dict.fromkeys(ids))[:_MAX_ROWS]})
    return wanted.join(each, on="pattern", how="left", maintain_order="left")


def waterfall(ax: Axes | None, events: pd.DataFrame, identity: str, say: Say) -> Axes:
    """See `Plots.trace`; `events` as `snap.trace` gives them."""
    timed = events[events["timestamp"].notna()]
    shown = timed.head(_MAX_EVENTS)
    ax = ax if ax is not None else new_axes(9.0, 1.2 + 0.24 * max(len(shown), 4))
    if not len(shown):
        return nothing(ax, "no events with a time in this trace")
    length = shown["duration_ms"].fillna(0.0).clip(lower=0.0).to_numpy(float)
    stop = shown["since_ms"].to_numpy(float)
    begin = stop - length
    first = float(begin.min())
    begin, stop = begin - first, stop - first
    services = list(dict.fromkeys(shown["service"]))
    colours = {name: SERIES_COLOURS[at % len(SERIES_COLOURS)] for at, name in enumerate(services)}
    rows = np.arange(len(shown))
    whole = max(float(stop.max()), 1.0)
    ax.barh(rows, length, 0.62, begin, color=[colours[name] for name in shown["service"]], linewidth=0)
    points = length == 0
    ax.scatter(stop[points], rows[points], 26, [colours[name] for name in shown["service"][points]], zorder=3)
    failed = shown["level"].isin(schema.LEVELS[schema.ERROR_RANK :])
    ax.scatter(
        stop[failed],
        rows[failed],
        90,
        facecolors="none",
        edgecolors=LEVEL_COLOURS["ERROR"],
        linewidths=1.6,
        zorder=4,
        clip_on=False,
    )
    labels = [
        f"{drawable(say(service), 14)}  {drawable(say(_without(message, identity)), 52)}"
        for service, message in zip(shown["service"], shown["message"].fillna(""), strict=True)
    ]
    ax.set_yticks(rows, labels, fontsize=8, parse_math=False)
    for tick, bad in zip(ax.get_yticklabels(), failed, strict=True):
        tick.set_color(LEVEL_COLOURS["ERROR"] if bad else "#1a1a1a")
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(-0.02 * whole, 1.04 * whole)
    start = timed["timestamp"].min()
    ax.set_xlabel(f"ms since the trace began, {start:%Y-%m-%d %H:%M:%S} UTC")
    ax.set_title(f"trace {drawable(say(identity), 40)}", loc="left", fontsize=10, parse_math=False)
    quiet(ax, grid="x")
    ax.tick_params("y", length=0)
    legend(ax, [say(name) for name in reversed(services)], [colours[name] for name in reversed(services)], "service")
    more = len(timed) - len(shown)
    if more:
        ax.annotate(f"and {more:,} more", (0, 0), (0, -28), "axes fraction", "offset points", fontsize=8, color=MUTED)
    return ax


def _without(message: str, identity: str) -> str:
    """The first line, without the id that all of the trace have."""
    return re.sub(r"\S*" + re.escape(identity) + r"\S*", "", message.split("\n", 1)[0]).strip()


def spread(ax: Axes | None, found: Propagation, say: Say) -> Axes:
    """See `Plots.propagation`."""
    ax = ax if ax is not None else new_axes(8.0, 3.4)
    if found.origin is None:
        return nothing(ax, "no errors in this window")
    edges = found.edges.head(2 * _MAX_ROWS)
    names = list(dict.fromkeys([found.origin, *edges["source"], *edges["target"]]))
    place = _places(names, found.origin, edges)
    errors = dict(zip(found.services["service"], found.services["errors"], strict=True))
    most = max(edges["traces"].max() if len(edges) else 1.0, 1.0)
    found_edges: list[Any] = list(edges.itertuples())
    for edge in found_edges:
        _arrow(ax, place[edge.source], place[edge.target], edge, most)
    for name in names:
        x, y = place[name]
        first = name == found.origin
        ax.scatter([x], [y], 520, color=LEVEL_COLOURS["ERROR"] if first else SERIES_COLOURS[0], zorder=3, linewidths=0)
        role = "erred first" if first else ""
        lines = [drawable(say(name), 22), f"{errors.get(name, 0):,} errors", *([role] if role else [])]
        ax.annotate("\n".join(lines), (x, y), (0, -19), textcoords="offset points", ha="center", va="top", fontsize=9,
                    parse_math=False, fontweight="bold" if first else "normal")  # fmt: skip
    xs, ys = zip(*place.values(), strict=True)
    ax.set_xlim(min(xs) - 0.45, max(xs) + 0.45)
    ax.set_ylim(min(ys) - 0.75, max(ys) + 0.45)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    note = "arrows: traces, and the median delay where clocks tell it"
    ax.set_title(note, loc="left", fontsize=8.5, color=MUTED)
    return ax


def _places(names: list[str], origin: str, edges: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """A column for each step away from the origin along the strong edges, services below each other in it."""
    strong = edges[edges["traces"] >= 0.1 * edges["traces"].max()] if len(edges) else edges
    step = {origin: 0}
    for _ in names:  # the longest way, in as many rounds as there are services at most
        for source, target in zip(strong["source"], strong["target"], strict=True):
            if source in step and target != origin and step[source] + 1 < len(names):
                step[target] = max(step.get(target, 0), step[source] + 1)
    last = max(step.values())
    columns: dict[int, list[str]] = {}
    for name in names:
        columns.setdefault(step.get(name, last), []).append(name)
    return {
        name: (float(column), (len(own) - 1) / 2 - row + (0.12 if column % 2 else 0.0))
        for column, own in columns.items()
        for row, name in enumerate(own)
    }


def _arrow(ax: Axes, start: tuple[float, float], stop: tuple[float, float], edge: Any, most: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.transforms import Affine2D

    timed = edge.basis == "time"
    far = abs(stop[0] - start[0]) > 1
    bend = -0.28 if far else -0.08
    arrow = FancyArrowPatch(
        start,
        stop,
        arrowstyle="-|>,head_length=6,head_width=3.5",
        connectionstyle=f"arc3,rad={bend}",
        linewidth=1 + 4 * edge.traces / most,
        linestyle=(0, (5, 2)) if timed else "solid",
        color="#4a4a4a",
        alpha=0.75,
        shrinkA=15,
        shrinkB=15,
        zorder=2,
    )
    ax.add_patch(arrow)
    lag = "" if edge.lag_ms != edge.lag_ms else f"\n{number(max(edge.lag_ms, 0.0)) or '0'} ms"
    text = f"{edge.traces:,.0f} ({share(edge.share)}){lag}"

    def middle(_: object) -> Affine2D:
        """Where the middle of the curve is on the page (see `ConnectionStyle.Arc3`), which only drawing tells."""
        (x0, y0), (x1, y1) = ax.transData.transform([start, stop])
        return Affine2D().translate((x0 + x1 - bend * (y0 - y1)) / 2, (y0 + y1 - bend * (x1 - x0)) / 2)

    # On the side the line slopes away from.
    rise = 0 if far else np.sign(round(stop[1] - start[1], 1)) * np.sign(stop[0] - start[0])
    side = {-1: "left", 0: "center", 1: "right"}[int(rise)]
    ax.annotate(
        text,
        (0, 0),
        (4 * rise, 6 + 2 * edge.traces / most),
        xycoords=middle,
        textcoords="offset points",
        ha=side,
        va="bottom",
        fontsize=8,
        color="#333333",
        zorder=4,
    )
