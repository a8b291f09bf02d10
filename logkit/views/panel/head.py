"""Pure: the head of a panel: its state in a word, and the figures beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from logkit.views.panel.counts import ERROR, Counts
from logkit.views.style import count, share

if TYPE_CHECKING:
    from logkit.capture import Capture, SourceStatus
    from logkit.views.panel.meter import Meter

Tone = Literal["", "good", "busy", "warn", "bad"]
"""How much a value wants to be looked at."""

_LAGS_BYTES: Final = 1 << 20  # what is read within a moment is no catching up
_LAGS_SECONDS: Final = 1.0


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
    troubled = [f"{sink.name} {sink.state}" for sink in capture.sinks if sink.state in ("retrying", "failed")]
    unbalanced = sum(not balanced(status) for status in capture.sources)
    store = capture.store_status
    return ", ".join(
        [f"{count(number, 'file')} {what}" for number, what in said if number]
        + ([f"{unbalanced:,} not balanced"] if unbalanced else [])
        + ([f"the store: {store.error}"] if store is not None and store.error else [])
        + troubled
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
        Fact("errors", f"{errors:,}", share(errors / max(events, 1)), "bad" if errors else ""),
        Fact("behind", size(meter.lag_bytes), _lag(meter), "busy" if meter.lag_seconds >= _LAGS_SECONDS else ""),
        Fact("queue", f"{capture.queue_depth:,}", f"of {capture.queue_size:,}", "busy" if full else ""),
        Fact(
            "rejects", f"{counts.rejects:,}", share(counts.rejects / max(events, 1)), "warn" if counts.rejects else ""
        ),
        *_sinks(capture),
        Fact("ledger", f"{wrong:,} off" if wrong else "balanced", count(len(capture.sources), "file"), _ledger(wrong)),
    )


def _sinks(capture: Capture) -> tuple[Fact, ...]:
    """How the sinks are doing, where there are any."""
    if not capture.sinks:
        return ()
    troubled = [sink for sink in capture.sinks if sink.state in ("retrying", "failed")]
    waiting = sum(sink.waiting_bytes for sink in capture.sinks)
    beside = (
        f"{troubled[0].name} {troubled[0].state}" if troubled else f"{size(waiting)} wait" if waiting else "all sent"
    )
    return (
        Fact(
            "sinks", f"{len(capture.sinks) - len(troubled)} of {len(capture.sinks)}", beside, "bad" if troubled else ""
        ),
    )


def _ledger(wrong: int) -> Tone:
    return "bad" if wrong else "good"


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
