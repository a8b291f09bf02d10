"""Open files, shared by all workers: a file that is renamed or deleted is still there for who holds it open."""

from __future__ import annotations

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from logkit.sources import handles
from logkit.sources.handles import Handle
from logkit.sources.reader import open_to_read, replaced
from logkit.sources.remote import Status

File = tuple[int, int]
"""Device and inode."""


@dataclass(slots=True)
class _Open:
    descriptor: Handle
    users: int = 0
    unwanted: bool = False  # to be closed when the last user is done


class Descriptors:
    """At most `max_open` open files: those in use, and the ones used last, kept so that their end cannot be lost.

    Reading is by position, so several threads may use one descriptor. Any thread may call any method.
    """

    def __init__(self, max_open: int) -> None:
        # guards: _files and what is in it, _count. Opening and closing happen outside of it.
        self._lock = threading.Lock()
        self._files: OrderedDict[File, _Open] = OrderedDict()  # the one used last stands last
        self._count = 0  # descriptors that are open or about to be, also those no longer in _files
        self._max_open = max_open
        # The article's semaphore: no more than this many files are in use at once.
        self._turn = threading.Semaphore(max_open)

    @contextmanager
    def borrow(self, path: str, file: File | None) -> Iterator[Handle]:
        """A descriptor of the file, to be read by position and not to be closed.

        `file` is the device and inode it must have: if it is not held open already, and another one stands at `path`
        by now, OSError says so. Raises OSError also where it cannot be opened.
        """
        with self._turn:
            one = self._held(file)
            if one is None:
                one, file = self._open(path, file)
            try:
                yield one.descriptor
            finally:
                self._give_back(one)

    def stat(self, file: File) -> os.stat_result | Status | None:
        """The state of a file that is held open, wherever it went; None if it is not held."""
        one = self._held(file)
        if one is None:
            return None
        try:
            return handles.status_of(one.descriptor)
        finally:
            self._give_back(one)

    def release(self, file: File) -> None:
        """Hold the file open no longer than it is in use."""
        with self._lock:
            one = self._files.pop(file, None)
            idle = one is not None and not one.users
            if one is not None:
                one.unwanted = True
        if one is not None and idle:
            self._close(one)

    def close(self) -> None:
        """Release all."""
        with self._lock:
            files = list(self._files)
        for file in files:
            self.release(file)

    def __len__(self) -> int:
        with self._lock:
            return len(self._files)

    def _held(self, file: File | None) -> _Open | None:
        with self._lock:
            one = self._files.get(file) if file is not None else None
            if one is not None and file is not None:
                one.users += 1
                self._files.move_to_end(file)
            return one

    def _open(self, path: str, file: File | None) -> tuple[_Open, File]:
        one = _Open(self._descriptor(path), users=1)
        status = handles.status_of(one.descriptor)
        found = status.st_dev, status.st_ino
        if file is not None and found != file:
            self._close(one)
            raise replaced(path)
        with self._lock:
            if found in self._files:
                one.unwanted = True  # another thread was faster; this one is closed after use
            else:
                self._files[found] = one
        return one, found

    def _descriptor(self, path: str) -> Handle:
        """Open the file, at the cost of idle ones where there are too many."""
        with self._lock:
            self._count += 1  # before making room: two threads must not count on the same room
        try:
            self._close_idle()
            try:
                return open_to_read(path)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
            self._close_idle(all_of_them=True)
            return open_to_read(path)
        except OSError:
            with self._lock:
                self._count -= 1
            raise

    def _close_idle(self, all_of_them: bool = False) -> None:
        with self._lock:
            idle = [file for file, one in self._files.items() if not one.users]
            surplus = len(idle) if all_of_them else self._count - self._max_open
            closing = [self._files.pop(file) for file in idle[: max(0, surplus)]]
        for one in closing:
            self._close(one)

    def _close(self, one: _Open) -> None:
        handles.close(one.descriptor)
        with self._lock:
            self._count -= 1

    def _give_back(self, one: _Open) -> None:
        with self._lock:
            one.users -= 1
            closing = one.unwanted and not one.users
        if closing:
            self._close(one)
