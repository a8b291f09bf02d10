"""Dead letters: what an HTTP server refused for good, kept in a file with the reason, to be sent again by hand."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from logkit.errors import PathError, SinkError
from logkit.sinks.journal import sync_folder
from logkit.sinks.opening import real

if TYPE_CHECKING:
    from logkit.sinks.http import Http


@dataclass(frozen=True, slots=True)
class Letter:
    """A request that was refused: its key, where to (without user, password and query), its body, and why."""

    key: str
    url: str
    format: str
    content_type: str
    status: int
    reason: str
    events: int
    body: str


@dataclass(frozen=True, slots=True)
class Redelivered:
    """What came of `redeliver`: letters that arrived, and those that were refused again and are in the file still."""

    sent: int
    left: int


class Letters:
    """The file of one sink, a line of JSON per letter. Any thread may append."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = real(path)
        self.count = 0

    def append(self, letters: Sequence[Letter]) -> None:
        """On disk when this returns."""
        if not letters:
            return
        lines = b"".join(json.dumps(asdict(letter)).encode() + b"\n" for letter in letters)
        with _locked(self.path) as file:
            size = os.fstat(file).st_size
            torn = size and os.pread(file, 1, size - 1) != b"\n"  # by a kill: not the end of a letter
            os.write(file, b"\n" + lines if torn else lines)
            os.fsync(file)
        self.count += len(letters)


def redeliver(
    path: str | os.PathLike[str], *, to: Http | None = None, headers: Mapping[str, str] | None = None
) -> Redelivered:
    """Send again what is in a file of dead letters, oldest first, each under its old key; those that arrive leave it.

    to: the sink to send with; by default to where they were refused, with `headers` and without the secrets that no
    file holds. A running sink may go on adding letters meanwhile. Raises PathError where there is no file, and
    SinkError, with the letters that did not arrive back in it, where the server does not answer.
    """
    from logkit.sinks.http import Http

    name = real(path)
    letters, begun = Letters(name), f"{name}.redelivering"
    if not os.path.lexists(name) and not os.path.lexists(begun):
        raise PathError(f"expected a file of dead letters at {name!r}, found none", path=name)
    if os.path.lexists(begun):  # somebody was killed while sending: those first
        letters.append([*_read(begun)])
        os.remove(begun)
    with _locked(name):
        os.replace(name, begun)  # whoever appends now begins a new file
    waiting, refused, sent = {letter.key: letter for letter in _read(begun)}, [], 0
    senders: dict[tuple[str, str], Http] = {}
    try:
        while waiting:
            letter = next(iter(waiting.values()))
            sender = to or senders.get((letter.url, letter.format))
            if sender is None:
                sender = Http(letter.url, letter.format, headers=headers)  # type: ignore[arg-type]
                senders[letter.url, letter.format] = sender
            again = sender.send_letter(letter)
            del waiting[letter.key]
            sent += again is None
            refused += [again] if again is not None else []
    finally:
        letters.append([*refused, *waiting.values()])
        os.remove(begun)
        sync_folder(os.path.dirname(name))
        for sender in (*senders.values(), *((to,) if to is not None and not to.busy else ())):
            sender.close()
    return Redelivered(sent, len(refused))


def _read(path: str) -> Iterator[Letter]:
    with open(path, "rb") as source:
        for line in source:
            try:
                yield Letter(**json.loads(line))
            except (ValueError, TypeError) as error:
                if line.strip() and line.endswith(b"\n") and line.startswith(b'{"key"'):
                    message = (
                        f"expected dead letters in {path!r}, found a line that is none: {error}; it is left as it is"
                    )
                    raise SinkError(message, sink="redeliver", temporary=False) from error


@contextmanager
def _locked(path: str) -> Iterator[int]:
    """The file, made if it is not there, that nobody else appends to or moves meanwhile."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            there = os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(file))
            if there:
                yield file
                return
        finally:
            os.close(file)
