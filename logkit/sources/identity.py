"""Who a file is: device, inode and how its content begins; how to read it, or why it is no log at all."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from logkit.formats import Format, detect, is_binary
from logkit.sources import handles
from logkit.sources.archives import TornArchive, compression_of
from logkit.sources.encodings import encoding_of, line_end_of, transcoded
from logkit.sources.handles import Handle
from logkit.sources.reader import opened, read_up_to, reader_for
from logkit.sources.recode import shown
from logkit.sources.remote import RemoteFile, Status
from logkit.sources.span import Tail, digest

HEAD_BYTES: Final = 64 << 10
"""How much of a file's beginning its format is judged by."""

HEAD_KEPT_BYTES: Final = 1024
"""How much of a file's beginning it is known again by."""

_NUL_LINES: Final = re.compile(rb"(?<=\n)\0+")  # as a crash leaves them
_STEP_BYTES: Final = 256 << 10
_MOST_INFLATED_BYTES: Final = 256 << 20  # of zeros, before a compressed file is taken to hold nothing else


@dataclass(frozen=True, slots=True)
class Identity:
    """What opening a file once told about it.

    `head` is how its content begins, at most `HEAD_KEPT_BYTES`: inflated, but in its own encoding. `refused` says why
    it is not read as a log. `head_bytes`: so far its content was looked at for the format, which is None where that is
    still open. `reference_us` is what times without a year are put near to (µs since 1970). `encoding` and `line_end`
    say how to read it. `hole_bytes` are the NUL bytes it begins with, as a writer leaves them that writes on where it
    was after a truncation: 0 where nothing else has come yet, and in UTF-16. `device` and `inode` have up to 64 bits.
    """

    device: int
    inode: int
    head: bytes
    compression: str | None
    format: Format | None
    head_bytes: int
    refused: str | None
    reference_us: int
    encoding: str = "utf-8"
    line_end: bytes = b"\n"
    hole_bytes: int = 0

    @property
    def serial(self) -> bool:
        """Whether it can only be read from the beginning on, as one span of unknown length."""
        return self.compression is not None or self.encoding.startswith("utf-16")


def identify(
    file: Handle | str, path: str | None = None, *, final: bool = True, head_limit: int | None = None
) -> Identity:
    """Look at the head of a file, a path or an open descriptor, and say what it is. Raises OSError.

    Not `final`: the file may grow, and before its first line is whole no format is chosen. `head_limit` looks at no
    more than so many bytes of content: with the `head_bytes` of before, and the same name in `path` (a hint for
    detection, so give it with a descriptor), the answer is the same.
    """
    with _descriptor(file) as descriptor:
        status = handles.status_of(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return _refused(status, "not a regular file")
        first = handles.pread(descriptor, 16, 0)
        compression = compression_of(first)
        head, hole, text = _look(descriptor, compression, head_limit)
    head_bytes = hole + len(text)
    encoding = encoding_of(text)
    if hole and encoding.startswith("utf-16"):
        # The hole's last byte may be the upper half of a character; offsets count units, not bytes.
        encoding, text, hole = "utf-16-be" if hole % 2 else encoding, bytes(hole % 2) + text, hole // 2
    text = transcoded(text, encoding)
    seen = shown(text, encoding)
    refused = is_binary(_NUL_LINES.sub(b"", text))
    unfinished = not final and len(text) < HEAD_BYTES and b"\n" not in seen
    line_end = b"\n" if unfinished else line_end_of(seen)
    name = os.path.basename(path if path is not None else str(file))
    return Identity(
        device=status.st_dev,
        inode=status.st_ino,
        head=head[:HEAD_KEPT_BYTES],
        compression=compression,
        format=None if refused or unfinished else detect(seen.replace(line_end, b"\n"), name),
        head_bytes=head_bytes,
        refused=refused,
        reference_us=int((_written(first, compression) or status.st_mtime or time.time()) * 1e6),
        encoding=encoding,
        line_end=line_end,
        hole_bytes=hole if text else 0,
    )


def same_content(descriptor: Handle, compression: str | None, encoding: str, head: bytes, tail: Tail | None) -> bool:
    """Whether the content of an open file still begins with `head`, and still has the bytes of `tail` where they were.

    False where it is shorter. A compressed file is inflated as far as that takes. Raises OSError.
    """
    if _content(descriptor, compression, 0, len(head)) != head:
        return False
    if tail is None:
        return True
    stop, length, known = tail
    last = _content(descriptor, compression, stop - length, length, encoding)
    return len(last) == length and digest(last) == known


@contextmanager
def _descriptor(file: Handle | str) -> Iterator[Handle]:
    if isinstance(file, int | RemoteFile):
        yield file
        return
    with opened(file) as descriptor:
        yield descriptor


def _content(descriptor: Handle, compression: str | None, start: int, size: int, encoding: str = "") -> bytes:
    """`size` bytes from `start` on, as stored unless an encoding is given; fewer before the end or a tear."""
    if not size:
        return b""
    try:
        return read_up_to(reader_for(descriptor, "", compression, encoding, start), size)
    except TornArchive:
        return b""


def _look(descriptor: Handle, compression: str | None, limit: int | None) -> tuple[bytes, int, bytes]:
    """How the content begins, how many NUL bytes it begins with, and the text behind them, all of it before `limit`."""
    limit = sys.maxsize if limit is None else limit
    head = _content(descriptor, compression, 0, min(HEAD_BYTES, limit))
    hole = len(head) - len(head.lstrip(b"\0"))
    if not hole or encoding_of(head).startswith("utf-16"):
        return head, 0, head
    if hole == len(head):
        end = _end_of_inflated_hole(descriptor, compression, hole) if compression else _end_of_hole(descriptor, hole)
        hole = min(end, limit)
    return head, hole, _content(descriptor, compression, hole, min(HEAD_BYTES, limit - hole))


def _end_of_hole(descriptor: Handle, at: int) -> int:
    """Where the first byte stands that is not NUL, at or behind `at`, or the end. What is not stored costs nothing."""
    size = handles.status_of(descriptor).st_size
    while at < size:
        try:
            if isinstance(descriptor, int) and hasattr(os, "SEEK_DATA"):
                at = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return size
        piece = handles.pread(descriptor, _STEP_BYTES, at)
        rest = piece.lstrip(b"\0")
        at += len(piece) - len(rest)
        if rest or not piece:
            break
    return at


def _end_of_inflated_hole(descriptor: Handle, compression: str, at: int) -> int:
    """As `_end_of_hole` in a compressed file, which is not inflated without end for it."""
    try:
        reader = reader_for(descriptor, "", compression, "", at)
        while at < _MOST_INFLATED_BYTES and (piece := read_up_to(reader, _STEP_BYTES)):
            rest = piece.lstrip(b"\0")
            at += len(piece) - len(rest)
            if rest:
                break
    except TornArchive:
        pass  # nothing else stands before the tear
    return at


def _written(first: bytes, compression: str | None) -> float | None:
    """The time a gzip header gives (seconds since 1970), if any."""
    return int.from_bytes(first[4:8], "little") or None if compression == "gzip" else None


def _refused(status: os.stat_result | Status, reason: str) -> Identity:
    return Identity(status.st_dev, status.st_ino, b"", None, None, 0, reason, 0)
