"""Before the threads start: every sink gets ready, and says what it has."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from logkit.errors import SettingError, SinkError
from logkit.sinks import registry
from logkit.sinks.memory import Memory, read
from logkit.sinks.protocol import Sink


def begin(sinks: Sequence[Sink], store: str | None) -> list[list[Memory]]:
    """Have every sink get ready; what each remembers. None is left open where one cannot.

    One that is down for a moment is waited for, `begin_seconds` at most. Raises SinkError, SettingError, PathError.
    """
    names = [sink.name for sink in sinks]
    if twice := next((name for name in names if names.count(name) > 1), None):
        message = f"expected sinks= with names of their own, found {twice!r} twice; try name= for one of them"
        raise SettingError(message, setting="sinks", value=twice)
    begun: list[Sink] = []
    try:
        memories = []
        for sink in sinks:
            if sink.busy:
                message = f"expected the sink {sink.name!r} to be free, found it with another monitor; stop that first"
                raise SinkError(message, sink=sink.name, temporary=False)
            sink.settle(store)
            registry.keep_out(sink.outputs())
            begun.append(sink)
            memories.append([read(text, sink.name) for text in _patiently(sink).values()])
    except BaseException:
        for sink in begun:
            sink.close()
        raise
    for sink in sinks:
        sink.busy = True
    return memories


def _patiently(sink: Sink) -> Mapping[str, str]:
    deadline, pause = time.monotonic() + sink.begin_seconds, 0.05
    while True:
        try:
            return sink.begin()
        except SinkError as error:
            if not error.temporary or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 1.0)
