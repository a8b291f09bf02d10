"""What bytes are read from, by position: a descriptor of this machine, or an object of another."""

from __future__ import annotations

import os

from logkit.sources.remote import WINDOW_BYTES, RemoteFile, Status

Handle = int | RemoteFile
"""Open to be read by position: no cursor is shared, so that several threads may use one."""

_STEP_BYTES = 64 << 10


def pread(handle: Handle, size: int, at: int) -> bytes:
    """Bytes from `at` on, fewer at the end. Raises OSError."""
    return os.pread(handle, size, at) if isinstance(handle, int) else handle.pread(size, at)


def readinto(handle: Handle, view: memoryview, at: int) -> int:
    """As `pread`, into a buffer; returns how many."""
    if isinstance(handle, int):
        return os.preadv(handle, [view], at)
    data = handle.pread(len(view), at)
    view[: len(data)] = data
    return len(data)


def status_of(handle: Handle) -> os.stat_result | Status:
    """What `os.fstat` tells."""
    return os.fstat(handle) if isinstance(handle, int) else handle.stat()


def intact(handle: Handle, size: int, head: bytes) -> bool:
    """Whether it still is at least so long and begins so: else it was truncated, or is another one."""
    if isinstance(handle, int):
        return os.fstat(handle).st_size >= size and os.pread(handle, len(head), 0) == head
    return handle.intact(size, head)


def step_bytes(handle: Handle) -> int:
    """How much to take at a time where little is needed: each request to another machine costs its way there."""
    return _STEP_BYTES if isinstance(handle, int) else WINDOW_BYTES


def close(handle: Handle) -> None:
    """Give it back."""
    if isinstance(handle, int):
        os.close(handle)
