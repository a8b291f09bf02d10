"""Pure: several memories of the same files -> one progress per source, by which each is given what it lacks."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from logkit.engine.known import Key
from logkit.engine.progress import Progress
from logkit.engine.restart import restored
from logkit.sinks.memory import Memory
from logkit.sources import common
from logkit.sources.span import Ranges


@dataclass(frozen=True, slots=True)
class Reunion:
    """All sources that somebody remembers, and what each sink does of them, by the numbers they have here."""

    known: tuple[Progress, ...]
    memories: tuple[dict[Key, Memory], ...]


def reunite(stored: Sequence[Progress] | None, lineage: str, sinks: Sequence[Iterable[Memory]], now: float) -> Reunion:
    """Bring what a store and several sinks remember together. `stored` is None without a store: nobody has the rows in
    memory then, and all of each file is read again. `lineage` is that of the store, or any that nobody has yet.

    A source is the same where its name is (they were filled by one engine), or else where device, inode and the
    beginning of the content are. What a sink has is taken only where all have it.
    """
    sources = {progress.key: progress for progress in stored or ()}
    memories = [sorted(memory, key=lambda one: (one.saved.source, one.saved.generation)) for memory in sinks]
    numbers = _Numbers(lineage, sources, [one for memory in memories for one in memory])
    mine: list[dict[Key, Memory]] = []
    for memory in memories:
        by_key: dict[Key, Memory] = {}
        for one in memory:
            key = numbers.of(one, by_key)
            by_key[key] = one
            if key not in sources:
                sources[key] = numbers.place(_unread(one, key, now))
        mine.append(by_key)
    return Reunion(tuple(_agreed(one, stored is not None, mine) for one in sources.values()), tuple(mine))


class _Numbers:
    """Which number a source that a sink remembers has here."""

    def __init__(self, lineage: str, stored: Mapping[Key, Progress], all_of_them: Sequence[Memory]) -> None:
        self._by_name = {f"{lineage}-{key[0]}-{key[1]}": key for key in stored}
        self._places: dict[tuple[int, int] | None, Progress] = {}
        for progress in stored.values():
            self.place(progress)
        own = [one.saved.source for one in all_of_them if one.lineage == lineage]
        self._numbers = {(lineage, source): source for source in (*own, *(source for source, _ in stored))}
        self._used = set(self._numbers.values())

    def place(self, progress: Progress) -> Progress:
        """From now on this source is the one that is in its file."""
        if progress.file is not None and not progress.gone:
            self._places[progress.file] = progress
        return progress

    def of(self, memory: Memory, others: Mapping[Key, Memory]) -> Key:
        """`others` are sources of the same sink, to which it cannot be the same."""
        key = self._by_name.get(memory.name)
        if key is None:
            key = self._same_file(memory)
            if key is None or key in others:
                key = self._number(memory), memory.saved.generation
            self._by_name[memory.name] = key
        return key

    def _same_file(self, memory: Memory) -> Key | None:
        saved = memory.saved
        there = self._places.get((saved.device, saved.inode))
        if saved.gone or there is None or there.identity is None or there.identity.compression != saved.compression:
            return None
        shorter = min(len(saved.head), len(there.identity.head))
        return there.key if shorter and saved.head[:shorter] == there.identity.head[:shorter] else None

    def _number(self, memory: Memory) -> int:
        place = memory.lineage, memory.saved.source
        if place not in self._numbers:
            free = memory.saved.source not in self._used
            self._numbers[place] = memory.saved.source if free else max(self._used) + 1
            self._used.add(self._numbers[place])
        return self._numbers[place]


def _unread(memory: Memory, key: Key, now: float) -> Progress:
    """A source that only a sink remembers: nothing of it has been read here."""
    source, generation = key
    known = restored(replace(memory.saved, source=source, generation=generation), now)
    return replace(
        known,
        disk_bytes=0 if known.gone else known.disk_bytes,
        ranges=(),
        ends=(),
        seen_bytes=0,
        event_bytes=0,
        skipped_bytes=0,
        skipped_reason=None,
        events=0,
        rejects=0,
        cuts=0,
    )


def _agreed(progress: Progress, stored: bool, sinks: Sequence[Mapping[Key, Memory]]) -> Progress:
    """With `taken` what nobody lacks, and `edges` wherever somebody's part begins or ends."""
    memories = [memory.get(progress.key) for memory in sinks]
    had: list[Ranges] = [memory.saved.ranges if memory else () for memory in memories]
    promised = [memory.promised if memory else () for memory in memories]
    first = progress.ranges if stored else ()
    edges = {edge for ranges in (first, *had, *promised) for pair in ranges for edge in pair}
    ends = {end.tail[0]: end for end in progress.ends}
    for memory in memories:
        for end in restored(memory.saved, 0.0).ends if memory else ():
            ends.setdefault(end.tail[0], end)
    return replace(
        progress,
        taken=functools.reduce(common, had, first),
        edges=tuple(sorted(edges)),
        ends=tuple(end for stop, end in ends.items() if stop in edges),
    )
