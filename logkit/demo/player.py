"""Write an incident again, as it happened: line by line, in the order and at the pace of its records."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from io import FileIO
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

from logkit.demo.incident import Incident
from logkit.demo.times import Timed, read_records, shifted
from logkit.errors import PathError, SettingError

_NAP_SECONDS = 0.25
"""The longest sleep at a stretch, so that a clock passed in may jump."""


def replay(
    source: Incident | str | os.PathLike[str],
    into: str | os.PathLike[str],
    speed: float = 60.0,
    *,
    stop: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
    shift_to_now: bool = False,
) -> Replay:
    """Start writing the incident in folder `source` into folder `into`, and return at once.

    A daemon thread, `logkit-replay`, appends each record in one write when its time has come, `speed` times faster
    than it happened. What was rotated comes first, into the file it was rotated from; in the end `into` holds the
    same bytes per log. With `shift_to_now` the records' times are moved by whole seconds so that the last is written
    when it says; otherwise nothing is rewritten. `stop` is an event that ends the replay early (`Replay.stop` sets
    it too), `clock` gives seconds.

    Raises `PathError` if there is no incident at `source` or one of its logs is in `into` already, `SettingError`
    for a speed that is not above 0. The records are held in memory.

        with replay("sample_logs", "/tmp/live", speed=120) as live:
            live.wait(timeout_seconds=60)
    """
    if not 0 < speed < float("inf"):
        raise SettingError(f"expected a speed above 0, found {speed}; try 60", setting="speed", value=speed)
    records = read_records(Path(source.folder if isinstance(source, Incident) else source))
    if shift_to_now:
        lasts = (records[-1].at - records[0].at) / speed
        by = timedelta(seconds=int((datetime.now(UTC) + lasts - records[-1].at).total_seconds()))
        records = [shifted(record, by) for record in records]
    return Replay(records, Path(into), speed, stop or threading.Event(), clock)


class Replay:
    """A replay under way, as `replay` returns it; any thread may ask it anything. As a context manager it ends stopped.

    `error` is what the thread died of, else None; `into` and `speed` are as given.
    """

    def __init__(
        self, records: list[Timed], into: Path, speed: float, stop: threading.Event, clock: Callable[[], float]
    ) -> None:
        self.into = into
        self.speed = speed
        self.error: BaseException | None = None
        self._records = records
        self._written = 0  # written by the thread alone, read by all
        self._stop = stop
        self._clock = clock
        _make_room(into, {record.file for record in records})
        self._thread = threading.Thread(target=self._run, name="logkit-replay", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether every record has been written."""
        return self._written == len(self._records)

    @property
    def progress(self) -> float:
        """The share of the records that have been written, 0 to 1."""
        return self._written / len(self._records)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until the thread has ended; True if everything is written. Raises what the thread died of."""
        self._thread.join(timeout_seconds)
        if self.error is not None:
            raise self.error
        return self.done

    def stop(self, timeout_seconds: float = 5.0) -> bool:
        """End the replay where it is; True once the thread is gone, False if it outlived the deadline. Idempotent."""
        self._stop.set()
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        alive = self._thread.is_alive()
        state = "failed" if self.error else "done" if self.done else "running" if alive else "stopped"
        why = f": {self.error!r}" if self.error else ""
        count = f"{self._written:,} of {len(self._records):,} records"
        return f"<Replay {state}{why}, {count} ({self.progress:.0%}) at {self.speed:g}x into {str(self.into)!r}>"

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                files: dict[str, FileIO] = {}
                for name in dict.fromkeys(record.file for record in self._records):
                    files[name] = stack.enter_context(FileIO(self.into / name, "a"))
                self._write(files)
        except BaseException as error:  # a full disk, a folder removed: shown by repr, raised by wait
            self.error = error

    def _write(self, files: dict[str, FileIO]) -> None:
        begun, first = self._clock(), self._records[0].at
        for at, together in groupby(self._records, key=lambda record: record.at):
            if not self._sleep_until(begun + (at - first).total_seconds() / self.speed):
                return
            for record in together:
                _append(files[record.file], record.text)
                self._written += 1

    def _sleep_until(self, due: float) -> bool:
        """Whether the time came before the stop."""
        while (pause := due - self._clock()) > 0:
            if self._stop.wait(min(pause, _NAP_SECONDS)):
                return False
        return not self._stop.is_set()


def _append(file: FileIO, text: bytes) -> None:
    """One write, as a service does it; more only where the disk takes less than was offered."""
    done = file.write(text)
    while done < len(text):
        done += file.write(text[done:])


def _make_room(into: Path, names: set[str]) -> None:
    for name in sorted(names):
        if os.path.lexists(into / name):
            raise PathError(
                f"expected a folder without {name!r}, found it in {str(into)!r}; try a new folder",
                path=str(into / name),
                nearest=into,
            )
    for name in names:
        (into / name).parent.mkdir(parents=True, exist_ok=True)
