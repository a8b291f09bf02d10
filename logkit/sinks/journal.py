"""A journal: the memory of a sink that has no transactions, as lines of JSON in a file of its own."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from logkit.errors import PathError, SinkError
from logkit.sinks.opening import real

_COMPACT_BYTES: Final = 4 << 20
_HEAD: Final = b'{"logkit journal":1}\n'


class Journal:
    """Names and texts; the last text of a name counts. What was committed is on disk. For one thread at a time.

    A last line that is torn, by a kill while it was written, never was committed and is cut off. The file is written
    anew where most of it is of the past.
    """

    def __init__(self, path: str | os.PathLike[str], sink: str) -> None:
        self.path = real(path)
        self._sink = sink
        self._file: int | None = None
        self._memory: dict[str, str] = {}
        self._size = 0

    @property
    def paths(self) -> tuple[str, ...]:
        """The files it writes."""
        return self.path, f"{self.path}.new"

    def begin(self) -> dict[str, str]:
        """Open it, made where it is not there; what it holds. Raises PathError, or SinkError where it is in use."""
        self.close()
        folder = Path(self.path).parent
        if not folder.is_dir():
            nearest = next(parent for parent in folder.parents if parent.is_dir())
            message = f"expected a folder for the journal {self.path!r}, found none; the nearest is {str(nearest)!r}"
            raise PathError(message, path=self.path, nearest=nearest)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._lock(self._file)
            self._load(self._file)
        except BaseException:
            self.close()
            raise
        return dict(self._memory)

    def commit(self, memory: Mapping[str, str]) -> None:
        """Put these texts in place of those of the same names; on disk when this returns."""
        if self._file is None:
            raise SinkError(f"expected the journal {self.path!r} to be open, found it closed", sink=self._sink)
        if not memory:
            return
        self._memory.update(memory)
        lines = b"".join(json.dumps(item).encode() + b"\n" for item in memory.items())
        if self._size + len(lines) > max(_COMPACT_BYTES, 4 * sum(map(len, self._memory.values()))):
            self._compact()
            return
        try:
            _write(self._file, lines)
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)  # nothing may follow half a line
            raise
        self._size += len(lines)

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"expected the journal {self.path!r} to be free, found another sink using it; try another"
            raise SinkError(message, sink=self._sink) from None

    def _load(self, file: int) -> None:
        with open(os.dup(file), "rb") as source:
            source.seek(0)
            whole = source.read()
        end = whole.rfind(b"\n") + 1
        lines = whole[:end].splitlines(keepends=True)
        if lines[:1] not in ([], [_HEAD]) or (not lines and not _HEAD.startswith(whole)):
            raise self._no_journal("its first line is another")
        try:
            self._memory = dict(json.loads(line) for line in lines[1:])
        except (ValueError, TypeError) as error:
            raise self._no_journal(str(error)) from error
        os.ftruncate(file, end)
        if not lines:
            _write(file, _HEAD)
            os.fdatasync(file)
        self._size = max(end, len(_HEAD))

    def _no_journal(self, why: str) -> SinkError:
        message = f"expected {self.path!r} to be a journal, found something else ({why}); it is left as it is"
        return SinkError(message, sink=self._sink, temporary=False)

    def _compact(self) -> None:
        whole = _HEAD + b"".join(json.dumps(item).encode() + b"\n" for item in self._memory.items())
        new = f"{self.path}.new"
        file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._lock(file)
            _write(file, whole)
            os.fsync(file)
            os.replace(new, self.path)
        except BaseException:
            os.close(file)
            raise
        self.close()
        self._file, self._size = file, len(whole)
        sync_folder(os.path.dirname(self.path))


def sync_folder(folder: str) -> None:
    """See to it that a file put into a folder is there also after the power has failed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
