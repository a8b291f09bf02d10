"""What happened between two snapshots of one monitor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from logkit.analysis import rows
from logkit.analysis.stored import StoredRows
from logkit.errors import LineageError, SnapshotError
from logkit.stats import Stats

if TYPE_CHECKING:
    from logkit.capture import Capture, EventFrame
    from logkit.snapshot import Snapshot


def difference(later: Snapshot, earlier: Snapshot) -> Capture:
    """What `later` holds and `earlier` does not; files, threads and the ledger are those of `later`."""
    _check_order(later.capture, earlier.capture)
    lineage = f"{later.capture.lineage} | since version {earlier.version}"
    if isinstance(later.rows, StoredRows):
        fresh = later.rows.since(earlier.capture)
        found = replace(fresh.capture, lineage=lineage, templates=later.named)
        exact = fresh.height() == len(later) - len(earlier)
        return found if exact else replace(found, parts=(_minus(later, earlier),))
    added = rows.added(later.capture.frames, earlier.capture.frames)
    events = len(later) - len(earlier)
    # As many rows as events: none of them was dropped, and the rows say more than two sums subtracted.
    known = rows.height(added) == events
    mined = later.capture.patterns
    stats = rows.stats_of(added, later.stats.limits, patterns=mined) if known else _minus(later, earlier)
    return replace(
        later.capture,
        lineage=lineage,
        parts=(stats,),
        frames=added,
        templates=later.named,
        dropped_events=max(stats.events - rows.height(added), 0),
    )


def _check_order(later: Capture, earlier: Capture) -> None:
    left, right = later.lineage, earlier.lineage
    if left != right:
        message = (
            "expected two snapshots of one monitor, filtered alike, found {!r} and {!r}; try the same where() on both"
        )
        raise LineageError(message.format(left, right), left=left, right=right)
    if later.version < earlier.version:
        message = f"expected the later snapshot first, found versions {later.version} and {earlier.version}"
        raise LineageError(message + "; try them the other way round", left=left, right=right)


def _minus(later: Snapshot, earlier: Snapshot) -> Stats:
    """The statistics subtracted, with the records `earlier` held replaced by what became of them.

    A record that grew may have got another level or service: subtracted as it was, it would leave a count
    of -1 behind. Where its later row was dropped it is subtracted unchanged if that works, else not at all.
    """
    limits, right = later.stats.limits, earlier.stats
    mined = later.stats.has_patterns
    lost: list[Stats] = []
    for part in earlier.capture.frames:
        if not part.held:
            continue
        was, now = rows.stats_of((part,), limits, patterns=mined), _same_record(part, later.capture)
        if now is None:
            lost.append(was)
        else:
            right = right.minus(was) + rows.stats_of((now,), limits, patterns=mined)
    try:
        return later.stats.minus(right)
    except ValueError as error:
        if lost:
            return later.stats.minus(right.minus(Stats.sum(lost)))
        raise SnapshotError(
            "expected all that was counted to be counted still, found less in the later snapshot: a record that was "
            "still growing has got another level or service since; try again with keep_events of 1 or more"
        ) from error


def _same_record(held: EventFrame, capture: Capture) -> EventFrame | None:
    offsets = held.frame["offset"].implode()
    for part in capture.frames:
        if (part.source, part.generation) == (held.source, held.generation):
            found = part.frame.filter(pl.col("offset").is_in(offsets))
            if found.height:
                return replace(part, frame=found)
    return None
