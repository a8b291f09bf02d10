"""Pure: parts as they were read -> parcels as they are sent: runs of a source's bytes, neither small nor large."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.engine.known import Key
from logkit.engine.outbox import Part
from logkit.sources import complement, include
from logkit.sources.span import Ranges

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Run:
    """The rows of bytes `[start, stop)` of one source."""

    key: Key
    start: int
    stop: int
    frame: pl.DataFrame


def runs_of(parts: Sequence[Part], max_events: int, max_bytes: int, promised: Ranges = ()) -> list[Run]:
    """The parts of one source as runs of at most so many events and about so many bytes.

    Parts that touch are joined. `promised` are runs that were cut before: they are made again as they were, once all
    of their rows are there, and are in the order of their bytes like all others.
    """
    ordered = sorted(parts, key=lambda part: part.start)
    again = [(range, [part for part in ordered if range[0] <= part.start < range[1]]) for range in promised]
    runs = [_joined(Run(mine[0].key, *range, mine[0].frame), mine[1:]) for range, mine in again if mine]
    open_run: Run | None = None
    gathered: list[Run] = []
    for part in ordered:
        if any(low <= part.start < high for low, high in promised):
            continue
        for piece in _pieces(part, max_events, max_bytes):
            fits = (
                open_run is not None
                and open_run.stop == piece.start
                and sum(run.frame.height for run in gathered) + piece.frame.height <= max_events
                and piece.stop - gathered[0].start <= max_bytes
            )
            if not fits and gathered:
                runs.append(_joined(gathered[0], gathered[1:]))
                gathered = []
            gathered.append(piece)
            open_run = piece
    if gathered:
        runs.append(_joined(gathered[0], gathered[1:]))
    return sorted(runs, key=lambda run: run.start)


def incomplete(parts: Iterable[Part], promised: Ranges) -> list[tuple[tuple[int, int], Ranges]]:
    """Those of the promised runs of which some parts are here and some bytes are not: the run, and these bytes."""
    here: Ranges = ()
    for part in parts:
        here = include(here, part.start, part.stop)
    rest = [(run, complement(here, *run)) for run in promised]
    return [(run, missing) for run, missing in rest if missing and missing != (run,)]


def _pieces(part: Part, max_events: int, max_bytes: int) -> Iterator[Run]:
    rows, size = part.frame.height, part.stop - part.start
    step = max(1, min(max_events, rows * max_bytes // max(size, 1)))
    if rows <= step:
        yield Run(part.key, part.start, part.stop, part.frame)
        return
    edges = [part.start, *part.frame["offset"].gather(list(range(step, rows, step))).to_list(), part.stop]
    for at, (start, stop) in enumerate(itertools.pairwise(edges)):
        yield Run(part.key, start, stop, part.frame.slice(at * step, step))


def _joined(first: Run, others: Sequence[Run | Part]) -> Run:
    import polars as pl

    if not others:
        return first
    frames = [first.frame, *(other.frame for other in others)]
    stop = max(first.stop, others[-1].stop)
    return Run(first.key, first.start, stop, pl.concat(frames, how="diagonal_relaxed"))
