"""Bytes of a source in order, from an offset on: inflated where it is compressed, in UTF-8 where it is UTF-16."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from logkit.sources import handles
from logkit.sources.archives import InflatingReader, TornArchive, compression_of
from logkit.sources.encodings import utf8, utf16_decoder
from logkit.sources.handles import Handle
from logkit.sources.remote import RemoteFile, is_remote

_STEP_BYTES: Final = 256 << 10
_SLACK: Final = 32  # what a block is to go on with may grow by this part of it before it has to move


class Reader(Protocol):
    """Reads on from where it stands, as much as is at hand; no byte at all means the end."""

    def readinto(self, view: memoryview) -> int: ...


class Memory:
    """What its owner reads blocks into, one span at a time: other memory would have to be found and cleared first."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def room(self, size: int) -> bytearray:
        """At least `size` bytes, with anything in them."""
        if len(self._data) < size:
            self._data = bytearray(size + size // _SLACK)
        return self._data


class PlainReader:
    """An uncompressed file, read by position, so that the file's own cursor is never shared."""

    def __init__(self, descriptor: Handle, offset: int) -> None:
        self._descriptor = descriptor
        self._offset = offset

    def readinto(self, view: memoryview) -> int:
        got = handles.readinto(self._descriptor, view, self._offset)
        self._offset += got
        return got


class Utf16Reader:
    """UTF-8 from a reader of UTF-16. Offsets count the UTF-8 bytes, so resuming decodes from the beginning.

    The byte order mark becomes that of UTF-8. A unit that stands for nothing (half of a surrogate pair) becomes the
    byte FF, which is no UTF-8: it is counted and shown as such bytes are. Half a unit, or half a pair, at the end
    waits for the rest; `final` says that none will come.
    """

    def __init__(self, reader: Reader, encoding: str, final: bool) -> None:
        self._reader = reader
        self._decoder = utf16_decoder(encoding)
        self._final = final
        self._ready = memoryview(b"")

    def readinto(self, view: memoryview) -> int:
        if not self._ready:
            self._ready = memoryview(self._more())
        part = self._ready[: len(view)]
        view[: len(part)] = part
        self._ready = self._ready[len(part) :]
        return len(part)

    def _more(self) -> bytes:
        raw = memoryview(bytearray(_STEP_BYTES))
        while got := self._reader.readinto(raw):
            if out := utf8(self._decoder.decode(bytes(raw[:got]))):
                return out
        waiting = len(self._decoder.getstate()[0])
        if not (waiting and self._final):
            return b""
        self._decoder.reset()
        return b"\xff" * -(-waiting // 2)


def reader_for(
    descriptor: Handle, path: str, compression: str | None, encoding: str, offset: int, *, final: bool = False
) -> Reader:
    """A reader of an open file that stands at `offset` (of decompressed, and for UTF-16 transcoded bytes).

    The descriptor is read by position only and stays the caller's; `path` is for messages. `final`: the file will not
    grow. Where it is shorter than `offset` the reader is at its end. Raises OSError or `TornArchive`.
    """
    plain = compression is None and not encoding.startswith("utf-16")
    reader: Reader = PlainReader(descriptor, offset if plain else 0)
    if compression is not None:
        reader = InflatingReader(descriptor, path, compression)
    if encoding.startswith("utf-16"):
        reader = Utf16Reader(reader, encoding, final or compression is not None)  # an archive's end is its end
    if not plain:
        _skip(reader, offset)
    return reader


@contextmanager
def open_source(
    path: str,
    compression: str | None,
    offset: int = 0,
    file: tuple[int, int] | None = None,
    *,
    encoding: str = "utf-8",
    final: bool = False,
) -> Iterator[Reader]:
    """As `reader_for`, of a file that is opened for the time being. Raises OSError or `TornArchive`.

    `file` is the device and inode that must stand at the path: between the scan and now it may have been rotated.
    """
    with opened(path) as descriptor:
        status = handles.status_of(descriptor)
        if file is not None and (status.st_dev, status.st_ino) != file:
            raise replaced(path)
        yield reader_for(descriptor, path, compression, encoding, offset, final=final)


@contextmanager
def opened(path: str) -> Iterator[Handle]:
    """A descriptor for reading, closed afterwards."""
    descriptor = open_to_read(path)
    try:
        yield descriptor
    finally:
        handles.close(descriptor)


def open_to_read(path: str) -> Handle:
    """A descriptor for reading, or an object, which is the caller's to close."""
    if is_remote(path):
        return RemoteFile(path)
    # O_NONBLOCK: a FIFO put in the place of a file since the scan must not block the worker.
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def replaced(path: str) -> OSError:
    """The error for a path at which another file stands than was found there; it is retried at its new place."""
    return FileNotFoundError(errno.ENOENT, "another file stands here now", path)


def read_up_to(reader: Reader, size: int) -> bytes:
    """The next `size` bytes, or as many as there are before the end or a tear."""
    data = bytearray()
    step = memoryview(bytearray(min(size, _STEP_BYTES)))
    try:
        while len(data) < size and (got := reader.readinto(step[: size - len(data)])):
            data += step[:got]
    except TornArchive:
        pass  # reading the source will report it
    return bytes(data)


def _skip(reader: Reader, count: int) -> None:
    step = memoryview(bytearray(min(count, _STEP_BYTES)))
    while count and (got := reader.readinto(step[:count])):
        count -= got


__all__ = [
    "PlainReader",
    "Reader",
    "TornArchive",
    "Utf16Reader",
    "compression_of",
    "open_source",
    "opened",
    "read_up_to",
    "reader_for",
    "replaced",
]
