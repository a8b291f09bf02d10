"""Before the threads start: every sink gets ready, and says what it has; what has gone since is found out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from logkit.engine.census import whereabouts
from logkit.engine.known import Key
from logkit.engine.progress import Progress
from logkit.errors import SettingError, SinkError
from logkit.sinks import registry
from logkit.sinks.memory import Memory, read
from logkit.sinks.protocol import Sink
from logkit.sources import Found
from logkit.sources.discovery import look
from logkit.sources.remote import is_remote


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


def missing(known: Iterable[Progress]) -> Iterator[Key]:
    """Of the sources that are remembered those whose files are nowhere by now.

    While watching, the scans find that out; what is read once begins with it, so that a copy, as a compressed one,
    takes the place of what it is a copy of.
    """
    for one in known:
        if one.gone or one.file is None or is_remote(one.path):
            continue
        found = look(one.path)
        replaced = isinstance(found, Found) and (found.device, found.inode) != one.file
        if (found is None or replaced) and whereabouts(one, ())[0] is None:
            yield one.key
