"""Pictures of steps, of orders of steps, and of who waits for whom: Axes in, Axes out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from logkit.lab.racing import overwriting
from logkit.views.drawing import MUTED, drawable, new_axes, nothing
from logkit.views.gantt import STATE_COLOURS
from logkit.views.style import SERIES_COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from logkit.lab.deadlocks import Deadlock
    from logkit.lab.schedules import Interleavings
    from logkit.lab.stage import Step

LOST: Final = STATE_COLOURS["blocked"]
"""The colour of what goes wrong."""
KEPT: Final = SERIES_COLOURS[2]
"""The colour of what goes well."""
_HOLDING: Final = STATE_COLOURS["holding"]
_MAX_ROWS: Final = 40


def draw_steps(steps: Sequence[Step], ax: Axes | None, title: str) -> Axes:
    """Steps in their order: a lane per thread, and one for the shared number, which shows who destroyed what."""
    lanes = sorted({step.thread for step in steps})
    ax = ax if ax is not None else new_axes(max(5.0, 1.6 + 0.42 * len(steps)), 1.6 + 0.5 * len(lanes))
    if not steps:
        return nothing(ax, "no steps")
    place = {name: at for at, name in enumerate(lanes)}
    lost = set(overwriting(tuple(steps)))
    locks = {step.what for step in steps if step.what}
    _draw_locks(ax, steps, place)
    number = 0
    for at, step in enumerate(steps):
        lane, colour = place[step.thread], SERIES_COLOURS[place[step.thread] % len(SERIES_COLOURS)]
        if step.op == "write":
            ax.annotate(
                "",
                (at, len(lanes) - 0.32),
                (at, lane + 0.3),
                arrowprops={"arrowstyle": "->", "color": LOST if at in lost else colour},
            )
            number = step.value or 0
        about = step.what if len(locks) > 1 else "" if step.value is None else str(step.value)
        _box(ax, at, lane, f"{_WORDS[step.op]}\n{about}".rstrip(), colour, step.op)
        _number(ax, at, len(lanes), number, at in lost)
    ax.set_yticks(range(len(lanes) + 1), [*(drawable(name, 20) for name in lanes), "the number"], parse_math=False)
    ax.set_ylim(len(lanes) + 0.6, -0.7)
    ax.set_xlim(-0.8, len(steps) - 0.2)
    ax.set_xticks([])
    ax.set_xlabel(
        "one step after the other" + (";   ✗  an update is overwritten" if lost else ""), color=LOST if lost else MUTED
    )
    ax.set_title(title, fontsize=10, loc="left")
    for side in ax.spines.values():
        side.set_visible(False)
    ax.tick_params("y", length=0)
    return ax


_WORDS: Final = {"read": "read", "write": "write", "add": "+1", "take": "take", "give": "give", "block": "wait"}


def _box(ax: Axes, x: float, y: float, text: str, colour: str, op: str) -> None:
    shade = {"block": "white", "take": _HOLDING, "give": _HOLDING}.get(op, colour)
    said = ax.text(
        x,
        y,
        "",
        ha="center",
        va="center",
        fontsize=7.5,
        color=LOST if op == "block" else "black" if shade in ("#e69f00", "#56b4e9", "#f0e442") else "white",
    )
    said.set_bbox({"boxstyle": "round,pad=0.25", "facecolor": shade, "edgecolor": LOST if op == "block" else shade})
    said.set_parse_math(False)
    said.set_text(text)


def _number(ax: Axes, x: float, y: float, number: int, lost: bool) -> None:
    ax.text(x, y, str(number), ha="center", va="center", fontsize=10, color=LOST if lost else "#202020", weight="bold")
    if lost:
        ax.text(x, y + 0.36, "✗", ha="center", va="center", fontsize=9, color=LOST)


def _draw_locks(ax: Axes, steps: Sequence[Step], place: dict[str, int]) -> None:
    """A dark band while a thread holds a lock, a dashed line while it waits for one."""
    since: dict[tuple[str, str], list[int]] = {}
    for at, step in enumerate(steps):
        if step.op in ("take", "block"):
            since.setdefault((step.thread, step.what), []).append(at)
        if step.op == "take" and len(since[step.thread, step.what]) > 1:
            waited = since[step.thread, step.what]
            if steps[waited[-2]].op == "block":
                _line(ax, waited.pop(-2), at, place[step.thread], LOST, "--")
        if step.op == "give" and since.get((step.thread, step.what)):
            _line(ax, since[step.thread, step.what].pop(), at, place[step.thread], _HOLDING, "-")
    for (thread, _), begun in since.items():
        for at in begun:
            blocked = steps[at].op == "block"
            _line(ax, at, len(steps) - 0.4, place[thread], LOST if blocked else _HOLDING, "--" if blocked else "-")


def _line(ax: Axes, begin: float, end: float, lane: int, colour: str, style: str) -> None:
    up = 0.36 if style == "-" else 0.46
    ax.plot(
        [begin, end], [lane - up] * 2, color=colour, linestyle=style, linewidth=2.5, solid_capstyle="butt", zorder=0
    )


def draw_interleavings(found: Interleavings, ax: Axes | None) -> Axes:
    """A row per interleaving (at most 40, evenly taken from all), a cell per step; the outcome stands at the right."""
    from matplotlib.patches import Rectangle

    many = min(len(found), _MAX_ROWS)
    rows = [found[at * len(found) // many] for at in range(many)]
    rows.sort(key=lambda row: (bool(row.stuck), row.lost))
    width = max(len(row.order) for row in rows)
    ax = ax if ax is not None else new_axes(2.2 + 0.5 * width, 1.2 + 0.22 * len(rows))
    for y, row in enumerate(rows):
        for x, step in enumerate(row.steps):
            lane = row.order[x] % len(SERIES_COLOURS)
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=SERIES_COLOURS[lane], edgecolor="white"))
            dark = SERIES_COLOURS[lane] in ("#e69f00", "#56b4e9", "#f0e442")
            text = ax.text(x, y, "", ha="center", va="center", fontsize=7, color="black" if dark else "white")
            text.set_text(f"{row.order[x] + 1} {_WORDS[step.op]}" + ("" if step.value is None else f" {step.value}"))
        bad = bool(row.lost or row.stuck)
        said = "stuck ✗" if row.stuck else f"{row.final} ✗" if row.lost else f"{row.final} ✓"
        ax.text(width - 0.2, y, said, va="center", fontsize=8.5, color=LOST if bad else KEPT, weight="bold")
    ax.set_xlim(-0.6, width + 0.8)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_yticks([])
    ax.set_xticks(range(width), [str(at + 1) for at in range(width)])
    ax.set_xlabel("step: thread, what it does, value  →  result", loc="left")
    shown = "" if many == len(found) else f", {many} of them shown"
    ax.set_title(f"{len(found):,} interleavings, {len(found.losing):,} lose an update{shown}", fontsize=10, loc="left")
    for side in ax.spines.values():
        side.set_visible(False)
    ax.tick_params(length=0)
    return ax


def draw_waits(found: Deadlock, ax: Axes | None) -> Axes:
    """The wait-for graph of a deadlock, or of the worst moment of a run without one."""
    threads = sorted({wait.thread for wait in found.waits} | {owner for _, owner in found.holds} | set(found.finished))
    locks = sorted({lock for lock, _ in found.holds} | {wait.lock for wait in found.waits})
    nodes = [name for pair in zip(threads, [*locks, *[""] * len(threads)], strict=False) for name in pair if name]
    nodes += [lock for lock in locks if lock not in nodes]
    ax = ax if ax is not None else new_axes(4.6, 4.2)
    # One half of the circle up: the first thread stands at the left, and what it holds follows clockwise.
    turn = {name: math.pi - 2 * math.pi * at / len(nodes) for at, name in enumerate(_in_circle(found, nodes))}
    spot = {name: (math.cos(angle), math.sin(angle)) for name, angle in turn.items()}
    small = len(nodes) > 5  # many nodes stand close: smaller, and the words once instead of at each arrow
    in_circle = {(wait.thread, wait.lock) for wait in found.circle}
    selfish = {(wait.lock, wait.owner) for wait in found.circle if wait.owner == wait.thread}
    for lock, owner in found.holds:
        _arrow(
            ax,
            spot[lock],
            spot[owner],
            _HOLDING,
            "-",
            "" if small else "held by",
            0.25 if (lock, owner) in selfish else 0.0,
        )
    for wait in found.waits:
        stuck = (wait.thread, wait.lock) in in_circle
        bend = 0.25 if (wait.lock, wait.thread) in found.holds else 0.0
        colour = LOST if stuck else SERIES_COLOURS[1]
        _arrow(ax, spot[wait.thread], spot[wait.lock], colour, "--", "" if small else "waits for", bend)
    for name, (x, y) in spot.items():
        is_lock = name in locks
        shape = {"boxstyle": "square,pad=0.5" if is_lock else "circle,pad=0.35", "edgecolor": "#202020"}
        text = ax.text(
            x,
            y,
            "",
            ha="center",
            va="center",
            fontsize=6.5 if small else 9,
            zorder=3,
            color="white" if is_lock else "black",
        )
        text.set_bbox(shape | {"facecolor": _HOLDING if is_lock else "#e8f1fa"})
        text.set_text(name)
    ax.set_title(
        found.title + (": deadlock" if found.circle else ": no deadlock"),
        fontsize=10,
        color=LOST if found.circle else KEPT,
    )
    if small:
        ax.text(0, 0.08, "--▸  waits for", ha="center", color=LOST if found.circle else SERIES_COLOURS[1], fontsize=9)
        ax.text(0, -0.16, "—▸  held by", ha="center", color=_HOLDING, fontsize=9)
    side = 1.2 if small else 1.4
    ax.set_xlim(-side, side)
    ax.set_ylim(-side, side)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _in_circle(found: Deadlock, nodes: list[str]) -> list[str]:
    """The nodes with each thread before the lock it waits for: arrows then run around the circle."""
    order: list[str] = []
    for wait in found.waits:
        order += [name for name in (wait.thread, wait.lock) if name not in order]
    return order + [name for name in nodes if name not in order]


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, style: str, says: str, bend: float
) -> None:
    ax.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": colour,
            "linestyle": style,
            "linewidth": 1.8,
            "shrinkA": 24 if says else 15,
            "shrinkB": 26 if says else 16,
            "connectionstyle": f"arc3,rad={bend}",
        },
    )
    dx, dy = end[0] - start[0], end[1] - start[1]
    x, y = (start[0] + end[0]) / 2 + bend * dy / 1.5, (start[1] + end[1]) / 2 - bend * dx / 1.5
    if says:
        text = ax.text(x, y, says, ha="center", va="center", fontsize=8, color=colour, zorder=4)
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.0})
