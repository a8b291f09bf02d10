"""What a sink is: `begin`, `write`, `commit`. What it is given: parcels of rows, and a memory to keep for the engine.

    class Print(logkit.sinks.Sink):
        def write(self, parcels):
            for parcel in parcels:
                print(parcel.key, parcel.frame.height)

The engine remembers by text: which bytes of which source a sink has, one short text per source. A sink that can store
those texts in the same transaction as the rows has every row exactly once; every other one leaves them to its journal
and may see a parcel twice, under the same key and with the same rows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from logkit.errors import SettingError

if TYPE_CHECKING:
    import polars as pl

    from logkit.sinks.journal import Journal

WhenFull = Literal["wait", "drop"]

Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Parcel:
    """Rows of one source on their way to a sink: all events that begin in its bytes `[start, stop)`.

    `frame` has the columns of `logkit.schema.COMMON` and the formats' own, in offset order. `source` names the source
    for good, `generation` what the file held before it was truncated or replaced. `path` is where it was last seen.
    `reference_us` (µs since 1970) is a time near to those of the events, for those that have none.
    """

    source: str
    generation: int
    start: int
    stop: int
    path: str
    frame: pl.DataFrame
    reference_us: int = 0

    @property
    def key(self) -> str:
        """The same for the same rows, whenever they are sent: source, generation and byte range."""
        return f"{self.source}-{self.generation}-{self.start}-{self.stop}"


class Sink:
    """Where events go. Override `write`, and what else differs. `begin`, `write`, `commit` and `close` are called by
    one thread at a time, `begin` first by the one that calls `logkit.watch`, then all by the sink's own.

    What `write` or `commit` raise is shown in `snap.sinks`; then the engine pauses, calls `begin` and tries again with
    the same parcels, but for those the memory says are there. Nothing raised stops the engine or another sink.
    """

    name: str = "sink"
    """Told apart by it in `snap.sinks`, in the thread `logkit-sink-NAME`, and in a database that several write to."""
    repeats: bool = True
    """Whether a parcel may come twice. False: `commit` makes all that was written and the memory durable as one."""
    when_full: WhenFull = "wait"
    """What happens where `max_waiting_bytes` wait for it: readers wait, or it goes without; see `limits`."""
    max_waiting_bytes: int = 48 << 20
    parcel_events: int = 50_000
    parcel_bytes: int = 8 << 20
    parcel_seconds: float = 0.1
    patience_seconds: float = 30.0
    begin_seconds: float = 10.0
    journal: Journal | None = None
    needs_journal: bool = False
    busy: bool = False
    """Whether an engine has it."""
    pause: Callable[[float], object] = staticmethod(time.sleep)
    """How to wait for so many seconds inside of `write`; the engine puts one in its place that ends when it stops."""

    def limits(
        self,
        *,
        name: str | None = None,
        when_full: WhenFull | None = None,
        max_waiting_bytes: int | None = None,
        parcel_events: int | None = None,
        parcel_bytes: int | None = None,
        parcel_seconds: float | None = None,
        patience_seconds: float | None = None,
        begin_seconds: float | None = None,
    ) -> None:
        """Set what is not None, checked.

        when_full: "wait" slows the readers down, "drop" lets them go on: what is dropped is counted, and sent after a
        restart if the files are still there. max_waiting_bytes: memory for what waits. parcel_events, parcel_bytes (of
        log), parcel_seconds (of waiting): when one is sent. patience_seconds: how long `logkit.read` tries in vain;
        begin_seconds: how long `watch` and `read` wait for it to be there at all.
        """
        for setting, value in locals().copy().items():
            if setting == "self" or value is None:
                continue
            if setting == "name":
                good = isinstance(value, str) and value.isprintable() and 0 < len(value) <= 60 and "/" not in value
                wanted = "a short name without a slash"
            elif setting == "when_full":
                good, wanted = value in ("wait", "drop"), '"wait" or "drop"'
            else:
                good = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
                wanted = "a number above 0"
            if not good:
                message = f"expected {setting}= to be {wanted}, found {value!r}; try {getattr(Sink, setting)!r}"
                raise SettingError(message, setting=setting, value=value)
            setattr(self, setting, value)

    def settle(self, store: str | None) -> None:
        """Give it a journal beside the store, where it has none. Raises SettingError where it needs one."""
        if not self.repeats or self.journal is not None:
            return
        if store is not None:
            from logkit.sinks.journal import Journal

            self.journal = Journal(f"{store}.{self.name}.journal", self.name)
        elif self.needs_journal:
            message = f"expected journal= for the sink {self.name!r}, or a store to keep it beside, found neither; try "
            raise SettingError(f'{message}journal="{self.name}.journal"', setting="journal", value=None)

    def begin(self) -> Mapping[str, str]:
        """Get ready, by connecting anew if need be; returns the memory as of the last commit that took effect."""
        return {} if self.journal is None else self.journal.begin()

    def write(self, parcels: Sequence[Parcel]) -> None:
        """Take these rows. They need not be durable before `commit`."""
        raise NotImplementedError

    def commit(self, memory: Mapping[str, str]) -> None:
        """Make all that was written durable, and then these texts in the place of those that had the same names."""
        if self.journal is not None:
            self.journal.commit(memory)

    def close(self) -> None:
        """Let go of everything. May be called twice, and before `begin`."""
        if self.journal is not None:
            self.journal.close()

    def outputs(self) -> Sequence[str]:
        """Files and folders it writes, which are never taken for logs."""
        return () if self.journal is None else self.journal.paths

    @property
    def dead_letters(self) -> int:
        """How many parcels, or parts of one, the other side refused for good; they are set aside, not lost."""
        return 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sink {self.name!r}>"
