"""Who a file is: device, inode and the hash of its first bytes; whether it is compressed, or no log at all."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass

from logkit.formats import Format, detect, is_binary
from logkit.sources.reader import compression_of, read_head

HEAD_BYTES = 64 << 10
"""How much of a file's beginning its format is judged by."""

FINGERPRINT_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """What opening a file once told about it.

    `fingerprint` is the hash of its first `fingerprint_bytes` (at most 1 KiB, on disk); `refused` says why it is not
    read as a log. `head_bytes` were looked at for the format, which is None where that is still open. `reference_us`
    is what times without a year are put near to (µs since 1970).
    """

    device: int
    inode: int
    fingerprint: bytes
    fingerprint_bytes: int
    compression: str | None
    format: Format | None
    head_bytes: int
    refused: str | None
    reference_us: int


def identify(path: str, *, final: bool = True) -> Identity:
    """Open a file, look at its head, and say what it is. Raises OSError where it cannot be read.

    Not `final`: the file may grow, and before its first line is whole no format is chosen.
    """
    # O_NONBLOCK: a FIFO put in the place of a file since the scan must not block the worker.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return _refused(status, "not a regular file")
        first = os.pread(descriptor, FINGERPRINT_BYTES, 0)
        compression = compression_of(first)
        head, written = read_head(descriptor, compression, HEAD_BYTES)
    finally:
        os.close(descriptor)
    refused = is_binary(head)
    unfinished = not final and len(head) < HEAD_BYTES and b"\n" not in head
    return Identity(
        device=status.st_dev,
        inode=status.st_ino,
        fingerprint=hashlib.blake2b(first, digest_size=16).digest(),
        fingerprint_bytes=len(first),
        compression=compression,
        format=None if refused or unfinished else detect(head, os.path.basename(path)),
        head_bytes=len(head),
        refused=refused,
        reference_us=int((written or status.st_mtime) * 1e6),
    )


def _refused(status: os.stat_result, reason: str) -> Identity:
    return Identity(status.st_dev, status.st_ino, b"", 0, None, None, 0, reason, 0)
