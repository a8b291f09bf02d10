"""A function as a sink."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from logkit.errors import SettingError
from logkit.sinks.journal import Journal
from logkit.sinks.protocol import Parcel, Path, Sink


class Call(Sink):
    """Calls `function(frame)` with a Polars frame of rows, or `function(frame, parcel)` where it takes two, on the
    thread `logkit-sink-NAME`, one call after the other.

    Each row at least once: what the function raises is shown in `snap.sinks`, and it is called again with these rows.
    `parcel.key` is then the same too. journal: a file that remembers across restarts what it was called with; beside
    the store by default, and without either it is called with everything again. limits: those of `Sink.limits`.
    """

    name = "call"

    def __init__(
        self, function: Callable[..., object], *, journal: Path | None = None, name: str | None = None, **limits: Any
    ) -> None:
        import inspect

        if not callable(function):
            message = f"expected a function, found {type(function).__name__}; try logkit.sinks.Call(print)"
            raise SettingError(message, setting="function", value=function)
        self._function = function
        try:
            wanted = [
                one
                for one in inspect.signature(function).parameters.values()
                if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) and one.default is one.empty
            ]
        except ValueError:  # of native code nobody knows
            wanted = []
        self._wants_parcel = len(wanted) > 1
        self.limits(name=name or getattr(function, "__name__", "").strip("<>") or None, **limits)
        self.journal = None if journal is None else Journal(journal, self.name)
        self._called: set[str] = set()

    def write(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            if parcel.key in self._called:
                continue
            if self._wants_parcel:
                self._function(parcel.frame, parcel)
            else:
                self._function(parcel.frame)
            self._called.add(parcel.key)

    def commit(self, memory: Mapping[str, str]) -> None:
        super().commit(memory)
        self._called.clear()
