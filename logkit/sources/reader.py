"""Bytes of a source in order, from an offset on, inflated where it is compressed."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from logkit.errors import LogkitError

_GZIP = b"\x1f\x8b"
_STEP = 256 << 10


class TornArchive(LogkitError):
    """A compressed file that ends in the middle, or is damaged from `offset` (decompressed bytes) on."""

    def __init__(self, message: str, *, path: str, offset: int) -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset


class Reader(Protocol):
    """Reads on from where it stands, as much as is at hand; no byte at all means the end."""

    def readinto(self, view: memoryview) -> int: ...


class PlainReader:
    """An uncompressed file, read by position, so that the file's own cursor is never shared."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor = descriptor
        self._offset = offset

    def readinto(self, view: memoryview) -> int:
        got = os.preadv(self._descriptor, [view], self._offset)
        self._offset += got
        return got


class GzipReader:
    """A gzip file of one or several members; `offset` counts decompressed bytes, and is reached by inflating."""

    def __init__(self, descriptor: int, path: str, offset: int) -> None:
        self._descriptor = descriptor
        self._path = path
        self._at = 0
        self._out = 0
        self._inflate = zlib.decompressobj(wbits=31)
        self._fed = False
        self._ready = b""
        self._skip(offset)

    def readinto(self, view: memoryview) -> int:
        if not self._ready:
            self._ready = self._more()
        part = self._ready[: len(view)]
        view[: len(part)] = part
        self._ready = self._ready[len(part) :]
        self._out += len(part)
        return len(part)

    def _more(self) -> bytes:
        """The next decompressed bytes; empty at the end. Raises `TornArchive` where there is no proper end."""
        while True:
            if self._inflate.eof:
                rest = self._inflate.unused_data
                self._inflate, self._fed = zlib.decompressobj(wbits=31), False
            else:
                rest = self._inflate.unconsumed_tail
            if not rest:
                rest = os.pread(self._descriptor, _STEP, self._at)
                self._at += len(rest)
            if not self._fed:
                rest = rest.lstrip(b"\0")  # members may be padded with zeros
                if not rest:
                    return b""
            if not rest:
                raise self._torn("its end")
            self._fed = True
            try:
                out = self._inflate.decompress(rest, _STEP)
            except zlib.error as error:
                raise self._torn(str(error)) from error
            if out:
                return out

    def _torn(self, found: str) -> TornArchive:
        return TornArchive(
            f"expected a whole gzip file, found {found} after {self._out} decompressed bytes; "
            f"what stands before is read; try `gzip -t` on {self._path!r}",
            path=self._path,
            offset=self._out,
        )

    def _skip(self, count: int) -> None:
        scratch = memoryview(bytearray(min(count, _STEP)))
        while count:
            got = self.readinto(scratch[: min(count, _STEP)])
            if not got:
                return
            count -= got


def compression_of(head: bytes) -> str | None:
    """By content, not by name: "gzip", or None for a plain file."""
    return "gzip" if head.startswith(_GZIP) else None


def replaced(path: str) -> OSError:
    """The error for a path at which another file stands than was found there; it is retried at its new place."""
    return FileNotFoundError(errno.ENOENT, "another file stands here now", path)


@contextmanager
def open_source(
    path: str, compression: str | None, offset: int, file: tuple[int, int] | None = None
) -> Iterator[Reader]:
    """A reader that stands at `offset` (decompressed bytes). Raises OSError or `TornArchive`.

    `file` is the device and inode that must stand at the path: between the scan and now it may have been rotated.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if file is not None and (status.st_dev, status.st_ino) != file:
            raise replaced(path)
        yield GzipReader(descriptor, path, offset) if compression else PlainReader(descriptor, offset)
    finally:
        os.close(descriptor)


def read_head(descriptor: int, compression: str | None, size: int) -> tuple[bytes, float | None]:
    """The first `size` decompressed bytes, and the time a gzip header gives (seconds since 1970), if any."""
    if compression is None:
        return os.pread(descriptor, size, 0), None
    view = bytearray(size)
    written = int.from_bytes(os.pread(descriptor, 8, 0)[4:8], "little") or None
    reader, total = GzipReader(descriptor, "", 0), 0
    try:
        while total < size:
            got = reader.readinto(memoryview(view)[total : min(total + 4096, size)])
            if not got:
                break
            total += got
    except TornArchive:
        pass  # what stands before the tear is enough to know the format; reading it will report the tear
    return bytes(view[:total]), written
