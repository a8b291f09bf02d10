"""`read` on a cluster: from paths to an ordinary Snapshot."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from logkit import schema
from logkit.capture import Capture, EventFrame, ThreadStatus
from logkit.cluster import planning
from logkit.cluster.frames import Folder, Lines
from logkit.cluster.planning import Bundle, Piece
from logkit.cluster.running import Result, Run
from logkit.cluster.work import Job, Ledger
from logkit.engine.bar import Bar
from logkit.engine.known import Key
from logkit.engine.monitor import checked_settings
from logkit.engine.progress import Progress
from logkit.engine.settings import Settings, quarter_of_memory
from logkit.engine.state import Totals
from logkit.engine.status import status_of
from logkit.errors import EngineError, SettingError
from logkit.formats import registry as formats
from logkit.sinks import folder
from logkit.snapshot import Snapshot
from logkit.sources import Found, Roots, ServiceRule, include
from logkit.sources.discovery import PathLike, look
from logkit.sources.service import shown
from logkit.stats import Stats

if TYPE_CHECKING:
    from distributed import Client

_ROUNDS = 3  # how often a file that changes while it is read is read anew


def read(
    client: Client,
    paths: PathLike | Iterable[PathLike],
    service: object,
    timezone: str,
    keep_events: int | None,
    keep_bytes: int | None,
    progress: bool | None,
    store: PathLike | None,
    settings: dict[str, Any],
) -> Snapshot:
    """See `logkit.read`."""
    if not hasattr(client, "submit") or getattr(client, "asynchronous", False):
        raise SettingError(
            f"expected cluster= to be a dask.distributed Client (not an asynchronous one), found {client!r}; "
            "try Client(LocalCluster()) or Client('tcp://scheduler:8786')",
            setting="cluster",
            value=client,
        )
    roots = Roots.of(paths)
    scan = roots.scan()
    total_bytes = sum(found.size for found in scan.found)
    given = settings.pop("span_bytes", None)
    checked = checked_settings(
        timezone=timezone,
        keep_events=0 if store is not None else sys.maxsize if keep_events is None else keep_events,
        keep_bytes=quarter_of_memory() if keep_bytes is None else keep_bytes,
        span_bytes=planning.span_bytes(total_bytes) if given is None else given,
        finite=True,
        **settings,
    )
    into = None if store is None else folder.prepared(store)
    job = _job(checked, ServiceRule.of(service), into)
    began = time.monotonic()
    result = _run(client, job, scan.found, total_bytes, progress)
    capture, stats, pieces = _capture(job, result, roots, time.monotonic() - began)
    capture = replace(capture, skipped=tuple((shown(one.path), one.reason) for one in scan.skipped))
    if into is not None:
        written = [file for ledger in result.ledgers for file in ledger.written]
        capture = folder.finish(into, capture, stats, written)
        return scattered(capture, into)
    fields = {name: None for ledger in result.ledgers for name, _ in ledger.columns if name not in schema.COMMON}
    lines = Lines(capture.lineage, job, pieces, _paths(capture), tuple(fields))
    return Snapshot(replace(capture, scattered=lines))


def scattered(capture: Capture, path: str) -> Snapshot:
    """A snapshot of a folder of rows, with which a cluster can go on."""
    return Snapshot(replace(capture, scattered=Folder(capture.lineage, path, _paths(capture))))


def _paths(capture: Capture) -> dict[Key, str]:
    return {(status.source, status.generation): status.path for status in capture.sources}


def _job(settings: Settings, service: ServiceRule, into: str | None) -> Job:
    return Job(settings, settings.reading(service, keep=False), formats.registered(), into)


def _run(client: Client, job: Job, found: Sequence[Found], total_bytes: int, progress: bool | None) -> Result:
    """All files, and those that changed meanwhile once more, as their next generation."""
    run = Run(client, job)
    with Bar(progress) as bar:

        def moved(result: Result) -> None:
            bar.show(Totals(len(result.ledgers), result.events, min(result.bytes, total_bytes), total_bytes))

        files: Iterable[Piece] = (planning.whole(source, 0, one) for source, one in enumerate(found))
        for generation in range(_ROUNDS):
            run.go(_marked(planning.bundles(files, job.settings.span_bytes), job.settings, total_bytes), moved)
            changed = {one.piece.source: one.piece for one in run.result.ledgers if _is_changed(one, generation)}
            if not changed:
                break
            looks = {source: look(piece.path) for source, piece in sorted(changed.items())}
            again = {source: one for source, one in looks.items() if isinstance(one, Found)}
            files = [planning.whole(source, generation + 1, one) for source, one in again.items()]
    return run.result


def _is_changed(ledger: Ledger, generation: int) -> bool:
    return ledger.changed and ledger.piece.generation == generation


def _marked(bundles: Iterator[Bundle], settings: Settings, total_bytes: int) -> Iterator[tuple[Bundle, bool]]:
    """Each with whether its rows are kept: the last ones, as many as there is room for."""
    room, left = settings.keep_bytes, total_bytes
    wanted = settings.keep_events > 0 and room > 0
    for bundle in bundles:
        # Rows take about as much room as the text they are of, and as much again for their columns.
        yield bundle, wanted and 2 * left <= max(room, 2 * settings.span_bytes)
        left -= sum(piece.length for piece in bundle)


def _capture(job: Job, result: Result, roots: Roots, seconds: float) -> tuple[Capture, Stats, list[tuple[Piece, int]]]:
    settings = job.settings
    whole = _whole(result.ledgers)
    stats = Stats.sum(result.stats)
    events = sum(progress.events for progress in whole)
    if events != stats.events:
        raise EngineError(
            f"expected statistics of the {events:,} events the workers told of, found {stats.events:,}; try again"
        )
    frames = _within([frame for _, part in sorted(result.frames.items()) for frame in part], settings)
    kept = sum(frame.frame.height for frame in frames)
    capture = Capture(
        lineage=f"cluster-{uuid.uuid4().hex[:12]}",
        version=len(result.ledgers),
        taken_at=time.time(),
        clock=time.monotonic(),
        state="finished",
        roots=roots.paths,
        timezone=settings.timezone,
        parts=(stats,),
        frames=frames,
        keep_events=settings.keep_events,
        keep_bytes=settings.keep_bytes,
        dropped_events=events - kept,
        sources=tuple(status_of(progress) for progress in whole),
        threads=tuple(_thread(name, seen, seconds) for name, seen in sorted(result.workers.items())),
        queue_depth=0,
        queue_size=0,
        patterns=settings.patterns,
    )
    return capture, stats, [(one.piece, one.progress.events) for one in result.ledgers]


def _within(frames: list[EventFrame], settings: Settings) -> tuple[EventFrame, ...]:
    """The last ones, as far as both limits go."""
    rows = size = 0
    for at in range(len(frames) - 1, -1, -1):
        if rows >= settings.keep_events or size + frames[at].nbytes > settings.keep_bytes:
            return tuple(frames[at + 1 :])
        rows, size = rows + frames[at].frame.height, size + frames[at].nbytes
    return tuple(frames)


def _thread(name: str, seen: list[float], seconds: float) -> ThreadStatus:
    """A worker as a row of `snap.threads`."""
    pieces, events, size, busy = seen
    since = time.monotonic() - seconds
    return ThreadStatus(name, True, "waiting", "", since, int(pieces), int(events), int(size), busy, 0, None)


def _whole(ledgers: list[Ledger]) -> list[Progress]:
    """The progress of each source and generation, of all its pieces together."""
    found: dict[Key, Progress] = {}
    changed = set[Key]()
    for one in sorted(ledgers, key=lambda one: (one.piece.key, one.piece.nth)):
        key, more = one.piece.key, one.progress
        changed |= {key} if one.changed else set()
        before = found.get(key)
        found[key] = more if before is None else _joined(before, more)
    newest = dict(sorted(found))
    return [
        replace(one, gone=True) if key in changed and newest[key[0]] > key[1] else _told(one, key in changed)
        for key, one in found.items()
    ]


def _told(progress: Progress, changed: bool) -> Progress:
    if not changed or progress.error:
        return progress
    return replace(progress, error="it changed each time it was read, or is gone; what was read before stands")


def _joined(one: Progress, more: Progress) -> Progress:
    ranges = one.ranges
    for low, high in more.ranges:
        ranges = include(ranges, low, high)
    return replace(
        one,
        identity=one.identity or more.identity,
        read_at=one.read_at or more.read_at,
        taken=ranges,
        ranges=ranges,
        seen_bytes=max(one.seen_bytes, more.seen_bytes),
        event_bytes=one.event_bytes + more.event_bytes,
        events=one.events + more.events,
        rejects=one.rejects + more.rejects,
        cuts=one.cuts + more.cuts,
        attempts=max(one.attempts, more.attempts),
        error=one.error or more.error,
    )
