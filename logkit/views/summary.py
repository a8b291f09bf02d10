"""A snapshot in a few lines of text, and as a small HTML table."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from logkit.errors import SnapshotExpired, StoreError
from logkit.views.style import LEVEL_COLOURS, count, duration, escaped, number, share

if TYPE_CHECKING:
    from logkit.capture import StoreStatus
    from logkit.snapshot import Snapshot

_MAX_ROWS: Final = 12
_QUIET: Final = ("idle", "done", "stored")
_WRITES: Final = ("idle", "writing", "closed")
_CELL: Final = "text-align:right;padding:2px 10px"
_NAME: Final = "text-align:left;padding:2px 10px 2px 0;white-space:pre"
_LINE: Final = "border-bottom:1px solid color-mix(in srgb, currentColor 30%, transparent)"


def text(snapshot: Snapshot) -> str:
    """What a terminal shows of a snapshot: a few lines."""
    return "\n  ".join(["Snapshot: " + _head(snapshot), *_facts(snapshot)])


def html(snapshot: Snapshot) -> str:
    """What a notebook shows of a snapshot. It takes its colours from the page, so light and dark both work."""
    services = snapshot.tables("services")
    titles = ("service", "events", "errors", "error rate", "p50 ms", "p95 ms", "rejects", "last seen (UTC)")
    head = "".join(f'<th style="{_NAME if not at else _CELL};{_LINE}">{title}</th>' for at, title in enumerate(titles))
    body = "".join(_row(row) for row in services.head(_MAX_ROWS).iter_rows(named=True))
    more = services.height - _MAX_ROWS
    facts = [*_facts(snapshot)] if more <= 0 else [f"and {count(more, 'more service')}", *_facts(snapshot)]
    small = "".join(f"<div>{escaped(fact, 300)}</div>" for fact in facts)
    table = f'<table style="border-collapse:collapse;margin:4px 0"><tr>{head}</tr>{body}</table>' if body else ""
    title = f"<div><b>Snapshot</b>: {escaped(_head(snapshot), 300)}</div>"
    return f'<div style="font-variant-numeric:tabular-nums">{title}{table}<div style="opacity:.75">{small}</div></div>'


def _row(row: dict[str, Any]) -> str:
    alarm = f"color:{LEVEL_COLOURS['ERROR']};font-weight:bold" if row["errors"] else ""
    last = "" if row["last_seen"] is None else row["last_seen"].strftime("%Y-%m-%d %H:%M:%S")
    cells = [
        (f"{row['events']:,}", ""),
        (f"{row['errors']:,}", alarm),
        (share(row["error_rate"]), alarm),
        (number(row["p50_ms"]), ""),
        (number(row["p95_ms"]), ""),
        (f"{row['rejects']:,}", ""),
        (last, ""),
    ]
    rest = "".join(f'<td style="{_CELL};{extra}">{shown}</td>' for shown, extra in cells)
    return f'<tr><td style="{_NAME}">{escaped(row["service"], 40)}</td>{rest}</tr>'


def _head(snapshot: Snapshot) -> str:
    """How many events of whom, and from when to when."""
    services, capture = snapshot.tables("services"), snapshot.capture
    said = f"{count(len(snapshot), 'event')} of {count(services.height, 'service')}"
    said += f" in {count(len({status.path for status in capture.sources}), 'file')}"
    first, last = services["first_seen"].min(), services["last_seen"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return said
    if first == last:
        return f"{said}, all at {first:%Y-%m-%d %H:%M:%S} UTC"
    length = duration(round((last - first).total_seconds() * 1e6))
    return f"{said}, {first:%Y-%m-%d %H:%M:%S} to {_end(first, last)} UTC ({length})"


def _end(first: datetime, last: datetime) -> str:
    return f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"


def _facts(snapshot: Snapshot) -> list[str]:
    capture, services = snapshot.capture, snapshot.tables("services")
    errors, warnings, rejects = (int(services[name].sum()) for name in ("errors", "warnings", "rejects"))
    rate = share(errors / len(snapshot)) if len(snapshot) else share(0)
    counts = f"{count(errors, 'error')} ({rate}), {count(warnings, 'warning')}, {count(rejects, 'reject')}"
    ledger = _ledger(snapshot) + _files(snapshot)
    taken = datetime.fromtimestamp(capture.taken_at, UTC)
    state = f"{capture.state}, version {capture.version}, taken {taken:%Y-%m-%d %H:%M:%S} UTC"
    _, *filters = capture.lineage.split(" | ")
    only = ["only " + "; ".join(filters)] if filters else []
    return [f"{counts}; {_rows(snapshot)}", f"{state}; {ledger}", *_writing(capture.store_status), *only]


def _rows(snapshot: Snapshot) -> str:
    store = snapshot.capture.store
    try:
        dropped = snapshot.dropped_events
    except StoreError as error:
        return f"rows not counted: {error}"
    kept = len(snapshot) - dropped
    if store is not None and dropped:
        return f"{kept:,} rows stored in {store.path}, {dropped:,} expired"
    if store is not None:
        return f"all rows stored in {store.path}"
    if not dropped:
        return "all rows kept"
    return f"{kept:,} newest rows kept, {dropped:,} dropped" if kept > 0 else "no rows kept, statistics only"


def _writing(status: StoreStatus | None) -> list[str]:
    """What is wrong with the store's writer, if anything is."""
    if status is None or (status.state in _WRITES and status.error is None):
        return []
    waiting = f"{status.waiting_bytes / 1e6:.1f} MB waiting to be written"
    return [f"store {status.state}: {status.error or 'no reason given'}; {waiting}"]


def _ledger(snapshot: Snapshot) -> str:
    try:
        audit = snapshot.tables("audit")
    except (SnapshotExpired, StoreError) as error:
        return f"ledger not checked: {error}"
    wrong = audit.filter(~audit["balanced"]).height
    return f"ledger NOT balanced for {wrong} of {count(audit.height, 'file')}" if wrong else "ledger balanced"


def _files(snapshot: Snapshot) -> str:
    """The files that are neither read to their end nor waiting for more, by state."""
    states = Counter(status.state for status in snapshot.capture.sources if status.state not in _QUIET)
    return "".join(f"; {number_of} {state}" for state, number_of in sorted(states.items()))
