"""What part of the time is meant: a window as people give it, in µs since 1970."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from logkit.analysis.conditions import time_text, time_us
from logkit.errors import SettingError, SnapshotError

if TYPE_CHECKING:
    from logkit.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Window:
    """The times in [start_us, stop_us)."""

    start_us: int
    stop_us: int

    def __str__(self) -> str:
        return f"{time_text(self.start_us)} to {time_text(self.stop_us)}"

    @property
    def start(self) -> datetime:
        """The first instant, UTC."""
        return datetime.fromisoformat(time_text(self.start_us))

    @property
    def stop(self) -> datetime:
        """The first instant after it, UTC."""
        return datetime.fromisoformat(time_text(self.stop_us))


def window_of(snapshot: Snapshot, given: Any, setting: str = "window") -> Window:
    """The window that is meant: a pair (start, end), a slice, anything with `start` and `end` (a row of
    `snap.bursts()`, a demo's incident), a pandas Interval; a frame of bursts means its first; None the strongest burst.

    Raises SettingError for what is none of these or ends before it starts, SnapshotError for None without a burst.
    """
    if given is None:
        return strongest(snapshot)
    start, stop = _ends(given, setting)
    first, last = time_us(_instant(start), setting), time_us(_instant(stop), setting)
    low, high = _range(snapshot)
    window = Window(low if first is None else first, high if last is None else last)
    if window.start_us >= window.stop_us:
        raise SettingError(
            f"expected {setting} to end after it starts, found {window}; try the other way round",
            setting=setting,
            value=given,
        )
    return window


def strongest(snapshot: Snapshot) -> Window:
    """The strongest burst's time; raises SnapshotError where there is none."""
    table = snapshot.bursts()
    if not len(table):
        raise SnapshotError(
            "expected a window, found no burst to take it from; try a window of your own, (start, end), "
            "with snap.plot.timeline() before your eyes"
        )
    return window_of(snapshot, table)


def _ends(given: Any, setting: str) -> tuple[Any, Any]:
    if isinstance(given, Window):
        return given.start, given.stop
    if hasattr(given, "iloc") and getattr(given, "ndim", 0) == 2:
        if not len(given):
            raise SnapshotError(f"expected {setting} as a table with a row at least, found none")
        given = given.iloc[0]
    is_row = isinstance(given, Mapping) or (hasattr(given, "index") and not isinstance(given, str | bytes | Sequence))
    if is_row and "start" in given and "end" in given:
        return given["start"], given["end"]
    for names in (("start", "end"), ("start", "stop"), ("left", "right")):
        if all(hasattr(given, name) for name in names):
            return getattr(given, names[0]), getattr(given, names[1])
    if isinstance(given, Sequence) and not isinstance(given, str | bytes) and len(given) == 2:
        return given[0], given[1]
    raise SettingError(
        f"expected {setting} as (start, end), a row of snap.bursts() or None, found {given!r}; "
        "try ('2026-03-01T12:00:00Z', '2026-03-01T12:10:00Z')",
        setting=setting,
        value=given,
    )


def _instant(value: Any) -> Any:
    """None for a missing time, as pandas has it."""
    return None if value is None or value != value else value


def _range(snapshot: Snapshot) -> tuple[int, int]:
    """The first time of all events, and the first whole µs after the last."""
    totals = snapshot.stats.totals
    first, last = totals["first_us"].min(), totals["last_us"].max()
    return (0, 1) if first is None or last is None else (int(first), int(last) + 1)  # type: ignore[arg-type]
