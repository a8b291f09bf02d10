"""Pure: what a panel shows of one snapshot. Plain values, no widgets, no HTML, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from logkit import schema
from logkit.stats import NO_LEVEL
from logkit.views.panel.counts import ERROR, Counts, Window
from logkit.views.panel.meter import Meter, Sample
from logkit.views.style import LEVEL_COLOURS, REST_COLOUR, SERIES_COLOURS

if TYPE_CHECKING:
    import numpy.typing as npt

    from logkit.capture import Capture, SourceStatus, ThreadStatus
    from logkit.views.panel.errors import ErrorRow

By = Literal["level", "service"]
"""What the timeline is stacked by."""

Tone = Literal["", "good", "busy", "warn", "bad"]
"""How much a value wants to be looked at."""

MAX_SERVICES: Final = 12
_SPARK_BARS: Final = 40
_LAGS_BYTES: Final = 1 << 20  # what is read within a tick is no catching up
_LAGS_SECONDS: Final = 1.0
_HELD_SECONDS: Final = 0.5  # a state shorter than this is seen by chance
_BUSY_SHARE: Final = 0.05
_REST_STATES: Final = frozenset({"waiting", "starting", "stopped", "died", "not started"})
_BEHIND: Final = frozenset({"reading", "waiting", "retrying"})
_ORDER: Final = ("logkit-watcher", "logkit-notify", "logkit-worker", "logkit-writer", "logkit-sink")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the controls ask for. `services`: parts of names, separated by commas; empty for all."""

    window_us: int | None = 900_000_000
    by: By = "level"
    min_level: str | None = None
    services: str = ""
    paused: bool = False
    selection: tuple[int, int] | None = None

    def selecting(self, selection: tuple[int, int]) -> Wanted:
        """The same with this selection."""
        return replace(self, selection=selection)

    def resumed(self) -> Wanted:
        """The same without a pause."""
        return replace(self, paused=False)


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant of a monitor as all its panels see it: the capture, the one before, and the meter up to it."""

    capture: Capture
    before: Capture | None = None
    meter: Meter = Meter()

    def next(self, capture: Capture) -> Moment:
        """The moment after this one."""
        return Moment(capture, self.capture, self.meter.fed(sample_of(capture, self)))


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of the head: its name, the figure, and what is said beside it."""

    name: str
    figure: str
    beside: str = ""
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Health:
    """The state in one word, why in a few, and how much of what is on disk has been read (0 … 1)."""

    state: str
    why: str
    tone: Tone
    share: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A stacked timeline, bottom layer first: `heights` has the shape (layers, buckets)."""

    window: Window
    names: tuple[str, ...]
    colours: tuple[str, ...]
    heights: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service in the window; times in µs since 1970. `silent_us`: for how long it has said nothing, if that is odd."""

    name: str
    events: int
    errors: int
    per_second: float
    p95_ms: float | None
    last_us: int | None
    silent_us: int | None
    spark: tuple[int, ...]
    spark_errors: tuple[int, ...]

    @property
    def error_rate(self) -> float:
        return self.errors / self.events if self.events else 0.0


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A thread: its light, what it works on, and the share of its time since the last look that it was busy."""

    name: str
    light: str
    doing: str
    busy: float
    failures: int


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """All that a panel shows."""

    health: Health
    facts: tuple[Fact, ...]
    where: str
    chart: Chart | None
    services: tuple[ServiceRow, ...]
    more_services: int
    errors: tuple[ErrorRow, ...]
    keeps_rows: bool
    threads: tuple[ThreadRow, ...]
    selected: tuple[int, int, int, int] | None
    """Start and end of the selection in µs, events and errors in it."""


def look(moment: Moment, counts: Counts, errors: Sequence[ErrorRow], wanted: Wanted) -> Look:
    """What is to be seen at this moment, with the window counted."""
    capture = moment.capture
    rows = service_rows(counts, wanted)
    return Look(
        health=health(capture, moment.meter),
        facts=facts(capture, counts, moment.meter),
        where=capture.roots[0] if len(capture.roots) == 1 else f"{len(capture.roots)} paths",
        chart=chart(counts, wanted),
        services=tuple(rows[:MAX_SERVICES]),
        more_services=max(0, len(rows) - MAX_SERVICES),
        errors=tuple(errors),
        keeps_rows=capture.keep_events > 0 and capture.keep_bytes > 0,
        threads=thread_rows(capture, moment.before),
        selected=selected(counts, wanted),
    )


def quiet_key(moment: Moment, wanted: Wanted) -> object:
    """Equal for two moments of which the second shows nothing that the first did not; None while anything moves."""
    capture = moment.capture
    if not moment.meter.still:
        return None
    lights = tuple((row.name, row.light) for row in thread_rows(capture, moment.before))
    return capture.version, capture.state, capture.queue_depth, lights, wanted


# -- head ------------------------------------------------------------------------------------------------


def sample_of(capture: Capture, before: Moment | None = None) -> Sample:
    """What a capture says of progress; what did not change is not counted again."""
    if before is not None and before.capture.version == capture.version and before.meter.samples:
        last = before.meter.samples[-1]
        return Sample(capture.clock, last.events, last.disk_bytes, last.read_bytes)
    events = sum(int(part.tables.totals.counts[0].sum()) for part in capture.parts)
    disk = sum(status.size_bytes for status in capture.sources)
    return Sample(capture.clock, events, disk, disk - sum(map(_unread, capture.sources)))


def _unread(status: SourceStatus) -> int:
    if status.state not in _BEHIND:
        return 0
    return max(0, status.size_bytes - status.committed_bytes - status.skipped_bytes)


def health(capture: Capture, meter: Meter) -> Health:
    """The worst that is true: failed, failing, stopped, catching up, running, idle."""
    if capture.state == "failed":
        return Health("failed", "too many threads died", "bad")
    if capture.state != "running":
        return Health(capture.state, "", "")
    trouble = _trouble(capture)
    if trouble:
        return Health("failing", trouble, "bad")
    if not capture.sources:
        return Health("idle", "no file yet", "")
    if meter.lag_bytes > _LAGS_BYTES and meter.lag_seconds >= _LAGS_SECONDS:
        disk = meter.samples[-1].disk_bytes
        return Health("catching up", "", "busy", 1 - meter.lag_bytes / disk)
    if meter.events_per_second > 0:
        return Health("running", "", "good")
    return Health("idle", "all is read", "good")


def _trouble(capture: Capture) -> str:
    states = [status.state for status in capture.sources]
    said = [(states.count("failed"), "failed"), (states.count("retrying"), "to be tried again")]
    unbalanced = sum(not balanced(status) for status in capture.sources)
    return ", ".join(
        [f"{number:,} {'file' if number == 1 else 'files'} {what}" for number, what in said if number]
        + ([f"{unbalanced:,} not balanced"] if unbalanced else [])
    )


def balanced(status: SourceStatus) -> bool:
    """Whether a row of the ledger adds up."""
    return status.seen_bytes == status.committed_bytes + status.skipped_bytes + status.pending_bytes


def facts(capture: Capture, counts: Counts, meter: Meter) -> tuple[Fact, ...]:
    """The figures of the head, in the order of the eye."""
    events, errors = int(counts.totals.sum()), int(counts.totals[:, ERROR:].sum())
    full = capture.queue_depth >= capture.queue_size
    wrong = sum(not balanced(status) for status in capture.sources)
    return (
        Fact("events", f"{events:,}", f"{rate(meter.events_per_second)}/s"),
        Fact("errors", f"{errors:,}", _percent(errors, events), "bad" if errors else ""),
        Fact("behind", size(meter.lag_bytes), _lag(meter), "busy" if meter.lag_seconds >= _LAGS_SECONDS else ""),
        Fact("queue", f"{capture.queue_depth:,}", f"of {capture.queue_size:,}", "busy" if full else ""),
        Fact("rejects", f"{counts.rejects:,}", _percent(counts.rejects, events), "warn" if counts.rejects else ""),
        Fact("ledger", f"{wrong:,} off" if wrong else "balanced", f"{len(capture.sources):,} files", _ledger(wrong)),
    )


def _ledger(wrong: int) -> Tone:
    return "bad" if wrong else "good"


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "<0.1 %"
    return f"{share:.1f} %" if 0 < share < 9.95 else f"{share:.0f} %"


def _lag(meter: Meter) -> str:
    if not meter.lag_bytes:
        return "0 s"
    eta = meter.eta_seconds
    seconds = f"{meter.lag_seconds:.0f} s"
    return seconds if eta is None or meter.lag_seconds < _LAGS_SECONDS else f"{seconds}, {_span(eta)} to go"


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def size(count: int) -> str:
    """Bytes in the unit that reads well."""
    if count < 1000:
        return f"{count} B"
    value, unit = count / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if value >= 9.95 else f"{value:.1f} {unit}"


def rate(per_second: float) -> str:
    """A number per second with the figures that count."""
    if per_second >= 9.95 or per_second == 0:
        return f"{per_second:,.0f}"
    return f"{per_second:.1f}" if per_second >= 0.05 else "<0.1"


# -- timeline and services -------------------------------------------------------------------------------


def wanted_services(names: Sequence[str], asked: str) -> npt.NDArray[np.bool_]:
    """Which services the text of the control asks for: those with one of its parts in their name."""
    needles = [part.strip().casefold() for part in asked.split(",") if part.strip()]
    if not needles:
        return np.ones(len(names), np.bool_)
    return np.array([any(part in name.casefold() for part in needles) for name in names], np.bool_)


def wanted_levels(min_level: str | None) -> npt.NDArray[np.bool_]:
    """Which levels count, in the order of `LEVEL_NAMES`: all, or those from `min_level` up."""
    if min_level is None:
        return np.ones(1 + len(schema.LEVELS), np.bool_)
    rank = schema.LEVELS.index(min_level)
    return np.array([False, *(at >= rank for at in range(len(schema.LEVELS)))], np.bool_)


def chart(counts: Counts, wanted: Wanted) -> Chart | None:
    """The stacked timeline; by level the severe ones at the bottom, by service the busiest."""
    if counts.window is None:
        return None
    cells = counts.cells[wanted_services(counts.names, wanted.services)]
    cells = cells[:, wanted_levels(wanted.min_level)]
    if wanted.by == "service":
        return _by_service(counts, wanted, cells.sum(axis=1))
    heights = dict(zip(_level_names(wanted.min_level), cells.sum(axis=0), strict=True))
    names = tuple(name for name in reversed(LEVEL_COLOURS) if name in heights and heights[name].any())
    layers = np.array([heights[name] for name in names], np.int64).reshape(len(names), counts.window.buckets)
    return Chart(counts.window, names, tuple(LEVEL_COLOURS[name] for name in names), layers)


def _level_names(min_level: str | None) -> list[str]:
    chosen = wanted_levels(min_level)
    return [name for name, has in zip((NO_LEVEL, *schema.LEVELS), chosen, strict=True) if has]


def _by_service(counts: Counts, wanted: Wanted, heights: npt.NDArray[np.int64]) -> Chart:
    assert counts.window is not None
    chosen = wanted_services(counts.names, wanted.services)
    names = [name for name, has in zip(counts.names, chosen, strict=True) if has]
    order = [int(at) for at in np.argsort(-heights.sum(axis=1), kind="stable") if heights[at].any()]
    own = order if len(order) <= len(SERIES_COLOURS) else order[: len(SERIES_COLOURS) - 1]
    layers, shown = [heights[at] for at in own], [names[at] for at in own]
    colours = list(SERIES_COLOURS[: len(own)])
    if len(own) < len(order):
        layers.append(heights[order[len(own) :]].sum(axis=0))
        shown.append(f"{len(order) - len(own):,} others")
        colours.append(REST_COLOUR)
    return Chart(
        counts.window,
        tuple(shown),
        tuple(colours),
        np.array(layers, np.int64).reshape(len(layers), counts.window.buckets),
    )


def service_rows(counts: Counts, wanted: Wanted) -> list[ServiceRow]:
    """All services asked for, the worst first: by errors, then the silent, then the busy ones."""
    levels = wanted_levels(wanted.min_level)
    chosen = np.flatnonzero(wanted_services(counts.names, wanted.services))
    timed = counts.window is not None
    events = (counts.cells[:, levels].sum(axis=(1, 2)) if timed else counts.totals[:, levels].sum(axis=1)).tolist()
    errors_at = levels & (np.arange(len(levels)) >= ERROR)
    errors = (
        counts.cells[:, errors_at].sum(axis=(1, 2)) if timed else counts.totals[:, errors_at].sum(axis=1)
    ).tolist()
    silent, seconds = _silence(counts), _covered_seconds(counts)
    worst = sorted(chosen.tolist(), key=lambda at: (-errors[at], silent[at] is None, -events[at], counts.names[at]))
    p95 = counts.quantile_ms(0.95, levels)
    rows = []
    for place, at in enumerate(worst):
        shown = place < MAX_SERVICES
        rows.append(
            ServiceRow(
                name=counts.names[at],
                events=events[at],
                errors=errors[at],
                per_second=events[at] / seconds,
                p95_ms=None if np.isnan(p95[at]) else float(p95[at]),
                last_us=int(counts.last_us[at]) if counts.last_us[at] >= 0 else None,
                silent_us=silent[at],
                spark=_spark(counts.cells[at, levels].sum(axis=0)) if shown else (),
                spark_errors=_spark(counts.cells[at, errors_at].sum(axis=0)) if shown else (),
            )
        )
    return rows


def _newest(counts: Counts) -> int:
    """The newest event of all that lies before the window's end."""
    assert counts.window is not None
    inside = counts.last_us[counts.last_us < counts.window.stop_us]
    return int(inside.max(initial=counts.window.start_us))


def _covered_seconds(counts: Counts) -> float:
    """How much of the window there are events in: from the first bucket with any to the newest event."""
    if counts.window is None:
        return 1.0
    full = np.flatnonzero(counts.cells.any(axis=(0, 1)))
    first = counts.window.start_us + (int(full[0]) if len(full) else 0) * counts.window.width_us
    return max(1.0, (_newest(counts) - first) / 1e6)


def _silence(counts: Counts) -> list[int | None]:
    """For each service how long it has said nothing, in µs of the logs' own time, where that is odd.

    Odd is longer than ten times the mean pause between its events before, than a twentieth of the window, and than
    a bucket; and no service with fewer than ten events is expected to say anything.
    """
    window = counts.window
    if window is None:
        return [None] * len(counts.names)
    per_bucket = counts.cells.sum(axis=1)
    events, ever = per_bucket.sum(axis=1), counts.totals.sum(axis=1)
    first = window.start_us + per_bucket.astype(np.bool_).argmax(axis=1) * window.width_us
    gap = _newest(counts) - counts.last_us
    pause = np.where(events > 0, np.maximum(counts.last_us - first, 0) / np.maximum(events, 1), 0)
    odd = np.maximum(10 * pause, max((window.stop_us - window.start_us) / 20, window.width_us))
    silent = (gap > odd) & (ever >= 10) & (counts.last_us >= 0)
    return [int(us) if is_silent else None for us, is_silent in zip(gap, silent, strict=True)]


def _spark(heights: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """At most 40 sums of neighbours, in order."""
    together = max(1, -(-len(heights) // _SPARK_BARS))
    padded = np.append(np.zeros(-len(heights) % together, np.int64), heights)
    return tuple(padded.reshape(-1, together).sum(axis=1).tolist())


def selected(counts: Counts, wanted: Wanted) -> tuple[int, int, int, int] | None:
    """The selection, with the events and errors of the services and levels asked for in it."""
    if wanted.selection is None or counts.window is None:
        return None
    start, stop = wanted.selection
    low = max(0, (start - counts.window.start_us) // counts.window.width_us)
    high = max(low, -(-(stop - counts.window.start_us) // counts.window.width_us))
    levels = wanted_levels(wanted.min_level)
    cells = counts.cells[wanted_services(counts.names, wanted.services)][:, :, low:high].sum(axis=(0, 2))
    return start, stop, int(cells[levels].sum()), int(cells[ERROR:].sum())


# -- threads ---------------------------------------------------------------------------------------------


def thread_rows(capture: Capture, before: Capture | None) -> tuple[ThreadRow, ...]:
    """One row per thread, the living first and in the order of the pipeline.

    A state that lasted for less than half a second was seen by chance: it only shows for a thread that is busy.
    """
    earlier = {thread.name: thread for thread in before.threads} if before else {}
    retrying = any(status.state == "retrying" for status in capture.sources)
    rows = []
    for thread in sorted(capture.threads, key=_place):
        busy = _busy(thread, earlier.get(thread.name), capture, before)
        lasting = capture.clock - thread.since >= _HELD_SECONDS
        light = thread.state if lasting or busy >= _BUSY_SHARE or thread.state in _REST_STATES else "waiting"
        if retrying and thread.name == "logkit-watcher" and light == "waiting":
            light = "retrying"  # it is the watcher that waits to try again
        rows.append(ThreadRow(thread.name, light, thread.doing if light == thread.state else "", busy, thread.failures))
    return tuple(rows)


def _place(thread: ThreadStatus) -> tuple[bool, int, str]:
    kind = next((at for at, name in enumerate(_ORDER) if thread.name.startswith(name)), len(_ORDER))
    return not thread.alive, kind, thread.name


def _busy(thread: ThreadStatus, earlier: ThreadStatus | None, now: Capture, before: Capture | None) -> float:
    if earlier is None or before is None or now.clock <= before.clock:
        return 0.0
    worked = _worked(thread, now.clock) - _worked(earlier, before.clock)
    return min(1.0, max(0.0, worked / (now.clock - before.clock)))


def _worked(thread: ThreadStatus, clock: float) -> float:
    return thread.busy_seconds + (0.0 if thread.state in _REST_STATES else clock - thread.since)
