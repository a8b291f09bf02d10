"""What runs on the workers: plain functions of values, each of which may run twice, anywhere.

A piece is planned by the engine's own planner and read by `sources.batches.read_open`, the function its threads run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from logkit.capture import EventFrame
from logkit.cluster.planning import Piece, unpacked
from logkit.engine import progress as core
from logkit.engine.planning import plan
from logkit.engine.settings import Settings
from logkit.engine.threads import describe
from logkit.formats import Format
from logkit.formats import registry as formats
from logkit.sinks.folder import PartWriter
from logkit.sinks.parquet import PartFile
from logkit.sources import Batch, Identity, ReadOptions, Span, handles, identify
from logkit.sources.archives import TornArchive
from logkit.sources.batches import read_open
from logkit.sources.chunks import read_from
from logkit.sources.reader import Reader, opened, replaced
from logkit.sources.remote import ContentChanged
from logkit.sources.span import Tail
from logkit.stats import Stats
from logkit.stats import packed as statistics

if TYPE_CHECKING:
    import polars as pl

_FOLD_PARTS: Final = 64


class Unwanted(BaseException):
    """The task was cancelled; nothing catches this on the way out."""


_LETHAL: Final = (SystemExit, KeyboardInterrupt, Unwanted)


@dataclass(frozen=True, slots=True)
class Job:
    """What all tasks of a reading share; `settings.span_bytes` is what the pieces were cut by.

    `formats` are those registered where the reading was asked for. `folder` is where rows are written, if anywhere.
    """

    settings: Settings
    options: ReadOptions
    formats: tuple[Format, ...]
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a file could not be looked at; `changed`: another one stands there now."""

    error: str
    changed: bool = False
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Called:
    """What is left of a format on its way back: its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """What became of one piece: the progress of its source as if there were no other pieces.

    `changed`: another file, or another version of the object, was found; what was read before is right all the same.
    `columns` are those of the rows, with their dtypes, where rows were made.
    """

    piece: Piece
    progress: core.Progress
    changed: bool = False
    columns: tuple[tuple[str, Any], ...] = ()
    written: tuple[PartFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What a task comes to. `frames` are the newest rows of it, if any are to be kept.

    Its statistics are as bytes, which are a tenth and less of what they are in memory: they lie on workers, and travel.
    """

    counted: bytes
    ledgers: tuple[Ledger, ...] = ()
    frames: tuple[EventFrame, ...] = ()
    worker: str = ""
    seconds: float = 0.0

    @property
    def stats(self) -> Stats:
        """The statistics of its events."""
        return statistics.unpacked(self.counted)


def same(value: Any) -> Any:
    """A value as the result of a task: unlike scattered data it is made again where its worker is lost."""
    return value


def probe(job: Job, packed: bytes) -> Identity | Failed:
    """What the one file of a packed bundle is, or why nobody can tell."""
    return _probed(job, unpacked(packed)[0])


def _probed(job: Job, piece: Piece) -> Identity | Failed:
    _use(job.formats)
    try:
        return _tried(job.settings, lambda: _identify(piece))
    except BaseException as error:  # native code may panic
        if isinstance(error, _LETHAL):
            raise
        return Failed(describe(error), isinstance(error, ContentChanged), job.settings.max_attempts)


def read(job: Job, packed: bytes, identity: Identity | Failed | None, keep: bool) -> Part:
    """Read all pieces of a packed bundle; `identity` is of the file they are one piece of, None for whole files."""
    began = time.perf_counter()
    ledgers, stats, frames = [], [], list[EventFrame]()
    options = replace(job.options, keep=keep or job.folder is not None)
    for piece in unpacked(packed):
        known = _probed(job, piece) if identity is None and piece.size else identity
        reading = _Reading(job, piece, options, keep)
        ledgers.append(reading.run(known))
        stats.append(reading.sum())
        frames += reading.frames
    worker, seconds = _worker_name(), time.perf_counter() - began
    return Part(statistics.packed(Stats.sum(stats)), tuple(ledgers), tuple(frames), worker, seconds)


def told(part: Part) -> Part:
    """All of a part but its statistics and rows: what is small enough to be told at once."""
    return replace(part, counted=b"", frames=())


def fold(parts: Sequence[Part]) -> Part:
    """One part with the statistics of all of them."""
    return Part(statistics.packed(Stats.sum(part.stats for part in parts)))


class _Reading:
    """One piece on its way from bytes to a ledger."""

    def __init__(self, job: Job, piece: Piece, options: ReadOptions, keep: bool) -> None:
        self._job = job
        self._piece = piece
        self._options = options
        self._keep = keep
        self._stats: list[Stats] = []
        self._columns: dict[str, Any] = {}
        self._writer = PartWriter(job.folder, piece.source, piece.generation) if job.folder is not None else None
        self.frames: deque[EventFrame] = deque()
        self._kept = [0, 0]  # rows, bytes
        self.progress = core.Progress(*piece.key, piece.path, piece.size, piece.modified, 0.0, first_path=piece.path)

    def run(self, identity: Identity | Failed | None) -> Ledger:
        """`identity` is None of an empty file."""
        failed, written = identity if isinstance(identity, Failed) else None, tuple[PartFile, ...]()
        try:
            if isinstance(identity, Identity):
                self.progress = core.probed(self.progress, identity, 0)
                for span in self._spans():
                    self._read(span)
            written = self._writer.close() if self._writer is not None else ()
        except BaseException as error:  # native code may panic: others go on
            if isinstance(error, _LETHAL):
                raise
            attempts = 1 if isinstance(error, TornArchive) else self._job.settings.max_attempts
            failed = Failed(describe(error), isinstance(error, ContentChanged), attempts)
        changed = failed is not None and failed.changed
        if failed is not None and not changed:
            self.progress = replace(self.progress, error=failed.error, attempts=failed.attempts)
        return Ledger(self._piece, _light(self.progress), changed, tuple(self._columns.items()), written)

    def sum(self) -> Stats:
        return Stats.sum(self._stats)

    def _spans(self) -> list[Span]:
        """The piece's own of all spans the engine's planner finds; all that are left for the last piece."""
        self.progress, spans = plan(self.progress, 0.0, self._job.settings)
        self.progress = replace(self.progress, leases=0, read_at=(self._piece.size, True))
        nth, of = self._piece.nth, self._piece.of
        mine = spans[nth:] if nth == of - 1 else spans[nth : nth + 1]
        if self._piece.nth:
            # What stands before the piece's own bytes is told by the first piece.
            self.progress = replace(self.progress, taken=(), ranges=(), skipped_bytes=0, seen_bytes=0)
        return [replace(span, file=self._piece.file) for span in mine]

    def _read(self, span: Span) -> None:
        """Read a span, and what is left of it again after a failure."""
        settings, pause = self._job.settings, self._job.settings.retry_seconds
        while True:
            attempt = _Attempt(span, self._options, self._apply)
            try:
                attempt.run()
                return
            except (ContentChanged, TornArchive, MemoryError):
                raise
            except Exception:
                span = core.restart_from(span, attempt.done_to, attempt.last_offset, attempt.tail)
                if core.nothing_left(span):
                    return
                if span.attempt >= settings.max_attempts:
                    raise
                time.sleep(min(pause, settings.max_retry_seconds))
                pause *= 2
            finally:
                self.progress = core.looked(self.progress, attempt.seen_to)

    def _apply(self, batch: Batch) -> None:
        self.progress = core.committed(core.took(self.progress, batch), batch)
        self._stats.append(batch.stats)
        if len(self._stats) == _FOLD_PARTS:
            self._stats = [Stats.sum(self._stats)]
        if batch.frame is None or not batch.frame.height:
            return
        self._columns.update(batch.frame.schema.items())
        if self._writer is not None:
            self._writer.add(batch.frame, batch.nbytes)
        if self._keep:
            self._keep_frame(batch.frame, batch.nbytes)

    def _keep_frame(self, frame: pl.DataFrame, nbytes: int) -> None:
        """As in the engine's state: the newest rows, within both limits."""
        self.frames.append(EventFrame(*self._piece.key, frame, nbytes=nbytes))
        rows, size = self._kept[0] + frame.height, self._kept[1] + nbytes
        settings = self._job.settings
        while rows - self.frames[0].frame.height >= settings.keep_events or size > settings.keep_bytes:
            oldest = self.frames.popleft()
            rows, size = rows - oldest.frame.height, size - oldest.nbytes
            if not self.frames:
                break
        self._kept = [rows, size]


class _Attempt:
    """One try to read a span, and how far it came."""

    def __init__(self, span: Span, options: ReadOptions, apply: Callable[[Batch], None]) -> None:
        self._span = span
        self._options = options
        self._apply = apply
        self._reader: Reader | None = None
        self._at = read_from(span)
        self.done_to: int | None = None
        self.last_offset = -1
        self.tail: Tail | None = None

    @property
    def seen_to(self) -> int:
        """How far it looked into the source."""
        return self._at if self._reader is not None else 0

    def run(self) -> None:
        span = self._span
        with opened(span.path) as handle:
            status = handles.status_of(handle)
            if span.file is not None and (status.st_dev, status.st_ino) != span.file:
                raise ContentChanged(str(replaced(span.path)))
            for batch in read_open(span, handle, self._options, final=True, watch=self._around):
                if not batch.held:
                    self._apply(batch)
                    self.done_to, self.tail = batch.stop, batch.tail
                    self.last_offset = max(self.last_offset, batch.last_offset)
                if not _is_wanted():
                    raise Unwanted("expected this task to be wanted, found it cancelled; nobody waits for it")

    def _around(self, reader: Reader) -> Reader:
        self._reader = reader
        return self

    def readinto(self, view: memoryview) -> int:
        assert self._reader is not None
        got = self._reader.readinto(view)
        self._at += got
        return got


def _identify(piece: Piece) -> Identity:
    identity = identify(piece.path, final=True)
    if piece.file is not None and (identity.device, identity.inode) != piece.file:
        # A new version is found by the next look; what belongs to this one cannot be had any more.
        raise ContentChanged(f"expected {piece.path!r} as it was found, found another version")
    return identity


def _tried(settings: Settings, ask: Callable[[], Identity]) -> Identity:
    pause = settings.retry_seconds
    for _ in range(settings.max_attempts - 1):
        try:
            return ask()
        except OSError:
            time.sleep(min(pause, settings.max_retry_seconds))
            pause *= 2
    return ask()


def _light(progress: core.Progress) -> core.Progress:
    """A progress without what only a further reading would need."""
    identity = progress.identity
    if identity is None:
        return replace(progress, ends=())
    called: Any = None if identity.format is None else Called(identity.format.name)
    return replace(progress, ends=(), identity=replace(identity, head=b"", format=called))


def _use(wanted: tuple[Format, ...]) -> None:
    """Have detection try exactly these formats first, as where the reading was asked for."""
    there = formats.registered()
    if there == wanted:
        return
    for one in there:
        formats.unregister(one.name)
    for one in reversed(wanted):
        formats.register(one)


def _worker_name() -> str:
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return ""


def _is_wanted() -> bool:
    """Whether anybody still waits for the task that runs in this thread."""
    from distributed import get_worker

    try:
        worker = get_worker()
        task = worker.state.tasks.get(worker.get_current_task())
    except (ValueError, AttributeError):
        return True  # called by hand, not by a worker
    return task is not None and task.state != "cancelled"
