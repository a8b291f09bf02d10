"""The newest errors: among the rows that were kept, or in the store."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from logkit import schema
from logkit.errors import SnapshotExpired, StoreError

if TYPE_CHECKING:
    from logkit.capture import Capture, EventFrame
    from logkit.sinks.view import StoreView

MAX_ERRORS: Final = 8
_NO_TIME: Final = -1
_FIRST_LINE: Final = 400
_STORED: Final = ("timestamp", "offset", "source", "generation", "level", "service", "message")


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An error: its time in µs since 1970 if it has one, the first line of its message, and where it stands."""

    time_us: int | None
    level: str
    service: str
    message: str
    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Which errors are asked for: of these services (None: all), and of this level or above."""

    services: tuple[str, ...] | None = None
    min_level: str | None = None

    @property
    def rank(self) -> int:
        """Of the lowest level, in the order of `schema.LEVELS`."""
        return max(schema.ERROR_RANK, schema.LEVELS.index(self.min_level) if self.min_level else 0)


class _Found(NamedTuple):
    """An error, to be compared by time; no two have one place."""

    time_us: int
    offset: int
    source: int
    generation: int
    level: str
    service: str
    message: str


@dataclass(slots=True)
class Finder:
    """Finds the newest errors of captures that follow each other: each frame, and each commit, is looked through once.

    Not for two threads at once.
    """

    trouble: str = ""
    """Why the store could not be asked; what it had said before is shown on."""
    _asked: Asked = field(default_factory=Asked)
    _frames: dict[int, tuple[EventFrame, list[_Found]]] = field(default_factory=dict)
    _store: StoreView | None = None
    _stored: list[_Found] = field(default_factory=list)

    def newest(self, capture: Capture, asked: Asked) -> list[ErrorRow]:
        """The newest `MAX_ERRORS` errors that are asked for, newest first."""
        if asked != self._asked:
            self._asked, self._frames, self._store, self._stored = asked, {}, None, []
        frames = {}
        for part in capture.frames:
            # The frame is kept beside its errors, so that no other one can have the same id meanwhile.
            known = self._frames.get(id(part.frame))
            same = known is not None and known[0].frame is part.frame
            frames[id(part.frame)] = known if known and same else (part, list(_errors_of(part, asked)))
        self._frames = frames
        if capture.store is not None:
            self._ask(capture.store, asked)
        newest = nlargest(MAX_ERRORS, chain(self._stored, *(found for _, found in frames.values())))
        paths = {(one.source, one.generation): one.path for one in capture.sources} if newest else {}
        return [
            ErrorRow(
                time_us=None if one.time_us == _NO_TIME else one.time_us,
                level=one.level,
                service=one.service,
                message=one.message,
                file=os.path.basename(paths.get((one.source, one.generation), "")),
                offset=one.offset,
            )
            for one in newest
        ]

    def _ask(self, store: StoreView, asked: Asked) -> None:
        """Look through what was committed since it was asked last."""
        if self._store is not None and self._store.seq == store.seq:
            return
        try:
            fresh = _errors_in(store if self._store is None else store.since(self._store), asked)
        except SnapshotExpired:
            return  # retention has just run: the next capture knows of it
        except StoreError as error:
            self.trouble = f"the store cannot be asked: {error}"
            return
        self.trouble, self._store = "", store
        self._stored = nlargest(MAX_ERRORS, (*self._stored, *fresh))


def _errors_of(part: EventFrame, asked: Asked) -> Iterator[_Found]:
    """The newest errors of one frame, in no order; strings are copies, so that they keep no block in memory.

    By NumPy, as most frames are small: one query of Polars takes longer than all of this.
    """
    frame = part.frame
    wanted = frame["level"].to_physical().to_numpy() >= asked.rank  # no level: NaN, which is less than nothing
    if asked.services is not None:
        wanted &= frame["service"].is_in(list(asked.services)).to_numpy()
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return
    times = frame["timestamp"].to_numpy()[rows].view(np.int64)  # no time: NaT, which is the least
    newest = np.argsort(times, kind="stable")[-MAX_ERRORS:]  # of equal times the last in the file
    columns = (frame[name][rows[newest]].to_list() for name in ("offset", "level", "service", "message"))
    for time_us, offset, level, service, message in zip(times[newest].tolist(), *columns, strict=True):
        yield _Found(max(time_us, _NO_TIME), offset, part.source, part.generation, level, service, _first_line(message))


def _errors_in(store: StoreView, asked: Asked) -> list[_Found]:
    """The newest errors of a view of the store."""
    from logkit.sinks.filters import RowFilter

    fields: list[tuple[str, tuple[object, ...]]] = [("level", schema.LEVELS[asked.rank :])]
    if asked.services is not None:
        fields.append(("service", asked.services))
    newest: list[tuple[Any, ...]]
    with store.where(RowFilter(tuple(fields))).query(_STORED) as query:
        newest = query.ask(
            f'coalesce(epoch_us("timestamp"), {_NO_TIME}) AS time_us, "offset", source, generation, level::VARCHAR, '
            f"service, left(message, {_FIRST_LINE})",
            rest=f' ORDER BY time_us DESC, "offset" DESC LIMIT {MAX_ERRORS}',
        ).fetchall()
    return [_Found._make((*row[:-1], _first_line(row[-1]))) for row in newest]


def _first_line(message: str | None) -> str:
    return re.split(r"[\r\n]", (message or "").lstrip()[:_FIRST_LINE], maxsplit=1)[0]
