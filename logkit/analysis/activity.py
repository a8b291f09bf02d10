"""What threads did, interval by interval: rows for a live view, a DataFrame, and a file that Perfetto opens."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pandas as pd

from logkit.capture import STATES, Capture, ThreadStatus
from logkit.errors import SettingError
from logkit.sinks import registry

COLUMNS: Final = ("thread", "state", "doing", "start", "end", "seconds")
"""Of `ActivityFrame`."""


class Row(NamedTuple):
    """One interval of one thread; `start` and `end` are seconds of the monotonic clock."""

    thread: str
    state: str
    doing: str
    start: float
    end: float


def rows(threads: Sequence[ThreadStatus], clock: float, last_seconds: float | None = None) -> list[Row]:
    """What threads did in the `last_seconds` before `clock` (None: all that is remembered), thread by thread, in order.

    `threads` and `clock` are those of a `Capture`. What a living thread is doing is its last row, and ends at `clock`;
    no row begins before the time asked for. A thread that died ends with a row `died` of no length, whose `doing` says
    of what. Cheap enough for a live view: only chunks of that time are looked at.
    """
    if last_seconds is not None and not (isinstance(last_seconds, int | float) and last_seconds >= 0):
        raise SettingError(
            f"expected last_seconds as a number of seconds, found {last_seconds!r}; try 60",
            setting="last_seconds",
            value=last_seconds,
        )
    begin = float("-inf") if last_seconds is None else clock - last_seconds
    found: list[Row] = []
    names: dict[str, str] = {}  # paths as they can be shown: each is looked at once
    for thread in threads:
        recent = [chunk for chunk in thread.intervals if chunk and chunk[-1][3] > begin]
        found += [
            Row(thread.name, state, names.get(doing) or names.setdefault(doing, _shown(doing)), max(start, begin), end)
            for chunk in recent
            for state, doing, start, end in chunk
            if end > begin
        ]
        if thread.alive and thread.state in STATES and clock > thread.since:
            found.append(Row(thread.name, thread.state, _shown(thread.doing), max(thread.since, begin), clock))
        elif thread.state == "died" and thread.since >= begin:
            found.append(Row(thread.name, "died", _shown(thread.doing), thread.since, thread.since))
    return found


def _shown(doing: str) -> str:
    """Without the surrogates that stand for bytes of a path which are no text: they cannot be stored or sent."""
    return doing.encode("utf-8", "backslashreplace").decode("utf-8")


class ActivityFrame(pd.DataFrame):
    """A DataFrame of what threads did, one row per interval, which can also be saved as a trace.

    thread, state, doing (str), start, end (`datetime64[us, UTC]`), seconds (float64). The states are those of
    `logkit.capture.STATES`, and `died`. Whatever is selected from it with all its columns can be saved as well.
    """

    @property
    def _constructor(self) -> Callable[..., ActivityFrame]:
        return ActivityFrame

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as JSON in Chrome's Trace Event format, which ui.perfetto.dev and chrome://tracing open.

        Times count in microseconds from the first interval on. Returns the path. This process takes it for no log.
        """
        target = Path(path)
        registry.keep_out((os.path.abspath(target), os.path.realpath(target)))
        target.write_text(json.dumps(trace_events(self)), "utf-8")
        return target


def frame(found: Sequence[Row], clock: float, taken_at: float) -> ActivityFrame:
    """Rows as a frame; `clock` and `taken_at` are the monotonic clock and the seconds since 1970 of one instant."""
    made = ActivityFrame(found, columns=COLUMNS[:5]) if found else ActivityFrame(columns=list(COLUMNS[:5]))
    made = made.astype({"thread": "str", "state": "str", "doing": "str", "start": "float64", "end": "float64"})
    made["seconds"] = made["end"] - made["start"]
    for name in ("start", "end"):
        us = ((made[name] - clock + taken_at) * 1e6).round().astype("int64")
        made[name] = pd.to_datetime(us, unit="us", utc=True).astype("datetime64[us, UTC]")
    return made


def of_capture(capture: Capture, last_seconds: float | None = None) -> ActivityFrame:
    """What the engine's threads did up to a capture."""
    return frame(rows(capture.threads, capture.clock, last_seconds), capture.clock, capture.taken_at)


def require(activity: pd.DataFrame) -> None:
    """Raises SettingError where columns of an `ActivityFrame` are missing."""
    found = list(getattr(activity, "columns", ()))
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise SettingError(
            f"expected the columns {', '.join(COLUMNS)}, found no {', '.join(missing)}; try to select rows only",
            setting="activity",
            value=found,
        )


def trace_events(activity: pd.DataFrame) -> dict[str, Any]:
    """The JSON Object Format of the Trace Event format: one complete event (`X`) per interval, and threads' names.

    https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
    """
    require(activity)
    process = os.getpid()
    ids = {name: at for at, name in enumerate(activity["thread"].unique(), 1)}
    events: list[dict[str, Any]] = [
        {"name": "process_name", "ph": "M", "ts": 0, "pid": process, "tid": 0, "args": {"name": "logkit"}}
    ]
    for name, number in ids.items():
        about = {"ph": "M", "ts": 0, "pid": process, "tid": number}
        events.append({"name": "thread_name", **about, "args": {"name": name}})
        events.append({"name": "thread_sort_index", **about, "args": {"sort_index": number}})
    start, end = (activity[name].astype("int64") for name in ("start", "end"))
    first = int(start.min()) if len(activity) else 0
    for thread, state, doing, begin, stop in zip(
        activity["thread"], activity["state"], activity["doing"], start, end, strict=True
    ):
        events.append(
            {
                "name": state,
                "cat": "thread",
                "ph": "X",
                "ts": int(begin) - first,
                "dur": int(stop) - int(begin),
                "pid": process,
                "tid": ids[thread],
                "args": {"doing": doing},
            }
        )
    return {"traceEvents": events, "displayTimeUnit": "ms"}
