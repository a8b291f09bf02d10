"""Pure: how fast it goes and how far behind it is, from a few samples of the last two minutes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

RATE_SECONDS: Final = 5.0
"""Rates are means over this long."""

HISTORY_SECONDS: Final = 120.0
"""A lag longer than this is only known to be longer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was read at one instant: seconds of the monotonic clock; bytes on disk, and how many of them are read."""

    clock: float
    events: int
    disk_bytes: int
    read_bytes: int


@dataclass(frozen=True, slots=True)
class Meter:
    """The samples of the last two minutes, oldest first."""

    samples: tuple[Sample, ...] = ()

    def fed(self, sample: Sample) -> Meter:
        """With one more sample; its clock is not before the last one's."""
        since = sample.clock - HISTORY_SECONDS
        return replace(self, samples=(*(one for one in self.samples if one.clock >= since), sample))

    @property
    def events_per_second(self) -> float:
        """Events taken in per second; 0 before there are two samples."""
        return self._rate([one.events for one in self._recent])

    @property
    def bytes_per_second(self) -> float:
        """Bytes read per second."""
        return self._rate([one.read_bytes for one in self._recent])

    @property
    def lag_bytes(self) -> int:
        """Bytes that are on disk and not yet read."""
        return max(0, self.samples[-1].disk_bytes - self.samples[-1].read_bytes) if self.samples else 0

    @property
    def lag_seconds(self) -> float:
        """How long ago all that is read by now was on disk already; 0 where everything is read.

        Where the lag is older than the samples, this is the least it can be.
        """
        if not self.lag_bytes:
            return 0.0
        now = self.samples[-1]
        then = next((one for one in reversed(self.samples) if one.disk_bytes <= now.read_bytes), self.samples[0])
        return now.clock - then.clock

    @property
    def eta_seconds(self) -> float | None:
        """When everything will be read if it goes on like this; None if never, or nobody knows yet."""
        gain = self.bytes_per_second - self._rate([one.disk_bytes for one in self._recent])
        return self.lag_bytes / gain if gain > 0 else None

    @property
    def still(self) -> bool:
        """Whether nothing moved for as long as rates look back: looking again would show the same."""
        recent = self._recent
        steady = all(replace(one, clock=0.0) == replace(recent[-1], clock=0.0) for one in recent)
        return steady and len(recent) > 1 and recent[-1].clock - recent[0].clock >= RATE_SECONDS * 0.9

    @property
    def _recent(self) -> tuple[Sample, ...]:
        if not self.samples:
            return ()
        since = self.samples[-1].clock - RATE_SECONDS
        recent = tuple(one for one in self.samples if one.clock >= since)
        return recent if len(recent) > 1 else self.samples[-2:]

    def _rate(self, values: list[int]) -> float:
        recent = self._recent
        if len(recent) < 2 or recent[-1].clock <= recent[0].clock:
            return 0.0
        return max(0.0, (values[-1] - values[0]) / (recent[-1].clock - recent[0].clock))


NOTHING_YET: Final = Meter()
"""Before the first sample."""
