"""The client's side of a reading: tasks handed out a few at a time, results folded in a tree.

Only a window of tasks is ever with the scheduler. Each leaves its statistics on the worker, and tells in a second, tiny
task what became of its files. Sixteen statistics are added up on a worker, sixteen of these sums again, and only that
comes here. So a lost worker costs what is in one such sum, which is read again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from logkit.capture import EventFrame
from logkit.cluster import work
from logkit.cluster.planning import Bundle, packed
from logkit.cluster.work import Job, Ledger, Part
from logkit.engine.progress import Progress
from logkit.engine.threads import describe
from logkit.stats import Stats

if TYPE_CHECKING:
    from distributed import Client, Future

FAN_IN: Final = 16
_LEVELS: Final = 2  # of folding on the cluster; what is above comes here
_WINDOW: Final = 3  # tasks with the scheduler for each thread there is
_REFRESH: Final = 32  # results, before the cluster is asked again how large it is


@dataclass(slots=True)
class Result:
    """What a reading has come to so far. `frames` are by the number of their task."""

    stats: list[Stats] = field(default_factory=list)
    ledgers: list[Ledger] = field(default_factory=list)
    frames: dict[int, tuple[EventFrame, ...]] = field(default_factory=dict)
    workers: dict[str, list[float]] = field(default_factory=dict)
    events: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Task:
    """A task with the scheduler: what is waited for, and the part it belongs to."""

    number: int
    bundle: Bundle
    part: Future
    keep: bool
    alone: bool


class Run:
    """One reading on a cluster, driven by the thread that calls `go`."""

    def __init__(self, client: Client, job: Job) -> None:
        self._client = client
        self._name = f"logkit-{uuid.uuid4().hex[:8]}"
        self._job = client.submit(work.same, job, key=f"{self._name}-job", pure=False)
        self._probes: dict[tuple[int, int], Future] = {}
        self._waiting: dict[str, _Task | None] = {}  # by the key of what is waited for; None for a fold
        self._levels: list[list[Future]] = [[] for _ in range(_LEVELS)]
        self._number = 0
        self.result = Result()

    def go(self, bundles: Iterator[tuple[Bundle, bool]], moved: Callable[[Result], None]) -> None:
        """Read all bundles, each with whether its rows are kept; `moved` is called whenever there is more.

        Interrupting it cancels what the cluster still has of it.
        """
        from distributed import as_completed

        done = as_completed(raise_errors=False)
        suspects: list[tuple[Bundle, bool]] = []
        room, results = self._room(), 0
        try:
            self._client.replicate([self._job])  # else tasks would go where it is, and be stolen from there one by one
            while True:
                while len(self._waiting) < room and (following := next(bundles, None)):
                    done.add(self._submit(*following))
                if not self._waiting and suspects:
                    done.add(self._submit(*suspects.pop(), alone=True))
                if not self._waiting:
                    break
                future = next(done)
                suspects += self._take(future)
                for level in range(_LEVELS):
                    if len(self._levels[level]) >= FAN_IN and (fold := self._fold(level)) is not None:
                        done.add(fold)
                moved(self.result)
                results += 1
                if results % _REFRESH == 0:
                    room = self._room()
            left, self._levels = [one for level in self._levels for one in level], [[] for _ in range(_LEVELS)]
            if left:
                self._add(self._submit_fold(left).result().stats)
                moved(self.result)
        except BaseException:
            self._cancel()
            raise

    def _room(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return max(4, _WINDOW * sum(threads.values()))

    def _submit(self, bundle: Bundle, keep: bool, alone: bool = False) -> Future:
        number, self._number = self._number, self._number + 1
        first, client = bundle[0], self._client
        identity = None
        if first.of > 1:
            if first.key not in self._probes:
                # Pieces of a file come one after the other: the identities of those before are not needed any more.
                self._probes = {first.key: client.submit(work.probe, self._job, packed(bundle), pure=False)}
            identity = self._probes[first.key]
        key = f"{self._name}-read-{number}"
        part = client.submit(work.read, self._job, packed(bundle), identity, keep, key=key, pure=False)
        waited = part if keep else client.submit(work.told, part, key=f"{self._name}-told-{number}", pure=False)
        self._waiting[waited.key] = _Task(number, bundle, part, keep, alone)
        return waited

    def _take(self, future: Future) -> list[tuple[Bundle, bool]]:
        """What has come of a task; returns what is to be read again by itself."""
        task = self._waiting.pop(future.key)
        if task is None:
            self._add(future.result().stats)
            return []
        if future.status != "finished":
            if not task.alone:  # whatever cost its workers their lives may have been something else that ran there
                return [((piece,), task.keep) for piece in task.bundle]
            self._failed(task, future.exception())
            return []
        part: Part = future.result()
        self._count(part)
        if task.keep:
            self._add(part.stats)
            self.result.frames[task.number] = part.frames
        else:
            self._levels[0].append(task.part)
        return []

    def _add(self, stats: Stats) -> None:
        """The top of the tree is here."""
        self.result.stats.append(stats)
        if len(self.result.stats) == FAN_IN:
            self.result.stats = [Stats.sum(self.result.stats)]

    def _count(self, part: Part) -> None:
        result = self.result
        result.ledgers += part.ledgers
        result.events += sum(one.progress.events for one in part.ledgers)
        result.bytes += sum(one.piece.length for one in part.ledgers)
        seen = result.workers.setdefault(part.worker, [0.0, 0.0, 0.0, 0.0])
        seen[0] += len(part.ledgers)
        seen[1] += sum(one.progress.events for one in part.ledgers)
        seen[2] += sum(one.progress.event_bytes for one in part.ledgers)
        seen[3] += part.seconds

    def _failed(self, task: _Task, error: BaseException | None) -> None:
        """A task that the cluster gave up, as when its workers died of it: its file is reported, others go on."""
        said = describe(error) if error is not None else "the cluster gave it up"
        for piece in task.bundle:
            progress = Progress(*piece.key, piece.path, piece.size, piece.modified, 0.0, first_path=piece.path)
            self.result.ledgers.append(Ledger(piece, replace(progress, error=said)))
            self.result.bytes += piece.length

    def _fold(self, level: int) -> Future | None:
        """Add up what has come together on a level; returns the sum if it is to come here."""
        parts, self._levels[level] = self._levels[level], []
        fold = self._submit_fold(parts)
        if level + 1 < _LEVELS:
            self._levels[level + 1].append(fold)
            return None
        self._waiting[fold.key] = None
        return fold

    def _submit_fold(self, parts: list[Future]) -> Any:
        return self._client.submit(work.fold, parts, key=f"{self._name}-fold-{uuid.uuid4().hex[:8]}", pure=False)

    def _cancel(self) -> None:
        parts = [task.part for task in self._waiting.values() if task is not None]
        folds = [future for level in self._levels for future in level]
        self._client.cancel([*parts, *folds, *self._probes.values(), self._job])
