"""Pure: what the controls ask for, and one instant of a monitor as all its panels see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from logkit.views.panel.lights import NOTHING_DONE, Lanes
from logkit.views.panel.meter import NOTHING_YET, Meter, Sample

if TYPE_CHECKING:
    from logkit.capture import Capture, SourceStatus

By = Literal["level", "service"]
"""What the timeline is stacked by."""

_BEHIND: Final = frozenset({"reading", "waiting", "retrying"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the controls ask for. `services`: parts of names, separated by commas; empty for all."""

    window_us: int | None = 900_000_000
    by: By = "level"
    min_level: str | None = None
    services: str = ""
    paused: bool = False
    selection: tuple[int, int] | None = None

    def selecting(self, selection: tuple[int, int]) -> Wanted:
        """The same with this selection."""
        return replace(self, selection=selection)

    def resumed(self) -> Wanted:
        """The same without a pause."""
        return replace(self, paused=False)


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant of a monitor as all its panels see it: the capture, the one before, and what led up to it."""

    capture: Capture
    before: Capture | None = None
    meter: Meter = NOTHING_YET
    lanes: Lanes = NOTHING_DONE

    def next(self, capture: Capture) -> Moment:
        """The moment after this one."""
        return Moment(capture, self.capture, self.meter.fed(sample_of(capture, self)), self.lanes.next(capture))


def sample_of(capture: Capture, before: Moment | None = None) -> Sample:
    """What a capture says of progress; what did not change is not counted again."""
    if before is not None and before.capture.version == capture.version and before.meter.samples:
        last = before.meter.samples[-1]
        return Sample(capture.clock, last.events, last.disk_bytes, last.read_bytes)
    totals = [part.tables.totals.counts[0] for part in capture.parts or ()]
    events = int(np.concatenate(totals).sum()) if totals else 0
    disk = sum(status.size_bytes for status in capture.sources)
    return Sample(capture.clock, events, disk, disk - sum(map(_unread, capture.sources)))


def _unread(status: SourceStatus) -> int:
    if status.state not in _BEHIND:
        return 0
    return max(0, status.size_bytes - status.committed_bytes - status.skipped_bytes)
