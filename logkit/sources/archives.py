"""Compressed files: told by their content, inflated a step at a time, read to a tear and said to be torn."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Final, Protocol

from logkit.errors import LogkitError
from logkit.sources import handles
from logkit.sources.handles import Handle

_STEP_BYTES: Final = 256 << 10  # inflated at a time: a bomb swells no further
_MAX_WINDOW_BYTES: Final = 128 << 20  # what an archive may make us remember; `xz -9` needs 65 MiB, `zstd --ultra` 128
_MAX_XZ_BYTES: Final = _MAX_WINDOW_BYTES + (1 << 20)  # liblzma counts its own tables, too
_TOOLS: Final = {"gzip": "gzip -t", "bzip2": "bzip2 -t", "xz": "xz -t", "zstd": "zstd -t"}


class TornArchive(LogkitError):
    """A compressed file that ends in the middle, or is damaged from `offset` (decompressed bytes) on."""

    def __init__(self, message: str, *, path: str, offset: int) -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset


def compression_of(head: bytes) -> str | None:
    """By content, not by name: "gzip", "bzip2", "xz" or "zstd", or None for a plain file. 16 bytes are enough."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    # A block's or the end's mark follows the size: text may well begin with "BZh".
    if head.startswith(b"BZh") and head[3:4] in b"123456789" and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return "bzip2"
    skippable = head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F
    return "zstd" if skippable or head.startswith(b"\x28\xb5\x2f\xfd") else None


class _Inflater(Protocol):
    """What bz2, lzma and zstd offer alike, for one stream (member, frame) of an archive."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gunzip:
    """zlib's own interface brought to that of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # A full step may have more behind it, even where all input is taken.
        self.needs_input = not self._inner.unconsumed_tail and len(out) < max_length
        return out


def _inflater(compression: str) -> tuple[Callable[[], _Inflater], type[Exception]]:
    """What inflates one stream, and the error it raises for damage."""
    if compression == "gzip":
        return _Gunzip, zlib.error
    if compression == "bzip2":
        return bz2.BZ2Decompressor, OSError
    if compression == "xz":
        return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_XZ_BYTES), lzma.LZMAError
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    limit = {int(zstd.DecompressionParameter.window_log_max): _MAX_WINDOW_BYTES.bit_length() - 1}
    return lambda: zstd.ZstdDecompressor(options=limit), zstd.ZstdError


class InflatingReader:
    """A compressed file of one or several streams (members, frames), padded with zeros or not, as one.

    At most a step's worth is inflated ahead. At the end of what is there `readinto` returns 0; within a stream it
    raises `TornArchive`, once all before the tear has been delivered. When the file has grown since, it goes on.
    """

    def __init__(self, descriptor: Handle, path: str, compression: str) -> None:
        self._descriptor = descriptor
        self._path = path
        self._compression = compression
        self._make, self._damage = _inflater(compression)
        self._inflate = self._make()
        self._fed = False  # whether anything but padding was seen of the current stream
        self._at = 0  # in the file
        self._out = 0  # decompressed bytes delivered
        self._taken = b""  # of the file, not yet given to the inflater
        self._ready = memoryview(b"")
        self._damaged = ""  # once damaged, it stays so: what follows is not to be trusted

    def readinto(self, view: memoryview) -> int:
        if not self._ready:
            self._ready = memoryview(self._more())
        part = self._ready[: len(view)]
        view[: len(part)] = part
        self._ready = self._ready[len(part) :]
        self._out += len(part)
        return len(part)

    def _more(self) -> bytes:
        """The next decompressed bytes; empty at the end. Raises `TornArchive` where there is no proper end."""
        while True:
            if self._damaged:
                raise self._torn(self._damaged)
            if self._inflate.eof:
                self._taken = self._inflate.unused_data
                self._inflate, self._fed = self._make(), False
            if self._inflate.needs_input and not self._feed():
                if self._fed:
                    raise self._torn("its end")
                return b""
            data, self._taken = self._taken, b""
            try:
                out = self._inflate.decompress(data, _STEP_BYTES)
            except self._damage as error:
                self._damaged = str(error) or "damage"
                raise self._torn(self._damaged) from error
            if out:
                return out

    def _feed(self) -> bool:
        """Have something for the inflater; False where there is no more for now."""
        while True:
            if not self._taken:
                self._taken = handles.pread(self._descriptor, handles.step_bytes(self._descriptor), self._at)
                self._at += len(self._taken)
                if not self._taken:
                    return False
            if not self._fed:
                self._taken = self._taken.lstrip(b"\0")
            if self._taken:
                self._fed = True
                return True

    def _torn(self, found: str) -> TornArchive:
        return TornArchive(
            f"expected a whole {self._compression} file, found {found} after {self._out} decompressed bytes; "
            f"what stands before is read; try `{_TOOLS[self._compression]}` on {self._path!r}",
            path=self._path,
            offset=self._out,
        )
