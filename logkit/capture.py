"""The values that cross from the engine to a snapshot: frozen, and complete by themselves.

The engine fills them; `snapshot`, `analysis` and `views` only read them, and so never import the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from logkit.stats import Stats
    from logkit.stats.templates import Templates


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
    yet in a finished event, `deleted_bytes` what was on disk and gone before anybody read
    it. They are counted apart from each other, so that `audit()` can really fail.
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
    """running, stopped, failed or finished (a `read` that came to its end)."""
    roots: tuple[str, ...]
    timezone: str
    parts: tuple[Stats, ...]
    """Their sum is the statistics of everything read, held records included."""
    frames: tuple[EventFrame, ...]
    """Newest last."""
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
