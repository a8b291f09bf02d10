"""The values that cross from the engine to a snapshot: frozen, and complete by themselves.

The engine fills them; `snapshot`, `analysis` and `views` only read them, and so never import the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from logkit.sinks.view import StoreView
    from logkit.stats import Stats
    from logkit.stats.templates import Templates


DELETED = "deleted before its last record was whole"
"""Why bytes of a file that is gone were passed over."""


@dataclass(frozen=True, slots=True)
class EventFrame:
    """Events of one source generation as a batch made them: the columns of `schema`, in offset order.

    `held` marks the record still open at the end of a growing file: it is shown, and replaced when more
    of it arrives. `nbytes` is what the frame keeps in memory, shared blocks included.
    """

    source: int
    generation: int
    frame: pl.DataFrame
    held: bool = False
    nbytes: int = 0


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One generation of one source, as the ledger and `snap.files` see it. All sizes are decompressed bytes.

    `state`: empty, waiting, reading, idle, gone, retrying, skipped or failed; `error` and `skipped_reason` say why.
    `seen_bytes` counts what readers took from the file, `committed_bytes` what went into events,
    `skipped_bytes` what was passed over (`skipped_reason`), `pending_bytes` what was read or is on disk and not
    yet in a finished event. They are counted apart from each other, so that `audit()` can really fail.
    `deleted_bytes` were on disk when the file was deleted and never read.
    """

    source: int
    generation: int
    path: str
    format: str | None
    compression: str | None
    size_bytes: int
    offset_bytes: int
    seen_bytes: int
    committed_bytes: int
    skipped_bytes: int
    pending_bytes: int
    events: int
    rejects: int
    cuts: int
    state: str
    attempts: int
    error: str | None
    skipped_reason: str | None
    modified: float | None
    deleted_bytes: int = 0


Interval = tuple[str, str, float, float]
"""What a thread was doing for a while: state, doing, start and end in seconds of the monotonic clock."""

STATES: Final = {
    "starting": "starting",
    "waiting": "waiting for the queue",
    "blocked": "waiting for a lock, a turn or room",
    "holding": "holding a lock, or a permit",
    "sleeping": "sleeping until something is due",
    "scanning": "looking for files",
    "planning": "planning, feeding the queue",
    "probing": "recognising a file",
    "reading": "reading",
    "parsing": "parsing, in native code",
    "committing": "committing a batch",
    "sending": "sending to a sink",
    "retrying": "waiting to try again",
    "expiring": "dropping old rows",
    "closing": "closing a store or a sink",
    "working": "working",
}
"""The states a thread that lives can be in, and what each means; it ends as `stopped` or `died`."""

RESTING: Final = frozenset({"starting", "waiting", "sleeping", "blocked", "retrying", "stopped", "died", "not started"})
"""The states in which a thread does no work: time spent in them does not count as busy."""


@dataclass(frozen=True, slots=True)
class ThreadStatus:
    """What one engine thread is doing. `since` and the totals are seconds of the monotonic clock and counts."""

    name: str
    alive: bool
    state: str
    doing: str
    since: float
    spans: int
    events: int
    bytes: int
    busy_seconds: float
    failures: int
    last_error: str | None
    intervals: tuple[tuple[Interval, ...], ...] = ()
    """What it did before, oldest first, in chunks; what it does now is not among them."""
    forgotten_intervals: int = 0
    """How many came before those."""


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """How the writing of a store is going.

    `seq` is its newest commit, `events` how many it has written since it was opened. `state`: writing, idle,
    retrying (the last commit failed with `error`, it is tried again), failed (given up) or closed. What waits to be
    written is counted in batches and in the bytes they keep in memory.
    """

    path: str
    seq: int
    state: str
    error: str | None = None
    waiting_batches: int = 0
    waiting_bytes: int = 0
    events: int = 0


class Scattered(Protocol):
    """Rows that are read where they lie, by the workers of a cluster."""

    @property
    def lineage(self) -> str:
        """Of the capture whose rows these are, all of them."""
        ...

    def to_dask(self, columns: Sequence[str] | None) -> Any:
        """See `Snapshot.to_dask`."""
        ...


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How one sink is doing.

    `state`: writing, idle, retrying (the last try failed with `error`), failed (given up) or closed. `events` and
    `commits` count what it was given since the start; what waits for it is counted in events and in the bytes they
    keep in memory; what was dropped as it was full in events and in bytes of log. `dead_letters` were refused for good.
    """

    name: str
    kind: str
    state: str
    error: str | None = None
    events: int = 0
    commits: int = 0
    waiting_events: int = 0
    waiting_bytes: int = 0
    dropped_events: int = 0
    dropped_bytes: int = 0
    dead_letters: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """One alert of `monitor.when`: `state` is quiet, pending or firing; `since` is in seconds since 1970, UTC.

    `fired` counts how often it did, `error` is what the user's function raised last, None once it works again.
    """

    name: str
    state: str
    since: float
    fired: int = 0
    checks: int = 0
    failures: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """What the engine knew at one instant: references only, gathered under its lock in one go."""

    lineage: str
    """Names the monitor; snapshots of different lineages do not subtract."""
    version: int
    """Grows with every change of the state; equal versions mean equal contents."""
    taken_at: float
    """Seconds since 1970, UTC."""
    clock: float
    """The monotonic clock at the same instant, to which `ThreadStatus.since` compares."""
    state: str
    """running, stopped, failed, finished (a `read` that came to its end) or stored (opened from a store)."""
    roots: tuple[str, ...]
    timezone: str
    parts: tuple[Stats, ...] | None
    """Their sum is the statistics of everything read, held records included; None: those of the rows, not counted
    yet (only where there is a store)."""
    frames: tuple[EventFrame, ...]
    """Newest last. Where there is a store only the held records, which it does not have."""
    keep_events: int
    keep_bytes: int
    dropped_events: int
    """Events counted in the statistics whose rows are no longer, or never were, in `frames`."""
    sources: tuple[SourceStatus, ...]
    threads: tuple[ThreadStatus, ...]
    queue_depth: int
    queue_size: int
    marks: tuple[tuple[int, str], ...] = ()
    """What somebody noted: µs since 1970, and the text; by time."""
    skipped: tuple[tuple[str, str], ...] = ()
    """Paths the last scan passed over, each with the reason."""
    patterns: bool = False
    """Whether the frames have `schema.MASK`, to be shown as the id of each event's template."""
    templates: Templates | None = None
    """Those found in the snapshot this is a part of, so that both call a template alike, else None."""
    store: StoreView | None = None
    """The rows, as of the commit the statistics agree with; None: all rows there are are in `frames`."""
    store_status: StoreStatus | None = None
    """None where nothing writes to the store: there is none, or it was opened to be read."""
    scattered: Scattered | None = None
    """How a cluster gets at the rows, of what one has read or written; None elsewhere."""
    sinks: tuple[SinkStatus, ...] = ()
    alerts: tuple[AlertStatus, ...] = ()
    whole: Capture | None = None
    """The capture that this one, which has a store, is a selection of; None for one of everything."""
