"""Stores made by hand: the rows of a capture committed in pieces, and the snapshot an engine would give of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from logkit.capture import EventFrame
from logkit.sinks.saved import Saved
from logkit.sinks.store import Store
from logkit.snapshot import Snapshot
from logkit.stats import Stats
from tests.captures import capture, source

Key = tuple[int, int]


def saved(key: Key, parts: Iterable[EventFrame], **facts: Any) -> Saved:
    """What a store remembers of a source that was read to its end, and gave these rows."""
    frames = [part.frame for part in parts if (part.source, part.generation) == key]
    size = sum(int(frame["length_bytes"].sum()) for frame in frames)
    found = Saved(
        *key,
        path=f"/logs/app{key[0]}.log",
        device=1,
        inode=key[0],
        head=b"hello",
        compression=None,
        encoding="utf-8",
        format="logback",
        head_bytes=5,
        reference_us=0,
        ranges=((0, size),) if size else (),
        ends=(),
        seen_bytes=size,
        event_bytes=size,
        skipped_bytes=0,
        skipped_reason=None,
        events=sum(frame.height for frame in frames),
        rejects=sum(int(frame["rejected"].sum()) for frame in frames),
        cuts=0,
        disk_bytes=size,
        modified=1.0,
        gone=False,
    )
    return replace(found, **facts)


def keys(parts: Iterable[EventFrame]) -> list[Key]:
    """The sources and generations of these rows."""
    return sorted({(part.source, part.generation) for part in parts})


def commit(store: Store, before: Sequence[EventFrame], new: Sequence[EventFrame]) -> None:
    """Commit `new` rows after those committed `before`, with the progress and the statistics that go with them."""
    parts = [*before, *new]
    sources = [saved(key, parts) for key in keys(new)]
    store.commit(new, sources, Stats.sum([Stats.of(part.frame) for part in new]))


def stored(store: Store, committed: Sequence[EventFrame], held: Sequence[EventFrame] = (), **facts: Any) -> Snapshot:
    """The snapshot of a monitor that has committed these rows, and holds these."""
    parts = [*committed, *held]
    sources = []
    for key in keys(parts):
        ends = saved(key, committed)
        pending = sum(int(p.frame["length_bytes"].sum()) for p in held if (p.source, p.generation) == key)
        events = ends.events + sum(p.frame.height for p in held if (p.source, p.generation) == key)
        size = ends.seen_bytes + pending
        sources.append(
            source(
                key[0], ends.path, generation=key[1], size_bytes=size, pending_bytes=pending, events=events,
                committed_bytes=ends.event_bytes,
            )
        )  # fmt: skip
    made = capture(*parts, sources=tuple(sources), **facts)
    return Snapshot(replace(made, frames=tuple(held), store=store.view()))


def at(path: Path, *commits: Sequence[EventFrame]) -> Store:
    """A store, open for writing, with these commits."""
    store, before = Store.open(str(path)), []
    for new in commits:
        commit(store, before, new)
        before += new
    return store
